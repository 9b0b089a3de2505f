"""Hard negatives: candidates that score high but, by a margin under the positive, are likely not relevant.

The rules are those of sentence-transformers' ``mine_hard_negatives``, and one more whose margin is a query's own.
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
from .sampling import Sampler, Top
from .triples import Texts

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a negative must obey, s being its score and p the positive's (the lowest, of several):

    ``among``  it is one of the best so many candidates, positives not counted; ``skip``  but not one of the best so
    many of those that obey the other rules; ``absolute``  s < p - m; ``relative``  s < rho p, for a negative p
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
                raise InputError(f"{name}={value}: a margin is at least 0")
        if self.relative is not None and not 0 < self.relative <= 1:
            raise InputError(
                f"relative={self.relative}: expected a share of the positive's score, more than 0, up to 1"
            )

    def bound(self, positive: float, deviation: float = 0.0) -> float:
        """What a negative's score must be under; inf where no margin is set."""
        margins = [] if self.absolute is None else [self.absolute]
        margins += [] if self.relative is None else [(1.0 - self.relative) * abs(positive)]
        margins += [] if self.adaptive is None else [self.adaptive * deviation]
        if not margins:
            return math.inf
        return -math.inf if positive == -math.inf else positive - max(margins)

    def passing(self, scores: ArrayLike, positive: float, deviation: float | None = None) -> NDArray[np.bool_]:
        """Which scores obey the margins and limits (``skip`` and ``among`` are about places). ``deviation`` is by
        default that of ``scores``."""
        s = np.asarray(scores, dtype=np.float64)
        spread = (float(s.std()) if s.size else 0.0) if deviation is None else deviation
        good = s < self.bound(positive, spread)
        good &= s <= (math.inf if self.max_score is None else self.max_score)
        return np.asarray(good & (s >= (-math.inf if self.min_score is None else self.min_score)))


_ALL, _TOP = Rules(), Top()


def negatives(
    ranking: Ranking, positives: Collection[str], rules: Rules = _ALL, exclude: Collection[str] = ()
) -> list[Candidate]:
    """The candidates of a scored ranking that may serve as negatives, best first.

    Of several positives the one that scores lowest counts. A positive that the ranking lacks scores below its
    candidates: where none is there, no candidate obeys a margin. ``exclude``: ids doubted by a second scorer.
    """
    positive = min((c.score for c in ranking if c.id in positives), default=-math.inf)
    deviation = float(np.std(ranking.scores)) if len(ranking) else 0.0
    others = [c for c in ranking if c.id not in positives][: rules.among]
    passing = rules.passing([c.score for c in others], positive, deviation)
    kept = [c for c, good in zip(others, passing.tolist()) if good and c.id not in exclude]
    return kept[rules.skip :]


def doubted(ranking: Ranking, positives: Collection[str], rules: Rules) -> set[str]:
    """The candidates that a second scorer, whose ranking this is, puts too near the positive: likely relevant."""
    kept = {c.id for c in negatives(ranking, positives, rules)}
    return {c.id for c in ranking if c.id not in kept and c.id not in positives}


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
    """A group a query: its relevant documents labelled by grade, and up to ``n`` negatives (label 0) that obey
    ``rules``, drawn by ``sampler``; a query with no positive at hand or no negative is left out. At the end these are
    counted in the log; a dict given as ``left_out`` gets their ids, by reason, as they are met.

    Texts of positives that a ranking lacks come from ``documents``. ``exclude`` {query id: ids}, as from ``doubted``.
    The draw is fixed by seed, epoch and query id. Priors are the ranking's scores (its lowest for what it lacks).
    """
    lost: dict[str, list[str]] = {} if left_out is None else left_out
    for ranking in rankings:
        id = ranking.query.id
        grades = {i: g for i, g in qrels.get(id, {}).items() if g > 0}
        allowed = negatives(ranking, grades, rules, (exclude or {}).get(id, ()))
        there = [c for c in ranking if c.id in grades]
        absent = [i for i in grades if i in (documents or {}) and i not in {c.id for c in there}]
        if why := _lacks(bool(grades), bool(there or absent), len(ranking) > len(there), bool(allowed)):
            lost.setdefault(why, []).append(id)
            continue
        lowest = min(ranking.scores)
        there += [Candidate(i, documents[i], lowest) for i in absent if documents]
        rng = np.random.default_rng([seed, epoch, zlib.crc32(id.encode())])
        drawn = [allowed[i] for i in sampler([c.score for c in allowed], n, rng)]
        found = (*there, *drawn)
        yield Group.of(ranking.query, found, [float(grades.get(c.id, 0)) for c in found])
    for why, ids in lost.items():
        log.warning("%d queries are left out, %s: %s%s", len(ids), why, ", ".join(ids[:3]), ", …" * (len(ids) > 3))


def _lacks(judged: bool, at_hand: bool, others: bool, allowed: bool) -> str:
    """Why a query can't be trained on; "" where it can."""
    if not judged:
        return "no relevant document is judged"
    if not at_hand:
        return "no text of a relevant document is at hand"
    if not others:
        return "no other document was found"
    return "" if allowed else "no other document obeys the rules"


def per_positive(group: Group) -> Iterator[Group]:
    """A group a positive (label above 0): it, first, and all texts with label 0, as contrastive losses take them.

    >>> [g.texts for g in per_positive(Group.from_texts("q", ("a", "b", "c"), (1.0, 2.0, 0.0)))]
    [('a', 'c'), ('b', 'c')]
    """
    rest = [i for i, label in enumerate(group.labels) if label <= 0]
    for place in (i for i, label in enumerate(group.labels) if label > 0):
        yield group.take([place, *rest])
