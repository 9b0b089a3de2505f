"""The evaluation of runs by one set of judgements: a value with everything that its tables and charts show."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..core.errors import InputError
from ..core.types import Ranking
from . import significance as stat
from .comparisons import Comparison, Pairs, Statistics, Summary
from .cost import Cost
from .inputs import Judgements, Lists, Qrels, Run, Ties, lists, repeatable, seen_documents
from .leave_out import LeaveOut
from .measures import Meter, parse
from .support import measure_name


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Quality per query, means with intervals, comparisons with the baseline, judged share and cost of every run.

    ``values[run][measure]`` are in the order of ``queries`` (all that have judgements). ``unanswered`` lists judged
    queries without results in a run (they count 0), ``unjudged`` a run's queries without judgements (left out).
    ``judged`` is the mean share of judged documents over the answered queries, by the measure ``judged_name``;
    ``tied`` the number of queries with equal scores. ``pairs`` says which runs were compared: each with the baseline,
    or all with each other; ``margin`` is that of the test of equivalence. ``changes``: sentences about what was left
    out of runs and judgements before they were measured.
    """

    runs: tuple[str, ...]
    measures: tuple[str, ...]
    queries: tuple[str, ...]
    values: Mapping[str, Mapping[str, tuple[float, ...]]]
    summaries: Mapping[str, Mapping[str, Summary]]
    comparisons: tuple[Comparison, ...]
    judged: Mapping[str, float]
    judged_name: str
    unanswered: Mapping[str, tuple[str, ...]]
    unjudged: Mapping[str, tuple[str, ...]]
    costs: Mapping[str, Cost | None]
    tied: Mapping[str, int]
    ties: str
    baseline: str | None
    test: str
    correction: str
    alpha: float
    interval: str
    samples: int
    seed: int
    pairs: str = "baseline"
    margin: float | None = None
    changes: tuple[str, ...] = ()

    @classmethod
    def of_values(
        cls,
        values: Mapping[str, Mapping[str, tuple[float, ...]]],
        queries: tuple[str, ...],
        statistics: Statistics,
        baseline: str | None = None,
        judged: float = 1.0,
        judged_name: str = "Judged",
        changes: tuple[str, ...] = (),
    ) -> Evaluation:
        """The evaluation of values that are known, one a query, of runs of which nothing else is: no costs, no ties,
        no query unanswered."""
        none: dict[str, tuple[str, ...]] = dict.fromkeys(values, ())
        return cls(
            runs=tuple(values),
            measures=tuple(next(iter(values.values()))),
            queries=queries,
            values=values,
            summaries=statistics.summaries(values),
            comparisons=statistics.comparisons(values, baseline),
            judged=dict.fromkeys(values, judged),
            judged_name=judged_name,
            unanswered=none,
            unjudged=none,
            costs=dict.fromkeys(values),
            tied=dict.fromkeys(values, 0),
            ties="given",
            baseline=baseline,
            test=statistics.test,
            correction=statistics.correction,
            alpha=statistics.alpha,
            interval=statistics.interval,
            samples=statistics.samples,
            seed=statistics.seed,
            pairs=statistics.pairs,
            margin=statistics.margin,
            changes=changes,
        )

    def mean(self, run: str, measure: str) -> float:
        return self.summaries[run][measure].mean

    def compared(self, run: str, measure: str) -> Comparison | None:
        """The comparison of a run with the baseline; None for the baseline itself."""
        matches = (c for c in self.comparisons if c.run == run and c.measure == measure)
        return next((c for c in matches if c.baseline in ("", self.baseline)), None)

    def between(self, run: str, other: str, measure: str) -> Comparison | None:
        """The comparison of two runs, in either order; None if they were not compared."""
        names = {run, other}
        matches = (c for c in self.comparisons if c.measure == measure)
        return next((c for c in matches if {c.run, c.baseline or self.baseline} == names), None)

    def best(self, measure: str) -> str:
        """The run of the highest mean, of several the first."""
        return max(self.runs, key=lambda run: self.mean(run, measure))

    def winner(self, measure: str) -> str | None:
        """The run that the test finds significantly better than every other run; None if it finds none so, or not all
        pairs that this takes were compared.

        >>> qrels = {f"q{i}": {"a": 1} for i in range(9)}
        >>> good, bad = {q: ["a"] for q in qrels}, {q: ["b", "a"] for q in qrels}
        >>> evaluate({"good": good, "bad": bad}, qrels, ["RR"]).winner("RR")
        'good'
        >>> evaluate({"good": good, "same": good}, qrels, ["RR"]).winner("RR") is None
        True
        """
        best = self.best(measure)
        others = [self.between(best, r, measure) for r in self.runs if r != best]
        return best if others and all(c is not None and c.significant for c in others) else None

    def table(self, format: str = "text") -> str:
        """The table as ``text``, ``markdown``, ``latex`` (booktabs), ``csv`` or ``json`` (see `from_json`); ``queries``
        is CSV with a row a query and run, ``pairs`` CSV with a row a comparison."""
        from .tables import render

        return render(self, format)

    def _repr_html_(self) -> str:
        """The table for notebooks."""
        from .notebook import html_table

        return html_table(self)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """The evaluation whose ``table("json")`` this is."""
        d = json.loads(text)
        d.pop("table", None)
        for name in ("runs", "measures", "queries", "changes"):
            d[name] = tuple(d.get(name, ()))
        d["values"] = {r: {m: tuple(v) for m, v in ms.items()} for r, ms in d["values"].items()}
        d["summaries"] = {r: {m: Summary(**s) for m, s in ms.items()} for r, ms in d["summaries"].items()}
        d["comparisons"] = tuple(Comparison(**c) for c in d["comparisons"])
        for name in ("unanswered", "unjudged"):
            d[name] = {r: tuple(q) for r, q in d[name].items()}
        d["costs"] = {r: None if c is None else Cost.from_dict(c) for r, c in d["costs"].items()}
        return cls(**d)


