"""Reader: an encoder-decoder that reads several dated articles and writes the answer, its understanding of each moment
aligned with what the crowd knew then (AutoCast++, arXiv 2310.01880; fusion in decoder, arXiv 2007.01282).

Two slips of the authors' program are mended unless ``faithful``: an article's place in time is its rank among the dates
(theirs is the argsort's indices, which is another thing), and an article without a crowd's forecast adds nothing (their
weight of 0 leaves 101 softplus(logit) of its target -100).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...core.errors import InputError

MISSING = -100.0
"""The target of an article without a forecast."""
ALIGNED = 0.1
"""The weight of the alignment loss."""


def time_order(dates: Tensor, *, faithful: bool = False) -> Tensor:
    """The rank of each article's date [batch, n], from 0; equal dates share one. ``faithful``: argsort's indices.

    >>> time_order(torch.tensor([[30.0, 10.0, 20.0, 10.0]])).tolist()
    [[2, 0, 1, 0]]
    >>> time_order(torch.tensor([[30.0, 10.0, 20.0]]), faithful=True).tolist()
    [[1, 2, 0]]
    """
    if faithful:
        return dates.argsort(dim=1)
    # the number of distinct dates before each: an article's own date is compared with the first of each date
    first = (dates[:, :, None] == dates[:, None, :]).int().argmax(2) == torch.arange(
        dates.shape[1], device=dates.device
    )
    return ((dates[:, None, :] < dates[:, :, None]) & first[:, None, :]).sum(2)


def future(order: Tensor) -> Tensor:
    """The mask [batch, n, n] that is True where article j is later than article i, which must not see it.

    >>> future(torch.tensor([[1, 0, 1]]))[0].int().tolist()
    [[0, 0, 0], [1, 0, 1], [0, 0, 0]]
    """
    return order[:, None, :] > order[:, :, None]


def alignment_loss(logits: Tensor, targets: Tensor, *, numbers: bool = False, faithful: bool = False) -> Tensor:
    """The sum over articles of the cross-entropy with the crowd's probability of the right answer; of ``numbers`` of
    the distance between the sigmoid and the crowd's number. Targets of `MISSING` have neither loss nor gradient, unless
    ``faithful``.

    >>> x, y = torch.tensor([0.0, 2.0]), torch.tensor([0.5, MISSING])
    >>> round(float(alignment_loss(x, y)), 4), round(float(alignment_loss(x, y, faithful=True)), 3)
    (0.6931, 215.513)
    """
    known = targets != MISSING
    if numbers:
        return (logits.sigmoid() - targets).abs().masked_fill(~known, 0.0).sum()
    if faithful:
        weight = known.to(logits)
        return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight, reduction="sum")
    each = F.binary_cross_entropy_with_logits(logits, targets.masked_fill(~known, 0.0), reduction="none")
    return each.masked_fill(~known, 0.0).sum()


class Alignment(nn.Module):  # type: ignore[misc,unused-ignore]
    """A logit for each article from its vector and those of articles not later than it."""

    def __init__(self, width: int, layers: int = 2, heads: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.heads = heads
        self.out = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, vectors: Tensor, order: Tensor) -> Tensor:
        """Vectors [batch, n, width], order in time [batch, n] -> logits [batch, n]."""
        mask = future(order).repeat_interleave(self.heads, 0)
        logits: Tensor = self.out(self.layers(vectors, mask=mask))[..., 0]
        return logits


@dataclass(frozen=True, slots=True)
class Case:
    """A question for the reader: a text for each article (`reader_text.context`), their dates (any unit), the crowd's
    `questions.Question.crowd_at` of each (`MISSING` if there is none), the answer's text, and the options."""

    contexts: Sequence[str]
    dates: Sequence[float]
    crowd: Sequence[float]
    answer: str
    options: Sequence[str]
    numbers: bool = False
    weight: float = 1.0


class Reader(nn.Module):  # type: ignore[misc,unused-ignore]
    """``body`` is a T5 or another encoder-decoder of transformers; ``articles`` contexts a question are read, each cut
    to ``max_length`` tokens. Of fewer the first is repeated."""

    def __init__(
        self,
        body: Any,
        tokenizer: Any,
        articles: int = 10,
        max_length: int = 512,
        heads: int = 8,
        faithful: bool = False,
    ) -> None:
        super().__init__()
        self.body = body
        self.tokenizer = tokenizer
        self.articles = articles
        self.max_length = max_length
        self.faithful = faithful
        self.alignment = Alignment(body.config.hidden_size, heads=heads)

    def read(self, case: Case) -> tuple[Tensor, Tensor, Tensor]:
        """(states of all articles one after another [1, tokens, width], their mask [1, tokens], and a vector an article
        [1, articles, width], the mean over its length of its tokens' states with padding as 0)."""
        chosen = self._positions(case)
        encoded = self.tokenizer(
            [case.contexts[i] for i in chosen],
            truncation=True,
            padding="max_length",
            max_length=self.max_length,
            return_tensors="pt",
        ).to(next(self.parameters()).device)
        mask = encoded["attention_mask"]
        states = self.body.get_encoder()(input_ids=encoded["input_ids"], attention_mask=mask).last_hidden_state
        vectors = (states * mask[:, :, None]).mean(1)
        return states.flatten(0, 1)[None], mask.flatten()[None], vectors[None]

    def loss(self, cases: Sequence[Case]) -> Tensor:
        """The mean over questions of the loss of writing the answer (times the question's weight) and 0.1 times the
        alignment loss."""
        total = next(self.parameters()).new_zeros(())
        for case in cases:
            states, mask, vectors = self.read(case)
            labels = self.tokenizer(case.answer, return_tensors="pt")["input_ids"].to(states.device)
            written = self.body(encoder_outputs=(states,), attention_mask=mask, labels=labels).loss
            chosen = self._positions(case)
            dates = torch.tensor([[case.dates[i] for i in chosen]], device=states.device)
            crowd = torch.tensor([[case.crowd[i] for i in chosen]], device=states.device)
            logits = self.alignment(vectors, time_order(dates, faithful=self.faithful))
            aligned = alignment_loss(logits, crowd, numbers=case.numbers, faithful=self.faithful)
            total = total + case.weight * written + ALIGNED * aligned
        return total / max(len(cases), 1)

    def answer(self, case: Case) -> dict[str, float]:
        """The probability of each option, which add up to 1."""
        with torch.inference_mode():
            states, mask, _ = self.read(case)
            sums = []
            for option in case.options:
                labels = self.tokenizer(option, return_tensors="pt")["input_ids"].to(states.device)
                logits = self.body(encoder_outputs=(states,), attention_mask=mask, labels=labels).logits[0]
                sums.append(logits.log_softmax(-1).gather(1, labels[0][:, None]).sum())
            return dict(zip(case.options, torch.stack(sums).softmax(0).tolist()))

    def _positions(self, case: Case) -> list[int]:
        if not case.contexts:
            raise InputError("a question without articles can't be read: give its text alone as one context")
        n = len(case.contexts)
        return [i if i < n else 0 for i in range(self.articles)]
