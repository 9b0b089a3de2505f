"""MatchPyramid: a matching matrix read as an image (Pang et al., AAAI 2016, arXiv 1602.06359; for search 1606.04648).

    M_ij = q_i . d_j      M -> convolutions with ReLU -> a fixed grid by dynamic pooling -> linear

Design choices: each range of the grid is averaged, over the pair's own words, so that padding and length don't move it;
``similarity`` "cosine" in place of the dot product.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ..core.errors import InputError
from .parts.interaction import cosines, even_shares, perceptron
from .parts.words import Side, WordModel


class MatchPyramid(WordModel):
    """Scores [B, n] of groups of texts; see `WordModel` for the other arguments. ``grid`` is the rows (query words)
    and columns (text words) after pooling."""

    kind: ClassVar[str] = "match_pyramid"

    def __init__(
        self,
        tokenizer: Any,
        *,
        filters: tuple[int, ...] = (16, 16),
        kernel: int = 3,
        grid: tuple[int, int] = (4, 12),
        hidden: int = 64,
        similarity: Literal["dot", "cosine"] = "dot",
        **words: Any,
    ) -> None:
        super().__init__(tokenizer, **words)
        if similarity not in ("dot", "cosine"):
            raise InputError(f"similarity={similarity!r}: expected dot or cosine")
        self.filters, self.kernel, self.grid, self.hidden = tuple(filters), kernel, tuple(grid), hidden
        self.similarity = similarity
        sizes = (1, *self.filters)
        self.layers = nn.ModuleList(nn.Conv2d(n, m, kernel, padding="same") for n, m in zip(sizes, self.filters))
        self.out = perceptron(self.filters[-1] * self.grid[0] * self.grid[1], hidden, 1)

    def score(self, query: Side, text: Side) -> Tensor:
        compare = cosines if self.similarity == "cosine" else lambda q, d: q @ d.mT
        image = compare(query.vectors, text.vectors)[:, None]  # [pairs, channels, n, m]
        inside = (query.real[:, :, None] * text.real[:, None, :])[:, None]
        for layer in self.layers:
            image = torch.relu(layer(image)) * inside
        rows, columns = even_shares(query.real, self.grid[0]), even_shares(text.real, self.grid[1])
        pooled = rows[:, None] @ image @ columns.mT[:, None]  # [pairs, channels, *grid]
        scores: Tensor = self.out(pooled.flatten(1))[:, 0]
        return scores
