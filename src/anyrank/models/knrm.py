"""KNRM: kernel pooling over the cosines of query and text words (arXiv 1706.06613).

    M_ij = cos(q_i, d_j)      K_k(q_i) = sum_j exp(-(M_ij - mu_k)^2 / (2 sigma_k^2))      s = w . sum_i log K(q_i) + b

Design choices: 11 kernels: one for exact matches (mu 1, sigma .001) and ten of sigma .1 at .9, .7, … -.9; logarithms
are clamped at 1e-10 and scaled by .01, as in the paper's code; no tanh, so that scores may grow.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from .parts.interaction import LEAST, cosines, kernel_centres, kernel_sums
from .parts.words import Side, WordModel

MU, SIGMA = kernel_centres(11)


class KNRM(WordModel):
    """Scores [B, n] of groups of texts; see `WordModel` for the arguments."""

    kind: ClassVar[str] = "knrm"
    special: ClassVar[bool] = True

    def __init__(self, tokenizer: Any, *, query_length: int = 0, **words: Any) -> None:
        super().__init__(tokenizer, query_length=query_length, **words)
        self.out = nn.Linear(len(MU), 1)

    def score(self, query: Side, text: Side) -> Tensor:
        pooled = self.kernels(cosines(query.vectors, text.vectors), text.real) * query.real[..., None]
        scores: Tensor = self.out(pooled.sum(1))[:, 0]
        return scores

    def kernels(self, cosines: Tensor, real: Tensor) -> Tensor:
        """.01 log K [pairs, query words, kernels] of cosines [pairs, query words, text words]; ``real`` [pairs, text
        words] is 0 at the padding of texts."""
        return kernel_sums(cosines, real, MU, SIGMA).clamp(min=LEAST).log() * 0.01
