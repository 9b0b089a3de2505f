"""DRMM-TKS: DRMM with the k largest cosines of each query word in place of its histogram (MatchZoo, arXiv 1707.07270).

    t_i = the k largest cos(q_i, d_j), sorted      z_i = MLP(t_i)      s = sum_i softmax_i(w . q_i) z_i

Design choices: as in MatchZoo, the gate reads the query word's vector; ``gate`` "idf" weighs as DRMM does. Unlike
histograms, cosines give gradients to the table of words.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from .parts.interaction import cosines, k_max
from .parts.words import Side, TermGate, WordModel


class DRMMTKS(WordModel):
    """Scores [B, n] of groups of texts; see `WordModel` for the other arguments."""

    kind: ClassVar[str] = "drmm_tks"
    weighs: ClassVar[bool] = True

    def __init__(
        self,
        tokenizer: Any,
        *,
        top: int = 10,
        hidden: int = 5,
        gate: Literal["idf", "vector"] = "vector",
        **words: Any,
    ) -> None:
        super().__init__(tokenizer, **words)
        self.top, self.hidden, self.gate = top, hidden, gate
        self.dense = nn.Sequential(nn.Linear(top, hidden), nn.Tanh(), nn.Linear(hidden, 1))
        self.term_gate = TermGate(gate, self.width)

    def score(self, query: Side, text: Side) -> Tensor:
        best = k_max(cosines(query.vectors, text.vectors), text.real[:, None], self.top)
        scores: Tensor = (self.term_gate(query, self.idf) * self.dense(best)[..., 0]).sum(-1)
        return scores
