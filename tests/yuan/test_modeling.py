"""The model against the reference, and against itself computed another way."""

import random

import pytest
import torch
from transformers import DynamicCache

from src.yuan import YuanForCausalLM
from src.yuan.layout import plan
from tests.yuan.tiny import EOD, alone, oracle, random_ids, tiny_model

EXACT = {"rtol": 1e-4, "atol": 1e-4}


def documents(seed: int, length: int) -> list[int]:
    """Places of ``<eod>``: none, first, last, several in a row, anywhere."""
    draw = random.Random(seed)
    kinds = [[], [0], [length - 1], [0, length // 2, length - 1], [length // 3 + i for i in range(3)]]
    kinds.append(sorted(draw.sample(range(length), min(length, 4))))
    return [place for place in kinds[seed % len(kinds)] if place < length]


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_agrees_with_the_reference_on_many_shapes(seed, attention):
    model = tiny_model(seed)
    model.set_attn_implementation(attention)
    length = [1, 2, 3, 5, 9, 17][seed % 6]
    ids = random_ids(seed, length, model.config.vocab_size, documents(seed // 4, length))
    torch.testing.assert_close(alone(model, ids), oracle(model, ids).float(), **EXACT)


def test_agrees_with_the_reference_on_a_long_sequence():
    model = tiny_model(1, num_hidden_layers=1, num_attention_heads=2, head_dim=8)
    ids = random_ids(1, 200, model.config.vocab_size, [20, 21, 150])
    torch.testing.assert_close(alone(model, ids), oracle(model, ids).float(), **EXACT)


@pytest.mark.parametrize("mistake", ["llama_heads", "llama_gate"])
@pytest.mark.parametrize("seed", range(3))
def test_heads_and_gate_are_not_llamas(seed, mistake):
    model = tiny_model(seed)
    ids = random_ids(seed, 8, model.config.vocab_size)
    wrong = oracle(model, ids, **{mistake: True}).float()
    assert (alone(model, ids) - wrong).abs().max() > 0.1


def test_first_half_of_the_heads_comes_from_q_proj_alone():
    """Zeroing k_proj leaves query and key of heads 0 … n/2-1 as they are, and makes the others' uniform."""
    model = tiny_model(0, num_attention_heads=4, head_dim=8, num_hidden_layers=1)
    model.set_attn_implementation("eager")
    ids = torch.tensor([random_ids(0, 6, model.config.vocab_size)])
    with torch.no_grad():
        before = model(ids, output_attentions=True).attentions[0]
        model.model.layers[0].self_attn.k_proj.weight.zero_()
        after = model(ids, output_attentions=True).attentions[0]
    torch.testing.assert_close(after[:, :2], before[:, :2])
    torch.testing.assert_close(after[0, 2, 5], torch.full((6,), 1 / 6))


def test_attention_stops_at_eod_and_convolutions_do_not():
    model = tiny_model(2, num_hidden_layers=1)
    ids = random_ids(2, 10, model.config.vocab_size, [4])
    other = [*ids]
    other[1] = (ids[1] + 1) % model.config.vocab_size
    a, b = alone(model, ids), alone(model, other)
    assert (a[4] - b[4]).abs().max() > 1e-3  # <eod> itself still sees its document
    torch.testing.assert_close(a[5:], b[5:])  # nobody behind it does
    other = [*ids]
    other[3] = (ids[3] + 1) % model.config.vocab_size
    # Token 3 reaches the key of token 5 through both convolutions; token 6 is the first with a choice of keys.
    assert (a[6] - alone(model, other)[6]).abs().max() > 1e-3


def test_eod_is_an_ordinary_token_when_the_config_says_so():
    model = tiny_model(2, reset_attention_mask=False)
    ids = random_ids(2, 10, model.config.vocab_size, [4])
    model.config.eod_token = 0
    torch.testing.assert_close(alone(model, ids), oracle(model, ids).float(), **EXACT)


# --- cache -------------------------------------------------------------------------------------------------------


@torch.no_grad()
def in_pieces(model: YuanForCausalLM, ids: list[int], pieces: list[int]) -> torch.Tensor:
    cache, start, rows = DynamicCache(config=model.config), 0, []
    for size in pieces:
        rows.append(model(torch.tensor([ids[start : start + size]]), past_key_values=cache).logits[0])
        start += size
    assert start == len(ids)
    assert cache.get_seq_length() == len(ids)
    return torch.cat(rows)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_cached_equals_uncached_however_it_is_cut(seed, attention):
    model = tiny_model(seed)
    model.set_attn_implementation(attention)
    draw = random.Random(seed)
    length = draw.choice([2, 7, 40, 200])
    ids = random_ids(seed, length, model.config.vocab_size, documents(seed, length))
    whole = alone(model, ids)
    cuts = sorted(draw.sample(range(1, length), min(length - 1, 4)))
    pieces = [b - a for a, b in zip([0, *cuts], [*cuts, length], strict=True)]
    for way in ([length], pieces, [1] * length, [length - 1, 1]):
        torch.testing.assert_close(in_pieces(model, ids, way), whole, **EXACT)


def test_cache_works_in_training_and_across_inference_mode():
    model = tiny_model(3)
    ids = torch.tensor([random_ids(3, 12, model.config.vocab_size, [5])])
    whole = alone(model, ids[0].tolist())
    cache = DynamicCache(config=model.config)
    first = model(ids[:, :6], past_key_values=cache).logits  # autograd on
    second = model(ids[:, 6:], past_key_values=cache).logits
    torch.testing.assert_close(torch.cat((first, second), 1)[0], whole, **EXACT)
    second.sum().backward()
    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        model(ids[:, :6], past_key_values=cache)
    with torch.no_grad():
        again = model(ids[:, 6:], past_key_values=cache).logits
    torch.testing.assert_close(again[0], whole[6:], **EXACT)


# --- padding -----------------------------------------------------------------------------------------------------


def pad(rows: list[list[int]], side: str, filler: int) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, rows))
    ids = torch.full((len(rows), longest), filler)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        place = slice(0, len(row)) if side == "right" else slice(longest - len(row), longest)
        ids[i, place] = torch.tensor(row)
        mask[i, place] = 1
    return ids, mask


def batch(seed: int, model: YuanForCausalLM) -> list[list[int]]:
    draw = random.Random(seed)
    lengths = [1, 2, draw.randint(3, 30), draw.randint(3, 120)]
    return [random_ids(seed + i, n, model.config.vocab_size, documents(seed + i, n)) for i, n in enumerate(lengths)]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("filler", [EOD, 7])
def test_every_row_of_a_padded_batch_is_that_row_alone(seed, side, attention, filler):
    model = tiny_model(seed)
    model.set_attn_implementation(attention)
    rows = batch(seed, model)
    ids, mask = pad(rows, side, filler)
    with torch.no_grad():
        whole = model(ids, attention_mask=mask).logits
        half = ids.shape[1] // 2
        cache = DynamicCache(config=model.config)
        pieces = [model(ids[:, :half], attention_mask=mask[:, :half], past_key_values=cache).logits] if half else []
        pieces.append(model(ids[:, half:], attention_mask=mask, past_key_values=cache).logits)
    assert whole.isfinite().all()
    for got in (whole, torch.cat(pieces, dim=1)):
        for i, row in enumerate(rows):
            torch.testing.assert_close(got[i][mask[i].bool()], alone(model, row), **EXACT)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_batch_goes_on_as_each_row_alone(seed, side):
    """Decoding after padding on the right too: positions and convolutions continue from the last real token."""
    model = tiny_model(seed)
    rows = batch(seed, model)
    ids, mask = pad(rows, side, EOD)
    new = torch.tensor([random_ids(seed + 50 + i, 5, model.config.vocab_size, [2]) for i in range(len(rows))])
    cache = DynamicCache(config=model.config)
    got = []
    with torch.no_grad():
        model(ids, attention_mask=mask, past_key_values=cache)
        for step in range(new.shape[1]):
            mask = torch.nn.functional.pad(mask, (0, 1), value=1)
            got.append(model(new[:, step : step + 1], attention_mask=mask, past_key_values=cache).logits)
    for i, row in enumerate(rows):
        expected = alone(model, row + new[i].tolist())[len(row) :]
        torch.testing.assert_close(torch.cat(got, dim=1)[i], expected, **EXACT)


# --- training, precision, interfaces -----------------------------------------------------------------------------


def test_loss_is_the_mean_cross_entropy_of_shifted_labels():
    model = tiny_model(4)
    ids = torch.tensor([random_ids(4, 9, model.config.vocab_size)])
    labels = ids.clone()
    labels[:, :3] = -100
    expected = torch.nn.functional.cross_entropy(alone(model, ids[0].tolist())[2:-1], ids[0, 3:])
    torch.testing.assert_close(model(ids, labels=labels).loss, expected)


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_changes_nothing(reentrant):
    gradients = []
    for checkpointing in (False, True):
        model = tiny_model(5).train()
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": reentrant})
        ids = torch.tensor([random_ids(5, 12, model.config.vocab_size, [4])])
        model(ids, labels=ids).loss.backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    assert all(g is not None for g in gradients[1].values())
    torch.testing.assert_close(gradients[0], gradients[1])


def test_padding_gets_no_gradient():
    model = tiny_model(5)
    row = random_ids(5, 6, model.config.vocab_size)
    ids, mask = pad([row, [*row, *row]], "left", 9)
    labels = ids.masked_fill(mask == 0, -100)
    labels[0, 6] = -100  # what the last padding predicts
    embeddings = model.model.embed_tokens(ids).detach().requires_grad_()
    model(inputs_embeds=embeddings, attention_mask=mask, labels=labels).loss.backward()
    assert embeddings.grad[0, :6].abs().max() == 0
    assert embeddings.grad[0, 6:].abs().max() > 0


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_bf16_is_close_to_fp32(attention):
    model = tiny_model(6)
    ids = random_ids(6, 100, model.config.vocab_size, [50])
    exact = alone(model, ids)
    model = model.to(torch.bfloat16)
    model.set_attn_implementation(attention)
    for rounded in (alone(model, ids), in_pieces(model, ids, [60] + [1] * 40)):
        assert rounded.dtype == torch.bfloat16
        error = (rounded.float() - exact).pow(2).mean().sqrt() / exact.std()
        assert error < 0.05


def test_embeddings_stand_for_their_tokens_even_for_eod():
    model = tiny_model(7)
    ids = random_ids(7, 20, model.config.vocab_size, [8, 9])
    with torch.no_grad():
        got = model(inputs_embeds=model.get_input_embeddings()(torch.tensor([ids]))).logits[0]
    torch.testing.assert_close(got, alone(model, ids))


def test_logits_to_keep_and_outputs():
    model = tiny_model(8)
    ids = torch.tensor([random_ids(8, 11, model.config.vocab_size)])
    with torch.no_grad():
        out = model(ids, logits_to_keep=2, output_hidden_states=True)
    torch.testing.assert_close(out.logits[0], alone(model, ids[0].tolist())[-2:])
    assert len(out.hidden_states) == model.config.num_hidden_layers + 1
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_what_cannot_be_computed_right_is_refused():
    model = tiny_model(9)
    ids = torch.zeros((1, 6), dtype=torch.long)
    with pytest.raises(ValueError, match=r"513 tokens are more than this model's context of 512"):
        model(ids.expand(1, 6).repeat(1, 86)[:, :513])
    cache = DynamicCache(config=model.config)
    model(ids.repeat(1, 85), past_key_values=cache)
    with pytest.raises(ValueError, match="516 tokens"):
        model(ids, past_key_values=cache)
    with pytest.raises(ValueError, match=r"expected \(1, 6\)"):
        model(ids, attention_mask=torch.ones(1, 5))
    with pytest.raises(ValueError, match=r"expected \(1, 6\)"):
        model(ids, attention_mask=torch.ones(1, 1, 6, 6))
    with pytest.raises(ValueError, match=r"DynamicCache\(config=model.config\)"):
        model(ids, past_key_values=DynamicCache())
    with pytest.raises(ValueError, match="exactly one"):
        model()


def test_layout_follows_a_layer_to_its_device():
    """accelerate moves what has a ``to``; without, layers on a second GPU would meet tensors of the first."""
    model = tiny_model(0)
    mask = torch.tensor([[0, 1, 1]])
    layout = plan(model.config, torch.zeros(1, 3, model.config.hidden_size), mask, None, None, None)
    moved = layout.to("meta", non_blocking=True)
    assert {t.device.type for t in vars(moved).values()} == {"meta"}


def test_a_static_cache_is_refused_in_words():
    with pytest.raises(NotImplementedError, match="no static cache"):
        tiny_model(0).generate(torch.tensor([[1, 2]]), cache_implementation="static", max_new_tokens=2)


@pytest.mark.parametrize("seed", range(4))
def test_single_queries_in_half_precision_on_a_cpu_see_what_sdpa_shows_them(seed):
    """Decoding takes its own way there; documents, padding, cropping and room in the buffers must not show."""
    model = tiny_model(seed, torch.bfloat16)
    rows = batch(seed, model)
    ids, mask = pad(rows, "left", EOD)
    answers = []
    for attention in ("sdpa", "eager"):
        model.set_attn_implementation(attention)
        cache = DynamicCache(config=model.config)
        cache.activate_past_recording()
        grown, got = mask, []
        with torch.no_grad():
            model(ids, attention_mask=mask, past_key_values=cache)
            for step in range(6):
                grown = torch.nn.functional.pad(grown, (0, 1), value=1)
                new = torch.full((len(rows), 1), EOD if step == 2 else 5 + step)
                got.append(model(new, attention_mask=grown, past_key_values=cache).logits.float())
                if step == 3:
                    cache.crop(-1)
                    grown = grown[:, :-1]
        answers.append(torch.cat(got, dim=1))
    error = (answers[0] - answers[1]).pow(2).mean().sqrt() / answers[1].std()
    assert error < 0.03
