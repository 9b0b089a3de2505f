"""Long documents as passages: windows of words, of tokens, or sentences, each read with the query by itself.

Passages of all documents are sorted by length and read in chunks, so that memory depends on a chunk's tokens and not on
the length of a document.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from ...core.content import text_of
from ...core.errors import InputError
from ...core.passages import passages, sentences, windows
from ...core.types import Candidate
from .pairs import Row, first_piece, read_pairs, row_chunks
from .ragged import member_mask, texts_of

Unit = Literal["words", "tokens", "sentences"]
Reads = Callable[[str, str, int], bool]
"""(query, text, number of the passage) -> whether the passage is read."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The passages of a text: ``window`` units, one every ``stride`` (0: one after the other), the first ``most`` of
    them (0: all). With the query a passage has at most the tokens of the model; of the query the first ``query`` are
    read.

    >>> Windows(2, 1, 2).texts("a b c d")
    (['a b', 'b c'], True)
    >>> Windows(1, 1, unit="sentences").texts("Lift. Drag.")
    (['Lift.', 'Drag.'], False)
    """

    window: int = 150
    stride: int = 100
    most: int = 16
    unit: Unit = "words"
    query: int = 20

    def __post_init__(self) -> None:
        if self.unit not in ("words", "tokens", "sentences"):
            raise InputError(f"unit={self.unit!r}: choose words, tokens or sentences")
        if self.window < 1 or not 0 <= self.stride <= self.window or self.most < 0 or self.query < 1:
            raise InputError(
                f"window={self.window}, stride={self.stride}, most={self.most}, query_length={self.query}: expected a "
                "window of 1 or more, a stride of at most the window, most of 0 (all) or more, a query of 1 or more"
            )

    @property
    def step(self) -> int:
        return self.stride or self.window

    def texts(self, text: str) -> tuple[list[str], bool]:
        """The passages of a text, and whether there are more. Windows of tokens are cut when tokens are read."""
        if self.unit == "tokens":
            return [text], False
        if self.unit == "words":
            parts = passages(text, self.window, self.step)
        else:
            each = sentences(text)
            parts = [" ".join(each[a:b]) for a, b in windows(len(each), self.window, self.step)]
        return self._first(parts), len(self._first(parts)) < len(parts)

    def spans(self, n: int, room: int) -> list[tuple[int, int]]:
        """The windows of a text's tokens."""
        size = min(self.window, room)
        return self._first(windows(n, size, min(self.step, size)))

    def _first(self, parts: list[Any]) -> list[Any]:
        return parts[: self.most] if self.most else parts


@dataclass(frozen=True, slots=True)
class Read:
    """The passages of some documents with their queries: the ``rows`` of all, how many each document has, and whether
    it lost any of its text."""

    rows: list[Row]
    counts: list[int]
    cut: list[bool]


def read_passages(
    tokenizer: Any, queries: Sequence[str], texts: Sequence[str], length: int, how: Windows, reads: Reads | None = None
) -> Read:
    """The passages of each text with its query; ``reads`` leaves some of them out."""
    split = how.spans if how.unit == "tokens" else first_piece
    parts = [how.texts(text) for text in texts]
    pairs = read_pairs(
        tokenizer,
        [q for q, (several, _) in zip(queries, parts, strict=True) for _ in several],
        [part for several, _ in parts for part in several],
        length,
        how.query,
        split,
    )
    out, start = Read([], [], []), 0
    for query, text, (several, more) in zip(queries, texts, parts):
        mine = pairs[start : start + len(several)]
        start += len(several)
        rows = [row for pair in mine for row in pair.rows]
        rows = [row for i, row in enumerate(rows) if reads is None or reads(query, text, i)]
        out.rows.extend(rows)
        out.counts.append(len(rows))
        out.cut.append(more or any(pair.cut for pair in mine))
    return out


def passage_features(
    tokenizer: Any,
    queries: Sequence[Any],
    candidates: Sequence[Sequence[Candidate]],
    length: int,
    how: Windows,
    reads: Reads | None = None,
) -> dict[str, Any]:
    """``chunks`` of passages, ``counts`` [documents] of passages, and the ``mask`` [B, n] of documents."""
    first = [text_of(q) for q, group in zip(queries, candidates, strict=True) for _ in group]
    read = read_passages(tokenizer, first, texts_of(candidates), length, how, reads)
    return {
        "chunks": row_chunks(read.rows, tokenizer),
        "counts": torch.tensor(read.counts),
        "mask": member_mask(candidates),
    }


def cut_documents(
    tokenizer: Any, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]], length: int, how: Windows
) -> list[int]:
    """The number of documents of each group that lose text, by themselves or with a long query."""
    read = partial(read_passages, tokenizer, length=length, how=how)
    return [
        sum(read([text_of(q)] * len(group), texts_of([group])).cut) if group else 0
        for q, group in zip(queries, candidates, strict=True)
    ]


def by_document(values: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """The values [passages, …] of all documents as a table [documents, most passages, …], and which are real
    [documents, most passages].

    >>> by_document(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1, 2]))[0].tolist()
    [[1.0, 0.0], [2.0, 3.0]]
    """
    real = torch.arange(int(counts.max()), device=counts.device) < counts[:, None]
    table = values.new_zeros(*real.shape, *values.shape[1:])
    table[real] = values
    return table, real
