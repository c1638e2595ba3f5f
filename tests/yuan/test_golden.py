"""The golden vectors: what the released code computes, and their tiny checkpoint in the released layout."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from src.yuan import YuanForCausalLM, register

ROOT = Path(__file__).parents[2]
PLACES = [Path(os.environ.get("YUAN_SHARED", ROOT.parent / "shared")), Path("/work/shared")]
GOLDEN = next((p / "data/yuan2/golden" for p in PLACES if (p / "data/yuan2/golden").is_dir()), None)
pytestmark = pytest.mark.skipif(GOLDEN is None, reason="no data/yuan2/golden in ../shared (or $YUAN_SHARED)")

EXACT = {"rtol": 0, "atol": 1e-4}


@pytest.fixture(scope="module", params=["sdpa", "eager"])
def model(request):
    register()
    return AutoModelForCausalLM.from_pretrained(GOLDEN, attn_implementation=request.param, trust_remote_code=False)


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "golden.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


def test_our_class_was_taken(model):
    assert type(model) is YuanForCausalLM
    assert model.dtype == torch.float32


def test_logits_and_greedy(model, golden):
    for i in range(sum(name.startswith("ids_") and name != "ids_eod" for name in golden)):
        ids = golden[f"ids_{i}"]
        with torch.no_grad():
            torch.testing.assert_close(model(ids).logits, golden[f"logits_{i}"], **EXACT)
        expected = golden[f"greedy_{i}"]
        got = model.generate(ids, do_sample=False, max_new_tokens=expected.shape[1] - ids.shape[1])
        assert got.tolist() == expected.tolist()


def test_documents_loss_and_gradients(model, golden):
    model.zero_grad()
    out = model(golden["ids_eod"], labels=golden["labels_eod"])
    torch.testing.assert_close(out.logits, golden["logits_eod"], **EXACT)
    torch.testing.assert_close(out.loss, golden["loss_eod"].reshape(()), **EXACT)
    out.loss.backward()
    layers = model.model.layers
    torch.testing.assert_close(
        layers[0].self_attn.lf_gate.conv1.weight.grad, golden["grad_lf_conv1_layer0"], **EXACT
    )
    torch.testing.assert_close(layers[1].self_attn.q_proj.weight.grad, golden["grad_q_proj_layer1"], **EXACT)


def test_golden_rows_in_one_left_padded_batch(model, golden):
    rows = [golden[f"ids_{i}"][0] for i in range(5)]
    longest = max(map(len, rows))
    ids = torch.stack([torch.nn.functional.pad(row, (longest - len(row), 0), value=3) for row in rows])
    mask = torch.stack([torch.nn.functional.pad(torch.ones_like(row), (longest - len(row), 0)) for row in rows])
    with torch.no_grad():
        logits = model(ids, attention_mask=mask).logits
    for i, row in enumerate(rows):
        torch.testing.assert_close(logits[i, longest - len(row) :], golden[f"logits_{i}"][0], **EXACT)
