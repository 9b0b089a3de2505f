"""`tune`: measures the pipelines of a space by judged queries, chooses one, and says what the choice is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.content import required_text
from ..core.errors import InputError
from ..core.types import Query, Ranking
from ..hub.registry import SHIPPED
from ..pipeline.context import Settings
from ..pipeline.lint import lint
from ..pipeline.parser import parse
from ..store.vector_names import model_of
from .choice import FEWEST, Choice, Contenders, chosen
from .cost import FREE, PROBES, Cost, CostModel, cost_of_reranker, cost_of_search
from .measures import Graded, Measure
from .space import MOST_PARTS, Space
from .table import ScoreTable

Floats = NDArray[np.float64]

FEEDBACK = "bm25 % 5 >> rm3 >> bm25"
"""The search with feedback that is tried beside the others."""
RERANKERS = ("tiny", "mini")
"""Rerankers that are tried without being named."""
BUDGETS = 6
"""Points of the Pareto front."""


@dataclass(frozen=True, slots=True)
class Row:
    """One pipeline of the report: its mean with interval, the optimism that was taken off, cost, and the share of its
    first results that are judged. ``roles``: "default", "recommended", "highest mean", and the budget in ms within
    which it is the choice."""

    text: str
    mean: float
    low: float
    high: float
    optimism: float
    cost: Cost | None
    judged: float
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tuning:
    """The result: ``choice`` among ``tried`` pipelines by ``queries`` judged queries, ``rows`` of the report. ``notes``
    are sentences on the data, ``costs`` the model of this machine, None for given runs."""

    recommended: str
    default: str
    measure: Measure
    queries: int
    tried: int
    choice: Choice
    rows: tuple[Row, ...]
    costs: CostModel | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def verdict(self) -> str:
        """What was found, in a sentence."""
        c = self.choice
        chance = f"p = {c.luck.p:.3f}" if c.luck.p >= 0.001 else "p < 0.001"
        luck = f"{chance}; the best has t = {c.luck.t:.2f}, luck alone reaches {c.luck.line:.2f}"
        if c.winner:
            return f"a winner: better than the default by more than luck ({luck})"
        if c.worth:
            return f"no winner: what the best gains, luck can ({luck}); the recommended one is a careful step its way"
        return f"nothing beats the default ({luck})"

    def as_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        c = self.choice
        gains = {
            name: {"seen": g.seen, "optimism": g.optimism, "expected": g.expected, "low": g.low, "high": g.high}
            for name, g in (("gain", c.gain), ("gain_of_highest_mean", c.best_gain))
        }
        rows = [
            {
                "pipeline": r.text,
                "mean": r.mean,
                "low": r.low,
                "high": r.high,
                "optimism": r.optimism,
                "ms": None if r.cost is None else r.cost.ms,
                "tokens": None if r.cost is None else r.cost.tokens,
                "judged": r.judged,
                "roles": list(r.roles),
            }
            for r in self.rows
        ]
        return {
            "recommended": self.recommended,
            "default": self.default,
            "verdict": self.verdict,
            "winner": c.winner,
            "measure": str(self.measure),
            "queries": self.queries,
            "tried": self.tried,
            **gains,
            "luck": {"p": c.luck.p, "t": c.luck.t, "line": c.luck.line},
            "curve": [list(point) for point in c.curve],
            "pipelines": rows,
            "checks": [] if self.costs is None else [list(check) for check in self.costs.checks],
            "notes": [*self.notes, *self.warnings],
        }


def tune(
    table: ScoreTable,
    qrels: Mapping[str, Mapping[str, int]],
    space: Space,
    *,
    measure: str = "nDCG@10",
    costs: CostModel | None = None,
    max_ms: float | None = None,
    max_tokens: float | None = None,
    seed: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> Tuning:
    """The choice among the pipelines of a space by judgements of the table's queries, within budgets of milliseconds
    and tokens a query (which need ``costs``). Raises InputError on too few judged queries, or a budget that no pipeline
    keeps."""
    of = Measure.of(measure)
    space.run(table)  # so that the table knows all documents before their grades are looked up
    graded = Graded.by(qrels, [q.id for q in table.queries], table.ids)
    if not any(map(len, graded.documents)):
        raise InputError("none of the judged documents is in any result: are the ids of documents the same?")
    values = space.values(table, graded, of, on_progress)
    spent = [FREE] * len(space.texts) if costs is None else costs_of(space, costs)
    within, default, notes = _within(space, spent, max_ms, max_tokens)
    contenders = Contenders(values[:, within], space.points[within], int(np.flatnonzero(within == default)[0]))
    choice = chosen(contenders, seed)
    recommended = int(within[choice.chosen]) if choice.winner or choice.worth else default
    roles: dict[int, list[str]] = {default: ["default"]}
    roles.setdefault(recommended, []).append("recommended")
    roles.setdefault(int(within[choice.best]), []).append("highest mean")
    optimism = {int(within[choice.best]): choice.best_gain.optimism, recommended: choice.gain.optimism, default: 0.0}
    if costs is not None:
        for budget, position, less in _front(values, space, np.array([c.ms for c in spent]), within, seed):
            roles.setdefault(position, []).append(f"within {budget:.3g} ms")
            optimism.setdefault(position, less)
    rows = []
    for position in sorted(roles, key=lambda p: (spent[p].ms, p)):
        text = space.texts[position]
        column, less = values[:, position], optimism[position]
        mean, error = float(column.mean()) - less, 1.96 * float(column.std(ddof=1)) / len(column) ** 0.5
        cost = None if costs is None else spent[position]
        judged = judged_share(table, text, graded, of.depth)
        rows.append(Row(text, mean, mean - error, mean + error, less, cost, judged, tuple(roles[position])))
    text = space.texts[recommended]
    warnings = tuple(f"{w.stage}: {w.message}" for w in lint(text)) if table.collection is not None else ()
    low = [r for r in rows if r.judged < min(0.9, rows[0].judged - 0.1)]
    if low:
        notes += (
            f"{len(low)} pipelines show more unjudged documents than the default: they may be better than measured",
        )
    return Tuning(
        text,
        space.texts[default],
        of,
        len(table.queries),
        len(within),
        choice,
        tuple(rows),
        costs,
        notes,
        warnings,
    )


def judged_share(table: ScoreTable, text: str, graded: Graded, depth: int) -> float:
    """The mean share of a pipeline's first results that are judged."""
    shares = [
        float(graded.judged(q, result.documents[:depth]).mean())
        for q, result in enumerate(table.lists(text))
        if len(result.documents)
    ]
    return float(np.mean(shares)) if shares else 0.0


