"""KNRM: kernel pooling over the cosines of query and text words (arXiv 1706.06613).

    M_ij = cos(q_i, d_j)      K_k(q_i) = sum_j exp(-(M_ij - mu_k)^2 / (2 sigma_k^2))      s = w . sum_i log K(q_i) + b

Design choices: 11 kernels: one for exact matches (mu 1, sigma .001) and ten of sigma .1 at .9, .7, … -.9; logarithms
are clamped at 1e-10; no tanh, so that scores may grow. The paper's code scales the logarithms by .01 and trains on
millions of pairs; here they are as they are and the weights begin within .014 of 0, so that at one learning rate with
the table of words (1e-3) they reach the same scores in some hundred steps.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from .parts.interaction import LEAST, cosines, kernel_centres, kernel_head, kernel_sums
from .parts.words import Side, WordModel

MU, SIGMA = kernel_centres(11)


class KNRM(WordModel):
    """Scores [B, n] of groups of texts; see `WordModel` for the arguments."""

    kind: ClassVar[str] = "knrm"
    special: ClassVar[bool] = True

    def __init__(self, tokenizer: Any, *, query_length: int = 0, **words: Any) -> None:
        super().__init__(tokenizer, query_length=query_length, **words)
        self.out = kernel_head(len(MU))

    def score(self, query: Side, text: Side) -> Tensor:
        pooled = self.kernels(cosines(query.vectors, text.vectors), text.real) * query.real[..., None]
        scores: Tensor = self.out(pooled.sum(1))[:, 0]
        return scores

    def kernels(self, cosines: Tensor, real: Tensor) -> Tensor:
        """log K [pairs, query words, kernels] of cosines [pairs, query words, text words]; ``real`` [pairs, text
        words] is 0 at the padding of texts."""
        return kernel_sums(cosines, real, MU, SIGMA).clamp(min=LEAST).log()
