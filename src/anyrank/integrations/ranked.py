"""Parts that the adapters share: texts reranked by their positions, and the search of an index."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..core.errors import InputError
from ..core.stage import Stage
from ..core.types import Candidate, Query, Ranking
from ..hub.open import is_server
from ..pipeline.context import Settings
from ..pipeline.parser import parse
from ..stores.open import open_index

log = logging.getLogger(__name__)


def ranked(query: str, texts: Sequence[Any], pipeline: str, top_n: int | None = None) -> Ranking:
    """Texts reranked for a query; each candidate's ``index`` is its position. ``pipeline`` may also be the address of
    a server ("http://host:8000"). No texts are a ranking without candidates. Raises InputError on a ``top_n`` below 1.

    >>> [c.index for c in ranked("capital of France", ["Lyon is large.", "Paris is the capital."], "tiny")]
    [1, 0]
    """
    most = None if top_n is None else positive(top_n, "top_n")
    ranking = unranked(query, texts)
    return logged(reranker(pipeline)(ranking))[:most] if texts else ranking


def logged(ranking: Ranking) -> Ranking:
    """The ranking; what a cut-off of its pipeline dropped is logged, since frameworks see only what is left."""
    for step in ranking.trace:
        if step.cut:
            log.info("%s: %s: %s", step.name, "; ".join(step.notes), ", ".join(step.cut[:20]))
    return ranking


def unranked(query: str, texts: Sequence[Any], id: str = "q") -> Ranking:
    """Texts in their given order, before they are reranked; ids are positions, since a caller's own may come twice."""
    candidates = tuple(Candidate(str(i), text, float(-i), index=i) for i, text in enumerate(texts))
    return Ranking(Query(id, query), candidates)


def scores_of(ranking: Ranking, count: int) -> list[float]:
    """The score of each of so many texts, in the order in which they were given. Those that the pipeline left out come
    below all others.

    >>> scores_of(unranked("q", ["a", "b"])[:1], 3)
    [0.0, -1.0, -1.0]
    """
    scores = {c.index: c.score for c in ranking}
    below = min(scores.values(), default=0.0) - 1.0
    return [scores.get(i, below) for i in range(count)]


def searched(index: str, query: str, pipeline: str, k: int, filter: Any = None) -> Ranking:
    """The best k documents of an index, a folder made by ``anyrank index``. It is opened once a process, and sees
    later commits by itself."""
    return logged(searcher(index, pipeline, k, filter)(Query("q", query)))


def searcher(index: str, pipeline: str, k: int, filter: Any = None) -> Stage:
    """The stage that gives the best k documents of an index for each query. Raises InputError on a ``k`` below 1."""
    stage: Stage = parse(pipeline, Settings(_opened(index), filter or None)) % positive(k, "k")
    return stage


def positive(count: int, name: str) -> int:
    """A number of results. Raises InputError, which names it, on anything but a whole number of at least 1."""
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise InputError(f"{name}={count!r}: must be a whole number, at least 1")
    return count


@lru_cache(maxsize=32)
def reranker(pipeline: str) -> Stage:
    """The stage that reranks by a pipeline, or by the server at an address."""
    text = f"model({json.dumps(pipeline)})" if is_server(pipeline) else pipeline
    return parse(text, starts=False)


@lru_cache(maxsize=8)
def _opened(index: str) -> Any:
    return open_index(index)
