"""The score table: what searches and rerankers scored, by query and document, so that pipelines of them need no run.

A search is run once, to some depth; a pointwise reranker scores a pair of a query and a document once. Every fusion,
weight, depth and cut of these is then computed from the stored scores, with the same functions that a pipeline runs, so
ids and scores are those of the pipeline really run. What can't be computed so (a listwise reranker, a rewritten query,
feedback) is run once as it stands, and kept by its text.
"""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.content import is_blank
from ..core.errors import InputError
from ..core.fusion import ArrayFusion, Fusion, number
from ..core.groupings import Pointwise
from ..core.limits import Limits
from ..core.rerank import Group, Judge, Rerank, ScoresBlank
from ..core.stage import Cut, Fuse, Keep, Limited, Stage, Then, Weighted
from ..core.trace import Usage
from ..core.types import Candidate, Judgement, Query, Ranking
from ..pipeline.context import Settings
from ..pipeline.named import Named, next_context
from ..pipeline.parser import parse
from ..pipeline.parts import Part
from ..pipeline.table import names as all_names
from ..pipeline.text import text as text_of_stage
from ..retrieve.ignore_self import IgnoreSelf
from ..retrieve.stages import BM25, VectorSearch, filled
from .columns import Column, Kind, read_column, write_column
from .fingerprint import calls_of, fingerprint

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Ranked(NamedTuple):
    """The result of one query: numbers of documents (`ScoreTable.ids`), best first, and their scores, beside each
    other."""

    documents: Ints
    scores: Floats


EMPTY = Ranked(np.zeros(0, dtype=np.int64), np.zeros(0))
_REMEMBERED = 256
"""Results of parts of pipelines that are kept in memory, beside the stored scores."""


