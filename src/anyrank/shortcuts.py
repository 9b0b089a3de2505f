"""The one-line API: rerank a list of texts, read a pipeline."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from operator import index as whole_number
from os import PathLike, fspath
from typing import Any

from . import pipeline as _room  # before the function of its name takes its place in the package  # noqa: F401
from .core.errors import InputError
from .core.stage import Stage
from .core.types import Ranking

DEFAULT = "mini"


def rerank(
    query: Any,
    documents: Iterable[Any],
    pipeline: str | Stage = DEFAULT,
    top: int | None = None,
    *,
    model: str | None = None,
    top_n: int | None = None,
    top_k: int | None = None,
) -> Ranking:
    """Rerank ``documents`` for ``query``; the result also has ``status``, ``cost`` and ``trace``.

    A document is a text (its id is its position in the input: "0", "1", …) or a mapping with ``text`` and, if it has
    them, ``id``, ``title`` and other fields. ``documents`` may also be one mapping from ids to such documents, or a
    table (pandas, polars, pyarrow) with these columns. ``top`` keeps the best few; ``top_n`` and ``top_k`` are other
    names of it. ``model`` names one model, of a registry, the hub or a folder, in place of a pipeline.

    >>> import anyrank as ar
    >>> best = ar.rerank("capital of France", ["Lyon is a large city.", "Paris is the capital of France."])
    >>> best.ids, best.status
    (['1', '0'], 'ok')
    >>> ar.rerank("capital of France", {"l": "Lyon is large.", "p": "Paris is the capital."}, top_n=1).ids
    ['p']
    """
    count = _top(top=top, top_n=top_n, top_k=top_k)
    if model is not None:
        if pipeline != DEFAULT:
            raise InputError(f"pipeline and model={model!r}: give one of them")
        if not isinstance(model, str):
            raise InputError(f"model is of type {type(model).__name__}: expected the name of a model")
        pipeline = f"model({json.dumps(model, ensure_ascii=False)})"
    if not isinstance(pipeline, str | Stage):
        raise InputError(f"pipeline is of type {type(pipeline).__name__}: expected a text or a stage")
    stage = _parsed(pipeline) if isinstance(pipeline, str) else pipeline
    ranking = stage(_candidates(query, documents))
    return ranking if count is None else ranking[:count]


def _top(**names: Any) -> int | None:
    """The number that one of the names gives; None if none does. Raises InputError if two do, and on anything but a
    whole number of at least 1."""
    given = {name: value for name, value in names.items() if value is not None}
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} are names of the same number: give one of them")
    for name, value in given.items():
        try:
            count = whole_number(value)
        except TypeError:
            count = 0
        if count < 1 or isinstance(value, bool):
            raise InputError(f"{name}={value!r}: must be a whole number, at least 1, or None for all")
        return count
    return None


def _candidates(query: Any, documents: Any) -> Ranking:
    """The documents in their given order. Raises InputError on what holds no list of documents."""
    if isinstance(documents, str | bytes):
        raise InputError("documents is one text: give a list of them")
    if isinstance(documents, set | frozenset):
        raise InputError("documents is a set, which has no order: give a list, or a mapping from ids to texts")
    from .io.candidates import documents_by_id, ranking_from_dict
    from .io.frames import table_rows

    rows: list[Any] | None = table_rows(documents)
    if rows is None:
        rows = documents_by_id(documents) if isinstance(documents, Mapping) else list(documents)
    if any(isinstance(d, Mapping) for d in rows):
        return ranking_from_dict(
            {"query": query, "documents": [dict(d) if isinstance(d, Mapping) else d for d in rows]}
        )
    return Ranking.of(query, rows)


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
