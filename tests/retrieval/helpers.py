"""An index from plain texts, with the fake embedder unless another is given."""

from src.embedding.base import Embedder
from src.embedding.fake import HashingEmbedder
from src.embedding.use import UniversalSentenceEncoder
from src.knowledge.types import Document
from src.retrieval.index import KnowledgeIndex


def build_index(texts: list[str], embedder: Embedder | None = None) -> tuple[KnowledgeIndex, Embedder]:
    embedder = embedder or HashingEmbedder()
    documents = [Document(f"d{i}", "s", "", text) for i, text in enumerate(texts)]
    return KnowledgeIndex.build(documents, embedder), embedder


def use_encoder() -> Embedder:
    return UniversalSentenceEncoder(threads=2)
