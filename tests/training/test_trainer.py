"""The loss is the one it replaces, computed where it counts only."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainingArguments

from src.extraction.labelled import Labelled
from src.extraction.schema import Span
from src.extraction.tagging import TAGS, to_tags
from src.models.base import Message
from src.models.engine import Engine, load_engine
from src.models.tagging import EchoEncoder
from src.training.encode import Encoded, collate, encode_answer, encode_labels
from src.training.recipe import Recipe
from src.training.run import add_adapter
from src.training.trainer import AdapterTrainer, LengthGroups, split
from tests.tiny import tiny_checkpoint
from tests.yuan.tiny import released_checkpoint


@pytest.fixture(scope="module", params=[tiny_checkpoint, released_checkpoint], ids=["embedded", "yuan"])
def local(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Engine:
    folder = request.param(tmp_path_factory.mktemp("base"))
    model = load_engine(folder, dtype="float32", threads=1, context_tokens=2048)
    add_adapter(model, Recipe(dropout=0.0))
    torch.manual_seed(1)
    for name, parameter in model.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def trainer(local: Engine, folder: Path, letters: list[int] | None, tokens: int = 10_000) -> AdapterTrainer:
    arguments = TrainingArguments(
        output_dir=str(folder), use_cpu=True, report_to="none", remove_unused_columns=False
    )
    return AdapterTrainer(
        letters=letters, measure=lambda: 0.0, tokens_at_once=tokens, model=local.model, args=arguments
    )


def batch(rows: list[Encoded]) -> dict[str, torch.Tensor]:
    return collate([{"input_ids": row.ids, "positions": row.positions, "targets": row.targets} for row in rows])


def answers(local: Engine) -> list[Encoded]:
    end = local.tokenizer.eos_token_id
    pairs = [("甲任董事", '{"姓名": []}'), ("乙", "{}"), ("一段长一些的简历文字", '{"职位": ["董事"]}')]
    return [encode_answer(local.prompt_format, end, [Message("user", ask)], answer) for ask, answer in pairs]


def test_the_loss_is_the_models_own_on_the_answer(local: Engine, tmp_path: Path) -> None:
    (row,) = answers(local)[:1]
    loss = trainer(local, tmp_path, None).compute_loss(local.model, batch([row]))
    whole = torch.tensor([[*row.ids, row.targets[-1]]])
    labels = whole.clone()
    labels[0, : row.positions[0] + 1] = -100
    expected = local.model(input_ids=whole, labels=labels).loss
    torch.testing.assert_close(loss, expected)
    assert row.targets[-1] == local.tokenizer.eos_token_id


def test_a_label_is_learned_at_its_character(local: Engine, tmp_path: Path) -> None:
    encoder = EchoEncoder(local.prompt_format.encode, len(TAGS))
    labelled = Labelled("王明任董事", (Span("姓名", "王明", 0, 2), Span("职位", "董事", 3, 5)))
    row = encode_labels(encoder, labelled)
    assert row.targets == to_tags(labelled.text, labelled.spans)
    loss = trainer(local, tmp_path, encoder.letters).compute_loss(local.model, batch([row]))
    logits = local.model(input_ids=torch.tensor([row.ids])).logits[0][row.positions][:, encoder.letters]
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(logits, torch.tensor(row.targets)))


@pytest.mark.parametrize("tokens", [1, 60, 10_000])
def test_a_batch_in_parts_has_the_gradients_of_the_whole(local: Engine, tmp_path: Path, tokens: int) -> None:
    def gradients(room: int) -> tuple[float, dict[str, Any]]:
        local.model.zero_grad()
        one = trainer(local, tmp_path, None, room)
        one.current_gradient_accumulation_steps = 1
        loss = one.training_step(local.model, batch(answers(local)))
        return float(loss), {n: p.grad.clone() for n, p in local.model.named_parameters() if p.grad is not None}

    (loss, got), (whole_loss, whole) = gradients(tokens), gradients(100_000)
    assert loss == pytest.approx(whole_loss, rel=1e-5)
    assert got.keys() == whole.keys()
    assert all("lora" in name for name in got)
    for name in got:
        torch.testing.assert_close(got[name], whole[name], atol=1e-6, rtol=1e-4)


def test_parts_hold_every_target_once(local: Engine) -> None:
    whole = batch(answers(local))
    parts = list(split(whole, 1))
    assert len(parts) == 3
    assert torch.cat([part["targets"] for part in parts]).tolist() == whole["targets"].tolist()
    for part in parts:
        assert part["rows"].max() < len(part["input_ids"])


def test_batches_are_of_about_one_length_and_come_in_random_order() -> None:
    lengths = torch.randint(10, 300, (1003,), generator=torch.Generator().manual_seed(0)).tolist()
    sampler = LengthGroups(lengths, 8, seed=1)
    sampler.set_epoch(1)
    first = list(sampler)
    assert list(sampler) == first
    assert sorted(first) == list(range(len(lengths)))
    batches = [[lengths[i] for i in first[at : at + 8]] for at in range(0, 1000, 8)]
    padding = 1 - sum(map(sum, batches)) / sum(max(batch) * 8 for batch in batches)
    assert padding < 0.1
    means = torch.tensor([sum(batch) / 8 for batch in batches])
    assert abs(torch.corrcoef(torch.stack([means[:-1], means[1:]]))[0, 1]) < 0.3
    sampler.set_epoch(2)
    assert list(sampler) != first
