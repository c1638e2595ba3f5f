"""The released layout on disk, through the Auto classes; and everything that can be wrong with it."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from src.errors import ModelError
from src.yuan import YuanConfig, YuanForCausalLM, register
from src.yuan.loading import expected_shapes
from tests.yuan.tiny import alone, random_ids, tiny_model

AUTO_MAP = {
    "AutoConfig": "configuration_yuan.YuanConfig",
    "AutoModelForCausalLM": "yuan_hf_model.YuanForCausalLM",
}


def released(model: YuanForCausalLM, folder, layout: str = "safetensors"):
    """``model`` as the checkpoint was released: remote-code config, no lm_head, possibly sharded ``.bin``."""
    folder.mkdir()
    config = {
        "architectures": ["YuanForCausalLM"], "auto_map": AUTO_MAP, "model_type": "yuan", "causal_mask": True,
        "use_flash_attention": True, "reset_attention_mask": True, "reset_position_ids": True,
        "use_loss_mask": False, "dropout": 0.1, "model_max_length": 8192, "torch_dtype": "float32",
        "tokenizer_class": "YuanTokenizer",
    }  # fmt: skip
    names = "vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads rms_norm_eps eod_token"
    for name in [*names.split(), "tie_word_embeddings", "max_position_embeddings"]:
        config[name] = getattr(model.config, name)
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {k: v.clone() for k, v in model.state_dict().items() if k != "lm_head.weight"}
    if layout == "safetensors":
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    elif layout == "bin":
        torch.save(tensors, folder / "pytorch_model.bin")
    else:
        shards, items = {}, list(tensors.items())
        for i in range(3):
            name = f"pytorch_model-{i + 1:05d}-of-00003.bin"
            torch.save(dict(items[i::3]), folder / name)
            shards |= dict.fromkeys(dict(items[i::3]), name)
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": shards}))
    return folder


@pytest.fixture
def model():
    return tiny_model(3, num_hidden_layers=2, num_attention_heads=3, head_dim=8)


def load(folder, **options):
    register()
    return AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=False, **options)


@pytest.mark.parametrize("layout", ["safetensors", "bin", "sharded bin"])
def test_auto_class_takes_the_local_code(model, tmp_path, layout):
    register()
    register()
    folder = released(model, tmp_path / "released", layout)
    assert type(AutoConfig.from_pretrained(folder, trust_remote_code=False)) is YuanConfig
    loaded = load(folder)
    assert type(loaded) is YuanForCausalLM
    ids = random_ids(0, 10, model.config.vocab_size, [4])
    torch.testing.assert_close(alone(loaded, ids), alone(model, ids))
    assert load(folder, dtype=torch.bfloat16).dtype == torch.bfloat16


@pytest.mark.parametrize("shard_size", ["5GB", "20KB"])
def test_save_and_load_keep_names_and_shapes(model, tmp_path, shard_size):
    loaded = load(released(model, tmp_path / "released"))
    loaded.save_pretrained(tmp_path / "saved", max_shard_size=shard_size)
    tensors = {}
    for file in (tmp_path / "saved").glob("*.safetensors"):
        tensors |= load_file(file)
    assert {k: tuple(v.shape) for k, v in tensors.items()} == expected_shapes(model.config)
    assert "auto_map" not in json.loads((tmp_path / "saved/config.json").read_text())
    again = load(tmp_path / "saved")
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(again.get_parameter(name), parameter)
    assert again.lm_head.weight is again.model.embed_tokens.weight


def test_released_shapes_are_the_models(model):
    state = {k: tuple(v.shape) for k, v in model.state_dict().items() if k != "lm_head.weight"}
    assert state == expected_shapes(model.config)
    count = sum(torch.Size(shape).numel() for shape in expected_shapes(YuanConfig()).values())
    assert round(count / 1e9, 2) == 2.09


def test_untied_output_embedding_is_used(tmp_path):
    model = tiny_model(1, tie_word_embeddings=False)
    folder = released(model, tmp_path / "released")
    tensors = {k: v.clone() for k, v in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    torch.testing.assert_close(alone(load(folder), [5, 6]), alone(model, [5, 6]))


# --- what is refused ---------------------------------------------------------------------------------------------

CONV = "model.layers.1.self_attn.lf_gate.conv1.weight"
NORM = "model.layers.0.self_attn.lf_gate.output_layernorm.weight"


def lose(tensors):
    del tensors[NORM]


def gain(tensors):
    tensors["model.layers.0.mlp.gate.bias"] = torch.zeros(3)


def flatten(tensors):
    tensors[CONV] = tensors[CONV].flatten(1).clone()


def other_output(tensors):
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] + 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose, rf"1 missing \({NORM}\)"),
        (gain, r"1 not Yuan2's \(model.layers.0.mlp.gate.bias\)"),
        (flatten, rf"{CONV} is \[12, 48\], expected \[12, 24, 2, 1\]"),
        (other_output, "lm_head.weight differs"),
    ],
)
@pytest.mark.parametrize("layout", ["safetensors", "bin"])
def test_wrong_tensors_are_named(model, tmp_path, damage, message, layout):
    folder = released(model, tmp_path / "released", layout)
    tensors = {k: v.clone() for k, v in model.state_dict().items() if k != "lm_head.weight"}
    damage(tensors)
    if layout == "bin":
        torch.save(tensors, folder / "pytorch_model.bin")
    else:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=message):
        load(folder)


def test_harmless_extras_are_taken(model, tmp_path):
    folder = released(model, tmp_path / "released")
    tensors = {k: v.clone() for k, v in model.state_dict().items()}
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    torch.testing.assert_close(alone(load(folder), [5, 6]), alone(model, [5, 6]))


@pytest.mark.parametrize("layout", ["safetensors", "bin"])
def test_truncated_files_are_named(model, tmp_path, layout):
    folder = released(model, tmp_path / "released", layout)
    file = folder / ("model.safetensors" if layout == "safetensors" else "pytorch_model.bin")
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=rf"{file.name} cannot be read \([\d,]+ bytes.*truncated or damaged"):
        load(folder)
    file.write_bytes(b"")
    with pytest.raises(ModelError, match="truncated or damaged"):
        load(folder)


def test_missing_files_are_named(model, tmp_path):
    folder = released(model, tmp_path / "released", "sharded bin")
    (folder / "pytorch_model-00002-of-00003.bin").unlink()
    with pytest.raises(ModelError, match=r"lacks pytorch_model-00002-of-00003.bin: 1 of 3.*resume the download"):
        load(folder)
    (folder / "pytorch_model.bin.index.json").write_text("{")
    with pytest.raises(ModelError, match="cannot read"):
        load(folder)
    (folder / "pytorch_model.bin.index.json").unlink()
    with pytest.raises(ModelError, match="no weights in"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "llama"}, "type 'llama', expected 'yuan'"),
        ({"num_attention_heads": 5}, "not a multiple"),
        ({"num_hidden_layers": 3}, r"missing \(model\.layers\.2"),
        ({"hidden_size": 48}, r"embed_tokens\.weight is \[\d+, 24\], expected \[\d+, 48\]"),
        ({"use_moe": True}, "another Yuan"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4}}, "plain rotary"),
    ],
)
def test_configs_of_other_models_are_refused(model, tmp_path, change, message):
    folder = released(model, tmp_path / "released")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ModelError, match=message):
        YuanForCausalLM.from_pretrained(folder)


def test_a_folder_without_a_config_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"no config\.json"):
        YuanForCausalLM.from_pretrained(tmp_path)
