"""Tiny Yuan2 models with lively weights: every bias, norm and tap matters, so no mistake hides behind a zero."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import sentencepiece
import torch

from src.yuan import YuanConfig, YuanForCausalLM
from tests.yuan import reference

EOD = 3
KNOWLEDGE = "广州大学的办学历史可以追溯到1927年的私立广州大学。\n长江是中国最长的河流。\n"


def tiny_model(seed: int = 0, dtype: torch.dtype = torch.float32, **shape: int) -> YuanForCausalLM:
    """A model whose sizes are drawn by ``seed`` unless given."""
    draw = random.Random(seed)
    heads = shape.pop("num_attention_heads", None) or draw.randint(2, 8)
    head_dim = shape.pop("head_dim", None) or draw.choice([8, 10, 16, 32, 64])
    sizes = {
        "vocab_size": draw.randint(50, 300),
        "hidden_size": heads * head_dim,
        "intermediate_size": draw.randint(16, 200),
        "num_hidden_layers": draw.randint(1, 5),
        "num_attention_heads": heads,
        "eod_token": EOD,
        "max_position_embeddings": 512,
    }
    model = YuanForCausalLM(YuanConfig(**{**sizes, **shape})).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("norm.weight"):
                parameter.copy_(1 + 0.3 * noise)
            elif parameter.ndim == 1:
                parameter.copy_(0.3 * noise)
            elif "embed" in name:
                parameter.copy_(2 * noise / parameter.shape[1] ** 0.5)
            else:
                parameter.copy_(noise / parameter[0].numel() ** 0.5)
    return model.to(dtype)


def random_ids(seed: int, length: int, vocabulary: int, ends: Sequence[int] = ()) -> list[int]:
    """Ids without ``<eod>`` except at the places ``ends``."""
    draw = random.Random(seed)
    ids = [draw.choice([i for i in range(vocabulary) if i != EOD]) for _ in range(length)]
    for place in ends:
        ids[place] = EOD
    return ids


def oracle(model: YuanForCausalLM, ids: Sequence[int], **mistake: bool) -> torch.Tensor:
    """The reference's logits for one sequence, (T, vocabulary)."""
    config = model.config
    weights = {k: v for k, v in model.state_dict().items() if k != "lm_head.weight"}
    return reference.logits(
        weights, ids, heads=config.num_attention_heads, eod=config.eod_token, eps=config.rms_norm_eps, **mistake
    )


@torch.no_grad()
def alone(model: YuanForCausalLM, ids: Sequence[int]) -> torch.Tensor:
    """Logits of one sequence in one piece without cache, (T, vocabulary)."""
    return model(torch.tensor([list(ids)]), use_cache=False).logits[0]


def released_checkpoint(folder: Path) -> Path:
    """As released: auto_map to remote code in config.json, SentencePiece, weights as pytorch_model.bin."""
    text = folder / "text.txt"
    text.write_text("\n".join(f"{KNOWLEDGE} 职位 姓名 资料 问题 {i}" for i in range(50)), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "tokenizer"), model_type="bpe", vocab_size=420,
        byte_fallback=True, character_coverage=1.0, normalization_rule_name="identity", hard_vocab_limit=False,
        remove_extra_whitespaces=False, user_defined_symbols=["<eod>", "<n>", "<sep>", "<pad>"], minloglevel=2,
    )  # fmt: skip
    text.unlink()
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    eod = pieces.piece_to_id("<eod>")
    # Like the released model, whose table is larger than the tokenizer's vocabulary.
    sizes = {
        "vocab_size": pieces.get_piece_size() + 40,
        "hidden_size": 64,
        "num_attention_heads": 4,
        "head_dim": 16,
    }
    model = tiny_model(2, **sizes, num_hidden_layers=2, intermediate_size=96, max_position_embeddings=4096)
    model.config.eod_token = model.config.eos_token_id = model.config.pad_token_id = eod
    config = model.config.to_dict() | {
        "model_type": "yuan",
        "architectures": ["YuanForCausalLM"],
        "auto_map": {"AutoModelForCausalLM": "yuan_hf_model.YuanForCausalLM"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    state = {name: tensor for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    torch.save(state, folder / "pytorch_model.bin")
    return folder
