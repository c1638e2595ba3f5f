"""Every setting, once: this class feeds environment, command line, ``--help`` and README's table."""

import argparse
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from src.errors import SettingsError

ROOT = Path(__file__).resolve().parent.parent
ENV_PREFIX = "YUAN_"
_MILVUS_NAME = "[A-Za-z_][A-Za-z0-9_]{0,200}"
# milvus:PATH.db or milvus:http(s)://HOST:PORT, then perhaps #COLLECTION or #DATABASE/COLLECTION.
MILVUS_ADDRESS = re.compile(
    r"milvus:(?:(?P<server>https?://[^\s#/@]+)/?|(?P<file>(?!\w+://)[^#\n]+\.db))"
    rf"(?:#(?:(?P<database>{_MILVUS_NAME})/)?(?P<collection>{_MILVUS_NAME}))?"
)


def _split_paths(value: object) -> object:
    """An environment variable holds several paths the way PATH does."""
    return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value


def _check_vector_store(value: str) -> str:
    if value == "faiss" or MILVUS_ADDRESS.fullmatch(value):
        return value
    secret = "；令牌不要写在地址里，请放进环境变量 YUAN_VECTOR_STORE_TOKEN" if "@" in value else ""
    raise ValueError(
        f"应为 faiss、milvus:文件.db 或 milvus:http://主机:19530，后面可以加 #集合 或 #库/集合{secret}"
    )


def _available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseSettings):
    """Read from ``YUAN_<NAME>``, overridden by ``--name``. Field descriptions are shown to users."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    profile: Literal["auto", "yuan", "embedded"] = Field(
        "auto", description="模型组合：auto 有 CUDA 用 yuan，否则用 embedded（无显卡、无模型站也能跑）"
    )
    llm: str | None = Field(None, description="语言模型：本地目录、.gguf 文件或模型站上的名字")
    embedder: str | None = Field(None, description="向量模型：use、bge、本地目录或模型站上的名字")
    reranker: str | None = Field(
        None,
        description="重排模型（交叉编码器，如 BAAI/bge-reranker-base）：本地目录或模型站上的名字；不填用内置的线性重排",
    )
    adapter: str | None = Field(None, description="抽取用的 LoRA 适配器目录；不填时内置模型用自带的那个")
    reader: str | None = Field(
        None, description="阅读用的适配器目录（判断资料是否回答了问题）；不填用自带的，off 不用"
    )
    knowledge: Annotated[list[Path], NoDecode, BeforeValidator(_split_paths)] = Field(
        default_factory=lambda: [ROOT / "examples" / "knowledge.txt"],
        description=f"知识文件或文件夹，可重复；环境变量里用 {os.pathsep} 分隔",
    )
    cache_dir: Path = Field(
        default_factory=lambda: Path.home() / ".cache" / "yuanzhi",
        description="模型与索引的缓存目录",
    )
    llm_url: str | None = Field(None, description="OpenAI 兼容服务的地址，例如 http://127.0.0.1:8000/v1")
    llm_model: str | None = Field(None, description="OpenAI 兼容服务上的模型名；不填取服务列出的第一个")
    llm_api_key: SecretStr | None = Field(None, description="OpenAI 兼容服务的密钥，建议只用环境变量")
    vector_store: Annotated[str, AfterValidator(_check_vector_store)] = Field(
        "faiss",
        description="向量库：faiss、milvus:文件.db（Milvus Lite）或 milvus:http://主机:19530，可加 #集合 或 #库/集合",
    )
    vector_store_token: SecretStr | None = Field(None, description="Milvus 的令牌，建议只用环境变量")
    dtype: Literal["auto", "float32", "bfloat16", "float16", "int8"] = Field(
        "auto", description="语言模型的数值精度；auto 按机器选"
    )
    threads: int = Field(default_factory=_available_cores, ge=1, le=256, description="计算线程数，默认等于可用核数")
    max_new_tokens: int = Field(384, ge=1, le=4096, description="一次回答最多生成的 token 数")
    context_tokens: int = Field(4096, ge=512, le=32768, description="提示词加回答最多占的 token 数")
    hub_timeout_s: float = Field(4.0, gt=0, le=60, description="等模型站答复的秒数，超过就换下一个来源")
    edit_knowledge: bool = Field(
        False, description="允许在网页上增删知识库的文件、停用和改段落：打开后每位访客都可以，对所有人生效"
    )
    queue_size: int = Field(
        32,
        ge=1,
        le=1000,
        description="最多同时处理和排队的请求数，再多就请用户稍后再来；一位访客最多占四分之一，一个公网地址最多占一半",
    )
    feedback: Path | None = Field(
        None, description="把网页上对回答的评价（连同问题和回答）记到这个文件；不填不记录"
    )
    mcp: bool = Field(
        False, description="把接口开放为 MCP 工具（/gradio_api/mcp/）；要先 pip install -r requirements-mcp.txt"
    )
    host: str | None = Field(None, description="监听地址；不填按 Gradio 的默认（本机）")
    port: int | None = Field(None, ge=0, le=65535, description="监听端口；不填从 7860 起找空闲的")
    share: bool = Field(False, description="通过 Gradio 生成公开链接")

    @model_validator(mode="after")
    def _room_for_a_question(self) -> "Settings":
        if self.max_new_tokens * 2 > self.context_tokens:
            raise ValueError(f"max_new_tokens 最多是 context_tokens（{self.context_tokens}）的一半")
        return self


_PROBLEMS = {
    "int_parsing": "应为整数",
    "float_parsing": "应为数字",
    "bool_parsing": "应为 true 或 false",
    "literal_error": "可选 {expected}",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    "greater_than": "应大于 {gt}",
    "value_error": "{error}",
}


def add_settings_arguments(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` one ``--name`` per setting; values not given stay absent from the namespace."""
    group = parser.add_argument_group("设置（每项也可用环境变量 YUAN_<名字>）")
    for name, field in Settings.model_fields.items():
        options: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS}
        if field.annotation is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif get_origin(field.annotation) is list:
            options |= {"action": "append", "metavar": "PATH"}
        else:
            options["metavar"] = name.upper()
        help_text = f"{field.description}（默认 {default_text(name)}；{ENV_PREFIX}{name.upper()}）"
        group.add_argument(f"--{name.replace('_', '-')}", help=help_text.replace("%", "%%"), **options)


