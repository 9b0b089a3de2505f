"""MV-LSTM: cosines of the states of a bidirectional LSTM, of which the k largest count (Wan et al., AAAI 2016, arXiv
1511.08277).

    M_ij = cos(h(q)_i, h(d)_j)      s = MLP(the k largest of M)

Design choices: one LSTM for both sides; the cosine is the simplest of the paper's three similarities.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .parts.interaction import cosines, k_max, perceptron
from .parts.words import Side, WordModel


class MVLSTM(WordModel):
    """Scores [B, n] of groups of texts; see `WordModel` for the other arguments. ``units`` are those of each
    direction."""

    kind: ClassVar[str] = "mv_lstm"

    def __init__(self, tokenizer: Any, *, units: int = 32, top: int = 20, hidden: int = 20, **words: Any) -> None:
        super().__init__(tokenizer, **words)
        self.units, self.top, self.hidden = units, top, hidden
        self.lstm = nn.LSTM(self.width, units, batch_first=True, bidirectional=True)
        self.dense = perceptron(top, hidden, 1)

    def score(self, query: Side, text: Side) -> Tensor:
        matrix = cosines(self.states(query), self.states(text))
        inside = query.real[:, :, None] * text.real[:, None, :]
        scores: Tensor = self.dense(k_max(matrix.flatten(1), inside.flatten(1), self.top))[:, 0]
        return scores

    def states(self, side: Side) -> Tensor:
        """The states [pairs, n, 2 * units] of words, zeros at padding."""
        lengths = side.real.sum(1).long().clamp(min=1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(side.vectors, lengths, batch_first=True, enforce_sorted=False)
        states, _ = nn.utils.rnn.pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=side.real.shape[1]
        )
        return torch.as_tensor(states) * side.real[..., None]
