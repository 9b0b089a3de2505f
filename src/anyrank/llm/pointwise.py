"""Judges of one document at a time: odds of two answer words, likelihood of the query or of the document, logit of a
token."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..core.content import text_of
from ..core.errors import InputError
from ..core.language import LogProbs, Prompt, ScoresNext, ScoresText
from ..core.rerank import Group
from ..core.trace import Usage
from ..core.types import Judgement
from .capabilities import GivesLogits, need, note_of, rendered
from .prompts import Rendered, Template


@dataclass(frozen=True)
class YesNo:
    """Log-odds of ``yes`` against ``no`` as the next token (ProRank's difference of logits). With ``score="logprob"``
    the log-softmax over the two (monoT5, arXiv 2003.06713), ``"probability"`` its exponential. All order alike."""

    backend: ScoresNext
    template: Template
    yes: str = "Yes"
    no: str = "No"
    score: Literal["odds", "logprob", "probability"] = "odds"

    def __post_init__(self) -> None:
        need(self.backend, ScoresNext, "YesNo")

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        options = (self.yes, self.no)
        return _one_by_one(
            groups,
            self.template,
            self.backend,
            lambda requests: self.backend.next_token_logprobs(_prompts(requests), [options] * len(requests)),
            lambda answer: _AS[self.score](odds(answer.values)),
        )


@dataclass(frozen=True)
class QueryLikelihood:
    """Log-likelihood of the query after the document's prompt: the mean over the query's tokens (UPR, arXiv
    2204.07496) or, with ``mean=False``, their sum."""

    backend: ScoresText
    template: Template
    mean: bool = True

    def __post_init__(self) -> None:
        need(self.backend, ScoresText, "QueryLikelihood")

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        def score(answer: LogProbs) -> float:
            value = answer.values[0] if answer.values else math.nan
            return value / max(answer.tokens[0], 1) if self.mean and answer.tokens else value

        return _one_by_one(
            groups,
            self.template,
            self.backend,
            lambda requests: self.backend.loglikelihood(_prompts(requests), [" " + r.query for r in requests]),
            score,
        )


@dataclass(frozen=True)
class CandidateLikelihood:
    """Log-likelihood of the candidate after the query's prompt, over a power of its length in tokens:
    sum log p(token) / length^alpha (BRIO, arXiv 2203.16804).

    For candidates that answer a query: summaries of an article, translations, answers. ``alpha`` 0 is the plain sum,
    which prefers short texts; 1 the mean; 2 prefers long ones. A backend that doesn't count the candidate's tokens
    gives no score unless ``alpha`` is 0.
    """

    backend: ScoresText
    template: Template
    alpha: float = 1.0

    def __post_init__(self) -> None:
        need(self.backend, ScoresText, "CandidateLikelihood")
        if not math.isfinite(self.alpha):
            raise InputError(f"alpha={self.alpha}: the length exponent must be a finite number")

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        texts = [" " + " ".join(text_of(c.content).split()) for _, members in groups for c in members]

        def score(answer: LogProbs) -> float:
            value = answer.values[0] if answer.values else math.nan
            if not self.alpha:
                return value
            return value / max(answer.tokens[0], 1) ** self.alpha if answer.tokens else math.nan

        return _one_by_one(
            groups,
            self.template,
            self.backend,
            lambda requests: self.backend.loglikelihood(_prompts(requests), texts),
            score,
        )


@dataclass(frozen=True)
class TokenLogit:
    """The raw logit of ``token`` as the answer's first token (RankT5, arXiv 2210.10634)."""

    backend: GivesLogits
    template: Template
    token: str = "<extra_id_10>"

    def __post_init__(self) -> None:
        need(self.backend, GivesLogits, "TokenLogit")

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        return _one_by_one(
            groups,
            self.template,
            self.backend,
            lambda requests: self.backend.next_token_logits(_prompts(requests), [(self.token,)] * len(requests)),
            lambda answer: answer.values[0] if answer.values else math.nan,
        )


def _prompts(requests: Sequence[Rendered]) -> list[Prompt]:
    return [request.prompt for request in requests]


def _one_by_one(
    groups: Sequence[Group],
    template: Template,
    backend: object,
    ask: Callable[[Sequence[Rendered]], Sequence[LogProbs]],
    score: Callable[[LogProbs], float],
) -> list[Judgement]:
    """One judgement per group from one prompt per member, all prompts in one batch."""
    requests = rendered(template, backend, [(query, [member]) for query, members in groups for member in members])
    answers = list(ask(requests)) if requests else []
    scores = [score(answer) for _, answer in zip(requests, answers, strict=True)]
    judgements, start = [], 0
    for _, members in groups:
        own = slice(start, start + len(members))
        start = own.stop
        usage = sum(
            (a.usage.of_one_answer() for a in answers[own]), Usage(truncated=sum(r.truncated for r in requests[own]))
        )
        judgements.append(Judgement(scores[own], usage, next(filter(None, map(note_of, answers[own])), "")))
    return judgements


def odds(values: Sequence[float]) -> float:
    """The first log-probability minus the second; NaN if neither is known. -inf counts as -100, so that an
    option outside the top that a server reports gives a large finite difference.

    >>> odds((-1.0, -3.0)), odds((-1.0, float("-inf")))
    (2.0, 99.0)
    """
    if len(values) != 2 or all(v == -math.inf for v in values):
        return math.nan
    yes, no = (v if math.isnan(v) else max(v, -100.0) for v in values)
    return yes - no


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow."""
    return math.exp(_log_sigmoid(x))


def _log_sigmoid(x: float) -> float:
    return min(x, 0.0) - math.log1p(math.exp(-abs(x)))


_AS: dict[str, Callable[[float], float]] = {"odds": float, "logprob": _log_sigmoid, "probability": sigmoid}
