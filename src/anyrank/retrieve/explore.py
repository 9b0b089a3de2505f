"""Exploration: a reranker's best documents bring their neighbours, which the search may have missed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..core.errors import InputError
from ..core.rerank import Judge, Rerank
from ..core.stage import Stage, new_steps
from ..core.trace import Step, total
from ..core.types import Candidate, Query, Ranking
from ..index.base import Documents, VectorIndex
from ..store.filters import Filter
from .stages import filled


@dataclass(frozen=True)
class Explore(Stage):
    """Graph-based adaptive reranking (MacAvaney et al., CIKM 2022, arXiv 2208.08942): ``judge`` scores ``budget``
    documents of a query, ``size`` at a time, by turns from those that came in and from the neighbours of the best
    scored so far.

    Neighbours are the nearest ``near`` of a document by its stored vector in ``index``, which are searched for when
    they are needed, so that no graph is stored. Unlike a reranker this stage adds documents, which the trace counts;
    what was not judged follows in its order. With ``ignore_self`` the document whose id is the query's is never added.
    """

    judge: Judge
    index: VectorIndex = field(repr=False)
    documents: Documents = field(repr=False)
    budget: int = 100
    near: int = 16
    size: int = 16
    filter: Filter | None = None
    ignore_self: bool = False
    name: str = "explore"

    def __post_init__(self) -> None:
        for option in ("budget", "near", "size"):
            if getattr(self, option) < 1:
                raise InputError(f"{option}={getattr(self, option)}: must be at least 1")

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        rerank, known = Rerank(self.judge, name=self.name), dict[str, tuple[str, ...]]()
        start = time.perf_counter()
        searches = [_Search(r, self.budget, self.size) for r in rankings]
        while active := [s for s in searches if not s.done]:
            batches = [s.next_batch() for s in active]
            self._find({i for s, b in zip(active, batches) if b for i in b}, known)
            judged = rerank.batch([s.ranking(b, self.documents) for s, b in zip(active, batches)])
            for search, ranking in zip(active, judged):
                search.record(ranking, known, self._excluded(search.origin.query))
        seconds = (time.perf_counter() - start) / max(len(rankings), 1)
        return [s.result(self.name, seconds) for s in searches]

    def _excluded(self, query: Query) -> frozenset[str]:
        return frozenset([str(query.id)]) if self.ignore_self else frozenset()

    def _find(self, ids: set[str], known: dict[str, tuple[str, ...]]) -> None:
        """Look for the neighbours of documents whose neighbours aren't known yet."""
        new = sorted(ids - known.keys())
        positions, vectors = self.index.vectors(new)
        known.update(dict.fromkeys(new, ()))
        if vectors is None:
            return
        options = {} if self.filter is None else {"among": self.filter}
        results = self.index.search(vectors, self.near + 1, **options)
        for position, matches in zip(positions, results):
            id = new[position]
            known[id] = tuple(i for i, _ in matches if i != id)[: self.near]


class _Search:
    """The exploration of one query: what was scored, and what is next."""

    def __init__(self, origin: Ranking, budget: int, size: int) -> None:
        self.origin, self.budget, self.size = origin, budget, size
        self.trace = origin.trace
        self.scored: dict[str, Candidate] = {}
        self.unscored: dict[str, Candidate] = {}
        self.waiting = {c.id: c for c in origin}
        self.frontier: dict[str, float] = {}  # neighbours, by the score of the best document that they are near to
        self.from_frontier = False
        self.done = not len(origin)

    def next_batch(self) -> list[str]:
        """The ids of the next documents: by turns the first that came in, and the neighbours of the best."""
        size = min(self.size, self.budget - len(self.scored) - len(self.unscored))
        pools = (sorted(self.frontier, key=lambda i: -self.frontier[i]), list(self.waiting))
        first, second = pools if self.from_frontier else pools[::-1]
        self.from_frontier = not self.from_frontier
        return list(dict.fromkeys([*first[:size], *(second if not first else ())]))[:size]

    def ranking(self, ids: Sequence[str], documents: Documents) -> Ranking:
        """The next documents as a ranking; those that are new are read from the collection."""
        candidates = [self.waiting.get(i) or Candidate(i, None) for i in ids]
        return replace(self.origin, candidates=tuple(filled(candidates, documents)), trace=self.trace)

    def record(self, ranking: Ranking, known: dict[str, tuple[str, ...]], excluded: frozenset[str]) -> None:
        """Keep the scores of a batch, and put the neighbours of its documents into the frontier."""
        step = ranking.trace[-1]
        self.trace = ranking.trace
        kept = self.unscored if step.untouched else self.scored
        for c in ranking:
            kept[c.id] = c
            self.waiting.pop(c.id, None)
            self.frontier.pop(c.id, None)
        if not step.untouched:
            for c in ranking:
                for i in known.get(c.id, ()):
                    if i not in self.scored and i not in self.unscored and i not in excluded:
                        self.frontier[i] = max(self.frontier.get(i, c.score), c.score)
        spent = len(self.scored) + len(self.unscored) >= self.budget
        # A judge that fails, or a spent budget, ends it: what is left keeps its order.
        self.done = step.untouched or spent or not (self.waiting or self.frontier)

    def result(self, name: str, seconds: float) -> Ranking:
        """All scored documents, best first, then the others that came in."""
        steps = new_steps(self.origin, replace(self.origin, candidates=(), trace=self.trace))
        before = {c.id for c in self.origin}
        added = sum(i not in before for i in self.scored)
        summed = total(steps)
        notes = tuple(dict.fromkeys(summed.notes))
        if added:
            notes += (f"added {added} documents that no search had found, by their neighbours",)
        best = sorted(self.scored.values(), key=lambda c: -c.score)
        rest = [c for c in self.origin if c.id not in self.scored]
        last = best[-1].score if best else 0.0
        below = [c.rescored(last - 1.0 - n) for n, c in enumerate(rest)] if best else rest
        step = Step(name, seconds, summed.usage, notes, bool(len(self.origin)) and not best, summed.refused)
        return replace(self.origin, candidates=(*best, *below)).with_step(step)