def default_text(name: str) -> str:
    """The default of one setting as ``--help`` and README print it, the same on every machine."""
    by_machine = {"knowledge": "examples/knowledge.txt", "cache_dir": "~/.cache/yuanzhi", "threads": "可用核数"}
    if name in by_machine:
        return by_machine[name]
    default = Settings.model_fields[name].default
    return "无" if default is None else str(default)


def load_settings(namespace: argparse.Namespace | None = None, **overrides: Any) -> Settings:
    """Settings from the environment, then ``namespace`` (parsed arguments), then ``overrides``.

    Raises:
        SettingsError: a value is not acceptable; the message names the setting and what it takes.
    """
    given = {k: v for k, v in vars(namespace or argparse.Namespace()).items() if k in Settings.model_fields}
    try:
        return Settings(**(given | overrides))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        problem = _PROBLEMS.get(first["type"], first["msg"]).format(**first.get("ctx", {}))
        name = str(first["loc"][0]) if first["loc"] else "max_new_tokens"
        # A secret must not reach a log through an error message.
        hidden = name in Settings.model_fields and "SecretStr" in str(Settings.model_fields[name].annotation)
        secret = hidden or (name == "vector_store" and "@" in str(first["input"]))
        came = "" if secret or not first["loc"] else f"（收到 {first['input']!r}）"
        flag = f"--{name.replace('_', '-')} / {ENV_PREFIX}{name.upper()}"
        raise SettingsError(f"设置 {flag} 的值不对{came}：{problem}") from error
