"""`generate` in its ways: each must give what the model gives without a cache, alone, one token at a time."""

import random

import pytest
import torch
from transformers import DynamicCache

from src.yuan import YuanForCausalLM
from tests.yuan import reference
from tests.yuan.test_modeling import batch, pad
from tests.yuan.tiny import EOD, alone, random_ids, tiny_model

# Generation goes on past <eod>, so that ended documents are generated too.
ON = {"eos_token_id": None, "pad_token_id": 0, "do_sample": False}


def eod_loving(seed: int) -> YuanForCausalLM:
    """A model that ends documents now and then: a longer embedding has more extreme scores."""
    model = tiny_model(seed)
    with torch.no_grad():
        model.model.embed_tokens.weight[EOD] *= 2
    return model


def generate(model: YuanForCausalLM, ids: list[int], **options: object) -> list[int]:
    prompt = torch.tensor([ids])
    # Without a mask, `generate` would take tokens equal to pad_token_id for padding.
    return model.generate(prompt, attention_mask=torch.ones_like(prompt), **{**ON, **options})[0].tolist()


@pytest.mark.parametrize("seed", range(6))
def test_greedy_equals_the_reference(seed):
    model = eod_loving(seed)
    ids = random_ids(seed, 5, model.config.vocab_size, [2])
    weights = {k: v for k, v in model.state_dict().items() if k != "lm_head.weight"}
    expected = reference.greedy(weights, ids, 6, heads=model.config.num_attention_heads, eod=EOD)
    assert generate(model, ids, max_new_tokens=6) == expected


def test_documents_end_inside_generated_text():
    """The tests above and below would be empty if no model ever generated <eod> in the middle."""
    for seed, prompt in ((1, 1), (3, 6), (5, 6), (11, 12)):
        model = eod_loving(seed)
        ids = random_ids(prompt, 5, model.config.vocab_size)
        new = generate(model, ids, max_new_tokens=30)[5:]
        assert EOD in new[:-3]
        assert len(set(new)) > 2
        assert new == generate(model, ids, max_new_tokens=30, use_cache=False)[5:]


@pytest.mark.parametrize("seed", range(4))
def test_left_padded_batch_generates_what_each_row_generates(seed):
    model = eod_loving(seed)
    rows = batch(seed, model)
    ids, mask = pad(rows, "left", EOD)
    got = model.generate(ids, attention_mask=mask, max_new_tokens=12, **ON)[:, ids.shape[1] :]
    for i, row in enumerate(rows):
        assert got[i].tolist() == generate(model, row, max_new_tokens=12)[len(row) :]


@pytest.mark.parametrize("seed", range(4))
def test_beams_and_sampling_do_not_depend_on_the_cache(seed):
    model = eod_loving(seed)
    rows = batch(seed, model)
    ids, mask = pad(rows, "left", EOD)
    for options in ({"num_beams": 3}, {"num_beams": 2, "num_return_sequences": 2}, {"do_sample": True, "top_k": 5}):
        results = []
        for use_cache in (True, False):
            torch.manual_seed(seed)
            results.append(
                model.generate(
                    ids, attention_mask=mask, max_new_tokens=10, use_cache=use_cache, **{**ON, **options}
                )
            )
        assert results[0].tolist() == results[1].tolist()


@pytest.mark.parametrize("seed", range(8))
def test_prompt_lookup_equals_greedy(seed):
    model = eod_loving(seed)
    phrase = random_ids(seed, 12, model.config.vocab_size, [4])
    ids = (phrase * 4)[: 30 + seed]
    greedy = generate(model, ids, max_new_tokens=40)
    assert generate(model, ids, max_new_tokens=40, prompt_lookup_num_tokens=8) == greedy
    assert generate(model, ids, max_new_tokens=40, prompt_lookup_num_tokens=60, max_matching_ngram_size=1) == greedy


def test_generation_from_embeddings_and_from_a_filled_cache():
    model = eod_loving(1)
    ids = random_ids(1, 14, model.config.vocab_size, [6])
    greedy = generate(model, ids, max_new_tokens=10)
    with torch.no_grad():
        embeddings = model.get_input_embeddings()(torch.tensor([ids]))
        got = model.generate(inputs_embeds=embeddings, max_new_tokens=10, **ON)[0].tolist()
        cache = DynamicCache(config=model.config)
        model(torch.tensor([ids[:9]]), past_key_values=cache)
    assert got == greedy[14:]
    assert generate(model, ids, max_new_tokens=10, past_key_values=cache) == greedy


def test_defaults_stop_at_eod_and_pad_with_it():
    model = eod_loving(0)
    assert model.generation_config.eos_token_id == model.generation_config.pad_token_id == EOD


# --- what generation does to the cache ---------------------------------------------------------------------------


@torch.no_grad()
def feed(model: YuanForCausalLM, ids: list[list[int]], cache: DynamicCache) -> torch.Tensor:
    return model(torch.tensor(ids), past_key_values=cache).logits


@pytest.mark.parametrize("seed", range(6))
def test_crop_forgets_ends_states_and_keys(seed):
    model, draw = tiny_model(seed), random.Random(seed)
    kept = random_ids(seed, 20, model.config.vocab_size, [7])
    cache = DynamicCache(config=model.config)
    feed(model, [kept[:10]], cache)
    cache.activate_past_recording()
    assert cache.is_croppable
    feed(model, [kept[10:]], cache)
    for attempt in range(5):
        n = draw.randint(1, 30)
        feed(model, [random_ids(attempt, n, model.config.vocab_size, [draw.randrange(n)])], cache)
        cache.crop(-n)
        assert cache.get_seq_length() == 20
    after = random_ids(seed + 1, 3, model.config.vocab_size)
    torch.testing.assert_close(
        feed(model, [after], cache)[0], alone(model, kept + after)[20:], rtol=1e-4, atol=1e-4
    )


def test_crop_to_nothing_and_a_crop_that_cannot_be_exact():
    model = tiny_model(1)
    ids = random_ids(1, 50, model.config.vocab_size)
    cache = DynamicCache(config=model.config)
    feed(model, [ids], cache)
    with pytest.raises(RuntimeError, match="activate_past_recording"):
        cache.crop(-1)
    cache = DynamicCache(config=model.config)
    cache.activate_past_recording()
    feed(model, [ids], cache)
    cache.crop(-50)
    assert cache.get_seq_length() == 0
    torch.testing.assert_close(feed(model, [ids], cache)[0], alone(model, ids))
    for token in ids[:40]:
        feed(model, [[token]], cache)
    with pytest.raises(RuntimeError, match="cannot remove 60 tokens"):
        cache.crop(-60)


def test_rows_are_repeated_selected_and_reordered_together():
    model = tiny_model(2)
    rows = [random_ids(i, 9, model.config.vocab_size, [2 + i]) for i in range(3)]
    cache = DynamicCache(config=model.config)
    feed(model, rows, cache)
    cache.batch_repeat_interleave(2)  # 0 0 1 1 2 2
    cache.reorder_cache(torch.tensor([4, 0, 2, 5, 1, 3]))  # 2 0 1 2 0 1
    cache.batch_select_indices(torch.tensor([0, 2, 4]))  # 2 1 0
    new = [random_ids(10 + i, 4, model.config.vocab_size) for i in range(3)]
    got = feed(model, new, cache)
    for i, row in enumerate((2, 1, 0)):
        torch.testing.assert_close(got[i], alone(model, rows[row] + new[i])[9:], rtol=1e-4, atol=1e-4)
    cache.reset()
    torch.testing.assert_close(feed(model, new[:1], cache)[0], alone(model, new[0]))
