"""The app on a model and an embedder without weights: ``python benchmarks/fake_app.py --port N``, from a checkout's root.

For runs that are about everything around the models. It runs in older checkouts too (``benchmarks.page --before``), so it
uses only what they have; in one that has them, users queue for the model as they do for a real one.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

sys.path.insert(0, os.getcwd())

from src.ingest.types import Document
from src.models.embedders.fake import HashingEmbedder
from src.models.fake import FakeModel
from src.runtime import Runtime
from src.search.indexing import base_of
from src.settings import load_settings
from src.ui import page

TEXTS = [
    "广州大学的办学历史可以追溯到1927年的私立广州大学，主校区在番禺区。",
    "LoRA 只训练两个低秩矩阵，优化器的状态小得多，所以省显存。",
    "端午节是农历五月初五，人们吃粽子、赛龙舟。",
    "长江是中国第一大河，全长约6300公里，流入东海。",
]
ANSWER = "广州大学的办学历史可以追溯到1927年创办的私立广州大学，主校区在番禺区。" * 3


def queued(model: FakeModel) -> Any:
    """``model`` behind the fair queue, where the checkout has it in this form."""
    try:
        from src.caller import ANYONE
        from src.models.base import Queued
        from src.models.fair_queue import FairQueue
    except ImportError:
        return model

    class Model(FakeModel):
        queue = FairQueue()

        def stream(self, messages: Any, options: Any, caller: Any = ANYONE) -> Iterator[Any]:
            with self.queue.enter(caller.user) as ticket:
                yield from map(Queued, self.queue.wait(ticket, caller.stop))
                if self.queue.runs(ticket):
                    yield from super().stream(messages, options, caller)

    return Model(model.reply, model.delay_s)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token-s", type=float, default=0.01)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    runtime = Runtime(load_settings(profile="embedded", port=options.port))
    embedder = HashingEmbedder()
    documents = [Document(f"d{i}", "knowledge.txt", "", text) for i, text in enumerate(TEXTS)]
    model = queued(FakeModel(lambda _: ANSWER, options.token_s))
    vars(runtime).update(model=model, embedder=embedder, base=base_of(documents, embedder))
    runtime.load()
    if hasattr(page, "App"):
        page.App(runtime).launch()
    else:
        page.launch(page.create_page(runtime), runtime)
    while True:  # an old one may return
        time.sleep(60)


if __name__ == "__main__":
    main()