def evaluate(
    runs: Mapping[str, Run],
    qrels: Qrels,
    measures: str | Sequence[Any] = ("nDCG@10", "AP", "RR@10", "R@100"),
    baseline: str | None = None,
    test: stat.Test = "t",
    correction: stat.Correction = "holm",
    seed: int = 0,
    *,
    alpha: float = 0.05,
    interval: stat.Interval = "bca",
    samples: int = 10_000,
    ties: Ties = "given",
    memory: Mapping[str, float] | None = None,
    costs: Mapping[str, Cost] | None = None,
    pairs: Pairs = "baseline",
    margin: float | None = None,
    ignore_self: bool = False,
    residual: Any = None,
    condensed: bool = False,
    leave_out: LeaveOut | None = None,
) -> Evaluation:
    """The evaluation of ``runs`` by the judgements ``qrels``, each of any usual shape (see `inputs.Run` and
    `inputs.Qrels`); ids are compared as texts.

    The first run is the ``baseline`` unless one is named; with ``pairs="all"`` every run is compared with every other.
    p-values (``test`` "t", "randomisation" or "wilcoxon"; "tukey" compares all pairs at once; "none" compares nothing)
    are corrected over the comparisons of each measure; intervals are bootstrapped at 1 - ``alpha``. With a ``margin``,
    each pair is also tested for equivalence: that the difference is within plus or minus the margin.
    Rankings are judged in their order, equal scores in the order given; ``ties="trec_eval"`` agrees with
    that program on files with rounded scores. ``memory`` gives each run's peak in MB (`peak_memory_mb` after each);
    other costs come from the rankings' traces, or from ``costs``.

    Left out of runs and judgements alike: with ``ignore_self`` the document whose id is the query's; with ``residual``
    (``{query: ids}``, a run or judgements) the documents already seen, so that feedback is measured on the rest. With
    ``condensed``, results without a judgement are left out of the runs (Sakai 2007). ``leave_out`` says all three.
    Raises InputError on unknown measures and baselines, and on a run without results for any judged query.

    >>> qrels = {"q1": {"a": 1}, "q2": {"b": 1}}
    >>> e = evaluate({"good": {"q1": {"a": 2, "b": 1}, "q2": {"b": 1}}}, qrels, ["RR@10"])
    >>> e.mean("good", "RR@10")
    1.0
    """
    measures = [measures] if isinstance(measures, str) else list(measures)
    if not isinstance(runs, Mapping):
        raise InputError(f"runs: expected a mapping of names to runs, found a {type(runs).__name__}")
    if not runs or not measures:
        raise InputError("nothing to evaluate: give at least one run and one measure")
    statistics = Statistics(test, correction, seed, alpha, interval, samples, pairs, margin)
    baseline = statistics.baseline(runs, baseline)
    parsed = {measure_name(m): m for m in map(parse, measures)}
    names = tuple(parsed)
    depth = next((c for m in parsed.values() if isinstance(c := m.params.get("cutoff"), int)), 10)
    judged_name = f"Judged@{depth}"
    judgements = Judgements.of(qrels)
    left_out = leave_out or LeaveOut(ignore_self, {} if residual is None else seen_documents(residual), condensed)
    judgements = left_out.of_judgements(judgements)
    meter = Meter([*parsed.values(), judged_name], judgements)
    if not meter.queries:
        raise InputError("the judgements (qrels) hold no query")
    values: dict[str, dict[str, tuple[float, ...]]] = {}
    judged, unanswered, unjudged, tied = {}, {}, {}, {}
    known_costs: dict[str, Cost | None] = {}
    for run, results in runs.items():
        results = repeatable(results)
        known_costs[run] = (costs or {}).get(run) or _cost(results, (memory or {}).get(run))
        ids, tied[run] = lists(results, run, ties)
        ids = left_out.of_lists(ids, judgements)
        answered = [bool(ids.get(q)) for q in meter.queries]
        if not any(answered):
            raise InputError(_no_common_query(run, ids, meter.queries))
        measured = meter(ids)
        values[run] = {m: tuple(measured[m]) for m in names}
        judged[run] = math.fsum(measured[judged_name]) / sum(answered)
        unanswered[run] = tuple(q for q, has_results in zip(meter.queries, answered) if not has_results)
        unjudged[run] = tuple(q for q in ids if not judgements.grades.get(q))
    return Evaluation(
        tuple(runs),
        names,
        meter.queries,
        values,
        statistics.summaries(values),
        statistics.comparisons(values, baseline),
        judged,
        judged_name,
        unanswered,
        unjudged,
        known_costs,
        tied,
        ties,
        baseline,
        test,
        correction,
        alpha,
        interval,
        samples,
        seed,
        statistics.pairs,
        margin,
        left_out.sentences,
    )


def _cost(run: Run, peak_mb: float | None) -> Cost | None:
    rankings = [r for r in run if isinstance(r, Ranking)] if isinstance(run, list) else []
    traced = peak_mb is not None or any(r.trace for r in rankings)
    return Cost.of(rankings, peak_mb) if traced else None


def _no_common_query(run: str, ids: Lists, judged: Sequence[str]) -> str:
    if common := [q for q in judged if q in ids]:
        return f"run {run!r} has no result left for any judged query such as {common[0]!r}"
    mine, theirs = ", ".join(map(repr, list(ids)[:3])) or "none", ", ".join(map(repr, judged[:3]))
    return f"run {run!r} has results for no judged query: its query ids are like {mine}, the judged ones like {theirs}"
