"""The Hugging Face path with the real client, against a hub of a few lines on this machine."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "a" * 40
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": b"W" * 5000,
    "pytorch_model.bin": b"B" * 5000,
    "modeling_evil.py": b"raise SystemExit",
}
# huggingface_hub reads its endpoint when it is imported, so every case is a process of its own.
PROGRAM = """
import sys
from pathlib import Path
from src.errors import WeightsError
from src.weights import Repository, Weights
try:
    found = Weights(Path(sys.argv[1]), 2.0).find(Repository("a/x", "a/x", unwanted=("*.bin",)))
    print(sorted(path.name for path in found.iterdir()))
except WeightsError as error:
    print("REFUSED", error)
"""


class Hub(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        name = path.rsplit("/", 1)[-1]
        if "/tree/" in path:
            tree = [{"type": "file", "path": n, "size": len(b), "oid": "0" * 40} for n, b in FILES.items()]
            self._send(json.dumps(tree).encode())
        elif path.startswith("/api/models/a/x"):
            siblings = [{"rfilename": n, "size": len(b), "lfs": self._lfs(b)} for n, b in FILES.items()]
            self._send(json.dumps({"id": "a/x", "sha": COMMIT, "siblings": siblings}).encode())
        elif "/resolve/" in path and name in FILES:
            self.server.fetched.append((self.command, name))
            content = FILES[name]
            tag = hashlib.sha256(content).hexdigest()
            # What is announced and what is sent differ where a mirror has gone wrong.
            self._send(self.server.swapped.get(name, content), ETag=f'"{tag}"', **{"X-Repo-Commit": COMMIT})
        else:
            self._send(b"")

    do_HEAD = do_GET

    def _lfs(self, content: bytes) -> dict[str, object]:
        return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}

    def _send(self, body: bytes, **headers: str) -> None:
        self.send_response(200)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def hub() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.daemon_threads = True
    server.fetched, server.swapped = [], {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def find(hub: ThreadingHTTPServer, cache: Path) -> str:
    environment = os.environ | {
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
        "HF_HOME": str(cache / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "MODELSCOPE_ENDPOINT": "http://127.0.0.1:9",
    }
    environment.pop("HF_HUB_OFFLINE", None)
    command = [sys.executable, "-c", PROGRAM, str(cache)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True).stdout


def test_a_repository_is_fetched_once_without_code_and_duplicates(hub, tmp_path) -> None:
    assert find(hub, tmp_path) == "['config.json', 'model.safetensors']\n"
    fetched = {name for command, name in hub.fetched if command == "GET"}
    assert fetched == {"config.json", "model.safetensors"}
    hub.fetched.clear()
    assert find(hub, tmp_path) == "['config.json', 'model.safetensors']\n"
    assert hub.fetched == []


def test_weights_that_are_not_what_the_hub_announced_are_refused(hub, tmp_path) -> None:
    hub.swapped["model.safetensors"] = b"Z" * 5000
    message = find(hub, tmp_path)
    assert message.startswith("REFUSED")
    assert "sha256" in message
    assert not (tmp_path / "models" / "a--x").exists()
    hub.swapped.clear()
    assert find(hub, tmp_path) == "['config.json', 'model.safetensors']\n"
