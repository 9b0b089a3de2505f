"""CDSSM: DSSM over the letter trigrams of three words at a time (Shen et al., CIKM 2014).

    h_i = tanh(W (x_{i-1}, x_i, x_{i+1}))      v = tanh(V max_i h_i)      s = a cos(v_q, v_d) + b

Design choices: x are counts of trigrams, so W's rows are three vectors a trigram; beyond the text they are zeros; one
tower for both sides; a starts at 10. Words are the tokenizer's (see `parts.trigrams`).
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from .parts.interaction import largest
from .parts.words import Side, WordModel, cosine_head


class CDSSM(WordModel):
    """Scores [B, n] of groups of texts; see `WordModel` for the other arguments. ``hidden`` is the convolution's size,
    ``out`` that of the vectors."""

    kind: ClassVar[str] = "cdssm"
    trigrams: ClassVar[bool] = True

    def __init__(self, tokenizer: Any, *, hidden: int = 300, out: int = 128, **words: Any) -> None:
        super().__init__(tokenizer, **{**words, "width": 3 * hidden})
        self.hidden, self.out = hidden, out
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.dense = nn.Sequential(nn.Linear(hidden, out), nn.Tanh())
        self.head = cosine_head()

    def score(self, query: Side, text: Side) -> Tensor:
        scores: Tensor = self.head(torch.cosine_similarity(self.vector(query), self.vector(text))[:, None])[:, 0]
        return scores

    def vector(self, side: Side) -> Tensor:
        """The vectors [pairs, out] of texts."""
        before, here, after = side.vectors.chunk(
            3, -1
        )  # what a word gives the window after it, its own, the one before
        sums = here + functional.pad(before, (0, 0, 1, 0))[:, :-1] + functional.pad(after, (0, 0, 0, 1))[:, 1:]
        vectors: Tensor = self.dense(largest(torch.tanh(sums + self.bias), side.real[..., None], 1))
        return vectors
