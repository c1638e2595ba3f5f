"""源知 YuanZhi: Chinese RAG chat, resume extraction and an index inspector."""

__version__ = "0.1.0"
