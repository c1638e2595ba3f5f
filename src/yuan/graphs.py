"""Decoding in fixed memory: keys, values and convolution states each have their place, so that a whole step of the
model is one CUDA graph.

A step of Yuan2-2B is some 800 kernels, most of them so small that launching them one by one takes several times as
long as reading the weights. Replayed as a graph they follow each other without the CPU. A graph repeats the same
kernels on the same addresses, therefore:

1. Everything is written at its token's position, which is itself a tensor. To forget tokens is to count fewer.
2. Convolution states lie in a ring: a draft that is taken back finds what stood before it.
3. There is one graph for each number of tokens (one, or a draft) and for each power of two of tokens seen, because
   attention reads all columns of its graph, whether or not they hold anything yet.

Without CUDA, and where a capture fails, the same steps run without graphs. B batch, T tokens of this step, S columns.
"""

import logging
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers.cache_utils import Cache

from src.yuan.cache import CONVOLUTIONS, YuanCacheLayer
from src.yuan.layout import Layout, rotary_tables
from src.yuan.modeling import YuanForCausalLM

log = logging.getLogger(__name__)

# Tokens of a wide step: the last one decided and a draft behind it. Fewer are filled up with tokens that nobody sees.
WIDE = 9
RING = 32
_NARROWEST_SPAN = 256
_WARM_UPS = 2


class GraphDecoder:
    """One conversation (``batch`` rows of equal length, no padding) with ``model``, its memory allocated once.

    One thread at a time. The model must lie on one device, without an active adapter; its weights may not move.

    Args:
        capacity: most tokens of a conversation.
        graphs: replay CUDA graphs where there is CUDA.
        compiler: a backend of ``torch.compile`` for the step, which fuses the small kernels; None: none.
    """

    def __init__(
        self,
        model: YuanForCausalLM,
        capacity: int,
        batch: int = 1,
        *,
        graphs: bool = True,
        compiler: str | None = None,
    ) -> None:
        config, device, dtype = model.config, model.device, model.dtype
        self.capacity = min(capacity, config.max_position_embeddings)
        self.length = 0
        self._written = 0  # columns in use, those of forgotten tokens and of fillings included
        self._model = model
        self._eod = config.eod_token if config.reset_attention_mask else None
        columns = -(-(self.capacity + WIDE) // 64) * 64
        self._spans = _spans(columns)
        with torch.inference_mode(False), torch.no_grad():  # the graphs' memory outlives this call
            self._columns = torch.arange(columns, device=device)
            self._ends = torch.zeros((batch, columns), dtype=torch.bool, device=device)
            self._position = torch.zeros(1, dtype=torch.long, device=device)
            self._tokens = {
                width: torch.zeros((batch, width), dtype=torch.long, device=device) for width in (1, WIDE)
            }
            self._layers = [_StaticLayer(model, batch, columns) for _ in range(config.num_hidden_layers)]
        self._cache = Cache(layers=list(self._layers))
        self.uses_graphs = graphs and device.type == "cuda"
        self._graphs: dict[tuple[int, int], tuple[Any, Tensor]] = {}
        self._pool: Any = None
        self._computed = self._step if compiler is None else torch.compile(self._step, backend=compiler)
        self._dtype = dtype

    @property
    def bytes(self) -> int:
        """What it holds beside the weights."""
        return sum(tensor.numel() * tensor.element_size() for layer in self._layers for tensor in layer.buffers)

    def reset(self) -> None:
        """Begin a new conversation."""
        self.length = self._written = 0
        for layer in self._layers:
            layer.reset()

    def crop(self, count: int) -> None:
        """Forget the newest ``count`` tokens.

        Raises:
            ValueError: the ring no longer has what stood before them.
        """
        kept = self.length - count
        if count < 0 or kept < 0 or self._written - kept >= RING:
            raise ValueError(f"cannot forget {count} of {self.length} tokens: states are kept of the last {RING}")
        self.length = kept

    def forward(self, ids: list[int], keep: int) -> Tensor:
        """Go on with ``ids``: float32 logits of the last ``keep`` of them, (keep, vocabulary)."""
        return self.forward_batch(torch.tensor([ids]), keep)[0].float()

    @torch.inference_mode()
    def forward_batch(self, tokens: Tensor, keep: int = 1) -> Tensor:
        """Go on with ``tokens`` (B, T): logits of the last ``keep``, (B, keep, vocabulary), until the next call.

        Raises:
            ValueError: they are more than fit.
        """
        new = tokens.shape[1]
        if self.length + new > self.capacity:
            raise ValueError(f"{self.length + new} tokens are more than the {self.capacity} there is room for")
        self._position.fill_(self.length)
        if new <= WIDE:
            width = 1 if new == 1 else WIDE
            self._tokens[width][:, :new].copy_(tokens)
            span = next(span for span in self._spans if span >= self.length + width)
            logits = self._replay(width, span)[:, new - keep : new]
        else:
            width = new
            logits = self._prefill(tokens.to(self._columns.device), keep)
        self._written = max(self._written, self.length + width)
        self.length += new
        return logits

    def warm_up(self) -> None:
        """Capture every graph, so that nobody waits for one; the conversation begins anew."""
        for width in self._tokens:
            for span in self._spans if self.uses_graphs else ():
                self._position.fill_(span - width)
                self._replay(width, span)
        self.reset()

    # --- a prompt ------------------------------------------------------------------------------------------------

    def _prefill(self, tokens: Tensor, keep: int) -> Tensor:
        new = tokens.shape[1]
        columns = self._columns[self.length : self.length + new]
        ends = None if self._eod is None else tokens == self._eod
        self._mark(ends, columns)
        if self.length == 0 and (ends is None or not bool(ends[:, :-1].any())):
            layout = self._layout(columns, None)  # plain causal attention, for which there are faster kernels
            return self._run(tokens, layout, _Place.of(self._position, columns, new), keep)
        span = self.length + new
        layout = self._layout(columns, self._mask(columns, span))
        return self._run(tokens, layout, _Place.of(self._position, columns, span), keep)

    # --- a step --------------------------------------------------------------------------------------------------

    def _replay(self, width: int, span: int) -> Tensor:
        if not self.uses_graphs:
            return self._computed(width, span)
        with torch.cuda.device(self._columns.device):
            if (width, span) not in self._graphs:
                try:
                    self._graphs[width, span] = self._capture(width, span)
                except RuntimeError as error:
                    reason = str(error).partition("\n")[0]
                    log.warning("CUDA graph 建不起来，逐个内核计算（慢一些，结果一样）：%s", reason)
                    self.uses_graphs = False
                    self._graphs.clear()
                    return self._computed(width, span)
            graph, logits = self._graphs[width, span]
            graph.replay()
        return logits

    def _capture(self, width: int, span: int) -> tuple[Any, Tensor]:
        """The graph of a step, and where it leaves its logits. A step may be repeated: it writes the same again."""
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UPS):  # libraries allocate and choose kernels at their first call
                self._computed(width, span)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Other threads (embedding a question) may go on using the card meanwhile. The graphs share a pool, so that the
        # next one's intermediates may overwrite these logits: they are read before it is replayed.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            logits = self._computed(width, span)
        self._pool = graph.pool()
        return graph, logits

    def _step(self, width: int, span: int) -> Tensor:
        """Logits (B, width, vocabulary) of the tokens in ``_tokens[width]`` at ``_position``. No value is looked at."""
        tokens = self._tokens[width]
        columns = self._position + self._columns[:width]
        self._mark(None if self._eod is None else tokens == self._eod, columns)
        layout = self._layout(columns, self._mask(columns, span))
        return self._run(tokens, layout, _Place.of(self._position, columns, span), width)

    # --- both ----------------------------------------------------------------------------------------------------

    def _run(self, tokens: Tensor, layout: Layout, place: "_Place", keep: int) -> Tensor:
        h = self._model.model.embed_tokens(tokens)
        for layer, memory in zip(self._model.model.layers, self._layers, strict=True):
            memory.place = place
            h = layer(h, layout, self._cache)
        return self._model.lm_head(self._model.model.norm(h[:, -keep:]))

    def _mark(self, ends: Tensor | None, columns: Tensor) -> None:
        if ends is not None:
            self._ends.index_copy_(1, columns, ends)

    def _layout(self, columns: Tensor, mask: Tensor | None) -> Layout:
        cos, sin = rotary_tables(columns[None], self._model.config, self._dtype)
        return Layout(cos, sin, mask, None)

    def _mask(self, columns: Tensor, span: int) -> Tensor:
        """What is added to the scores, (B or 1, 1, T, span); as a boolean it would be converted in every layer."""
        key = self._columns[:span]
        seen = (key <= columns[:, None])[None]  # (1, T, span)
        if self._eod is not None:
            after = torch.where(self._ends[:, :span], key + 1, 0).cummax(dim=1).values
            # The first token of each token's document: one after the last end strictly before it.
            start = torch.nn.functional.pad(after, (1, 0)).index_select(1, columns)  # (B, T)
            seen = seen & (key >= start[..., None])
        mask = torch.zeros(seen.shape, dtype=self._dtype, device=seen.device)
        return mask.masked_fill(~seen, torch.finfo(self._dtype).min)[:, None]


