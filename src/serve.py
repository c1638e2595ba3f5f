"""Settings -> runtime -> page -> launch."""

from src.settings import Settings


def serve(settings: Settings) -> None:
    """Load everything, open the page and stay until interrupted."""
    from src.runtime import Runtime  # noqa: PLC0415 (seconds of imports that --help does not need)
    from src.ui.page import create_page, launch  # noqa: PLC0415

    runtime = Runtime(settings)
    runtime.load()
    launch(create_page(runtime), settings)
