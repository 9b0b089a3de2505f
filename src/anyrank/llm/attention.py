"""Attention: how much the query looks at each document, less how much a query without content does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import InputError
from ..core.language import Attends, TokenWeights
from ..core.rerank import Group
from ..core.trace import Usage
from ..core.types import Judgement
from .capabilities import need
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
            raise InputError("Attention needs a template with a mark: the text after the documents, from which on "
                             "tokens attend")  # fmt: skip

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        if not groups:
            return []
        asked = [self.template.render(query, members) for query, members in groups]
        prompts = []
        for one, (query, members) in zip(asked, groups):
            prompts.append(one.prompt)
            if self.blank:
                prompts.append(self.template.render(replace(query, content=self.blank), members).prompt)
        said = self.backend.attention(prompts, [self.template.mark] * len(prompts))
        if len(said) != len(prompts):
            raise ValueError(f"{len(said)} answers for {len(prompts)} prompts")
        if not self.blank:
            return [self._judge(a, [s]) for a, s in zip(asked, said)]
        return [self._judge(a, said[2 * i : 2 * i + 2]) for i, a in enumerate(asked)]

    def _judge(self, asked: Rendered, said: Sequence[TokenWeights]) -> Judgement:
        usage = sum((s.usage for s in said), Usage(truncated=asked.truncated))
        passes = [inside(s, places(s.text or str(asked.prompt), asked.bodies)) for s in said]
        why = next((s.error for s in said if s.error), "")
        if len(passes) == 1:
            return Judgement([float(np.sum(w)) if len(w) else math.nan for w in passes[0]], usage, why)
        return Judgement([calibrated(q, blank) for q, blank in zip(*passes)], usage, why)


def places(text: str, bodies: Sequence[str]) -> list[tuple[int, int]]:
    """The character span of each document in a rendered prompt; an empty span where it isn't to be found.

    >>> places("head ab ab tail", ["ab", "ab", "x"])
    [(5, 7), (8, 10), (0, 0)]
    """
    at, out = 0, []
    for body in bodies:
        start = text.find(body, at)
        out.append((start, start + len(body)) if start >= 0 else (0, 0))
        at = max(at, out[-1][1])
    return out


def inside(said: TokenWeights, spans: Sequence[tuple[int, int]]) -> list[np.ndarray]:
    """The weights of the tokens that begin within each character span."""
    starts = np.array([s for s, e in said.spans], dtype=np.int64)
    real = np.array([e > s for s, e in said.spans], dtype=bool)
    weights = np.array(said.weights, dtype=np.float64)
    return [weights[(starts >= a) & (starts < b) & real] for a, b in spans]


def calibrated(query: Sequence[float], blank: Sequence[float]) -> float:
    """One document's score from its tokens' attention under the query and under the blank query; NaN where the tokens
    don't match or there are none.

    >>> round(calibrated([.1, .2, .3, .1, .05] + [.1] * 5, [.1] * 4 + [.9] + [.1] * 5), 9)
    0.3
    """
    if len(query) != len(blank) or not len(query):
        return math.nan
    change = np.asarray(query, dtype=np.float64) - np.asarray(blank, dtype=np.float64)
    spread = float(np.std(change, ddof=1)) if len(change) > 1 else 0.0
    return float(np.sum(change[change > np.mean(change) - 2 * spread] if spread > 0 else change))