def parts_of(collection: Any) -> list[str]:
    """The searches that an index allows: its words, its stored vectors of one a text, and words with feedback.

    At most `MOST_PARTS`; a name that ships with the package is written as such.
    """
    names = {stored: name for name, stored in SHIPPED.items()}
    parts = ["bm25"] if collection.store.manifest.lexical else []
    for name in collection.encoded:
        if collection.vectors(name).vector_store.kind in ("dense", "sparse"):
            model = model_of(name)
            parts.append(names.get(model, f'search("{model}")'))
    parts.sort(key=lambda p: ("bm25", "minilm").index(p) if p in ("bm25", "minilm") else 2)
    if "bm25" in parts:
        parts.append(FEEDBACK)
    if not parts:
        raise InputError("has neither words nor vectors of one a text to search by", path=collection.path)
    return [*parts[: MOST_PARTS - 1], *parts[-1:]] if len(parts) > MOST_PARTS else parts


def measured_costs(
    collection: Any,
    space: Space,
    queries: Sequence[Query],
    settings: Settings,
    names: Any = None,
    check: Sequence[str] = (),
) -> CostModel:
    """The costs of all parts of a space on this machine, timed with some of the queries one at a time, and whole
    pipelines ``check`` timed beside what the model says. Stages are built anew, so that none remembers a document."""
    fresh = replace(settings, collection=collection, remember=False)
    probes = queries[:PROBES]
    model = CostModel()
    first = {family.first for family in space.families if family.first}
    for family in space.families:
        if not family.first:
            for part in family.parts:
                if part not in model.searches:
                    model.searches[part] = cost_of_search(parse(part, fresh, names), probes)
    depth = max((f.depth for f in space.families), default=0)
    for part in dict.fromkeys(p for f in space.families if f.first for p in f.parts if p != "prior"):
        begin = parse(next(iter(sorted(first, key=len))), fresh, names) % depth
        rankings = begin.batch([Ranking(q) for q in probes])
        model.rerankers[part] = cost_of_reranker(parse(part, fresh, names, starts=False), rankings)
    of = dict(zip(space.texts, costs_of(space, model)))
    for text in check:
        model.checks.append((text, of[text].ms, cost_of_search(parse(text, fresh, names), probes).ms))
    return model


