"""A pipeline run step by step for one query, so that what became of each document on the way can be told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.content import images_of, text_of
from ...core.errors import InputError
from ...core.stage import Cut, Limited, Stage, Then
from ...core.types import Candidate, Ranking
from ...pipeline.text import text
from ...retrieve.stages import filled
from ...tuning.table import ScoreTable
from ..service import finite

TEXT = 4000
"""Characters of a document that the page gets."""


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """A ranking, and after each step of its pipeline the step's name and every document's rank and score."""

    ranking: Ranking
    steps: tuple[tuple[str, Mapping[str, tuple[int, float]]], ...]

    @classmethod
    def of(cls, stage: Stage, start: Ranking) -> Lane:
        """Run a pipeline. Its result is the one of the whole stage: a search is limited by the cut after it.

        >>> from anyrank.core.stage import Each
        >>> from dataclasses import replace
        >>> backwards = Each(lambda r: r.ordered(range(len(r) - 1, -1, -1)))
        >>> lane = Lane.of(backwards % 1, Ranking.of("q", ["a", "b"]))
        >>> lane.ranking.ids, [name for name, _ in lane.steps], lane.lost("0")
        (['1'], ['given', 'Each', '% 1'], 'cut by % 1')
        """
        ranking = start
        steps = [("given", _ranks(ranking))] if len(ranking) else []
        for step, name in _steps(stage):
            ranking = step.batch([ranking])[0]
            steps.append((name, _ranks(ranking)))
        return cls(ranking, tuple(steps))

    @classmethod
    def computed(cls, stage: Stage, table: ScoreTable, documents: Iterable[Candidate] | None = None) -> Lane:
        """The lane of the one query of a score table, from the scores that are there: nothing is run, and the ranking
        has no trace. Of pasted ``documents`` the contents are theirs, else the index's."""
        before: Stage | None = None
        steps, ids, scores = [], list[str](), list[float]()
        for step, name in _steps(stage):
            before = step if before is None else Then(before, step)
            (result,) = table.lists(before)
            ids, scores = [table.ids[d] for d in result.documents.tolist()], result.scores.tolist()
            steps.append((name, _ranked(ids, scores)))
        if documents is None:
            candidates = filled([Candidate(id, None, score) for id, score in zip(ids, scores)], table.collection)
        else:
            known = {c.id: c for c in documents}
            candidates = [known[id].rescored(score) for id, score in zip(ids, scores)]
        return cls(Ranking(table.queries[0], tuple(candidates)), tuple(steps))

    def lost(self, id: str) -> str:
        """Why a document isn't in the ranking, "" if it is."""
        for n in range(len(self.steps) - 1, -1, -1):
            if id in self.steps[n][1]:
                return "" if n == len(self.steps) - 1 else f"cut by {self.steps[n + 1][0]}"
        return f"not found by {self.steps[0][0]}" if self.steps else "not given"

    def path(self, id: str) -> list[tuple[int, float] | None]:
        """A document's rank and score after each step, None where it isn't there."""
        return [ranks.get(id) for _, ranks in self.steps]


def _ranks(ranking: Ranking) -> dict[str, tuple[int, float]]:
    return _ranked(ranking.ids, ranking.scores)


def _ranked(ids: Sequence[str], scores: Sequence[float]) -> dict[str, tuple[int, float]]:
    return {id: (n, score) for n, (id, score) in enumerate(zip(ids, finite(scores)), 1)}


def _steps(stage: Stage) -> Iterator[tuple[Stage, str]]:
    """The steps of a chain with their names; a search and the cut that limits it are one step."""
    match stage:
        case Then(first, Cut() as cut) if isinstance(first, Limited):
            yield stage, _name(Then(first, cut))
        case Then(first, second):
            yield from _steps(first)
            yield from _steps(second)
        case _:
            yield stage, _name(stage)


def _name(stage: Stage) -> str:
    if isinstance(stage, Cut):
        return f"% {stage.k}"
    try:
        return text(stage)
    except InputError:
        return type(stage).__name__


def shown(candidates: Iterable[Candidate]) -> dict[str, Any]:
    """The beginnings of documents by id, as the page shows them."""
    return {c.id: _beginning(c) for c in candidates}


def _beginning(candidate: Candidate) -> dict[str, Any]:
    text, pictures = text_of(candidate.content), images_of(candidate.content)
    return {"text": text[:TEXT], "length": len(text), **({"picture": True} if pictures else {})}
