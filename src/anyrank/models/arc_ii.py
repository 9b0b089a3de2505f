"""ARC-II: query and text cross before they are pooled (Hu et al., NIPS 2014, arXiv 1503.03244).

    z_ij = relu(U q_{i..i+2} + V d_{j..j+2} + b) -> (the largest of 2 x 2, convolution of 3 x 3, ReLU) -> s = MLP

Design choices: matrices are padded to the longest query and text with zeros, and what stands at padding stays zero
behind each layer.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from .parts.interaction import perceptron
from .parts.words import Side, WordModel


class ArcII(WordModel):
    """Scores [B, n] of groups of texts; see `WordModel` for the other arguments."""

    kind: ClassVar[str] = "arc_ii"
    fixed: ClassVar[bool] = True

    def __init__(self, tokenizer: Any, *, filters: int = 16, layers: int = 2, hidden: int = 64, **words: Any) -> None:
        super().__init__(tokenizer, **words)
        self.filters, self.layers, self.hidden = filters, layers, hidden
        self.query, self.text = nn.Conv1d(self.width, filters, 3), nn.Conv1d(self.width, filters, 3, bias=False)
        self.convolutions = nn.ModuleList(nn.Conv2d(filters, filters, 3, padding="same") for _ in range(layers))
        self.grid = tuple(self.pooled(n) for n in (self.query_length or self.max_length, self.max_length))
        self.dense = perceptron(filters * self.grid[0] * self.grid[1], hidden, 1)

    def pooled(self, length: int) -> int:
        """The positions that are left of a length."""
        for _ in range(self.layers + 1):
            length = -(-length // 2)
        return length

    def score(self, query: Side, text: Side) -> Tensor:
        first = self.query(functional.pad(query.vectors.mT, (0, 2)))  # [pairs, filters, n]
        second = self.text(functional.pad(text.vectors.mT, (0, 2)))
        inside = (query.real[:, :, None] * text.real[:, None, :])[:, None]
        image = torch.relu(first[..., None] + second[:, :, None]) * inside
        image, inside = (functional.max_pool2d(x, 2, ceil_mode=True) for x in (image, inside))
        for layer in self.convolutions:
            image = torch.relu(layer(image)) * inside
            image, inside = (functional.max_pool2d(x, 2, ceil_mode=True) for x in (image, inside))
        rows, columns = (full - size for full, size in zip(self.grid, image.shape[-2:]))
        scores: Tensor = self.dense(functional.pad(image, (0, columns, 0, rows)).flatten(1))[:, 0]
        return scores
