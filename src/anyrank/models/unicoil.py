"""uniCOIL: every word piece of a text gets a weight by its context, and a score is the dot product of the weights that
query and text share (arXiv 2106.14807; uniCOIL is COIL with vectors of one number and without [CLS]).

    w_i = relu(w . state_i + b)      s = sum over pieces i of q of w_i * max over equal pieces j of d of w_j

The paper's documents were expanded by docT5query first (`anyrank expand`), and its weights from 0 to 5 are stored in 8
bits (``bits=8``). A fresh head begins with about 1 for every piece, so that training starts at counting common pieces.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from .parts.terms import Weights


class UniCOIL(Weights):
    """Scores [B, n] of groups of texts; ``bits`` and ``most`` as in `Weights`."""

    kind: ClassVar[str] = "unicoil"

    def __init__(
        self,
        body: Any,
        tokenizer: Any,
        max_length: int = 256,
        bits: int = 0,
        most: float = 5.0,
        in_batch: bool = False,
    ) -> None:
        super().__init__(body, tokenizer, max_length, bits, most, in_batch)
        self.weigh = nn.Linear(body.config.hidden_size, 1)
        nn.init.normal_(self.weigh.weight, std=0.02)
        nn.init.ones_(self.weigh.bias)

    def values(self, states: Tensor) -> Tensor:
        weights: Tensor = self.weigh(states).relu()
        return weights
