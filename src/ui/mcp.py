"""The endpoints as tools for other programs' language models (Model Context Protocol), if the owner wants it."""

from importlib.util import find_spec

from src.errors import SettingsError


def check_installed() -> None:
    """Say before the models are loaded what is missing.

    Raises:
        SettingsError: the optional package is not there.
    """
    if find_spec("mcp") is None:
        raise SettingsError("--mcp 要先装上可选的包：pip install -r requirements-mcp.txt")
