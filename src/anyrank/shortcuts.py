"""One-line uses: rerank a list of texts, read a pipeline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .core.errors import InputError
from .core.stage import Stage
from .core.types import Ranking
from .expression import Settings, parse

DEFAULT = "splade + minilm"


def rerank(query: Any, documents: Iterable[Any], pipeline: str | Stage = DEFAULT, top: int | None = None) -> Ranking:
    """``documents`` in a better order for ``query``: ids are their places in the input ("0", "1", …), and the ranking's
    ``status``, ``cost`` and ``trace`` say what happened. ``top`` keeps the best few.

    >>> import anyrank as ar
    >>> best = ar.rerank("capital of France", ["Lyon is a large city.", "Paris is the capital of France."])
    >>> best.ids, best.status
    (['1', '0'], 'ok')
    """
    if isinstance(documents, str):
        raise InputError("documents is one text: give a list of them")
    if top is not None and top < 1:
        raise InputError(f"top={top}: must be at least 1, or None for all")
    stage = parse(pipeline, starts=False) if isinstance(pipeline, str) else pipeline
    ranking = stage(Ranking.of(query, documents))
    return ranking if top is None else ranking[:top]


def pipeline(text: str, index: Any = None) -> Stage:
    """The stage that a pipeline text describes, over an index (a folder or an opened collection) where it searches."""
    if index is not None and not hasattr(index, "lexical"):
        from .retrieve.collection import Collection

        index = Collection.open(index)
    return parse(text, Settings(index), starts=index is not None)
