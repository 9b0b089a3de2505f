"""aNMM: attention-based neural matching with weights shared by value (Yang et al., CIKM 2016, arXiv 1801.01641).

    x_ib = sum of the cos(q_i, d_j) in bin b      h_i = MLP(x_i)      s = sum_i softmax_i(v . q_i) h_i

Design choices: aNMM-1; the bin of a cosine c of B bins is floor((c + 1) / 2 * (B - 1) + 1e-5), as DRMM's; the sum in a
bin is bounded by a logarithm of its size (ours: with the paper's answer sentences of some 20 words it isn't needed,
with passages sums outgrow the perceptron).
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .parts.interaction import cosines
from .parts.words import Side, TermGate, WordModel


class ANMM(WordModel):
    """Scores [B, n] of groups of texts; see `WordModel` for the other arguments."""

    kind: ClassVar[str] = "anmm"

    def __init__(self, tokenizer: Any, *, bins: int = 21, hidden: int = 10, **words: Any) -> None:
        super().__init__(tokenizer, **words)
        self.bins, self.hidden = bins, hidden
        self.dense = nn.Sequential(nn.Linear(bins, hidden), nn.Tanh(), nn.Linear(hidden, 1))
        self.term_gate = TermGate("vector", self.width)

    def score(self, query: Side, text: Side) -> Tensor:
        sums = self.sums(cosines(query.vectors, text.vectors), text.real)
        terms = self.dense(sums.sign() * torch.log1p(sums.abs()))[..., 0]
        scores: Tensor = (self.term_gate(query) * terms).sum(-1)
        return scores

    def sums(self, matrix: Tensor, real: Tensor) -> Tensor:
        """The sums [pairs, n, bins] of the cosines [pairs, n, m] in each bin; ``real`` [pairs, m] is the text's."""
        at = ((matrix.detach() + 1) / 2 * (self.bins - 1) + 1e-5).long().clamp(0, self.bins - 1)
        return matrix.new_zeros(*matrix.shape[:2], self.bins).scatter_add(-1, at, matrix * real[:, None])
