"""Ragged groups as tensors: texts sorted by length and padded in small chunks, their scores put back as [groups, n].

Padding is wasted work: a batch of passages of 20 to 256 tokens that is padded to its longest costs about twice its
tokens. Chunks of near lengths cost a few per cent more than their tokens, and the order within a batch doesn't matter.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from ...core.content import text_of
from ...core.errors import InputError
from ...core.types import Candidate
from ...hub.positions import first_position, most_tokens

CHUNK = 65536 if torch.cuda.is_available() else 2048
"""Tokens of a chunk, padding included: small on CPUs, where padding costs most, large on GPUs, where starting a kernel
does."""


def limit(tokenizer: Any) -> int:
    """The tokenizer's own longest text in tokens; 256 if it states none."""
    length = int(tokenizer.model_max_length)
    return length if length < 10**9 else 256  # transformers writes 1e30 for none


def positions(body: Any) -> int | None:
    """The most tokens that a transformers body reads; None if its positions aren't a table (ALiBi's or rotary ones)."""
    for name, part in body.named_modules():
        if name.rpartition(".")[2] == "position_embeddings" and isinstance(part, nn.Embedding):
            return int(part.num_embeddings) - first_position(body.config.to_dict())
    return None


def fits(body: Any, length: int) -> None:
    """Raises InputError if a transformers body has fewer positions than ``length`` tokens."""
    most = positions(body)
    if most is not None and length > most:
        raise InputError(
            f"max_length={length}: this model reads {most} tokens at most: set max_length to {most} or less"
        )


def longest(body: Any, tokenizer: Any, stated: int | None = None) -> int:
    """The longest text in tokens: the least of ``stated``, the tokenizer's own length and the positions of the body;
    256 if none is known."""
    table = positions(body) or most_tokens(body.config.to_dict())
    return min((n for n in (stated, int(tokenizer.model_max_length), table) if n and n < 10**9), default=256)


def run_body(body: Any, chunk: Mapping[str, Any], **more: Any) -> Any:
    """A transformers body's output for a chunk, without the inputs that its forward doesn't take (a DistilBERT has no
    token types); ``more`` are further arguments."""
    kind: Any = type(body)
    accepted = _arguments(kind)
    return body(**{k: v for k, v in chunk.items() if k in accepted}, **more)


@cache
def _arguments(kind: Any) -> frozenset[str]:
    return frozenset(inspect.signature(kind.forward).parameters)


def chunks(
    tokenizer: Any, first: Sequence[str], second: Sequence[str] | None, length: int, most: int | None = None
) -> list[dict[str, Any]]:
    """Inputs of a transformers body for texts, or for pairs of texts, cut to ``length`` tokens; ``rows`` of a chunk
    are the positions of its texts, ``cut`` says which of them lost tokens. Of a pair, the longer one does. A chunk has
    at most CHUNK, or ``most``, tokens if that is less."""
    encoded = tokenizer(
        list(first),
        None if second is None else list(second),
        truncation="longest_first" if second else True,
        max_length=length,
    )
    if encoded.is_fast:
        cut = [bool(row.overflowing) for row in encoded.encodings]
    else:
        cut = longer(tokenizer, first, second, length)
    out = []
    for rows in grouped([len(ids) for ids in encoded["input_ids"]], most):
        part = {name: [values[i] for i in rows] for name, values in encoded.items()}
        positions = {"rows": torch.tensor(rows), "cut": torch.tensor([cut[i] for i in rows])}
        out.append(dict(tokenizer.pad(part, return_tensors="pt")) | positions)
    return out


def grouped(sizes: Sequence[int], most: int | None = None) -> list[list[int]]:
    """Positions by falling size, in chunks of at most CHUNK, or ``most``, tokens, padding included, or of one text.

    >>> grouped([3, 9, 2, 3], 9)
    [[1], [0, 3, 2]]
    """
    budget = CHUNK if most is None else min(most, CHUNK)
    out: list[list[int]] = []
    for i in sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True):
        # the first of a chunk is its longest: all others are padded to its size
        if not out or (len(out[-1]) + 1) * sizes[out[-1][0]] > budget:
            out.append([])
        out[-1].append(i)
    return out


