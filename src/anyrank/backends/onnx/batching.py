"""Batches under a token budget: texts are tokenised in slices, sorted by length, cut, and put back in their order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Text = str | tuple[str, str]
"""A text, or a pair of texts."""

Ints = NDArray[np.int64]
SLICE_TEXTS = 4096
SLICE_CHARS = 8_000_000
CHARS_A_TOKEN = 64


_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded rows for one run: their ``positions`` in the input, and [rows, length] arrays."""

    positions: Ints
    ids: Ints
    mask: Ints
    types: Ints


def cuts(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Positions by falling length, in batches of rows x longest length <= ``budget``, or of one row.

    >>> list(cuts([3, 9, 2, 3], 9))
    [[1], [0, 3, 2]]
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > budget:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def slices(texts: Sequence[Text]) -> Iterator[range]:
    """Ranges of texts that are tokenised at once: bounded in number and in characters."""
    start = chars = 0
    for i, text in enumerate(texts):
        size = len(text) if isinstance(text, str) else len(text[0]) + len(text[1])
        if i > start and (i - start >= SLICE_TEXTS or chars + size > SLICE_CHARS):
            yield range(start, i)
            start, chars = i, 0
        chars += size
    if start < len(texts):
        yield range(start, len(texts))


def shortened(text: Text, max_length: int) -> tuple[Text, bool]:
    """A text cut to 64 characters for each token of ``max_length``, so that tokenizers stay fast, and whether it was
    cut. Halves of a surrogate pair, as broken JSON leaves them, which no tokenizer takes, become the replacement
    character.

    >>> shortened("half \\ud83d", 10)
    ('half �', False)
    """
    limit = max_length * CHARS_A_TOKEN
    if isinstance(text, str):
        return (_whole(text), False) if len(text) <= limit else (_whole(text[:limit]), True)
    cut = tuple(t[:limit] for t in text)
    return (_whole(cut[0]), _whole(cut[1])), cut != text


def _whole(text: str) -> str:
    return text if text.isascii() else _SURROGATE.sub("�", text)


def padded(encodings: Sequence[Any], positions: Sequence[int], pad: int) -> Batch:
    """The encodings at ``positions`` as arrays, padded on the right to the longest."""
    rows = [encodings[i].ids for i in positions]
    shape = (len(rows), max(map(len, rows)))
    ids, mask, types = np.full(shape, pad, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for r, (row, position) in enumerate(zip(rows, positions)):
        ids[r, : len(row)] = row
        mask[r, : len(row)] = 1
        if encodings[position].n_sequences > 1:
            types[r, : len(row)] = encodings[position].type_ids
    return Batch(np.asarray(positions, np.int64), ids, mask, types)
