"""PACRR: n-gram matches read from the cosine matrix by convolutions (Hui et al., EMNLP 2017, arXiv 1704.03940).

    C^n = relu(conv_nxn(cosines)), the largest over filters      x_i = k largest C^n_ij of each n, and softmax(idf)_i
    s = MLP(x_1 … x_Q)

Design choices: matrices are padded with zeros at the right and below; queries are padded to ``query_length`` words, a
word's row being zeros; ``shuffle`` orders the rows of query words at random in training (from Co-PACRR).
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..core.errors import InputError
from .parts.interaction import cosines, k_max, masked_softmax, perceptron
from .parts.words import Side, WordModel


class PACRR(WordModel):
    """Scores [B, n] of groups of texts; see `WordModel` for the other arguments. ``top`` is k."""

    kind: ClassVar[str] = "pacrr"
    weighs: ClassVar[bool] = True

    def __init__(
        self,
        tokenizer: Any,
        *,
        grams: int = 3,
        filters: int = 32,
        top: int = 2,
        hidden: int = 32,
        query_length: int = 20,
        shuffle: bool = False,
        **words: Any,
    ) -> None:
        super().__init__(tokenizer, query_length=query_length, **words)
        if query_length < 1:
            raise InputError(f"query_length={query_length}: pacrr reads queries of a fixed length of at least 1 word")
        self.grams, self.filters, self.top, self.hidden, self.shuffle = grams, filters, top, hidden, shuffle
        self.layers = nn.ModuleList(nn.Conv2d(1, filters, n) for n in range(1, grams + 1))
        self.out = perceptron(query_length * (self.signals() + 1), hidden, hidden, 1)

    def signals(self) -> int:
        """The numbers a query word has, beside its weight."""
        return self.grams * self.top

    def score(self, query: Side, text: Side) -> Tensor:
        weights = masked_softmax(self.idf[query.ids], query.real)
        rows = torch.cat([self.matches(query, text), weights[..., None]], -1) * query.real[..., None]
        rows = functional.pad(rows, (0, 0, 0, self.query_length - rows.shape[1]))
        if self.shuffle and self.training:
            rows = rows[:, torch.randperm(self.query_length, device=rows.device)]
        scores: Tensor = self.out(rows.flatten(1))[:, 0]
        return scores

    def matches(self, query: Side, text: Side) -> Tensor:
        """The signals [pairs, n, signals] of the query's words."""
        return torch.cat([k_max(m, text.real[:, None], self.top) for m in self.matrices(query, text)], -1)

    def matrices(self, query: Side, text: Side) -> list[Tensor]:
        """A matrix [pairs, n, m] of matches of each length, 0 at padding."""
        image = cosines(query.vectors, text.vectors)[:, None]
        inside = query.real[:, :, None] * text.real[:, None, :]
        out = []
        for n, layer in enumerate(self.layers, 1):
            padded = functional.pad(image, (0, n - 1, 0, n - 1))
            out.append(torch.relu(layer(padded)).amax(1) * inside)
        return out
