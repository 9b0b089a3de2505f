"""Hard negatives: candidates that score high, but so far below the positive that they are likely not relevant.

The rules are those of sentence-transformers' ``mine_hard_negatives``, and one more whose margin is relative to the
spread of the query's scores.
"""

from __future__ import annotations

import logging
import math
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError
from ..core.types import Candidate, Ranking
from .group import Group
from .same_text import copies, unlike_relevant
from .sampling import Sampler, Top
from .triples import Texts

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rules:
    """The conditions on a negative, with its score s and the positive's score p (of several positives the lowest):

    ``among``  it is one of the best ``among`` candidates, positives not counted; ``skip``  the best ``skip`` of those
    that fulfil the other conditions are left out; ``absolute``  s < p - m; ``relative``  s < rho p, for a negative p
    s < p - (1 - rho) |p| (.95 is usual); ``adaptive``  s < p - c d with d the standard deviation of the query's
    candidate scores (a derived rule: the report of LG-ANNA-Embedding names a margin that adapts and gives no formula);
    ``max_score``  s <= this; ``min_score``  s >= this. None leaves a rule out.

    >>> Rules(absolute=0.1).passing([0.85, 0.75, 0.2], positive=0.9).tolist()
    [False, True, True]
    """

    skip: int = 0
    among: int | None = None
    absolute: float | None = None
    relative: float | None = None
    adaptive: float | None = None
    max_score: float | None = None
    min_score: float | None = None

    def __post_init__(self) -> None:
        if self.skip < 0 or (self.among is not None and self.among <= self.skip):
            raise InputError(f"skip={self.skip}, among={self.among}: expected 0 <= skip < among")
        for name in ("absolute", "adaptive"):
            if (value := getattr(self, name)) is not None and not value >= 0:
                raise InputError(f"{name}={value}: a margin can't be negative")
        if self.relative is not None and not 0 < self.relative <= 1:
            raise InputError(
                f"relative={self.relative}: expected a share of the positive's score, more than 0 and at most 1"
            )

    def bound(self, positive: float, deviation: float = 0.0) -> float:
        """The score that a negative must stay under; inf if no margin is set."""
        margins = [] if self.absolute is None else [self.absolute]
        margins += [] if self.relative is None else [(1.0 - self.relative) * abs(positive)]
        margins += [] if self.adaptive is None else [self.adaptive * deviation]
        if not margins:
            return math.inf
        return -math.inf if positive == -math.inf else positive - max(margins)

    def passing(self, scores: ArrayLike, positive: float, deviation: float | None = None) -> NDArray[np.bool_]:
        """Mask of the scores within the margins and limits (``skip`` and ``among`` are conditions on ranks).
        ``deviation`` is by default that of ``scores``."""
        s = np.asarray(scores, dtype=np.float64)
        spread = (float(s.std()) if s.size else 0.0) if deviation is None else deviation
        good = s < self.bound(positive, spread)
        good &= s <= (math.inf if self.max_score is None else self.max_score)
        return np.asarray(good & (s >= (-math.inf if self.min_score is None else self.min_score)))


_ALL, _TOP = Rules(), Top()


def negatives(
    ranking: Ranking,
    positives: Collection[str],
    rules: Rules = _ALL,
    exclude: Collection[str] = (),
    relevant: Collection[str] = (),
) -> list[Candidate]:
    """The candidates of a scored ranking that may serve as negatives, best first. Copies of a positive's text under
    another id are left out (see `same_text.normalised`); ``relevant``: texts of positives that the ranking lacks.

    Margins are below the lowest positive of the ranking; if it holds none, no candidate passes a margin. ``exclude``:
    ids that a second scorer finds likely relevant (see ``doubted``).
    """
    positive = min((c.score for c in ranking if c.id in positives), default=-math.inf)
    deviation = float(np.std(ranking.scores)) if len(ranking) else 0.0
    others = _others(ranking, positives, relevant)[: rules.among]
    passing = rules.passing([c.score for c in others], positive, deviation)
    allowed = [c for c, good in zip(others, passing.tolist()) if good and c.id not in exclude]
    return allowed[rules.skip :]


