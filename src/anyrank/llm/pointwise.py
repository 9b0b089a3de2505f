"""Judges of one document at a time: odds of two answer words, likelihood of the query, logit of a token."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..core.language import LogProbs, ScoresNext, ScoresText
from ..core.rerank import Group
from ..core.trace import Usage
from ..core.types import Judgement
from .capabilities import GivesLogits, need, unknown
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
            lambda asked: self.backend.next_token_logprobs([a.prompt for a in asked], [options] * len(asked)),
            lambda said: _AS[self.score](odds(said.values)),
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
        def score(said: LogProbs) -> float:
            value = said.values[0] if said.values else math.nan
            return value / max(said.tokens[0], 1) if self.mean and said.tokens else value

        return _one_by_one(
            groups,
            self.template,
            lambda asked: self.backend.loglikelihood([a.prompt for a in asked], [" " + a.query for a in asked]),
            score,
        )


@dataclass(frozen=True)
class TokenLogit:
    """The raw logit of ``token`` at the first place of the answer (RankT5, arXiv 2210.10634)."""

    backend: GivesLogits
    template: Template
    token: str = "<extra_id_10>"

    def __post_init__(self) -> None:
        need(self.backend, GivesLogits, "TokenLogit")

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        return _one_by_one(
            groups,
            self.template,
            lambda asked: self.backend.next_token_logits([a.prompt for a in asked], [(self.token,)] * len(asked)),
            lambda said: said.values[0] if said.values else math.nan,
        )


def _one_by_one(
    groups: Sequence[Group],
    template: Template,
    ask: Callable[[Sequence[Rendered]], Sequence[LogProbs]],
    score: Callable[[LogProbs], float],
) -> list[Judgement]:
    """A judgement a group from one prompt a member, all prompts in one batch."""
    asked = [[template.render(query, [c]) for c in members] for query, members in groups]
    flat = [a for one in asked for a in one]
    said = list(ask(flat)) if flat else []
    scores = [score(s) for _, s in zip(flat, said, strict=True)]
    out, at = [], 0
    for one in asked:
        end = at + len(one)
        usage = sum((s.usage for s in said[at:end]), Usage(truncated=sum(a.truncated for a in one)))
        out.append(Judgement(scores[at:end], usage, next(filter(None, map(unknown, said[at:end])), "")))
        at = end
    return out


def odds(values: Sequence[float]) -> float:
    """The first log-probability less the second; NaN where nothing is known of them. -inf counts as -100, so that an
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
