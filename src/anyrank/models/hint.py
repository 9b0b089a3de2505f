"""HiNT: signals of passages, read by a spatial GRU each, decide together (Fan et al., SIGIR 2018, arXiv 1805.05737).

    cells (q_i, d_j, cos) and (q_i, d_j, 1 if equal) -> a spatial GRU each -> signal e_p of passage p
    s = MLP(the k largest of e over passages; the k largest of an LSTM's states over e_1 … e_P)

Design choices: passages are ``passage`` words; q and d are learnt projections to ``dim`` numbers; the k largest are
taken of each of a signal's numbers; a passage without words counts in neither.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from .parts.interaction import cosines, k_max, perceptron
from .parts.spatial_gru import SpatialGRU
from .parts.words import Side, WordModel


class HiNT(WordModel):
    """Scores [B, n] of groups of texts; see `WordModel` for the other arguments. ``top`` is k."""

    kind: ClassVar[str] = "hint"

    def __init__(
        self,
        tokenizer: Any,
        *,
        passage: int = 32,
        dim: int = 3,
        units: int = 8,
        top: int = 4,
        hidden: int = 16,
        query_length: int = 16,
        **words: Any,
    ) -> None:
        super().__init__(tokenizer, query_length=query_length, **words)
        self.passage, self.dim, self.units, self.top, self.hidden = passage, dim, units, top, hidden
        self.project = nn.Linear(self.width, dim)
        self.by_cosine, self.by_match = SpatialGRU(2 * dim + 1, units), SpatialGRU(2 * dim + 1, units)
        self.lstm = nn.LSTM(2 * units, units, batch_first=True)
        self.dense = perceptron(top * 3 * units, hidden, 1)

    def score(self, query: Side, text: Side) -> Tensor:
        signals, real = self.signals(query, text)  # [pairs, passages, 2 * units], [pairs, passages]
        states = self.lstm(signals)[0]  # reads forward, so that passages behind the text change nothing before them
        best = [k_max(x.mT, real[:, None], self.top).flatten(1) for x in (signals, states)]
        scores: Tensor = self.dense(torch.cat(best, -1))[:, 0]
        return scores

    def signals(self, query: Side, text: Side) -> tuple[Tensor, Tensor]:
        """The signals of passages, and 1 for those that have words."""
        n, m = query.real.shape[1], text.real.shape[1]
        extra = -m % self.passage
        same = (query.ids[:, :, None] == text.ids[:, None]) * query.real[:, :, None] * text.real[:, None]
        cosine = cosines(query.vectors, text.vectors)
        left = self.project(query.vectors)[:, :, None].expand(-1, -1, m, -1)
        right = self.project(text.vectors)[:, None].expand(-1, n, -1, -1)
        lengths = functional.pad(text.real, (0, extra)).view(len(cosine), -1, self.passage).sum(-1)  # [pairs, passages]
        rows = query.real.sum(1).long()[:, None].expand_as(lengths).flatten()
        out = []
        for gru, match in ((self.by_cosine, cosine), (self.by_match, same)):
            cells = functional.pad(torch.cat([left, right, match[..., None]], -1), (0, 0, 0, extra))
            passages = cells.view(len(cells), n, -1, self.passage, cells.shape[-1]).transpose(1, 2).flatten(0, 1)
            out.append(gru(passages, rows, lengths.flatten().long()).view(*lengths.shape, self.units))
        return torch.cat(out, -1), (lengths > 0).to(text.real.dtype)