def costs_of(space: Space, model: CostModel) -> list[Cost]:
    """The cost of every pipeline of a space."""
    searches = dict(_searches(space))
    return [model.of(f, row, searches) for f in space.families for row in f.weights.tolist()]


def _searches(space: Space) -> list[tuple[str, Sequence[str]]]:
    """The texts of first stages, and the searches in each."""
    out: list[tuple[str, Sequence[str]]] = []
    for family in space.families:
        if not family.first:
            out += [(text, family.parts) for text in family.texts()]
    return out


def _within(
    space: Space, costs: Sequence[Cost], max_ms: float | None, max_tokens: float | None
) -> tuple[NDArray[np.int64], int, tuple[str, ...]]:
    """The positions of the pipelines within the budgets, the default among them, and notes."""
    ms = np.array([c.ms for c in costs])
    ok = np.ones(len(ms), dtype=np.bool_)
    if max_ms is not None:
        ok &= ms <= max_ms
    if max_tokens is not None:
        ok &= np.array([c.tokens for c in costs]) <= max_tokens
    within = np.flatnonzero(ok)
    if not len(within):
        raise InputError(f"no pipeline keeps the budget: the fastest takes {ms.min():.3g} ms a query on this machine")
    if ok[space.default]:
        return within, space.default, ()
    default = int(within[np.argmin(ms[within])])
    note = (
        f"the default {space.texts[space.default]} takes {ms[space.default]:.3g} ms, above the budget: the fastest, "
        f"{space.texts[default]}, is compared with instead"
    )
    return within, default, (note,)


def _front(
    values: Floats, space: Space, ms: Floats, within: NDArray[np.int64], seed: int
) -> list[tuple[float, int, float]]:
    """The choice within each of some budgets: the budget, the position of the pipeline, and its optimism."""
    levels = np.unique(ms[within].round(6))
    if len(levels) > BUDGETS:
        wanted = np.geomspace(max(levels[0], 1e-3), max(levels[-1], 2e-3), BUDGETS)
        levels = np.unique([levels[max(np.searchsorted(levels, w * 1.0001) - 1, 0)] for w in wanted])
    out = []
    for budget in levels.tolist():
        cheap = within[ms[within] <= budget + 1e-6]
        start = space.default if space.default in cheap else int(cheap[np.argmin(ms[cheap])])
        contenders = Contenders(values[:, cheap], space.points[cheap], int(np.flatnonzero(cheap == start)[0]))
        choice = chosen(contenders, seed, repeats=1)
        position = int(cheap[choice.chosen]) if choice.worth else start
        out.append((budget, position, choice.gain.optimism if choice.worth else 0.0))
    return out


def judged_queries(queries: Sequence[Query], qrels: Mapping[str, Mapping[str, int]]) -> list[Query]:
    """The queries that have a relevant document. Raises InputError if these are too few to choose by, or one has no
    text."""
    judged = [q for q in queries if any(grade > 0 for grade in qrels.get(q.id, {}).values())]
    if not judged:
        raise InputError("no query has a relevant document in the judgements: are their ids the same?")
    if len(judged) < FEWEST:
        raise InputError(f"{len(judged)} judged queries: at least {FEWEST} are needed to choose by")
    for q in judged:
        required_text(q.content, f"query {q.id!r}")
    return judged
