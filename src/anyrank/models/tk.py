"""TK, Transformer-Kernel: word vectors, a transformer of two layers over them, and KNRM's kernels on the cosines of the
mixture (arXiv 2002.01854).

    t = a e + (1 - a) transformer(e + positions)      M_ij = cos(q_i, d_j)
    s = w . sum_i log max(c_k sum_j exp(-(M_ij - mu_k)^2 / (2 sigma^2)), 1e-10)

Design choices: a is learned from .5; positions are sinusoidal, those of texts begin at 500, so that a query is not
taken for the beginning of a text; ten heads of the transformer (or the most below that divide the width), 300 hidden
units; the kernels' scales c_k are learned from .01 and all have the width .1; no bias, weights of at most .014 at
first. The authors train kernels ten times as fast as the rest; here all parts have one rate.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..core.errors import InputError
from .parts.interaction import LEAST, cosines, kernel_centres, kernel_sums
from .parts.words import Side, WordModel

MU, SIGMA = kernel_centres(11)[0], [0.1] * 11
OFFSET = 500
"""The position of the first word of a text."""


class TK(WordModel):
    """Scores [B, n] of groups of texts; see `WordModel` for the arguments. ``heads`` 0: ten, or fewer if the width
    demands it."""

    kind: ClassVar[str] = "tk"

    def __init__(self, tokenizer: Any, *, layers: int = 2, heads: int = 0, hidden: int = 300, **words: Any) -> None:
        super().__init__(tokenizer, **words)
        if heads and self.width % heads:
            raise InputError(f"heads={heads}: must divide the width of word vectors, {self.width}")
        self.layers, self.heads, self.hidden = layers, heads, hidden
        heads = heads or next(h for h in range(10, 0, -1) if self.width % h == 0)
        layer = nn.TransformerEncoderLayer(self.width, heads, hidden, 0.0, batch_first=True)
        self.context = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.mixture = nn.Parameter(torch.tensor(0.5))
        self.scale = nn.Parameter(torch.full((len(MU),), 0.01))
        self.out = nn.Linear(len(MU), 1, bias=False)
        nn.init.uniform_(self.out.weight, -0.014, 0.014)

    def score(self, query: Side, text: Side) -> Tensor:
        matrix = cosines(self.contextual(query, 0), self.contextual(text, OFFSET))
        scores: Tensor = self.out(self.pooled(matrix, query.real, text.real))[:, 0]
        return scores

    def contextual(self, side: Side, offset: int) -> Tensor:
        """The mixtures [pairs, words, width] of words' own and contextual vectors, zeros at padding."""
        real = side.real.bool()
        attended = real | (~real.any(1, keepdim=True))  # a text without words attends to its padding: no division by 0
        positions = sinusoids(side.vectors.shape[1], self.width, offset).to(side.vectors)
        states = self.context(side.vectors + positions, src_key_padding_mask=~attended)
        mixed: Tensor = self.mixture * side.vectors + (1 - self.mixture) * states
        return mixed * side.real[..., None]

    def pooled(self, matrix: Tensor, query: Tensor, text: Tensor) -> Tensor:
        """Sums over the query's words of the logarithms of kernels [pairs, kernels] of cosines [pairs, query words,
        text words]."""
        sums = kernel_sums(matrix, text, MU, SIGMA) * self.scale
        return (sums.clamp(min=LEAST).log() * query[..., None]).sum(1)


def sinusoids(n: int, width: int, offset: int = 0) -> Tensor:
    """Sinusoidal positions [n, width], the first of which is ``offset``: sines, then cosines.

    >>> sinusoids(2, 2).round(decimals=4)
    tensor([[0.0000, 1.0000],
            [0.8415, 0.5403]])
    """
    half = (width + 1) // 2
    rates = torch.exp(torch.arange(half) * -(math.log(10000) / max(half - 1, 1)))
    angles = (torch.arange(n) + offset)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1)[:, :width]