class _Place(NamedTuple):
    """Where a step's tokens are written: columns of keys and values (T,), slots of the ring (T or RING,), the slot of
    the token before them (1,); and how many columns are read."""

    columns: Tensor
    slots: Tensor
    before: Tensor
    span: int

    @classmethod
    def of(cls, position: Tensor, columns: Tensor, span: int) -> "_Place":
        return cls(columns, columns[-RING:] % RING, (position - 1) % RING, span)


class _StaticLayer(YuanCacheLayer):
    """One layer's share of the memory."""

    _layer_type = None  # built here only
    place: _Place

    def __init__(self, model: YuanForCausalLM, batch: int, columns: int) -> None:
        super().__init__()
        config = model.config
        like: dict[str, Any] = {"dtype": model.dtype, "device": model.device}
        self.keys = torch.zeros((batch, config.num_attention_heads, columns, config.head_dim), **like)
        self.values = torch.zeros_like(self.keys)
        widths = (config.hidden_size, config.hidden_size // 2)
        self._rings = [torch.zeros((batch, RING, width), **like) for width in widths]
        assert len(self._rings) == CONVOLUTIONS

    @property
    def buffers(self) -> list[Tensor]:
        return [self.keys, self.values, *self._rings]

    def reset(self) -> None:
        for ring in self._rings:
            ring.zero_()  # what stands before the first token

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        self.keys.index_copy_(2, self.place.columns, key_states)
        self.values.index_copy_(2, self.place.columns, value_states)
        return self.keys[:, :, : self.place.span], self.values[:, :, : self.place.span]

    def last_state(self, state_idx: int) -> Tensor:
        return self._rings[state_idx].index_select(1, self.place.before)

    def remember(self, states: Tensor, state_idx: int) -> None:
        self._rings[state_idx].index_copy_(1, self.place.slots, states[:, -RING:])


def _spans(columns: int) -> list[int]:
    spans = []
    span = _NARROWEST_SPAN
    while span < columns:
        spans.append(span)
        span *= 2
    return [*spans, columns]
