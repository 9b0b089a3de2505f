"""Conv-KNRM: kernel pooling over the cosines of n-grams of any two lengths (Dai et al., WSDM 2018).

    g^n = relu(conv_n(words))      s = w . [ sum_i log sum_j exp(-(cos(g^n_i, g^m_j) - mu_k)^2 / (2 sigma_k^2)) ] + b

Design choices: n-grams of 1 to ``grams`` words, of the same ``filters`` for query and text, padded with zeros on the
right; kernels and logarithms are KNRM's.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .parts.interaction import LEAST, cosines, kernel_centres, kernel_head, kernel_sums, ngrams
from .parts.words import Side, WordModel


class ConvKNRM(WordModel):
    """Scores [B, n] of groups of texts; see `WordModel` for the other arguments."""

    kind: ClassVar[str] = "conv_knrm"

    def __init__(self, tokenizer: Any, *, grams: int = 3, filters: int = 128, kernels: int = 11, **words: Any) -> None:
        super().__init__(tokenizer, **words)
        self.grams, self.filters, self.kernels = grams, filters, kernels
        self.convolutions = nn.ModuleList(nn.Conv1d(self.width, filters, n) for n in range(1, grams + 1))
        self.mu, self.sigma = kernel_centres(kernels)
        self.out = kernel_head(grams * grams * kernels)

    def score(self, query: Side, text: Side) -> Tensor:
        texts = [ngrams(layer, text.vectors, text.real) for layer in self.convolutions]
        features = []
        for layer in self.convolutions:
            grams = ngrams(layer, query.vectors, query.real)
            for other in texts:
                sums = kernel_sums(cosines(grams, other), text.real, self.mu, self.sigma)
                logs = sums.clamp(min=LEAST).log()
                features.append((logs * query.real[..., None]).sum(1))
        scores: Tensor = self.out(torch.cat(features, -1))[:, 0]
        return scores
