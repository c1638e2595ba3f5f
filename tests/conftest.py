"""The real app, loaded once for all tests that need it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from src.runtime import Runtime
from src.settings import load_settings

ARTIFACTS = Path(__file__).resolve().parent.parent / "artifacts"


@pytest.fixture(autouse=True, scope="module")
def _torch_threads() -> Iterator[None]:
    """Some modules load a small model with one thread, which torch knows for the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def runtime() -> Runtime:
    """The embedded profile on the default cache (downloaded once), as a newcomer gets it."""
    real = Runtime(load_settings(profile="embedded"))
    real.load()
    return real


@pytest.fixture(scope="session")
def address(runtime: Runtime) -> Iterator[str]:
    """The running page."""
    from src.ui.page import App

    app = App(runtime)
    yield app.launch(block=False)
    app.page.close()


@pytest.fixture(scope="session")
def chromium() -> str:
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no chromium: the browser tests must run there")
        pytest.skip("没有 chromium，跳过浏览器测试")
    return path
