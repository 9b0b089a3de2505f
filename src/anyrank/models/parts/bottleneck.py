"""Bottleneck adapters: small layers that are trained inside a frozen transformer (Pfeiffer et al., MAD-X, arXiv
2005.00052).

    h <- dense(feed-forward)                                       the output of a layer before its residual
    h <- h + up(relu(down(LayerNorm(h + input))))                  for each adapter in turn: language, then task
    output = LayerNorm(h + input)

This is the placement that the package ``adapters`` calls ``seq_bn``. An invertible language adapter also changes the
embeddings by a NICE coupling (y1 = x1 + f(x2), y2 = x2 + g(y1)); a masked language model undoes it before its last
layer. Last layers begin at zero, so that a fresh adapter leaves the model as it is, bit for bit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from ...core.errors import InputError, ModelError

ORDER = ("language", "task")
"""The names of adapters, in the order in which a state goes through them; "query_language" replaces "language" for the
tokens of queries."""
LAYER = re.compile(r"(?:encoder\.)?layer\.(\d+)\.output")
"""The names of the blocks with adapters, in BERT and the families that are built like it."""


class Bottleneck(nn.Module):  # type: ignore[misc,unused-ignore]
    """The change of states [..., width] by a layer of ``width // reduction`` units."""

    def __init__(self, width: int, reduction: float = 16, dropout: float = 0.0) -> None:
        super().__init__()
        inner = max(1, int(width // reduction))
        self.down = nn.Linear(width, inner)
        self.up = nn.Linear(inner, width)
        self.dropout = nn.Dropout(dropout)
        _start(self.down, self.up)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.dropout(self.up(self.down(x).relu()))
        return change


class Coupling(nn.Module):  # type: ignore[misc,unused-ignore]
    """An invertible map of states [..., width], the identity at first.

    >>> layer, x = Coupling(6), torch.randn(2, 6)
    >>> _ = nn.init.normal_(layer.f[2].weight), nn.init.normal_(layer.g[2].weight)
    >>> bool(torch.allclose(layer.inverse(layer(x)), x, atol=1e-4)), bool(torch.equal(layer(x), x))
    (True, False)
    """

    def __init__(self, width: int, reduction: float = 2) -> None:
        super().__init__()
        self.first = width // 2
        rest = width - self.first
        self.f = _two_layers(rest, self.first, reduction)
        self.g = _two_layers(self.first, rest, reduction)

    def forward(self, x: Tensor) -> Tensor:
        x1, x2 = x[..., : self.first], x[..., self.first :]
        y1 = x1 + self.f(x2)
        return torch.cat((y1, x2 + self.g(y1)), -1)

    def inverse(self, y: Tensor) -> Tensor:
        y1, y2 = y[..., : self.first], y[..., self.first :]
        x2 = y2 - self.g(y1)
        return torch.cat((y1 - self.f(x2), x2), -1)


def _two_layers(width: int, out: int, reduction: float) -> nn.Sequential:
    inner = max(1, int(width // reduction))
    first, last = nn.Linear(width, inner), nn.Linear(inner, out)
    _start(first, last)
    return nn.Sequential(first, nn.ReLU(), last)


def _start(first: nn.Linear, last: nn.Linear) -> None:
    nn.init.normal_(first.weight, std=0.02)
    nn.init.zeros_(first.bias)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)


@dataclass(slots=True)
class Route:
    """The settings of all adapters of a model. ``drop``: layers 1 to so many have none; ``invertible``: whether the
    coupling of the embeddings is used; ``separator``: the token between query and document, for families without token
    types. ``queries`` [texts, tokens, 1] are the tokens of queries of the present forward pass."""

    drop: int = 0
    invertible: bool = True
    separator: int | None = None
    queries: Tensor | None = None


class Slot(nn.ModuleDict):  # type: ignore[misc,unused-ignore]
    """The adapters at one place by their names. ``layer`` counts from 1; 0 are the embeddings."""

    def __init__(self, layer: int, route: Route) -> None:
        super().__init__()
        self.layer = layer
        self.route = route

    def active(self) -> list[str]:
        """The names of the adapters that are used here."""
        route = self.route
        off = not route.invertible if self.layer == 0 else self.layer <= route.drop
        return [] if off else [name for name in ORDER if name in self]

    def applied(self, name: str, x: Tensor) -> Tensor:
        """The output of an adapter; of the language's, for tokens of queries, that of the queries' language."""
        out: Tensor = self[name](x)
        if name != "language" or "query_language" not in self or self.route.queries is None:
            return out
        return torch.where(self.route.queries, self["query_language"](x), out)


def _output(self: Any, hidden_states: Tensor, input_tensor: Tensor) -> Tensor:
    """The forward of a layer's output block with adapters."""
    hidden = self.dropout(self.dense(hidden_states))
    for name in self.adapters.active():
        hidden = hidden + self.adapters.applied(name, self.LayerNorm(hidden + input_tensor))
    result: Tensor = self.LayerNorm(hidden + input_tensor)
    return result


def _embedded(module: Any, args: Any, output: Tensor) -> Tensor:
    """A hook of the embeddings: the coupling of the first adapter that has one."""
    for name in module.adapters.active()[:1]:
        output = module.adapters.applied(name, output)
    return output


@dataclass(slots=True)
class _Undo:
    """A hook of the last layer of a masked language model, which reads states as they were before the coupling."""

    slot: Slot

    def __call__(self, module: Any, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        for name in self.slot.active()[:1]:
            coupling: Any = self.slot[name]
            return (coupling.inverse(args[0]), *args[1:])
        return args


@dataclass(slots=True)
class _Sides:
    """A hook of the encoder that marks the tokens of queries, for split adapters."""

    slot: Slot

    def __call__(self, module: Any, args: tuple[Any, ...], inputs: Mapping[str, Any]) -> None:
        route = self.slot.route
        if "query_language" not in self.slot:
            route.queries = None
            return
        ids, types = inputs.get("input_ids", args[0] if args else None), inputs.get("token_type_ids")
        assert ids is not None
        if types is None:  # up to the first separator, itself counted in
            ends = ids == route.separator
            query = (ends.cumsum(1) - ends.long()) == 0
        else:
            query = types == 0
        route.queries = query[..., None]


def insert(encoder: Any, name: str, reduction: float, invertible: float = 0, dropout: float = 0.0) -> Route:
    """Add fresh adapters called ``name`` to every layer of an encoder, and with ``invertible``, its reduction, a
    coupling to the embeddings. Returns the settings of all adapters. Raises InputError for a family that isn't built
    as BERT is."""
    blocks = [(m, int(match[1])) for n, m in encoder.named_modules() if (match := LAYER.fullmatch(n))]
    if not blocks or any(
        not {"dense", "LayerNorm", "dropout"} <= {n for n, _ in b.named_children()} for b, _ in blocks
    ):
        raise InputError(
            f"adapters: a {encoder.config.model_type} isn't built as BERT is, and takes no bottleneck adapters: "
            "choose method: lora"
        )
    first: Any = blocks[0][0]
    route = first.adapters.route if "adapters" in dict(first.named_children()) else Route()
    for block, number in blocks:
        slot = _slot(block, number + 1, route)
        slot[name] = Bottleneck(encoder.config.hidden_size, reduction, dropout).to(block.dense.weight)
        block.forward = MethodType(_output, block)
    if invertible:
        embeddings = encoder.embeddings
        fresh = "adapters" not in dict(embeddings.named_children())
        width = embeddings.word_embeddings.embedding_dim
        _slot(embeddings, 0, route)[name] = Coupling(width, invertible).to(embeddings.word_embeddings.weight)
        if fresh:
            embeddings.register_forward_hook(_embedded)
    return route


def _slot(block: Any, layer: int, route: Route) -> Slot:
    if "adapters" not in dict(block.named_children()):
        block.adapters = Slot(layer, route)
    slot: Slot = block.adapters
    return slot


def undo_before(head: Any, encoder: Any) -> None:
    """Undo the coupling of an encoder's embeddings before ``head``, the last layer of a masked language model."""
    if "adapters" in dict(encoder.embeddings.named_children()):
        head.register_forward_pre_hook(_Undo(encoder.embeddings.adapters))


def split(encoder: Any, separator: int | None) -> None:
    """Mark the tokens of queries in each forward pass of an encoder that has "query_language" adapters."""
    slot = next(m for m in encoder.modules() if isinstance(m, Slot) and m.layer == 1)
    slot.route.separator = separator
    encoder.register_forward_pre_hook(_Sides(slot), with_kwargs=True)


def weights(encoder: Any, name: str) -> dict[str, Tensor]:
    """The weights of the adapters of a name, by places that don't hold the name."""
    return {
        f"{place}.{n}": p.detach()
        for place, slot in encoder.named_modules()
        if isinstance(slot, Slot) and name in slot
        for n, p in slot[name].named_parameters()
    }


def load(encoder: Any, name: str, tensors: Mapping[str, Tensor]) -> None:
    """Set the weights of the adapters of a name. Raises ModelError if places or shapes differ."""
    own = weights(encoder, name)
    if own.keys() != tensors.keys():
        odd = sorted(own.keys() ^ tensors.keys())[0]
        raise ModelError(f"the adapter doesn't fit this model: {odd} is on one side alone: was its base another?")
    with torch.no_grad():
        for key, value in tensors.items():
            if own[key].shape != value.shape:
                raise ModelError(f"the adapter doesn't fit this model: {key} is {tuple(value.shape)}")
            own[key].copy_(value)