def padded(rows: Sequence[Mapping[str, list[int]]], part: Sequence[int], fill: Mapping[str, int]) -> dict[str, Tensor]:
    """The rows at the positions of ``part`` as tensors, padded on the right to the longest by ``fill`` of each name
    (else 0); ``rows`` of the result are the positions.

    >>> {k: v.tolist() for k, v in padded([{"ids": [5]}, {"ids": [6, 7]}], [1, 0], {"ids": 9}).items()}
    {'ids': [[6, 7], [5, 9]], 'rows': [1, 0]}
    """
    names = list(rows[part[0]])
    width = max(len(rows[i][names[0]]) for i in part)
    out = {
        name: torch.tensor([[*rows[i][name], *[fill.get(name, 0)] * (width - len(rows[i][name]))] for i in part])
        for name in names
    }
    return out | {"rows": torch.tensor(list(part))}


def longer(
    tokenizer: Any, first: Sequence[str], second: Sequence[str] | None, length: int, special: bool = True
) -> list[bool]:
    """Whether each text, or pair of texts, is longer than ``length`` tokens, so that ``chunks`` cuts it."""
    if not first:
        return []
    encoded = tokenizer(
        list(first),
        None if second is None else list(second),
        add_special_tokens=special,
        truncation=False,
        verbose=False,
    )
    return [len(ids) > length for ids in encoded["input_ids"]]


def texts_of(candidates: Sequence[Sequence[Candidate]]) -> list[str]:
    """The texts of all groups' candidates, one after the other.

    >>> texts_of([[Candidate("1", "a"), Candidate("2", {"title": "b", "text": "c"})], [Candidate("3")]])
    ['a', 'b c', '']
    """
    return [text_of(c.content) for group in candidates for c in group]


def too_long(
    tokenizer: Any,
    queries: Sequence[Any],
    candidates: Sequence[Sequence[Candidate]],
    length: int,
    prefixes: tuple[str, str] = ("", ""),
) -> list[int]:
    """The number of texts of each group, its query counted in, that are longer than ``length`` tokens. ``prefixes`` are
    put before documents and before queries."""
    document, query = prefixes
    return [
        sum(longer(tokenizer, [query + text_of(q), *(document + t for t in texts_of([group]))], None, length))
        for q, group in zip(queries, candidates, strict=True)
    ]


def owners(mask: Tensor) -> Tensor:
    """The group of each member of ``mask`` [groups, n], in their order.

    >>> owners(torch.tensor([[True, True], [True, False]])).tolist()
    [0, 0, 1]
    """
    return torch.arange(len(mask), device=mask.device)[:, None].expand_as(mask)[mask]


def gathered(parts: Sequence[Tensor], rows: Sequence[Tensor]) -> Tensor:
    """The chunks' results in the order of the texts, in single precision: ``rows`` are the positions of each
    chunk's."""
    values = torch.cat([p.float() for p in parts])
    return torch.empty_like(values).index_copy(0, torch.cat(list(rows)), values)


def filled(flat: Tensor, mask: Tensor) -> Tensor:
    """Scores [members] as [groups, n], 0 at padding (``mask`` [groups, n] False).

    >>> filled(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([[True, True], [True, False]])).tolist()
    [[1.0, 2.0], [3.0, 0.0]]
    """
    return flat.new_zeros(mask.shape).masked_scatter(mask, flat)


def member_mask(groups: Sequence[Sequence[Any]]) -> Tensor:
    """The mask [groups, n] that is True for members and False for padding.

    >>> member_mask([["a", "b"], ["c"]]).tolist()
    [[True, True], [True, False]]
    """
    sizes = torch.tensor([len(g) for g in groups])
    return torch.arange(int(sizes.max())) < sizes[:, None]


def in_single_precision(head: Any) -> None:
    """Compute a scoring head in single precision under autocast too: bfloat16 has three digits, too few to rank a
    hundred texts."""

    def forward(self: Any, x: Tensor) -> Tensor:  # a method, so that a copy of the model reads its own weights
        with torch.autocast(x.device.type, enabled=False):
            bias = None if self.bias is None else self.bias.float()
            return nn.functional.linear(x.float(), self.weight.float(), bias)

    head.forward = MethodType(forward, head)
