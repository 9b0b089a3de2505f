"""Queries and texts as pairs of tokens whose text may be in several pieces: windows, or equal parts of a long text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import Tensor

from ...core.errors import InputError
from .ragged import grouped, padded

OTHER, QUERY, TEXT = 0, 1, 2
"""The sides of tokens: special ones and padding, the query's, the text's."""

Split = Callable[[int, int], Sequence[tuple[int, int]]]
"""(tokens of a text, tokens that there is room for) -> the ranges of its pieces, each at most as long as the room."""
Row = dict[str, list[int]]
"""The inputs of a transformers body for one pair, and the ``side`` of each token."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The pieces of a query and a text, and whether either lost tokens."""

    rows: list[Row]
    cut: bool


def first_piece(n: int, room: int) -> list[tuple[int, int]]:
    """The beginning of a text, as much as there is room for: its only piece.

    >>> first_piece(10, 4)
    [(0, 4)]
    """
    return [(0, min(n, room))]


def equal_parts(n: int, room: int) -> list[tuple[int, int]]:
    """The fewest parts of nearly equal length that cover a text.

    >>> equal_parts(10, 4)
    [(0, 4), (4, 7), (7, 10)]
    """
    parts = max(1, -(-n // room))
    size, longer = divmod(n, parts)
    ends = [0]
    for i in range(parts):
        ends.append(ends[-1] + size + (i < longer))
    return list(pairwise(ends))


def read_pairs(
    tokenizer: Any,
    queries: Sequence[str],
    texts: Sequence[str],
    length: int,
    query_length: int,
    split: Split = first_piece,
) -> list[Pair]:
    """Each query with the pieces of its text, in the tokenizer's own form of a pair, at most ``length`` tokens. A query
    keeps ``query_length`` tokens, at most half the length. Raises InputError for a tokenizer that is not fast, which
    doesn't know the sides of tokens."""
    if not tokenizer.is_fast:
        raise InputError("a fast tokenizer is needed, which knows the query's tokens from the text's")
    query_length = min(query_length, length // 2)
    encoded = tokenizer(list(queries), list(texts), truncation=False, verbose=False)
    out = []
    for i in range(len(queries)):
        sides = encoded.sequence_ids(i)
        row: Row = {name: values[i] for name, values in encoded.items()}
        row["side"] = [OTHER if s is None else QUERY if s == 0 else TEXT for s in sides]
        query = [at for at, s in enumerate(sides) if s == 0]
        text = [at for at, s in enumerate(sides) if s == 1]
        dropped = set(query[query_length:])
        before = [at for at in range(text[0] if text else len(sides)) if at not in dropped]
        after = list(range(text[-1] + 1, len(sides))) if text else []
        spans = split(len(text), max(1, length - len(before) - len(after)))
        rows = []
        for start, end in spans:
            wanted = [*before, *text[start:end], *after]
            rows.append({name: [values[at] for at in wanted] for name, values in row.items()})
        covered = max(end for _, end in spans)
        out.append(Pair(rows, bool(dropped) or covered < len(text)))
    return out


def row_chunks(rows: Sequence[Row], tokenizer: Any) -> list[dict[str, Tensor]]:
    """Rows as padded chunks of similar length, of at most `ragged.CHUNK` tokens; ``rows`` of a chunk are positions."""
    fill = {"input_ids": tokenizer.pad_token_id or 0}
    return [padded(rows, part, fill) for part in grouped([len(row["input_ids"]) for row in rows])]
