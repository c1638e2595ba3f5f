"""CUDA cards: which one a model's weights go to, and plain words where none will do."""

import logging
import os
from collections.abc import Sequence

import torch

from src.errors import ModelError

log = logging.getLogger(__name__)

# Beside the weights of a 2B model: keys and values of the longest conversation, activations of a prompt, libraries.
RESERVE_BYTES = 2 * 10**9


def place(weights_bytes: int, *, spread: bool) -> str:
    """The device for so many bytes of weights: ``cuda:N`` with the most room, or ``auto``, spread over all cards.

    Raises:
        ModelError: they fit nowhere, or this build of torch has no kernels for the card.
    """
    if os.environ.get("SPACES_ZERO_GPU"):
        return "cuda"  # asking a card here would start CUDA in the parent of the workers
    for card in range(torch.cuda.device_count()):
        name, capability = torch.cuda.get_device_name(card), torch.cuda.get_device_capability(card)
        if problem := too_old(name, capability, torch.cuda.get_arch_list()):
            raise ModelError(problem)
    if not spread:
        return "cuda"  # the current one: of several processes each has its own
    return choose(weights_bytes, [torch.cuda.mem_get_info(card)[0] for card in range(torch.cuda.device_count())])


def choose(weights_bytes: int, free: Sequence[int]) -> str:
    """The device, given how much each card has free."""
    needed = weights_bytes + RESERVE_BYTES
    best = max(range(len(free)), key=lambda card: free[card])
    if needed <= free[best]:
        return f"cuda:{best}"
    if len(free) > 1 and needed + RESERVE_BYTES * (len(free) - 1) <= sum(free):
        return "auto"
    raise ModelError(
        f"显存不够：权重 {weights_bytes / 1e9:.1f} GB，连同计算约需 {needed / 1e9:.1f} GB，"
        f"{len(free)} 张卡空着 {sum(free) / 1e9:.1f} GB。可以关掉别的用显卡的程序，"
        "用 --dtype bfloat16 或 float16，或设环境变量 CUDA_VISIBLE_DEVICES=（留空）在 CPU 上运行"
    )


def too_old(name: str, capability: tuple[int, int], kernels: Sequence[str]) -> str | None:
    """What is wrong with a card for which torch was not built, ``kernels`` being ``torch.cuda.get_arch_list()``."""
    major, minor = capability
    own = (name.rstrip("af").partition("_")[::2] for name in kernels)
    versions = [(kind, divmod(int(number), 10)) for kind, number in own if number.isdigit()]
    for kind, version in versions:
        # Kernels run on later minor versions, PTX (compute_) is compiled for any later card.
        if version <= capability and (kind == "compute" or version[0] == major):
            return None
    if not versions:
        return None
    return (
        f"显卡 {name}（算力 {major}.{minor}）用不了：装的 torch {torch.__version__} 没有它的内核（有 {' '.join(kernels)}）。"
        "请装支持它的 torch，或设环境变量 CUDA_VISIBLE_DEVICES=（留空）在 CPU 上运行"
    )
