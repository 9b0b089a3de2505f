"""DeepRank: the contexts of each query word's occurrences, read in order (Pang et al., CIKM 2017, arXiv 1710.05649).

    for each place of q_i in the text: its window's matches (q, d, cos) -> convolution -> the largest, and 1 / place
    t_i = GRU over its places      s = sum_i softmax_i(w idf_i) (v . t_i)

Design choices: at most ``places`` occurrences a query word, the first ones; a window is ``window`` words on either
side; q and d are each a learnt projection of their vector to one number. A query word that the text lacks adds nothing.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .parts.interaction import cosines
from .parts.words import Side, TermGate, WordModel


class DeepRank(WordModel):
    """Scores [B, n] of groups of texts; see `WordModel` for the other arguments."""

    kind: ClassVar[str] = "deeprank"
    weighs: ClassVar[bool] = True

    def __init__(
        self, tokenizer: Any, *, window: int = 5, places: int = 4, filters: int = 16, units: int = 16, **words: Any
    ) -> None:
        super().__init__(tokenizer, **words)
        self.window, self.places, self.filters, self.units = window, places, filters, units
        self.query, self.text = nn.Linear(self.width, 1), nn.Linear(self.width, 1)
        self.convolution = nn.Conv2d(3, filters, 3, padding="same")
        self.gru = nn.GRUCell(filters + 1, units)
        self.head = nn.Linear(units, 1, bias=False)
        self.term_gate = TermGate("idf", self.width)

    def score(self, query: Side, text: Side) -> Tensor:
        at, occurs = self.occurrences(query, text)  # [pairs, n, places]
        matches = self.windows(query, text, at) * occurs[..., None]
        state = matches.new_zeros(at.shape[0] * at.shape[1], self.units)
        for place in range(at.shape[-1]):
            position = 1 / (at[..., place, None] + 1)
            now = self.gru(torch.cat([matches[..., place, :], position], -1).flatten(0, 1), state)
            state = torch.where(occurs[..., place].flatten()[:, None] > 0, now, state)
        terms = self.head(state)[:, 0].unflatten(0, at.shape[:2])
        scores: Tensor = (self.term_gate(query, self.idf) * terms).sum(-1)
        return scores

    def occurrences(self, query: Side, text: Side) -> tuple[Tensor, Tensor]:
        """The first places [pairs, n, places] of each query word in the text, and 1 where there is one."""
        same = (query.ids[:, :, None] == text.ids[:, None]) & (query.real[:, :, None] * text.real[:, None] > 0)
        length = same.shape[-1]
        place = torch.arange(length, device=same.device).expand_as(same).masked_fill(~same, length)
        first = place.topk(min(self.places, length), dim=-1, largest=False).values  # ascending
        return first.clamp(max=length - 1), (first < length).to(text.real.dtype)

    def windows(self, query: Side, text: Side, at: Tensor) -> Tensor:
        """The signals [pairs, n, places, filters] of the windows around places."""
        pairs, n, places = at.shape
        offsets = torch.arange(-self.window, self.window + 1, device=at.device)
        columns = at[..., None] + offsets  # [pairs, n, places, w]
        length = text.real.shape[1]
        inside = ((columns >= 0) & (columns < length)) * text.real.gather(
            1, columns.clamp(0, length - 1).flatten(1)
        ).view_as(columns)
        columns = columns.clamp(0, length - 1).flatten(1)  # [pairs, n * places * w]
        cosine = cosines(query.vectors, text.vectors).gather(2, columns[:, None].expand(-1, query.real.shape[1], -1))
        words = self.text(text.vectors)[..., 0].gather(1, columns)[:, None].expand_as(cosine)
        channels = torch.stack([self.query(query.vectors).expand_as(cosine), words, cosine], 1)
        images = (
            channels.view(*channels.shape[:3], n * places, -1).permute(0, 3, 1, 2, 4).flatten(0, 1)
        )  # [*, 3, query, w]
        real = query.real[:, None, :, None] * inside.flatten(1, 2)[:, :, None]  # [pairs, n * places, query, w]
        real = real.flatten(0, 1)[:, None]
        states = torch.relu(self.convolution(images * real)) * real  # never below 0, so that padding isn't the largest
        return states.amax((2, 3)).view(pairs, n, places, -1)
