"""The one-line API: rerank a list of texts, read a pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from typing import Any

from . import pipeline as _room  # before the function of its name takes its place in the package  # noqa: F401
from .core.errors import InputError
from .core.stage import Stage
from .core.types import Ranking

DEFAULT = "mini"


def rerank(query: Any, documents: Iterable[Any], pipeline: str | Stage = DEFAULT, top: int | None = None) -> Ranking:
    """Rerank ``documents`` for ``query``; the result also has ``status``, ``cost`` and ``trace``.

    A document is a text (its id is its position in the input: "0", "1", …) or a mapping with ``text`` and, if it has
    them, ``id``, ``title`` and other fields. ``top`` keeps the best few.

    >>> import anyrank as ar
    >>> best = ar.rerank("capital of France", ["Lyon is a large city.", "Paris is the capital of France."])
    >>> best.ids, best.status
    (['1', '0'], 'ok')
    """
    if isinstance(documents, str):
        raise InputError("documents is one text: give a list of them")
    if top is not None and top < 1:
        raise InputError(f"top={top}: must be at least 1, or None for all")
    stage = _parsed(pipeline) if isinstance(pipeline, str) else pipeline
    documents = list(documents)
    if any(isinstance(d, Mapping) for d in documents):
        from .io.candidates import ranking_from_dict

        before = ranking_from_dict({"query": query, "documents": documents})
    else:
        before = Ranking.of(query, documents)
    ranking = stage(before)
    return ranking if top is None else ranking[:top]


def pipeline(text: str, index: Any = None, filter: Mapping[str, Any] | None = None) -> Stage:
    """The stage that a pipeline text describes, over an index (a folder or an opened collection) if it searches.

    ``filter`` keeps documents by their fields: ``{"lang": "en", "year": (1990, None)}`` (a tuple is a range). A search
    is then ``pipeline("bm25 + minilm", "my.index")("what causes lift")``. The stage remembers its text, also when it is
    combined further by operators: `pipeline.text.text` writes it.

    >>> import anyrank as ar
    >>> from anyrank.pipeline.text import text
    >>> text(2 * ar.pipeline("mini") + ar.pipeline("prior % 10"))
    '2 * mini + prior % 10'
    """
    if isinstance(index, str | PathLike):
        from .index.collection import Collection

        index = Collection.open(fspath(index))
    return _parsed(text, index, filter)


def _parsed(text: str, index: Any = None, filter: Mapping[str, Any] | None = None) -> Stage:
    """The stage of a text. The parser is imported at its first use, so that ``import anyrank`` is quick."""
    from .pipeline.context import Settings
    from .pipeline.parser import parse

    return parse(text, Settings(index, filter), starts=index is not None)
