"""An index from plain texts, with the fake embedder unless another is given."""

from src.ingest.types import Document
from src.models.embedders.base import Embedder
from src.models.embedders.fake import HashingEmbedder
from src.models.embedders.use import UniversalSentenceEncoder
from src.search.indexing import base_of
from src.search.knowledge_base import KnowledgeBase


def build_index(texts: list[str], embedder: Embedder | None = None) -> tuple[KnowledgeBase, Embedder]:
    embedder = embedder or HashingEmbedder()
    documents = [Document(f"d{i}", "s", "", text) for i, text in enumerate(texts)]
    return base_of(documents, embedder), embedder


def use_encoder() -> Embedder:
    return UniversalSentenceEncoder(threads=2)
