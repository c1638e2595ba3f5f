"""Settings -> runtime -> page -> launch."""

import socket

from src.errors import InputError
from src.settings import Settings


def serve(settings: Settings) -> None:
    """Load everything, open the page and stay until interrupted.

    Raises:
        InputError: the port or address cannot be had; said before the models are loaded, not after.
        SettingsError: what a setting asks for is not installed; said then, too.
    """
    _check_address(settings)
    if settings.mcp:
        from src.ui.mcp import check_installed  # noqa: PLC0415 (only when asked for)

        check_installed()
    from src.runtime import Runtime  # noqa: PLC0415 (seconds of imports that --help does not need)
    from src.ui.page import App  # noqa: PLC0415

    runtime = Runtime(settings)
    runtime.load()
    App(runtime).launch()


def _check_address(settings: Settings) -> None:
    if settings.port is None:
        return  # gradio looks for a free one
    host = settings.host or "127.0.0.1"
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, settings.port))
    except OSError as error:
        raise InputError(
            f"不能在 {host} 的端口 {settings.port} 上打开网页（{error.strerror}）：请换 --port 或 --host"
        ) from error
