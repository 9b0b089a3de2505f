"""ARC-I: a convolutional vector of each side, compared by a perceptron (Hu et al., NIPS 2014, arXiv 1503.03244).

    words -> (convolution of three words, ReLU, the larger of two) x 2, for each side      s = MLP(query, text)

Design choices: texts and queries are padded to their longest lengths with zeros, and what stands at padding stays zero
behind each layer (the paper's gate); both sides share the convolutions.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from .parts.interaction import ngrams, perceptron
from .parts.words import Side, WordModel


class ArcI(WordModel):
    """Scores [B, n] of groups of texts; see `WordModel` for the other arguments."""

    kind: ClassVar[str] = "arc_i"
    fixed: ClassVar[bool] = True

    def __init__(self, tokenizer: Any, *, filters: int = 64, layers: int = 2, hidden: int = 64, **words: Any) -> None:
        super().__init__(tokenizer, **words)
        self.filters, self.layers, self.hidden = filters, layers, hidden
        sizes = (self.width, *[filters] * layers)
        self.convolutions = nn.ModuleList(nn.Conv1d(n, m, 3) for n, m in pairwise(sizes))
        places = self.pooled(self.query_length or self.max_length) + self.pooled(self.max_length)
        self.dense = perceptron(places * filters, hidden, 1)

    def pooled(self, length: int) -> int:
        """The positions that are left of a length."""
        for _ in range(self.layers):
            length = -(-length // 2)
        return length

    def score(self, query: Side, text: Side) -> Tensor:
        vectors = [self.vector(query, self.query_length or self.max_length), self.vector(text, self.max_length)]
        scores: Tensor = self.dense(torch.cat(vectors, -1))[:, 0]
        return scores

    def vector(self, side: Side, length: int) -> Tensor:
        """The vectors [pairs, positions * filters] of texts of at most ``length`` words."""
        states, real = side.vectors, side.real
        for layer in self.convolutions:
            states = functional.max_pool1d(ngrams(layer, states, real).mT, 2, ceil_mode=True).mT
            real = functional.max_pool1d(real[:, None], 2, ceil_mode=True)[:, 0]
        return functional.pad(states, (0, 0, 0, self.pooled(length) - states.shape[1])).flatten(1)
