"""Match-SRNN: a spatial GRU over tensor matches of words (Wan et al., IJCAI 2016, arXiv 1604.04378).

    s_ij = relu(q_i T^[1..c] d_j + W (q_i, d_j) + b)      h = last state of a spatial GRU over s      score = w . h + b

Design choice: words are projected to ``dim`` numbers before the tensor, whose size grows with their square.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .parts.spatial_gru import SpatialGRU
from .parts.words import Side, WordModel


class MatchSRNN(WordModel):
    """Scores [B, n] of groups of texts; see `WordModel` for the other arguments. ``channels`` is c."""

    kind: ClassVar[str] = "match_srnn"

    def __init__(
        self, tokenizer: Any, *, dim: int = 32, channels: int = 4, units: int = 10, max_length: int = 128, **words: Any
    ) -> None:
        super().__init__(tokenizer, max_length=max_length, **words)
        self.dim, self.channels, self.units = dim, channels, units
        self.project = nn.Linear(self.width, dim, bias=False)
        self.tensor = nn.Parameter(torch.randn(channels, dim, dim) / dim)
        self.query, self.text = nn.Linear(dim, channels), nn.Linear(dim, channels, bias=False)
        self.gru = SpatialGRU(channels, units)
        self.head = nn.Linear(units, 1)

    def score(self, query: Side, text: Side) -> Tensor:
        q, d = self.project(query.vectors), self.project(text.vectors)
        products = torch.einsum("bnx,cxy,bmy->bnmc", q, self.tensor, d)
        cells = torch.relu(products + self.query(q)[:, :, None] + self.text(d)[:, None])
        last = self.gru(cells, query.real.sum(1).long(), text.real.sum(1).long())
        scores: Tensor = self.head(last)[:, 0]
        return scores
