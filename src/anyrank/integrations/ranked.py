"""What the adapters share: texts reranked by their positions, and an index opened once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..core.stage import Stage
from ..core.types import Ranking
from ..hub.open import is_server
from ..index_folder import Index
from ..shortcuts import rerank


def ranked(query: str, texts: Sequence[Any], pipeline: str | Stage, top_n: int | None = None) -> Ranking:
    """Texts reranked for a query; each candidate's ``index`` is its position. ``pipeline`` may also be the address of
    a server ("http://host:8000"). No texts are a ranking without candidates.

    >>> [c.index for c in ranked("capital of France", ["Lyon is large.", "Paris is the capital."], "tiny")]
    [1, 0]
    """
    if not len(texts):
        return Ranking.of(query)
    pairs = [(str(i), text) for i, text in enumerate(texts)]
    if isinstance(pipeline, str) and is_server(pipeline):
        return rerank(query, pairs, model=pipeline, top_n=top_n)
    return rerank(query, pairs, pipeline, top_n=top_n)


@lru_cache(maxsize=8)
def opened(path: str) -> Index:
    """The index of a folder, opened once a process; searches see later commits by themselves."""
    return Index.open(path)
