"""An index from plain texts, with the fake embedder unless another is given."""

from src.embedding.base import Embedder
from src.embedding.fake import HashingEmbedder
from src.embedding.use import UniversalSentenceEncoder
from src.knowledge.types import Document
from src.retrieval.indexing import base_of
from src.retrieval.knowledge_base import KnowledgeBase


def build_index(texts: list[str], embedder: Embedder | None = None) -> tuple[KnowledgeBase, Embedder]:
    embedder = embedder or HashingEmbedder()
    documents = [Document(f"d{i}", "s", "", text) for i, text in enumerate(texts)]
    return base_of(documents, embedder), embedder


def use_encoder() -> Embedder:
    return UniversalSentenceEncoder(threads=2)
