"""The evaluation of runs by one set of judgements: a value with everything that its tables and charts show."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..core.types import Ranking
from . import significance as stat
from .cost import Cost
from .measures import Lists, Meter, Qrels, Run, Ties, lists, parse


@dataclass(frozen=True, slots=True)
class Summary:
    """A mean over the judged queries and its confidence interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run against the baseline by one measure; ``difference`` is run less baseline, with its interval.

    ``effect`` is Cohen's d of the pairs, ``detectable`` the smallest difference these queries would show (power .8);
    both None if the differences have no spread."""

    run: str
    measure: str
    difference: float
    low: float
    high: float
    p: float
    corrected: float
    significant: bool
    wins: int
    ties: int
    losses: int
    effect: float | None
    detectable: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Quality per query, means with intervals, comparisons with the baseline, judged share and cost of every run.

    ``values[run][measure]`` are in the order of ``queries`` (all that have judgements). ``unanswered`` lists judged
    queries without results in a run (they count 0), ``unjudged`` a run's queries without judgements (left out).
    ``judged`` is the mean share of judged documents over the answered queries, by the measure ``judged_name``;
    ``tied`` the number of queries with equal scores.
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

    def mean(self, run: str, measure: str) -> float:
        return self.summaries[run][measure].mean

    def compared(self, run: str, measure: str) -> Comparison | None:
        """The comparison of a run with the baseline; None for the baseline itself."""
        return next((c for c in self.comparisons if c.run == run and c.measure == measure), None)

    def table(self, format: str = "text") -> str:
        """The table as ``text``, ``markdown``, ``latex`` (booktabs), ``csv`` or ``json`` (see `from_json`); ``queries``
        is CSV with a row a query and run."""
        from .tables import render

        return render(self, format)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """The evaluation whose ``table("json")`` this is."""
        d = json.loads(text)
        d.pop("table", None)
        for name in ("runs", "measures", "queries"):
            d[name] = tuple(d[name])
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
    measures: Sequence[str] = ("nDCG@10", "AP", "RR@10", "R@100"),
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
) -> Evaluation:
    """The evaluation of ``runs`` (rankings, or scores by query and document) by the judgements ``qrels``.

    The first run is the ``baseline`` unless one is named. p-values (``test`` "t" or "randomisation"; "none" compares
    nothing) are corrected over the compared runs of each measure; intervals are bootstrapped at 1 - ``alpha``.
    Rankings are judged in their order, equal scores in the order given; ``ties="trec_eval"`` agrees with
    that program on files with rounded scores. ``memory`` gives each run's peak in MB (`peak_memory_mb` after each);
    other costs come from the rankings' traces.
    Raises InputError on unknown measures and baselines, and on a run without results for any judged query.

    >>> qrels = {"q1": {"a": 1}, "q2": {"b": 1}}
    >>> e = evaluate({"good": {"q1": {"a": 2, "b": 1}, "q2": {"b": 1}}}, qrels, ["RR@10"])
    >>> e.mean("good", "RR@10")
    1.0
    """
    if not runs or not measures:
        raise InputError("nothing to evaluate: give at least one run and one measure")
    baseline = None if test == "none" else _baseline(runs, baseline)
    names = tuple(dict.fromkeys(str(parse(m)) for m in measures))
    depth = next((parse(m).params["cutoff"] for m in names if parse(m).params.get("cutoff")), 10)
    judged_name = f"Judged@{depth}"
    meter = Meter(dict.fromkeys((*names, judged_name)), qrels)
    if not meter.queries:
        raise InputError("the judgements (qrels) hold no query")
    values: dict[str, dict[str, tuple[float, ...]]] = {}
    judged, unanswered, unjudged, tied = {}, {}, {}, {}
    costs: dict[str, Cost | None] = {}
    for run, results in runs.items():
        if not isinstance(results, Mapping):
            results = list(results)  # it may be an iterator, and is read twice
        costs[run] = _cost(results, (memory or {}).get(run))
        ids, tied[run] = lists(results, run, ties)
        answered = [bool(ids.get(q)) for q in meter.queries]
        if not any(answered):
            raise InputError(_no_common_query(run, ids, meter.queries))
        measured = meter(ids)
        values[run] = {m: tuple(measured[m]) for m in names}
        judged[run] = math.fsum(measured[judged_name]) / sum(answered)
        unanswered[run] = tuple(q for q, has_results in zip(meter.queries, answered) if not has_results)
        unjudged[run] = tuple(q for q in ids if not qrels.get(q))
    columns = np.array([values[r][m] for r in runs for m in names]).T
    low, high = stat.intervals(columns, 1 - alpha, interval, samples, seed)
    bounds = iter(zip(columns.mean(axis=0).tolist(), low.tolist(), high.tolist()))
    summaries = {r: {m: Summary(*next(bounds)) for m in names} for r in runs}
    compared: list[Comparison] = []
    if baseline is not None:
        others = [r for r in runs if r != baseline]
        for m in names:
            compared += _compare(others, baseline, m, values, test, correction, alpha, interval, samples, seed)
    return Evaluation(
        tuple(runs),
        names,
        meter.queries,
        values,
        summaries,
        tuple(compared),
        judged,
        judged_name,
        unanswered,
        unjudged,
        costs,
        tied,
        ties,
        baseline,
        test,
        correction,
        alpha,
        interval,
        samples,
        seed,
    )


def _baseline(runs: Mapping[str, Run], name: str | None) -> str | None:
    if name is None:
        return next(iter(runs)) if len(runs) > 1 else None
    if name in runs:
        return name
    near = difflib.get_close_matches(name, runs, 3, 0.4) or list(runs)[:5]
    raise InputError(f"the baseline {name!r} is none of the runs; there are {', '.join(near)}")


def _cost(run: Run, peak_mb: float | None) -> Cost | None:
    rankings: list[Ranking] = [] if isinstance(run, Mapping) else list(run)
    traced = peak_mb is not None or any(r.trace for r in rankings)
    return Cost.of(rankings, peak_mb) if traced else None


def _no_common_query(run: str, ids: Lists, judged: Sequence[str]) -> str:
    mine, theirs = ", ".join(map(repr, list(ids)[:3])) or "none", ", ".join(map(repr, judged[:3]))
    return f"run {run!r} has results for no judged query: its query ids are like {mine}, the judged ones like {theirs}"


def _compare(
    others: Sequence[str],
    baseline: str,
    measure: str,
    values: Mapping[str, Mapping[str, tuple[float, ...]]],
    test: stat.Test,
    correction: stat.Correction,
    alpha: float,
    interval: stat.Interval,
    samples: int,
    seed: int,
) -> list[Comparison]:
    """All comparisons of one measure, corrected together."""
    if not others:
        return []
    base = np.array(values[baseline][measure])
    theirs = np.array([values[r][measure] for r in others])
    ps = [stat.p_value(test, v, base, seed) for v in theirs]
    fixed = stat.corrected(ps, correction)
    low, high = stat.intervals((theirs - base).T, 1 - alpha, interval, samples, seed)
    return [
        Comparison(
            run,
            measure,
            float((v - base).mean()),
            float(low[i]),
            float(high[i]),
            ps[i],
            fixed[i],
            fixed[i] < alpha,
            *stat.wins(v, base),
            stat.effect_size(v, base),
            stat.detectable(v, base, alpha=alpha),
        )
        for i, (run, v) in enumerate(zip(others, theirs))
    ]
