"""What the small model says, kept in a file: rules around it can be measured again in a second, without the model."""

import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src.caller import ANYONE, Caller
from src.extraction.own_fields import FieldReader
from src.extraction.service import ExtractionService
from src.models.adapters import read_manifest
from src.models.base import Reading
from src.runtime import READER_ADAPTER, RESUME_ADAPTER, SHIPPED_ADAPTER, Runtime
from src.settings import load_settings


class RecordedModel:
    """Answers of ``runtime``'s small model, which is loaded only when it is asked something new.

    Args:
        path: where the answers are; what is new is added at the end of each request.
    """

    name = "recorded"

    def __init__(self, runtime: Runtime, path: Path) -> None:
        self._runtime = runtime
        self._path = path
        self._known: dict[Any, Any] = pickle.loads(path.read_bytes()) if path.exists() else {}

    def labels(
        self, texts: Sequence[str], adapter: str, caller: Caller = ANYONE
    ) -> Iterator[dict[int, np.ndarray]]:
        def ask(new: list[str]) -> Iterator[dict[int, np.ndarray]]:
            return self._runtime.small_model.labels(new, adapter, caller)  # type: ignore[union-attr, return-value]

        yield dict(enumerate(self._answers([("labels", text) for text in texts], texts, ask)))

    def read(
        self, passages: Sequence[tuple[str, str]], questions: Sequence[str], adapter: str, caller: Caller = ANYONE
    ) -> Iterator[dict[int, list[Reading]]]:
        for index, passage in enumerate(passages):

            def ask(new: list[str], passage: tuple[str, str] = passage) -> Iterator[dict[int, Reading]]:
                for found in self._runtime.small_model.read([passage], new, adapter, caller):  # type: ignore[union-attr]
                    yield dict(enumerate(found.get(0, ()) if isinstance(found, dict) else ()))

            yield {index: self._answers([(*passage, question) for question in questions], questions, ask)}

    def _answers(
        self, keys: Sequence[Any], asked: Sequence[str], ask: Callable[[list[str]], Iterator[Any]]
    ) -> list[Any]:
        """Of each key; ``ask`` is given what is asked by the unknown ones and yields (its index, answer)s."""
        new = [number for number, key in enumerate(keys) if key not in self._known]
        if new:
            for found in ask([asked[number] for number in new]):
                self._known |= {keys[new[index]]: answer for index, answer in found.items()}
            self._path.write_bytes(pickle.dumps(self._known))
        return [self._known[key] for key in keys]


def extraction_service(path: Path | None, **settings: Any) -> ExtractionService:
    """The service of the embedded profile; with ``path`` what its model says is read from there and added there."""
    runtime = Runtime(load_settings(profile="embedded", **settings))
    if path is None:
        return runtime.extraction
    model: Any = RecordedModel(runtime, path)
    reader = FieldReader(model, READER_ADAPTER)
    return ExtractionService(model, RESUME_ADAPTER, read_manifest(SHIPPED_ADAPTER), field_reader=reader)
