"""Attention: the attention of the query to each document, minus that of a query without content."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import InputError
from ..core.language import Attends, TokenWeights
from ..core.rerank import Group, Summand
from ..core.trace import Usage
from ..core.types import Judgement
from .capabilities import need, rendered
from .prompts import Rendered, Template


@dataclass(frozen=True)
class Attention:
    """A judge by in-context attention (ICR, arXiv 2410.02642): every group costs two forward passes, one with the
    query and one with ``blank`` in its place, whose common beginning (all documents) a backend can reuse.

    A document scores the sum over its tokens of the difference of the two, without the tokens whose difference is at
    most the document's mean less two standard deviations. ``blank=""`` leaves the second pass and the calibration out.
    The template's ``mark`` ends the documents.
    """

    backend: Attends
    template: Template
    blank: str = "N/A"

    def __post_init__(self) -> None:
        need(self.backend, Attends, "Attention")
        if not self.template.mark:
            raise InputError(
                "Attention needs a template with a mark: the text after the documents, from which on tokens attend"
            )

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        if not groups:
            return []
        requests = rendered(self.template, self.backend, groups)
        prompts = []
        for request, (query, members) in zip(requests, groups):
            prompts.append(request.prompt)
            if self.blank:
                prompts.append(self.template.render(replace(query, content=self.blank), members).prompt)
        answers = self.backend.attention(prompts, [self.template.mark] * len(prompts))
        if len(answers) != len(prompts):
            raise ValueError(f"{len(answers)} answers for {len(prompts)} prompts")
        if not self.blank:
            return [self._judge(request, [answer]) for request, answer in zip(requests, answers)]
        return [self._judge(request, answers[2 * i : 2 * i + 2]) for i, request in enumerate(requests)]

    def summands(self, group: Group) -> list[list[Summand]]:
        """What each token of a document adds to its score in this group: (token, value, its span in the document as the
        prompt shows it); none for a document that isn't scored. Costs the same passes as a judgement."""
        request, (query, members) = rendered(self.template, self.backend, [group])[0], group
        prompts = [request.prompt]
        if self.blank:
            prompts.append(self.template.render(replace(query, content=self.blank), members).prompt)
        answers = self.backend.attention(prompts, [self.template.mark] * len(prompts))
        texts = [answer.text or str(request.prompt) for answer in answers]
        spans = [spans_of(text, request.bodies) for text in texts]
        weights = [inside(answer, s) for answer, s in zip(answers, spans)]
        out = []
        for i, (start, end) in enumerate(spans[0]):
            places = [(a, b) for a, b in answers[0].spans if start <= a < end and b > a]
            values = weights[0][i] if len(answers) == 1 else _changes(weights[0][i], weights[1][i])
            names = [texts[0][a:b] for a, b in places]
            own = [(name, float(v), (a - start, b - start)) for name, v, (a, b) in zip(names, values, places)]
            out.append([summand for summand in own if summand[1]])
        return out

    def _judge(self, request: Rendered, answers: Sequence[TokenWeights]) -> Judgement:
        """The judgement of one group from its pass with the query and, if there is one, its pass with the blank
        query."""
        usage = sum((a.usage.of_one_answer() for a in answers), Usage(truncated=request.truncated))
        # The two rendered prompts differ in the query, so each has its own spans.
        passes = [inside(a, spans_of(a.text or str(request.prompt), request.bodies)) for a in answers]
        error = next((a.error for a in answers if a.error), "")
        # a model's weights may be infinite or NaN: their sums are then no scores, and no warnings
        with np.errstate(over="ignore", invalid="ignore"):
            if len(passes) == 1:
                return Judgement([float(np.sum(w)) if len(w) else math.nan for w in passes[0]], usage, error)
            return Judgement([calibrated(q, blank) for q, blank in zip(*passes)], usage, error)


def spans_of(text: str, bodies: Sequence[str]) -> list[tuple[int, int]]:
    """The character span of each document in a rendered prompt; an empty span for one that isn't in it.

    >>> spans_of("head ab ab tail", ["ab", "ab", "x"])
    [(5, 7), (8, 10), (0, 0)]
    """
    end, spans = 0, []
    for body in bodies:
        start = text.find(body, end)  # after the document before it, so that equal texts get different spans
        spans.append((start, start + len(body)) if start >= 0 else (0, 0))
        end = max(end, spans[-1][1])
    return spans


def inside(answer: TokenWeights, spans: Sequence[tuple[int, int]]) -> list[np.ndarray]:
    """The weights of the tokens that begin within each character span."""
    starts = np.array([start for start, _ in answer.spans], dtype=np.int64)
    real = np.array([end > start for start, end in answer.spans], dtype=bool)  # a template's own tokens have no text
    weights = np.array(answer.weights, dtype=np.float64)
    return [weights[(starts >= a) & (starts < b) & real] for a, b in spans]


def calibrated(query: Sequence[float], blank: Sequence[float]) -> float:
    """One document's score from its tokens' attention under the query and under the blank query; NaN if the tokens
    don't match or there are none.

    >>> round(calibrated([.1, .2, .3, .1, .05] + [.1] * 5, [.1] * 4 + [.9] + [.1] * 5), 9)
    0.3
    """
    change = _changes(query, blank)
    return float(np.sum(change)) if len(change) else math.nan


def _changes(query: Sequence[float] | np.ndarray, blank: Sequence[float] | np.ndarray) -> np.ndarray:
    """The change of each token's attention, 0 for outliers; empty if the tokens don't match."""
    if len(query) != len(blank):
        return np.zeros(0)
    change = np.asarray(query, dtype=np.float64) - np.asarray(blank, dtype=np.float64)
    # Tokens that lose much under the query are outliers of the blank pass (punctuation, say): left out.
    spread = float(np.std(change, ddof=1)) if len(change) > 1 else 0.0
    return np.where(change > np.mean(change) - 2 * spread, change, 0.0) if spread > 0 else change
