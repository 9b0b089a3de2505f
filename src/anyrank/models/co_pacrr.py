"""Co-PACRR: PACRR that sees the context of a match and its place in the text (Hui et al., 2018, arXiv 1706.10192).

Beside PACRR's signals: the cosine of the query's mean vector with the mean vector around each of the k best matches,
and the k best matches of the first quarters of the text, not only of the whole (cascade k-max pooling). Query words are
shuffled in training.

Design choice: the context of a place is its ``window`` words on either side; the cascade's shares are 1/4, 1/2, 3/4 and
1 of the text's own words.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from .pacrr import PACRR
from .parts.interaction import cosines
from .parts.words import Side

SHARES = (0.25, 0.5, 0.75, 1.0)


class CoPACRR(PACRR):
    """Scores [B, n] of groups of texts; see `PACRR` for the other arguments."""

    kind: ClassVar[str] = "co_pacrr"

    def __init__(self, tokenizer: Any, *, window: int = 4, shuffle: bool = True, **pacrr: Any) -> None:
        self.window = window
        super().__init__(tokenizer, shuffle=shuffle, **pacrr)

    def signals(self) -> int:
        return self.grams * self.top * len(SHARES) * 2

    def matches(self, query: Side, text: Side) -> Tensor:
        context = self.context(query, text)[:, None]  # [pairs, 1, m]
        length, position = text.real.sum(-1, keepdim=True), torch.arange(text.real.shape[1], device=text.real.device)
        out = []
        for matrix in self.matrices(query, text):
            for share in SHARES:
                begin = (position < (length * share).ceil()) * text.real
                masked = matrix.masked_fill(begin[:, None] == 0, -torch.inf)
                masked = functional.pad(masked, (0, max(self.top - masked.shape[-1], 0)), value=-torch.inf)
                # of equal matches the first; rounded, since sums in another order differ in the last digits
                at = (masked * 1e4).round().sort(dim=-1, descending=True, stable=True).indices[..., : self.top]
                best = masked.gather(-1, at)
                around = functional.pad(context, (0, masked.shape[-1] - context.shape[-1]))
                near = around.expand_as(masked).gather(-1, at)
                out += [best.masked_fill(best == -torch.inf, 0.0), near.masked_fill(best == -torch.inf, 0.0)]
        return torch.cat(out, -1)

    def context(self, query: Side, text: Side) -> Tensor:
        """The cosines [pairs, m] of the query's mean vector with the mean around each word of the text."""
        size = 2 * self.window + 1
        sums = functional.avg_pool1d(text.vectors.mT, size, 1, self.window).mT  # divided by the same number everywhere
        return cosines(query.vectors.sum(1, keepdim=True), sums)[:, 0] * text.real
