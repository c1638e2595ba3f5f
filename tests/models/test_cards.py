"""Which card a model's weights go to; the cards are numbers here."""

import pytest

from src.errors import ModelError
from src.models.cards import RESERVE_BYTES, choose, too_old

GB = 10**9
YUAN2 = 42 * GB // 10


@pytest.mark.parametrize(
    ("weights", "free", "device"),
    [
        (YUAN2, [80 * GB], "cuda:0"),
        (YUAN2, [5 * GB, 23 * GB, 20 * GB], "cuda:1"),
        (YUAN2, [YUAN2 + RESERVE_BYTES], "cuda:0"),
        (30 * GB, [24 * GB, 24 * GB], "auto"),
    ],
)
def test_the_card_with_most_room_or_all_of_them(weights: int, free: list[int], device: str) -> None:
    assert choose(weights, free) == device


@pytest.mark.parametrize("free", [[6 * GB], [3 * GB, 3 * GB], [0]])
def test_too_little_memory_is_said_with_what_helps(free: list[int]) -> None:
    with pytest.raises(
        ModelError,
        match=rf"显存不够：权重 4\.2 GB，连同计算约需 6\.2 GB，{len(free)} 张卡空着 .*CUDA_VISIBLE_DEVICES=",
    ):
        choose(YUAN2, free)


KERNELS = ["sm_75", "sm_80", "sm_86", "sm_90a", "sm_120", "compute_120"]


@pytest.mark.parametrize("capability", [(7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (12, 0), (12, 1), (13, 0)])
def test_cards_that_this_torch_has_kernels_for(capability: tuple[int, int]) -> None:
    assert too_old("T4", capability, KERNELS) is None


@pytest.mark.parametrize("capability", [(5, 0), (6, 1), (7, 0)])
def test_older_cards_are_named(capability: tuple[int, int]) -> None:
    problem = too_old("Tesla V100", capability, KERNELS)
    assert problem is not None
    assert f"Tesla V100（算力 {capability[0]}.{capability[1]}）用不了" in problem


def test_a_torch_that_does_not_say_is_trusted() -> None:
    assert too_old("?", (7, 0), []) is None
    assert too_old("MI300X", (9, 4), ["gfx90a", "gfx942"]) is None
