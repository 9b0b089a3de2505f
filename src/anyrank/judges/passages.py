"""Long documents judged in pieces: split into passages, each judged alone, the scores aggregated."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..core.content import TEXT_FIELDS, images_of, text_of
from ..core.errors import InputError
from ..core.passages import passages
from ..core.rerank import Group, Judge
from ..core.trace import Usage
from ..core.types import Candidate, Judgement

Aggregate = Literal["first", "max", "mean", "sum", "top"]


@dataclass(frozen=True)
class Passages:
    """A judge that splits each candidate's text into passages of ``words`` words (one every ``stride``), asks ``judge``
    about every passage alone, and aggregates: the first passage's score (FirstP), the maximum (MaxP), the mean, the sum
    (SumP; Dai & Callan 2019, arXiv 1905.09217), or the mean of the ``top`` best ("top").

    A candidate of one passage gets the score that ``judge`` gives it alone. Usage is added over a group's passages. A
    passage that could not be scored (NaN) is left out; a candidate with none scored is NaN. Texts, and mappings and
    tuples of texts, are split; other contents, and all that hold an image, are judged whole.
    """

    judge: Judge
    words: int = 150
    stride: int = 100
    aggregate: Aggregate = "max"
    top: int = 3

    def __post_init__(self) -> None:
        if not 1 <= self.stride <= self.words:
            raise InputError(f"stride={self.stride}, words={self.words}: stride must be from 1 to words")
        if self.aggregate not in ("first", "max", "mean", "sum", "top"):
            raise InputError(f"aggregate={self.aggregate!r}: choose one of first, max, mean, sum, top")
        if self.top < 1:
            raise InputError(f"top={self.top}: must be at least 1")

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        requests: list[Group] = []
        counts: list[list[int]] = []  # passages of each member, by group
        for query, members in groups:
            split = [self._split(candidate) for candidate in members]
            counts.append([len(several) for several in split])
            requests += [(query, [passage]) for several in split for passage in several]
        answers = iter(self.judge(requests))
        judgements = []
        for sizes in counts:
            usage, scores = Usage(), []
            for size in sizes:
                own = [next(answers) for _ in range(size)]
                usage = sum((a.usage for a in own), usage)
                scores.append(self._aggregated([a.scores[0] for a in own]))
            judgements.append(Judgement(scores, usage))
        return judgements

    def _split(self, candidate: Candidate) -> list[Candidate]:
        if not _is_text(candidate.content):
            return [candidate]
        texts = passages(text_of(candidate.content), self.words, self.stride)
        if len(texts) == 1:
            return [candidate]
        wanted = texts[:1] if self.aggregate == "first" else texts
        return [replace(candidate, id=f"{candidate.id}#{i}", content=text) for i, text in enumerate(wanted)]

    def _aggregated(self, scores: Sequence[float]) -> float:
        known = [s for s in scores if not math.isnan(s)]
        if not known:
            return math.nan
        match self.aggregate:
            case "first":
                return scores[0]
            case "max":
                return max(known)
            case "sum":
                return math.fsum(known)
            case "mean":
                return math.fsum(known) / len(known)
            case _:
                best = heapq.nlargest(self.top, known)
                return math.fsum(best) / len(best)


def _is_text(content: Any) -> bool:
    """Whether a content is made of text alone. Numbers, spectra and the like only print as text."""
    if isinstance(content, tuple | list):
        return all(map(_is_text, content))
    if isinstance(content, Mapping):
        return any(isinstance(content.get(field), str) for field in TEXT_FIELDS) and not images_of(content)
    return isinstance(content, str)
