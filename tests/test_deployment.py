"""What Hugging Face and ModelScope read before they start the app, against their public documentation of 2026."""

import json
import re
from pathlib import Path

from src.settings import ROOT
from src.weights import BGE, EMBEDDED_LLM, YUAN2

# https://www.modelscope.cn/docs/studios/quick-create: values of `resource_configuration`, and the kinds of SDK.
RESOURCES = {"platform/2v-cpu-16g-mem", "xgpu/8v-cpu-32g-mem-16g", "xgpu/8v-cpu-64g-mem-48g"}
LEAST_PYTHON = (3, 11)  # transformers 5.23 and numpy 2.4


def requirement(name: str) -> str:
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    return next(line.removeprefix(name) for line in lines if re.match(rf"{name}[=<>]", line))


def test_modelscope_has_every_field_that_a_gradio_studio_needs() -> None:
    config = json.loads((ROOT / "ms_deploy.json").read_text("utf-8"))
    assert config["sdk_type"] == "gradio"
    assert config["resource_configuration"] in RESOURCES
    assert re.fullmatch(r"\d+\.\d+\.\d+", config["sdk_version"])
    image = re.fullmatch(r"ubuntu[\d.]+-py3(\d+)-torch([\d.]+)-modelscope([\d.]+)", config["base_image"])
    assert image
    assert (3, int(image[1])) >= LEAST_PYTHON
    least, below = re.fullmatch(r">=([\d.]+),<([\d.]+)", requirement("torch")).groups()
    torch = tuple(map(int, image[2].split(".")))
    assert tuple(map(int, least.split("."))) <= torch < tuple(map(int, below.split(".")))
    assert set(config) <= {"$schema", "sdk_type", "sdk_version", "base_image", "resource_configuration"}


def test_the_space_says_what_requirements_and_weights_say() -> None:
    front = (ROOT / "README.md").read_text("utf-8").split("---")[1]
    values = dict(re.findall(r"^(\w+): (.+)$", front, re.MULTILINE))
    assert values["sdk_version"] == requirement("gradio").removeprefix("==")
    assert tuple(map(int, values["python_version"].strip('"').split("."))) >= LEAST_PYTHON
    assert Path(ROOT / values["app_file"]).is_file()
    assert "entry_file: app.py" in front
    assert values["suggested_hardware"] == "zero-a10g"
    for repository in (YUAN2, BGE, EMBEDDED_LLM):
        assert f"- {repository.hugging_face}\n" in front
