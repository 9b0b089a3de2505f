"""DSSM: query and text as bags of letter trigrams, each mapped to a vector (Huang et al., CIKM 2013).

    v = tanh(W3 tanh(W2 tanh(W1 counts)))      s = a cos(v_q, v_d) + b

Design choices: one tower for both sides, or ``towers`` 2; counts are divided by the root of the number of words, since
tanh saturates at passages; a starts at 10, the paper's smoothing of its softmax. Words are the tokenizer's (see
`parts.trigrams`).
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..core.errors import InputError
from .parts.words import Side, WordModel, cosine_head


class DSSM(WordModel):
    """Scores [B, n] of groups of texts; see `WordModel` for the other arguments. ``width`` and ``hidden`` are the first
    and second layer's sizes, ``out`` that of the vectors."""

    kind: ClassVar[str] = "dssm"
    trigrams: ClassVar[bool] = True

    def __init__(
        self, tokenizer: Any, *, width: int = 300, hidden: int = 300, out: int = 128, towers: int = 1, **words: Any
    ) -> None:
        super().__init__(tokenizer, width=width, **words)
        if towers not in (1, 2):
            raise InputError(f"towers={towers}: expected 1 (both sides share the weights) or 2")
        self.hidden, self.out, self.towers = hidden, out, towers
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Tanh(), nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, out), nn.Tanh())
            for _ in range(towers)
        )
        self.head = cosine_head()

    def score(self, query: Side, text: Side) -> Tensor:
        first, second = self.layers[0](bag(query)), self.layers[-1](bag(text))
        scores: Tensor = self.head(torch.cosine_similarity(first, second)[:, None])[:, 0]
        return scores


def bag(side: Side) -> Tensor:
    """The sums [pairs, width] of the vectors of words, divided by the root of their number."""
    return side.vectors.sum(1) / side.real.sum(1, keepdim=True).clamp(min=1).sqrt()
