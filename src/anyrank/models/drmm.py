"""DRMM: histograms of the cosines of each query word with a text's words (Guo et al., CIKM 2016, arXiv 1711.08611).

    h_i = log(1 + counts of cos(q_i, d_j) in bins)      z_i = MLP(h_i)      s = sum_i softmax_i(w . g_i) z_i

Design choices: the bin of a cosine c of B bins is floor((c + 1) / 2 * (B - 1) + 1e-5), so that the last holds exact
matches alone; ``histogram`` "lch" takes logarithms of counts, "nh" shares, "ch" counts; ``gate`` weighs query words by
their inverse document frequency ("idf") or by a product with their vector ("vector").
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ..core.errors import InputError
from .parts.interaction import cosines
from .parts.words import Side, TermGate, WordModel


class DRMM(WordModel):
    """Scores [B, n] of groups of texts; see `WordModel` for the other arguments. The cosines give no gradient, so the
    table of words is as it was at the start."""

    kind: ClassVar[str] = "drmm"
    weighs: ClassVar[bool] = True

    def __init__(
        self,
        tokenizer: Any,
        *,
        bins: int = 30,
        hidden: int = 5,
        histogram: Literal["lch", "nh", "ch"] = "lch",
        gate: Literal["idf", "vector"] = "idf",
        frozen: bool = True,
        **words: Any,
    ) -> None:
        super().__init__(tokenizer, frozen=frozen, **words)
        if histogram not in ("lch", "nh", "ch"):
            raise InputError(f"histogram={histogram!r}: expected lch, nh or ch")
        self.bins, self.hidden, self.histogram, self.gate = bins, hidden, histogram, gate
        self.dense = nn.Sequential(nn.Linear(bins, hidden), nn.Tanh(), nn.Linear(hidden, 1), nn.Tanh())
        self.term_gate = TermGate(gate, self.width)

    def score(self, query: Side, text: Side) -> Tensor:
        terms = self.dense(self.counts(cosines(query.vectors, text.vectors), text.real))[..., 0]
        scores: Tensor = (self.term_gate(query, self.idf) * terms).sum(-1)
        return scores

    def counts(self, matrix: Tensor, real: Tensor) -> Tensor:
        """The histograms [pairs, n, bins] of cosines [pairs, n, m]; ``real`` [pairs, m] is that of the text."""
        at = ((matrix + 1) / 2 * (self.bins - 1) + 1e-5).long().clamp(0, self.bins - 1)
        counts = matrix.new_zeros(*matrix.shape[:2], self.bins)
        counts = counts.scatter_add(-1, at, real[:, None].expand_as(matrix))
        if self.histogram == "lch":
            return torch.log1p(counts)
        return counts / counts.sum(-1, keepdim=True).clamp(min=1) if self.histogram == "nh" else counts
