"""DeepImpact: every word of a document gets an impact by the state of its first piece, and a score is the sum of the
impacts of the query's words (arXiv 2104.12016).

    impact_t = relu(W2 dropout(relu(W1 state_t)))      s = sum over words t of q that d has of impact_t

A query isn't read by the encoder: each of its words counts once. The paper's documents were expanded by docT5query
first (`anyrank expand`), and its impacts are stored in 8 bits, rounded up (``bits=8``, with ``most`` the largest impact
of the collection). A word counts at its first position. A fresh head begins with about 1 for every word.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from .parts.terms import Weights


class DeepImpact(Weights):
    """Scores [B, n] of groups of texts; ``bits`` and ``most`` as in `Weights`."""

    kind: ClassVar[str] = "deepimpact"
    words: ClassVar[bool] = True
    reads_queries: ClassVar[bool] = False
    rounded: ClassVar[Any] = np.ceil

    def __init__(
        self,
        body: Any,
        tokenizer: Any,
        max_length: int = 256,
        bits: int = 0,
        most: float = 5.0,
        dropout: float = 0.1,
        in_batch: bool = False,
    ) -> None:
        super().__init__(body, tokenizer, max_length, bits, most, in_batch)
        self.dropout = dropout
        width = body.config.hidden_size
        last = nn.Linear(width, 1)
        nn.init.normal_(last.weight, std=0.02)
        nn.init.ones_(last.bias)
        self.impact = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), last, nn.ReLU())

    def options(self) -> dict[str, Any]:
        return super().options() | {"dropout": self.dropout}

    def values(self, states: Tensor) -> Tensor:
        impacts: Tensor = self.impact(states)
        return impacts
