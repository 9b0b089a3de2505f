"""Measures that benchmarks define for themselves: accuracy among options, micro-averaged recall, INQUIRE's figures, and
MultiHop-RAG's. Each gives a value a query, whose mean is the benchmark's figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..core.content import text_of
from ..core.types import Ranking
from ..evaluate.evidence import multihop
from .base import Grades, Measure


def accuracy(rankings: Sequence[Ranking], grades: Grades) -> list[float]:
    """1 where the right option has the highest score of the query's own options (``meta["options"]``, else all
    candidates). Of options that share the highest score one is taken at random, so that the value is the expected one:
    an option that a search lacks shares the lowest, and a ranking without any difference gives 1 / options.

    >>> from anyrank.core.types import Candidate, Query
    >>> tied = Ranking(Query("q", "?"), (Candidate("a", "", 1.0), Candidate("b", "", 1.0), Candidate("c", "", 0.0)))
    >>> accuracy([tied], {"q": {"b": 1}})
    [0.5]
    """
    values = []
    for r in rankings:
        scores = dict(zip(r.ids, r.scores))
        options = r.query.meta.get("options") or list(r.ids)
        best = max((scores.get(o, -math.inf) for o in options), default=0.0)
        chosen = [o for o in options if scores.get(o, -math.inf) == best]
        right = grades.get(r.query.id, {})
        values.append(sum(right.get(o, 0) > 0 for o in chosen) / len(chosen) if chosen else 0.0)
    return values


def micro_recall(k: int) -> Measure:
    """T2Ranking's recall: relevant documents in the first k of all queries, over all relevant documents. A query's
    value is its hits over the mean number of relevant documents, so that the mean of the values is the figure.

    >>> from anyrank.core.types import Candidate, Query
    >>> a = Ranking(Query("a", "?"), (Candidate("x", ""),))
    >>> b = Ranking(Query("b", "?"), (Candidate("y", ""),))
    >>> micro_recall(1)([a, b], {"a": {"x": 1}, "b": {"u": 1, "v": 1, "w": 1}})  # 1 of 4
    [0.5, 0.0]
    """

    def measure(rankings: Sequence[Ranking], grades: Grades) -> list[float]:
        total = sum(g > 0 for r in rankings for g in grades.get(r.query.id, {}).values())
        mean = total / len(rankings) if rankings else 0.0
        hits = [sum(grades.get(r.query.id, {}).get(d, 0) > 0 for d in r.ids[:k]) for r in rankings]
        return [h / mean if mean else 0.0 for h in hits]

    return measure


def precision(labels: Sequence[int], positives: int) -> float:
    """The share of relevant ones among all results; 0 without results."""
    return sum(labels) / len(labels) if labels else 0.0


def recall(labels: Sequence[int], positives: int) -> float:
    """The share of all relevant ones that the results hold."""
    return sum(labels) / positives if positives else 0.0


def average_precision(labels: Sequence[int], positives: int) -> float:
    """INQUIRE's AP: precisions at the relevant results, over the number of relevant ones that results of this length
    could hold, min(positives, k).

    >>> round(average_precision([1, 0, 1, 1, 0, 0, 1, 0, 0, 0], 6), 6)
    0.498016
    """
    hits, total = 0, 0.0
    for rank, label in enumerate(labels, 1):
        if label:
            hits += 1
            total += hits / rank
    most = min(positives, len(labels))
    return total / most if most else 0.0


def ndcg(labels: Sequence[int], positives: int) -> float:
    """INQUIRE's nDCG, cut at the number of results: relevant ones that the results lack count in the ideal order.

    >>> round(ndcg([1, 0, 1, 1, 0, 0, 1, 0, 0, 0], 20), 6)
    0.49829
    """
    gain = sum(1 / math.log2(rank + 1) for rank, label in enumerate(labels, 1) if label)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(positives, len(labels)) + 1))
    return gain / ideal if ideal else 0.0


def reciprocal_rank(labels: Sequence[int], positives: int) -> float:
    """1 / the rank of the first relevant result; 0 if there is none."""
    return next((1 / rank for rank, label in enumerate(labels, 1) if label), 0.0)


def at(k: int, of_labels: Callable[[Sequence[int], int], float]) -> Measure:
    """One of the measures of labels, of each ranking's first k."""

    def measure(rankings: Sequence[Ranking], grades: Grades) -> list[float]:
        values = []
        for r in rankings:
            judged = grades.get(r.query.id, {})
            labels = [int(judged.get(d, 0) > 0) for d in r.ids[:k]]
            values.append(of_labels(labels, sum(g > 0 for g in judged.values())))
        return values

    return measure


def of_evidence(name: str) -> Measure:
    """A figure of MultiHop-RAG (a field of `evaluate.evidence.MultiHop`): gold facts (``Query.meta["facts"]``) in the
    texts of the chunks."""

    def measure(rankings: Sequence[Ranking], grades: Grades) -> list[float]:
        return [
            float(getattr(multihop([[text_of(c.content) for c in r[:11]]], [r.query.meta["facts"]]), name))
            for r in rankings
        ]

    return measure
