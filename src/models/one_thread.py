"""One thread for all that a model computes.

OpenMP keeps a team of threads, and torch and glibc their buffers, for every thread that has ever computed: 10 to 25 MB
for each of a server's forty (NOTES.md). A model serves one request at a time, so one thread is enough.
"""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Item = TypeVar("Item")

_END = object()


class OneThread:
    """Makes generators whose steps are computed on a thread of its own, while the caller waits for each."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    def __call__(
        self, compute: Callable[Given, Generator[Item, None, None]]
    ) -> Callable[Given, Generator[Item, None, None]]:
        """``compute`` there; what it raises is raised here, and who closes the generator closes that of ``compute``."""

        def run(*args: Given.args, **options: Given.kwargs) -> Generator[Item, None, None]:
            steps = compute(*args, **options)
            try:
                while (item := self._pool.submit(next, steps, _END).result()) is not _END:
                    yield item  # type: ignore[misc]
            finally:
                self._close(steps.close)

        return run

    def _close(self, close: Callable[[], None]) -> None:
        try:
            closed = self._pool.submit(close)
        except RuntimeError:  # the interpreter ends, and has ended the thread
            close()
        else:
            closed.result()
