"""What the adapters share: texts reranked by their positions, and the search of an index."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..core.stage import Stage
from ..core.types import Candidate, Query, Ranking
from ..hub.open import is_server
from ..index.collection import Collection
from ..pipeline.context import Settings
from ..pipeline.parser import parse


def ranked(query: str, texts: Sequence[Any], pipeline: str, top_n: int | None = None) -> Ranking:
    """Texts reranked for a query; each candidate's ``index`` is its position. ``pipeline`` may also be the address of
    a server ("http://host:8000"). No texts are a ranking without candidates.

    >>> [c.index for c in ranked("capital of France", ["Lyon is large.", "Paris is the capital."], "tiny")]
    [1, 0]
    """
    candidates = tuple(Candidate(str(i), text, float(-i), index=i) for i, text in enumerate(texts))
    ranking = Ranking(Query("q", query), candidates)
    return _reranking(pipeline)(ranking)[:top_n] if candidates else ranking


def searched(index: str, query: str, pipeline: str, k: int, filter: Any = None) -> Ranking:
    """The best k documents of an index, a folder made by ``anyrank index``. It is opened once a process, and sees
    later commits by itself."""
    stage = parse(pipeline, Settings(_opened(index), filter or None)) % k
    return stage(Query("q", query))


@lru_cache(maxsize=32)
def _reranking(pipeline: str) -> Stage:
    text = f"model({json.dumps(pipeline)})" if is_server(pipeline) else pipeline
    return parse(text, starts=False)


@lru_cache(maxsize=8)
def _opened(index: str) -> Collection:
    return Collection.open(index)
