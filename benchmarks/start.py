"""The app in a process of its own, for benchmarks that are its visitors."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 900


@dataclass(frozen=True)
class Started:
    """A running app; ``start_s`` until its page could be had."""

    address: str
    process: "subprocess.Popen[bytes]"
    start_s: float


@contextmanager
def started(
    folder: Path, arguments: Sequence[str] = (), *, checkout: Path = ROOT, fake: bool = False
) -> Iterator[Started]:
    """The app of a checkout on the embedded profile or, ``fake``, without weights; log and uploads are in ``folder``."""
    port = free_port()
    command = [sys.executable, "app.py", "--profile", "embedded"]
    if fake:
        command = [sys.executable, str(ROOT / "benchmarks" / "fake_app.py")]
    uploads = {"GRADIO_TEMP_DIR": str(folder / "uploads"), "PYTHONUNBUFFERED": "1"}
    with (folder / "log").open("wb") as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--port", str(port), *arguments],
            stdout=log,
            stderr=log,
            env=os.environ | uploads,
            cwd=checkout,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            yield Started(address, process, wait_for(address, process, began))
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(address: str, app: "subprocess.Popen[bytes]", began: float) -> float:
    """Seconds from ``began`` until the page answers."""
    while time.perf_counter() - began < PATIENCE_S:
        if app.poll() is not None:
            raise SystemExit(f"app.py 退出了，退出码 {app.returncode}")
        try:
            if httpx.get(address, timeout=5).status_code == httpx.codes.OK:
                return time.perf_counter() - began
        except httpx.HTTPError:
            time.sleep(0.1)
    raise SystemExit("app.py 没有在时限内打开网页")
