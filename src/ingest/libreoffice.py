"""Kinds of files that LibreOffice, where it is installed, turns into kinds that are read.

It runs for one file at a time, in a process of its own with a profile of its own: no macros, no linked files, no network,
bounded in time, memory and what it writes.
"""

import logging
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from src.errors import KnowledgeError
from src.ingest.kinds import CONVERTED, check_convertible
from src.ingest.limits import Limits, read_within

logger = logging.getLogger(__name__)

# Presentations, whose pages can be shown as pictures by way of PDF.
SLIDES = (".pptx", ".odp", *(suffix for suffix, kind in CONVERTED.items() if kind == ".pptx"))
_TO_PDF = ':impress_pdf_Export:{"ExportHiddenSlides":{"type":"boolean","value":"true"}}'
_SECONDS = 60.0
# It takes 300 MB and a core: one at a time.
_TURN = Lock()
# A proxy that does not answer: whatever a file links to is not fetched.
_SETTINGS = (
    ("Common/Security/Scripting", "DisableMacrosExecution", "true"),
    ("Common/Security/Scripting", "MacroSecurityLevel", "3"),
    ("Common/Security/Scripting", "BlockUntrustedRefererLinks", "true"),
    ("Writer/Content/Update", "Link", "2"),
    ("Calc/Content/Update", "Link", "1"),
    ("Common/Misc", "FirstRun", "false"),
    ("Inet/Settings", "ooInetProxyType", "2"),
    ("Inet/Settings", "ooInetHTTPProxyName", "127.0.0.1"),
    ("Inet/Settings", "ooInetHTTPProxyPort", "9"),
    ("Inet/Settings", "ooInetHTTPSProxyName", "127.0.0.1"),
    ("Inet/Settings", "ooInetHTTPSProxyPort", "9"),
)


@lru_cache(maxsize=1)
def program() -> str | None:
    """LibreOffice's command; None where it is not installed."""
    return shutil.which("soffice") or shutil.which("libreoffice")


def convertible_kinds() -> tuple[str, ...]:
    """The suffixes that are read by way of another kind, on this machine."""
    return tuple(CONVERTED) if program() else ()


@contextmanager
def converted(path: Path, name: str, limits: Limits) -> Iterator[Path]:
    """A file of a kind that is read, with the content of ``path``; ``path`` itself where nothing is to be done.

    Raises:
        KnowledgeError: the file is too large, of another kind than its suffix, protected or damaged, or takes too long.
    """
    wanted = CONVERTED.get(path.suffix.lower())
    if wanted is None or program() is None:
        yield path
        return
    with _made(read_within(path, name, limits), path.suffix.lower(), name, wanted, limits) as made:
        yield made


def slides_as_pdf(data: bytes, name: str, limits: Limits) -> bytes:
    """A presentation as PDF, a page a slide, hidden ones too; the name's suffix is its kind.

    Raises:
        KnowledgeError: as ``converted``.
    """
    with _made(data, Path(name).suffix.lower(), name, ".pdf", limits, _TO_PDF) as made:
        return made.read_bytes()


@contextmanager
def _made(data: bytes, suffix: str, name: str, wanted: str, limits: Limits, how: str = "") -> Iterator[Path]:
    """What is of the kind ``suffix`` as a file of the kind ``wanted``; ``how``: the filter and its options."""
    check_convertible(data, suffix, name)
    with TemporaryDirectory(prefix="yuan-office-") as folder:
        home = Path(folder)
        source = home / f"given{suffix}"  # a name of our own: theirs may begin with a dash
        source.write_bytes(data)
        _write_profile(home / "profile")
        with _TURN:
            _run(home, source, wanted.removeprefix(".") + how, limits, name)
        made = home / "made" / f"given{wanted}"
        if not made.is_file():
            raise KnowledgeError(f"{name} 打不开：可能加了密码或已损坏；请用 Office 或 WPS 另存为 {wanted[1:]}")
        yield made


def _write_profile(folder: Path) -> None:
    items = "".join(
        f'<item oor:path="/org.openoffice.{"" if path.startswith("Inet") else "Office."}{path}">'
        f'<prop oor:name="{name}" oor:op="fuse"><value>{value}</value></prop></item>'
        for path, name, value in _SETTINGS
    )
    (folder / "user").mkdir(parents=True)
    (folder / "user" / "registrymodifications.xcu").write_text(
        '<?xml version="1.0" encoding="UTF-8"?><oor:items xmlns:oor="http://openoffice.org/2001/registry">'
        f"{items}</oor:items>",
        encoding="utf-8",
    )


def _run(home: Path, source: Path, to: str, limits: Limits, name: str) -> None:
    command = [
        str(program()),
        f"-env:UserInstallation={(home / 'profile').as_uri()}",
        *("--headless", "--norestore", "--nolockcheck", "--convert-to", to, "--outdir", str(home / "made")),
        str(source),
    ]
    if limiter := shutil.which("prlimit"):  # not on macOS
        most = [f"--as={limits.max_memory_bytes}", f"--fsize={limits.max_unpacked_bytes}", "--core=0"]
        command = [limiter, *most, "--", *command]
    environment = {key: os.environ[key] for key in ("PATH", "LANG", "LC_ALL") if key in os.environ}
    process = subprocess.Popen(  # noqa: S603 (LibreOffice, with file names of our own)
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**environment, "HOME": str(home)},
        start_new_session=True,
    )
    seconds, kind = min(limits.max_seconds, _SECONDS), to.partition(":")[0]
    try:
        said, _ = process.communicate(timeout=seconds)
        logger.info("LibreOffice：%s", said.decode("utf-8", "replace").strip())
    except subprocess.TimeoutExpired as error:
        raise KnowledgeError(
            f"{name} 转换超过 {seconds:.0f} 秒，已停止；请用 Office 或 WPS 另存为 {kind}"
        ) from error
    finally:
        # What it has started too: its first process is only a watcher.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