def _others(ranking: Ranking, positives: Collection[str], relevant: Collection[str]) -> list[Candidate]:
    """The candidates that are neither positives nor copies of one's text."""
    rest = [c for c in ranking if c.id not in positives]
    known = [*(c.content for c in ranking if c.id in positives), *relevant]
    return [c for c, same in zip(rest, copies([c.content for c in rest], known)) if not same]


def doubted(ranking: Ranking, positives: Collection[str], rules: Rules) -> set[str]:
    """The candidates too near the positive in the ranking of a second scorer: likely relevant."""
    allowed = {c.id for c in negatives(ranking, positives, rules)}
    return {c.id for c in ranking if c.id not in allowed and c.id not in positives}


def mined(
    rankings: Iterable[Ranking],
    qrels: Mapping[str, Mapping[str, int]],
    n: int,
    rules: Rules = _ALL,
    sampler: Sampler = _TOP,
    *,
    exclude: Mapping[str, Collection[str]] | None = None,
    documents: Texts | None = None,
    seed: int = 0,
    epoch: int = 0,
    left_out: dict[str, list[str]] | None = None,
) -> Iterator[Group]:
    """A group a query: its relevant documents labelled by grade, and up to ``n`` negatives (label 0) that fulfil
    ``rules``, drawn by ``sampler``; queries without a readable positive or without a negative are left out. Their
    number is logged at the end; a dict given as ``left_out`` gets their ids by reason.

    Texts of positives that a ranking lacks come from ``documents``. ``exclude`` {query id: ids}, as from ``doubted``.
    The draw is fixed by seed, epoch and query id. Priors are the ranking's scores (its lowest for what it lacks).
    """
    lost: dict[str, list[str]] = {} if left_out is None else left_out
    same = 0
    for ranking in rankings:
        id = ranking.query.id
        grades = {i: g for i, g in qrels.get(id, {}).items() if g > 0}
        present = [c for c in ranking if c.id in grades]
        absent = [i for i in grades if i in (documents or {}) and i not in {c.id for c in present}]
        texts = [documents[i] for i in absent] if documents else []
        allowed = negatives(ranking, grades, rules, (exclude or {}).get(id, ()), texts)
        same += len(ranking) - len(present) - len(_others(ranking, grades, texts))
        if reason := _lacks(bool(grades), bool(present or absent), len(ranking) > len(present), bool(allowed)):
            lost.setdefault(reason, []).append(id)
            continue
        lowest = min(ranking.scores)
        present += [Candidate(i, documents[i], lowest) for i in absent if documents]
        rng = np.random.default_rng([seed, epoch, zlib.crc32(id.encode())])
        drawn = [allowed[i] for i in sampler([c.score for c in allowed], n, rng)]
        members = (*present, *drawn)
        yield Group.of(ranking.query, members, [float(grades.get(c.id, 0)) for c in members])
    if same:
        log.warning("%d candidates are left out: their text is that of a relevant document", same)
    for reason, ids in lost.items():
        log.warning("%d queries are left out, %s: %s%s", len(ids), reason, ", ".join(ids[:3]), ", …" * (len(ids) > 3))


def _lacks(relevant: bool, readable: bool, others: bool, allowed: bool) -> str:
    """The reason why a query can't be trained on; "" if it can."""
    if not relevant:
        return "no relevant document is judged"
    if not readable:
        return "no relevant document is in the ranking or in documents"
    if not others:
        return "the ranking holds no other document"
    return "" if allowed else "no other document fulfils the rules"


def per_positive(group: Group) -> Iterator[Group]:
    """One group for each positive (label above 0): first it, then all texts with label 0 that are no copy of a
    positive's, as contrastive losses need.

    >>> [g.texts for g in per_positive(Group.from_texts("q", ("a", "b", "c"), (1.0, 2.0, 0.0)))]
    [('a', 'c'), ('b', 'c')]
    """
    unlike = unlike_relevant(group.candidates, group.labels)
    rest = [i for i in unlike if group.labels[i] <= 0]
    for positive in (i for i, label in enumerate(group.labels) if label > 0):
        yield group.take([positive, *rest])
