"""The index as other rooms use it: one class, and the function that finds or builds it."""

from src.retrieval.cache import open_or_build
from src.retrieval.knowledge_index import KnowledgeIndex, Progress

__all__ = ["KnowledgeIndex", "Progress", "open_or_build"]
