"""`Trigrams`: word vectors as sums over letter trigrams (word hashing, Huang et al., CIKM 2013).

Design choice: words are the tokenizer's, and "#" marks the borders that its pieces show: a word "wing" has #wi, win,
ing and ng#; a piece "##ing" that goes on a word has no mark at its start. So trigrams across two pieces are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Trigrams(nn.Module):  # type: ignore[misc,unused-ignore]
    """Vectors [..., width] of word ids [...]: a matrix times the counts of a word's letter trigrams."""

    rows: Tensor
    offsets: Tensor

    def __init__(self, tokenizer: Any, width: int) -> None:
        super().__init__()
        tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        special = set(tokenizer.all_special_ids)
        rows, offsets, count = trigram_table(["" if i in special else str(t) for i, t in enumerate(tokens)])
        self.register_buffer("rows", torch.tensor(rows), persistent=False)
        self.register_buffer("offsets", torch.tensor(offsets), persistent=False)
        self.weight = nn.Parameter(torch.randn(count, width) * 0.1)

    def forward(self, ids: Tensor) -> Tensor:
        distinct, position = torch.unique(ids.flatten(), return_inverse=True)
        sizes = self.offsets[distinct + 1] - self.offsets[distinct]
        starts = torch.cumsum(sizes, 0) - sizes
        word = torch.repeat_interleave(torch.arange(len(distinct), device=ids.device), sizes)
        at = torch.arange(len(word), device=ids.device) - starts[word] + self.offsets[distinct][word]
        vectors = nn.functional.embedding_bag(self.rows[at], self.weight, starts, mode="sum")
        return vectors[position].reshape(*ids.shape, -1)


def trigram_table(tokens: Sequence[str]) -> tuple[list[int], list[int], int]:
    """The numbers of all words' trigrams one after the other, where each word's begin (one more than words), and how
    many distinct trigrams there are.

    >>> trigram_table(["a", "an", "a"])
    ([0, 1, 2, 0], [0, 1, 3, 4], 3)
    """
    numbers: dict[str, int] = {}
    rows: list[int] = []
    offsets = [0]
    for token in tokens:
        rows += [numbers.setdefault(t, len(numbers)) for t in trigrams(token)]
        offsets.append(len(rows))
    return rows, offsets, max(len(numbers), 1)


def trigrams(token: str) -> Iterator[str]:
    """The letter trigrams of a word, or of a piece of one.

    >>> list(trigrams("wing")), list(trigrams("##s"))
    (['#wi', 'win', 'ing', 'ng#'], ['s#'])
    """
    marked = f"{token[2:]}#" if token.startswith("##") else f"#{token}#" if token else ""
    yield from (marked[i : i + 3] for i in range(max(len(marked) - 2, 1 if marked else 0)))
