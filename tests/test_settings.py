"""One definition of every setting."""

import argparse
import os
from pathlib import Path

import pytest

from src.errors import SettingsError
from src.settings import Settings, add_settings_arguments, load_settings

PROMISED = [
    "profile",
    "llm",
    "embedder",
    "reranker",
    "adapter",
    "knowledge",
    "cache-dir",
    "llm-url",
    "vector-store",
    "host",
    "port",
    "share",
    "queue-size",
    "feedback",
    "mcp",
]


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_settings_arguments(parser)
    return parser.parse_args(arguments)


def test_every_promised_setting_has_an_option_and_a_variable(monkeypatch) -> None:
    parser = argparse.ArgumentParser()
    add_settings_arguments(parser)
    help_text = parser.format_help()
    for name in PROMISED:
        assert f"--{name}" in help_text
        assert f"YUAN_{name.replace('-', '_').upper()}" in help_text


def test_the_command_line_wins_over_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("YUAN_PORT", "7000")
    assert load_settings().port == 7000
    assert load_settings(parse("--port", "8000")).port == 8000


def test_knowledge_is_repeatable_and_a_path_list_in_the_environment(monkeypatch) -> None:
    assert load_settings(parse("--knowledge", "a b", "--knowledge", "c")).knowledge == [Path("a b"), Path("c")]
    monkeypatch.setenv("YUAN_KNOWLEDGE", os.pathsep.join(["x", "y"]))
    assert load_settings().knowledge == [Path("x"), Path("y")]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--port", "http"], "YUAN_PORT"),
        (["--port", "70000"], "YUAN_PORT"),
        (["--profile", "gpt"], "YUAN_PROFILE"),
        (["--threads", "0"], "YUAN_THREADS"),
        (["--hub-timeout-s", "nan"], "YUAN_HUB_TIMEOUT_S"),
        (["--vector-store", "chroma"], "YUAN_VECTOR_STORE.*milvus:文件.db"),
        (["--vector-store", "milvus:ftp://h/a.db"], "YUAN_VECTOR_STORE"),
        (["--vector-store", "milvus:http://h:1#a-b"], "YUAN_VECTOR_STORE"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_setting(arguments: list[str], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        load_settings(parse(*arguments))
    assert "\n" not in str(caught.value)


def test_a_secret_shows_nowhere() -> None:
    settings = Settings(llm_api_key="sk-hidden", vector_store_token="mv-hidden")
    assert "hidden" not in f"{settings!r} {settings} {settings.model_dump()}"
    assert settings.llm_api_key.get_secret_value() == "sk-hidden"
    assert settings.vector_store_token.get_secret_value() == "mv-hidden"


def test_a_token_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(SettingsError, match="YUAN_VECTOR_STORE_TOKEN") as caught:
        load_settings(parse("--vector-store", "milvus:http://root:hidden@h:19530"))
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("value", ["faiss", "milvus:a b/m.db", "milvus:C:\\m.db#k", "milvus:https://h:1/#d/k"])
def test_a_vector_store_is_a_name_or_an_address(value: str) -> None:
    assert load_settings(parse("--vector-store", value)).vector_store == value


def test_a_wrong_number_of_tokens_is_shown() -> None:
    with pytest.raises(SettingsError, match=r"max-new-tokens .*收到 'many'"):
        load_settings(max_new_tokens="many")