@dataclass(slots=True, eq=False)
class ScoreTable:
    """The scores of searches and rerankers for some queries over an opened collection (`Collection`).

    ``lists("bm25 % 100 >> mini + prior")`` is the pipeline's result for every query. The first call runs what has not
    been run for these queries; later ones, of any pipeline of the same parts, take some milliseconds. With a
    ``folder``, scores are kept there as files, each named by the fingerprint of its stage (its text, the files of its
    models, the collection's state), and found again by the next table, of any queries.

    ``names`` adds names to those of pipelines, as plug-ins do. ``spent`` counts what running the stages cost.

    Scores of approximate searches, whose results depend on the number asked for, are those of the deepest search.

    >>> import tempfile
    >>> from anyrank import Index
    >>> docs = [{"id": "a", "text": "wings lift"}, {"id": "b", "text": "wings and drag"}]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     index = Index.create(f"{folder}/my.index", docs)
    ...     table = ScoreTable([Query("q1", "wings drag")], index.collection)
    ...     [table.ids[d] for d in table.lists("bm25 % 2")[0].documents]
    ['b', 'a']
    """

    queries: Sequence[Query]
    collection: Any = None
    folder: Path | None = None
    settings: Settings = Settings()
    names: Mapping[str, Part | Fusion] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    spent: Usage = field(default_factory=Usage)
    on_run: Callable[[str], None] | None = None
    """Called with the text of each stage before it is run. Where it raises, nothing is run or forgotten."""
    limits: Limits = Limits()
    """Limits of what is run for a query. What they stopped is not kept, and an InputError."""
    _numbers: dict[str, int] = field(default_factory=dict, repr=False)
    _columns: dict[tuple[str, str], Column] = field(default_factory=dict, repr=False)
    _results: dict[str, list[Ranked]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.queries = tuple(self.queries)
        if len({q.id for q in self.queries}) < len(self.queries):
            raise InputError("two queries have the same id")
        self.settings = replace(self.settings, collection=self.collection, remember=True)
        self._numbers = {id: n for n, id in enumerate(self.ids)}

    @classmethod
    def of_runs(
        cls, runs: Mapping[str, Mapping[str, Sequence[tuple[str, float]]]], queries: Sequence[str]
    ) -> ScoreTable:
        """A table of finished runs, {name: {query: [(document, score)]}}, for these query ids: every run is a stage of
        its name, and nothing else can be run. Raises InputError on a name that is no word.

        >>> table = ScoreTable.of_runs({"a": {"q": [("x", 2.0), ("y", 1.0)]}, "b": {"q": [("y", 5.0)]}}, ["q"])
        >>> [table.ids[d] for d in table.lists("a + 3 * b")[0].documents]
        ['x', 'y']
        """
        known = all_names()
        if wrong := [n for n in runs if not n.isidentifier() or n in known]:
            kind = "a name of pipelines already" if wrong[0] in known else "no word of letters, digits and _"
            raise InputError(f"the run {wrong[0]!r} can't be a stage's name: it is {kind}")
        table = cls([Query(q, q) for q in queries])
        for name, run in runs.items():
            table.add_run(name, run)
        return table

    def add_run(self, name: str, run: Mapping[str, Sequence[tuple[str, float]]]) -> None:
        """Lets a finished run of the table's queries, {query: [(document, score)]}, be a stage of this name."""
        part = Part(f"the run {name}", source=lambda settings, *, k=1 << 30: _Given(k))
        self.names = {**self.names, name: part}
        column = self._columns.setdefault(("search", name), Column(kind="search", depth=1 << 30))
        for query in self.queries:
            results = run.get(query.id, ())
            scores = np.array([s for _, s in results], dtype=np.float64)
            column.put(query, self.numbered([d for d, _ in results]), scores)

    def over(
        self,
        queries: Sequence[Query],
        limits: Limits | None = None,
        on_run: Callable[[str], None] | None = None,
    ) -> ScoreTable:
        """A table of the same scores for other queries: what one of both runs, the other has too.

        >>> table = ScoreTable.of_runs({"a": {"q": [("x", 2.0)], "r": [("y", 1.0)]}}, ["q", "r"])
        >>> [table.ids[d] for d in table.over([Query("r", "r")]).lists("a")[0].documents]
        ['y']
        """
        other = replace(self, queries=queries, limits=limits or Limits(), on_run=on_run, _results={})
        other._numbers = self._numbers
        return other

    def lists(self, pipeline: str | Stage) -> list[Ranked]:
        """The result of a pipeline for every query, in their order. Raises InputError as `parse` does."""
        return self._lists(self.stage(pipeline) if isinstance(pipeline, str) else pipeline, None)

    def stage(self, pipeline: str) -> Stage:
        """The stage of a text, whose names may be those of runs too."""
        return parse(pipeline, self.settings, self._names())

    def run(self, pipeline: str | Stage) -> dict[str, dict[str, float]]:
        """The result of a pipeline as {query id: {document id: score}}, best first, as runs are evaluated."""
        results = self.lists(pipeline)
        return {
            q.id: {self.ids[d]: s for d, s in zip(r.documents.tolist(), r.scores.tolist())}
            for q, r in zip(self.queries, results)
        }

    def numbered(self, ids: Sequence[str]) -> Ints:
        """The numbers of documents, new ones being added to ``ids``."""
        for id in ids:
            if id not in self._numbers:
                self._numbers[id] = len(self.ids)
                self.ids.append(id)
        return np.array([self._numbers[id] for id in ids], dtype=np.int64)

    def _names(self) -> Mapping[str, Part | Fusion]:
        known: Any = all_names()  # looked up when used: a name imports its paper
        return ChainMap(dict(self.names), known) if self.names else known

    def _lists(self, stage: Stage, given: list[Ranked] | None, before: Stage | None = None) -> list[Ranked]:
        """The results of a stage for the results ``given`` of the stage ``before``; of a whole pipeline for None."""
        match stage:
            case Weighted(inner, _):
                return self._lists(inner, given, before)
            case Cut(k):
                return [_cut(r, k) for r in _required(given)]
            case Keep() | Named() if _unchanging(stage):
                return _required(given)
            case Then(Named() as search, Cut(k)) if before is None and _prefixes(search.stage):
                return self._searched(search, k)
            case Then(first, second):
                if not _computable(second, first):
                    return self._whole(stage if before is None else Then(before, stage))
                through = first if before is None else Then(before, first)
                return self._lists(second, self._remembered(first, given, before), through)
            case Fuse(stages, method):
                weights = [s.weight if isinstance(s, Weighted) else 1.0 for s in stages]
                parts = [self._lists(s, given, before) for s in stages]
                return [fused(rows, method, weights, self.ids) for rows in zip(*parts)]
            case Named() if before is None and _prefixes(stage.stage):
                return self._searched(stage, 0)
            case Named() if before is not None and (rerank := _pointwise(stage)) is not None:
                return self._reranked(stage, rerank, _required(given))
        return self._whole(stage if before is None else Then(before, stage))

    def _remembered(self, stage: Stage, given: list[Ranked] | None, before: Stage | None) -> list[Ranked]:
        """The results of a first stage, kept in memory, since many pipelines begin alike."""
        if before is not None:
            return self._lists(stage, given, before)
        key = text_of_stage(stage, self._names())
        if key not in self._results:
            if len(self._results) >= _REMEMBERED:
                self._results.pop(next(iter(self._results)))
            self._results[key] = self._lists(stage, given)
        return self._results[key]

    def _searched(self, search: Named, k: int) -> list[Ranked]:
        """The first k results of a search (all, up to its own limit, for 0), which is run if it wasn't so deep yet."""
        own = _limit(search.stage)
        k = min(k or own, own)
        call = replace(search.call, arguments=tuple(a for a in search.call.arguments if a[0] != "k"))
        column = self._column(str(call), "search", [search])
        deeper = column.depth < k
        todo = [q for q in self.queries if deeper or q not in column]
        if todo:
            self._say(f"{call} % {k}")
            if deeper:
                column.clear()
                column.depth = k
            for query, ranking in zip(todo, self._complete(str(call), search.limit(k), todo)):
                column.put(query, self.numbered(ranking.ids), np.array(ranking.scores, dtype=np.float64))
                self._spend(column, ranking, 1)
            self._write(str(call), column, [search])
        return [_cut(Ranked(*column.get(q)), k) for q in self.queries]

    def _reranked(self, stage: Named, rerank: Rerank, given: list[Ranked]) -> list[Ranked]:
        """The results of a pointwise reranker: pairs that have no score yet are scored."""
        call = replace(stage.call, arguments=tuple(a for a in stage.call.arguments if a[0] != "depth"))
        column = self._column(str(call), "pairs", [stage])
        heads = [r.documents[: rerank.depth] for r in given]
        todo = [(q, column.missing(q, head)) for q, head in zip(self.queries, heads)]
        todo = [(q, documents) for q, documents in todo if len(documents)]
        if todo:
            self._say(f"{call}, {sum(len(d) for _, d in todo):,} pairs")
            self._score(replace(rerank, depth=None), column, todo)
            self._write(str(call), column, [stage])
        return [reranked(r, column.scores(q, head), len(head)) for q, r, head in zip(self.queries, given, heads)]

    def _score(self, rerank: Rerank, column: Column, todo: Sequence[tuple[Query, Ints]]) -> None:
        """Let a reranker score pairs, and keep the scores in its column."""
        judge = _Recording(rerank.judge)
        rankings = []
        for query, documents in todo:
            candidates = [Candidate(self.ids[d], None) for d in documents.tolist()]
            rankings.append(Ranking(query, tuple(filled(candidates, self.collection)), limits=self.limits))
        after = replace(rerank, judge=judge).batch(rankings)
        left, why = 0, ""
        for (query, documents), before, ranking in zip(todo, rankings, after):
            scores = np.array([judge.score(query, candidate) for candidate in before], dtype=np.float64)
            unscored = np.isnan(scores)
            if self.limits != Limits() and unscored.any():
                left, why = left + int(unscored.sum()), "; ".join(ranking.cost.notes[:1])
                documents, scores = documents[~unscored], scores[~unscored]
            column.put(query, documents, scores)
            self._spend(column, ranking, len(documents))
        if left:
            raise InputError(f"{left:,} pairs were not scored: {why or 'no reason is given'}")

    def _complete(self, text: str, stage: Stage, queries: Sequence[Query]) -> list[Ranking]:
        """The results of a stage for some queries. Raises InputError where the limits stopped it."""
        rankings = stage.batch([Ranking(q, limits=self.limits) for q in queries])
        if self.limits != Limits() and (
            bad := next((r for r in rankings if r.status in ("partial", "fallback")), None)
        ):
            raise InputError(f"{text} was not run to its end: {'; '.join(bad.cost.notes[:1])}")
        return rankings

    def _whole(self, stage: Stage) -> list[Ranked]:
        """The results of a pipeline that is run as it stands."""
        key = text_of_stage(stage, self._names())
        column = self._column(key, "pipeline", [stage])
        todo = [q for q in self.queries if q not in column]
        if todo:
            self._say(key)
            for query, ranking in zip(todo, self._complete(key, stage, todo)):
                column.put(query, self.numbered(ranking.ids), np.array(ranking.scores, dtype=np.float64))
                self._spend(column, ranking, 1)
            self._write(key, column, [stage])
        return [Ranked(*column.get(q)) for q in self.queries]

    def _column(self, text: str, kind: Kind, stages: list[Stage]) -> Column:
        """The stored scores of a stage: those in memory, else those of its file, else none yet."""
        key = kind, text
        if key not in self._columns:
            file = self._file(text, kind, stages)
            self._columns[key] = Column(kind) if file is None else read_column(file, kind, self.numbered)
        return self._columns[key]

    def _write(self, text: str, column: Column, stages: list[Stage]) -> None:
        if (file := self._file(text, column.kind, stages)) is not None:
            write_column(file, column, text, self.ids)

    def _file(self, text: str, kind: Kind, stages: list[Stage]) -> Path | None:
        if self.folder is None:
            return None
        settings = repr((kind, self.settings.filter, self.settings.ignore_self))
        calls = [call for stage in stages for call in calls_of(stage)]
        return Path(self.folder) / f"{fingerprint(text, calls, self.collection, settings)}.npz"

    def _spend(self, column: Column, ranking: Ranking, count: int) -> None:
        cost = ranking.cost
        self.spent += cost.usage
        column.count += count
        column.tokens += cost.usage.tokens
        column.calls += cost.usage.calls

    def _say(self, text: str) -> None:
        if self.on_run is not None:
            self.on_run(text)


def fused(parts: Sequence[Ranked], method: Fusion, weights: Sequence[float], ids: Sequence[str]) -> Ranked:
    """Results of one query, fused as `core.stage.merge` fuses them: of equal scores the one that comes first."""
    documents, items = number([p.documents for p in parts])
    if isinstance(method, ArrayFusion):
        scores = method.fuse(items, [p.scores for p in parts], len(documents), weights)
    else:
        by_id = method([{ids[d]: s for d, s in zip(p.documents.tolist(), p.scores.tolist())} for p in parts], weights)
        scores = np.array([by_id[ids[d]] for d in documents.tolist()], dtype=np.float64)
    best = np.argsort(-scores, kind="stable")
    return Ranked(documents[best], scores[best])


def reranked(ranked: Ranked, scores: Floats, depth: int) -> Ranked:
    """A result under a pointwise reranker's scores of its first ``depth`` documents, as `Rerank` orders it: those that
    the judge left without a score (NaN) below the scored ones, then the rest in its order, then those without content
    (-inf)."""
    blank, known = np.isneginf(scores), np.isfinite(scores)
    unscored = ~known & ~blank
    if (unscored.any() and not known.any()) or blank.sum() == len(ranked.documents):
        return ranked
    judged = np.flatnonzero(known)
    order = judged[np.argsort(-scores[judged], kind="stable")]
    rest = np.arange(depth, len(ranked.documents))
    tail = np.concatenate([np.flatnonzero(unscored), rest, np.flatnonzero(blank)])
    last = scores[order[-1]] if len(order) else 0.0
    below = last - 1.0 - np.arange(len(tail))
    return Ranked(ranked.documents[np.concatenate([order, tail])], np.concatenate([scores[order], below]))


class _Recording:
    """A judge that keeps another's scores by query and document: NaN if there is none, -inf for a document without
    content."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.scores: dict[tuple[str, str], float] = {}

    @property
    def scores_blank(self) -> bool:
        return isinstance(self.judge, ScoresBlank) and self.judge.scores_blank

    def __call__(self, groups: Sequence[Group]) -> Sequence[Judgement]:
        judgements = list(self.judge(groups))
        if len(judgements) == len(groups):
            for (query, members), judgement in zip(groups, judgements):
                if len(judgement.scores) == len(members) == 1:
                    score = float(judgement.scores[0])
                    blank = score == -math.inf and self.scores_blank
                    self.scores[query.id, members[0].id] = score if math.isfinite(score) or blank else math.nan
        return judgements

    def score(self, query: Query, candidate: Candidate) -> float:
        """The score of a pair that was to be judged."""
        unknown = -math.inf if is_blank(candidate.content) else math.nan
        return self.scores.get((query.id, candidate.id), unknown)


@dataclass(frozen=True)
class _Given(Limited):
    """A run whose results the table holds."""

    k: int

    def limit(self, k: int) -> _Given:
        return _Given(min(k, self.k))

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        raise InputError("a run that was read from a file can't search for other queries")


def _prefixes(stage: Stage) -> bool:
    """Whether a search's first k results are those of a search for k."""
    return isinstance(stage, BM25 | VectorSearch | _Given) or (
        isinstance(stage, IgnoreSelf) and isinstance(stage.stage, BM25 | VectorSearch)
    )


def _limit(stage: Stage) -> int:
    return stage.k if isinstance(stage, BM25 | VectorSearch | IgnoreSelf | _Given) else 0


def _pointwise(stage: Named) -> Rerank | None:
    """The reranker of a name, if it scores every candidate by itself and is stopped by no budget."""
    inner = stage.stage
    if not isinstance(inner, Rerank) or not isinstance(inner.grouping, Pointwise):
        return None
    return None if inner.max_calls or inner.max_tokens or inner.max_seconds or inner.max_ms else inner


def _unchanging(stage: Stage) -> bool:
    """Whether a stage leaves documents and scores as they are."""
    return isinstance(stage, Keep) or (isinstance(stage, Named) and stage.call.name == "prior")


def _computable(second: Stage, first: Stage) -> bool:
    """Whether a stage after ``first`` is computed from the results of ``first`` alone."""
    match second:
        case Weighted(inner, _):
            return _computable(inner, first)
        case Then(a, b):
            return _computable(a, first) and _computable(b, first)
        case Fuse(stages, _):
            return all(_computable(s, first) for s in stages)
        case Cut():
            return True
    if next_context(first) == "rewritten" or not isinstance(second, Named | Keep):
        return False
    if _unchanging(second):
        return True
    # A judge may read remembered scores, which are not in the table.
    return isinstance(second, Named) and _pointwise(second) is not None and not _keeps(first)


def _keeps(stage: Stage) -> bool:
    match stage:
        case Keep():
            return True
        case Then(first, second):
            return _keeps(first) or _keeps(second)
        case Weighted(inner, _):
            return _keeps(inner)
        case Fuse(stages, _):
            return any(map(_keeps, stages))
    return False


def _cut(ranked: Ranked, k: int) -> Ranked:
    return ranked if len(ranked.documents) <= k else Ranked(ranked.documents[:k], ranked.scores[:k])


def _required(given: list[Ranked] | None) -> list[Ranked]:
    if given is None:
        raise InputError("the pipeline continues from given candidates: begin with a search")
    return given
