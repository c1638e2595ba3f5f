"""Our retrieval beside LangChain's and LlamaIndex's hybrid retrievers: the same passages, questions and embedder.

pip install langchain-community langchain-classic rank-bm25 llama-index-core llama-index-retrievers-bm25 jieba
python -m benchmarks.peers [FILE.json] [--questions 400] [--threads 2]
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.retrieval import DATA, read
from src.ingest.types import Document
from src.models.embedders.base import Embedder
from src.models.embedders.use import UniversalSentenceEncoder
from src.search.indexing import base_of
from src.search.search import Retriever

TOP_K = 10
# A question to document ids, best first.
Search = Callable[[str], list[str]]


def course(documents: list[Document], embedder: Embedder) -> Search:
    """The course's method: one vector a document, cosine with every one of them."""
    vectors = embedder.encode([document.text for document in documents])

    def search(question: str) -> list[str]:
        scores = vectors @ embedder.encode_queries([question])[0]
        return [documents[i].doc_id for i in np.argsort(-scores)[:TOP_K]]

    return search


def ours(documents: list[Document], embedder: Embedder) -> Search:
    """This product, as the page searches."""
    retriever = Retriever(base_of(documents, embedder), embedder)
    return lambda question: [hit.chunk.doc_id for hit in retriever.search(question, top_k=3 * TOP_K)]


def langchain(documents: list[Document], embedder: Embedder, tokens: Callable[[str], list[str]] | None) -> Search:
    """EnsembleRetriever of BM25Retriever and FAISS with equal weights, as its documentation shows."""
    from langchain_classic.retrievers import EnsembleRetriever
    from langchain_community.retrievers import BM25Retriever
    from langchain_community.vectorstores import FAISS
    from langchain_core.embeddings import Embeddings

    class Shared(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [vector.tolist() for vector in embedder.encode(texts)]

        def embed_query(self, text: str) -> list[float]:
            return list(embedder.encode_queries([text])[0].tolist())

    texts, ids = [document.text for document in documents], [{"id": document.doc_id} for document in documents]
    preprocess: dict[str, Any] = {"preprocess_func": tokens} if tokens else {}
    lexical = BM25Retriever.from_texts(texts, ids, k=TOP_K, **preprocess)
    dense = FAISS.from_texts(texts, Shared(), ids).as_retriever(search_kwargs={"k": TOP_K})
    ensemble = EnsembleRetriever(retrievers=[lexical, dense], weights=[0.5, 0.5])
    return lambda question: [str(found.metadata["id"]) for found in ensemble.invoke(question)]


def llama_index(documents: list[Document], embedder: Embedder, pattern: str | None) -> Search:
    """QueryFusionRetriever with reciprocal rank fusion over BM25Retriever and the default vector store."""
    from llama_index.core import Settings, VectorStoreIndex
    from llama_index.core.embeddings import BaseEmbedding
    from llama_index.core.llms import MockLLM
    from llama_index.core.retrievers import QueryFusionRetriever
    from llama_index.core.schema import TextNode
    from llama_index.retrievers.bm25 import BM25Retriever

    class Shared(BaseEmbedding):  # type: ignore[misc]
        def _get_text_embedding(self, text: str) -> list[float]:
            return list(embedder.encode([text])[0].tolist())

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return [vector.tolist() for vector in embedder.encode(texts)]

        def _get_query_embedding(self, query: str) -> list[float]:
            return list(embedder.encode_queries([query])[0].tolist())

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

    Settings.llm = MockLLM()
    nodes = [TextNode(id_=document.doc_id, text=document.text) for document in documents]
    splitting: dict[str, Any] = {"token_pattern": pattern} if pattern else {}
    lexical = BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=TOP_K, **splitting)
    dense = VectorStoreIndex(nodes, embed_model=Shared(embed_batch_size=256)).as_retriever(similarity_top_k=TOP_K)
    fusion = QueryFusionRetriever(
        [dense, lexical], similarity_top_k=TOP_K, num_queries=1, mode="reciprocal_rerank", use_async=False
    )
    return lambda question: [str(found.node.node_id) for found in fusion.retrieve(question)]


def contenders(documents: list[Document], embedder: Embedder) -> Iterator[tuple[str, Callable[[], Search]]]:
    """(name, how to make it), ours last."""

    def with_jieba() -> Search:
        import jieba

        jieba.setLogLevel(60)
        return langchain(documents, embedder, jieba.lcut)

    yield "course: one vector a document", lambda: course(documents, embedder)
    yield "LangChain Ensemble, as documented", lambda: langchain(documents, embedder, None)
    yield "LangChain Ensemble, jieba", with_jieba
    yield "LlamaIndex QueryFusion, as documented", lambda: llama_index(documents, embedder, None)
    yield "LlamaIndex QueryFusion, characters", lambda: llama_index(documents, embedder, r"(?u)[\u4e00-\u9fff]|\w+")
    yield "YuanZhi", lambda: ours(documents, embedder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=DATA / "cmrc2018_trial.json")
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    documents, questions = read(given.file)
    questions = questions[:: max(1, len(questions) // given.questions)]
    embedder = UniversalSentenceEncoder(given.threads)
    print(f"{given.file.name}: {len(questions)} questions, {len(documents)} passages")
    for name, make in contenders(documents, embedder):
        try:
            started = time.perf_counter()
            search = make()
            built = time.perf_counter() - started
        except ImportError as error:
            print(f"{name:40} not installed ({error.name})")
            continue
        ranks, times = [], []
        for question, wanted in questions:
            started = time.perf_counter()
            found = list(dict.fromkeys(search(question)))[:TOP_K]
            times.append(1000 * (time.perf_counter() - started))
            ranks.append(found.index(wanted) + 1 if wanted in found else 0)
        at = [100 * sum(0 < rank <= k for rank in ranks) / len(ranks) for k in (1, 5)]
        figures = (
            f"@1 {at[0]:5.1f}  @5 {at[1]:5.1f}  p50 {statistics.median(times):6.1f} ms  built in {built:5.1f} s"
        )
        print(f"{name:40} {figures}", flush=True)


if __name__ == "__main__":
    main()
