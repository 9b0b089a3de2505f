"""DUET: exact matches and learnt representations, scored side by side (Mitra et al., WWW 2017, arXiv 1610.08136).

    local:        X_ji = 1 if d_j = q_i      tanh(W X) -> MLP
    distributed:  letter trigrams -> tanh(convolution of three words) -> the largest over the query; the largest over
                  each window of the text -> their products -> MLP
    s = local + distributed

Design choices: texts are padded to their longest length with zeros, and windows behind the text stay zero; ``window``
words with half a window's step. Words are the tokenizer's (see `parts.trigrams`).
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from .parts.interaction import largest, perceptron
from .parts.words import Side, WordModel


class Duet(WordModel):
    """Scores [B, n] of groups of texts; see `WordModel` for the other arguments. ``filters`` is the size of all hidden
    layers."""

    kind: ClassVar[str] = "duet"
    fixed: ClassVar[bool] = True
    trigrams: ClassVar[bool] = True

    def __init__(self, tokenizer: Any, *, filters: int = 64, window: int = 16, **words: Any) -> None:
        super().__init__(tokenizer, **words)
        self.filters, self.window = filters, window
        self.places = nn.Linear(self.max_length, filters)
        self.local = perceptron(filters * (self.query_length or self.max_length), filters, 1)
        self.convolution = nn.Conv1d(self.width, filters, 3, padding=1)
        self.query, self.text = (nn.Sequential(nn.Linear(filters, filters), nn.Tanh()) for _ in range(2))
        self.windows = max(-(-self.max_length // (window // 2)) - 1, 1)
        self.distributed = perceptron(filters * self.windows, filters, 1)

    def score(self, query: Side, text: Side) -> Tensor:
        scores: Tensor = self.exact(query, text) + self.semantic(query, text)
        return scores

    def exact(self, query: Side, text: Side) -> Tensor:
        """The scores [pairs] by the places of exact matches."""
        same = (query.ids[:, :, None] == text.ids[:, None, :]) * query.real[:, :, None] * text.real[:, None, :]
        same = functional.pad(same, (0, self.max_length - same.shape[-1]))  # [pairs, n, max_length]
        states = torch.tanh(self.places(same)) * query.real[..., None]
        states = functional.pad(states, (0, 0, 0, (self.query_length or self.max_length) - states.shape[1]))
        scores: Tensor = self.local(states.flatten(1))[:, 0]
        return scores

    def semantic(self, query: Side, text: Side) -> Tensor:
        """The scores [pairs] by the products of vectors."""
        wanted = self.query(largest(self.states(query), query.real[..., None], 1))
        states, real = self.states(text), text.real
        missing = (self.windows + 1) * (self.window // 2) - real.shape[1]
        states, real = functional.pad(states, (0, 0, 0, missing)), functional.pad(real, (0, missing))
        states = states.masked_fill(real[..., None] == 0, -1.0)  # the least of tanh
        best = functional.max_pool1d(states.mT, self.window, self.window // 2).mT  # [pairs, windows, filters]
        covered = functional.max_pool1d(real[:, None], self.window, self.window // 2).mT
        products = wanted[:, None] * self.text(best) * covered
        scores: Tensor = self.distributed(products.flatten(1))[:, 0]
        return scores

    def states(self, side: Side) -> Tensor:
        return torch.tanh(self.convolution(side.vectors.mT)).mT
