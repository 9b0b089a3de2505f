"""The one-line API: rerank documents for one query or many, read a pipeline."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from operator import index as whole_number
from os import PathLike
from typing import Any, ParamSpec, Protocol, TypeVar, runtime_checkable

from . import pipeline as _room  # before the function of its name takes its place in the package  # noqa: F401
from .core.errors import InputError
from .core.stage import Stage
from .core.types import Query, Ranking

DEFAULT = "mini"
P = ParamSpec("P")
T = TypeVar("T")


@runtime_checkable
class HasCollection(Protocol):
    """An opened index, as `Index`."""

    collection: Any


def rerank(
    query: Any,
    documents: Any,
    pipeline: str | Stage = DEFAULT,
    top: int | None = None,
    *,
    model: str | None = None,
    top_n: int | None = None,
    top_k: int | None = None,
    k: int | None = None,
    return_documents: bool = True,
    id_field: str | None = None,
    text_field: str | None = None,
    title_field: str | None = None,
) -> Ranking:
    """Rerank ``documents`` for ``query``; the result also has ``status``, ``cost`` and ``trace``.

    Every candidate of the result has its ``score``, its ``index`` in the input and the ``original`` object. A document
    is a text (its id is its position: "0", "1", …), a mapping with ``text`` and, if it has them, ``id``, ``title`` and
    other fields, a document of LangChain, Haystack or LlamaIndex, an object with such fields (dataclass, named tuple,
    pydantic, attrs), or a pair (id, text) or (document, score). ``documents`` is a list of them, one mapping from
    ids to them, or a table (pandas, polars, pyarrow); the names of its id, text and title may be given.

    ``top`` keeps the best few; ``top_n``, ``top_k`` and ``k`` are other names of it. ``model`` names one model, of a
    registry, the hub or a folder, in place of a pipeline. ``return_documents=False`` leaves out content and original.

    Raises InputError on what can't be read without guessing, and on an id that appears twice.

    >>> import anyrank as ar
    >>> best = ar.rerank("capital of France", ["Lyon is a large city.", "Paris is the capital of France."])
    >>> best.ids, best.status, best[0].index, best[0].original
    (['1', '0'], 'ok', 1, 'Paris is the capital of France.')
    >>> ar.rerank("capital of France", {"l": "Lyon is large.", "p": "Paris is the capital."}, top_n=1).ids
    ['p']
    """
    from .io.documents import ranking_of

    count = top_of(top=top, top_n=top_n, top_k=top_k, k=k)
    stage = _stage(pipeline, model)
    ranking = stage(ranking_of(query, documents, fields_of(id_field, text_field, title_field)))
    return _finished(ranking, count, return_documents)


def rerank_many(
    queries: Any,
    documents: Any,
    pipeline: str | Stage = DEFAULT,
    top: int | None = None,
    *,
    model: str | None = None,
    top_n: int | None = None,
    top_k: int | None = None,
    k: int | None = None,
    return_documents: bool = True,
    id_field: str | None = None,
    text_field: str | None = None,
    title_field: str | None = None,
) -> list[Ranking]:
    """Rerank a list of documents for each query, in lockstep: the groups of all queries go to the model together.

    ``queries`` is a list, or a mapping from ids to queries; ``documents`` a list as long, or a mapping from the same
    ids, of what `rerank` takes. Ids of queries that have none are "q1", "q2", …. All else is as in `rerank`.

    Raises InputError also if there are not as many lists as queries, and on a query id that appears twice.

    >>> import anyrank as ar
    >>> texts = ["Lyon is large.", "Paris is the capital of France.", "Soup needs salt."]
    >>> [(r.query.id, r.ids) for r in ar.rerank_many(["capital of France", "cooking"], [texts, texts], top_n=1)]
    [('q1', ['1']), ('q2', ['2'])]
    """
    from .io.documents import ranking_of

    count = top_of(top=top, top_n=top_n, top_k=top_k, k=k)
    stage = _stage(pipeline, model)
    fields = fields_of(id_field, text_field, title_field)
    rankings = []
    for query, members in zip(pairs := as_queries(queries), _lists(queries, documents, len(pairs))):
        try:
            rankings.append(ranking_of(query, members, fields))
        except InputError as error:
            raise InputError(f"query {query.id!r}: {error}") from None
    return [_finished(r, count, return_documents) for r in stage.batch(rankings)]


def as_queries(queries: Any) -> list[Query]:
    """Queries of a list or of a mapping from ids, with distinct ids. Raises InputError on one query alone, and on an id
    that appears twice."""
    from .io.documents import query_of
    from .io.frames import table_rows
    from .io.records import id_text

    rows = table_rows(queries)
    if rows is not None:
        queries = rows
        if wrong := next((row for row in rows if "query" not in row), None):
            columns = ", ".join(map(str, wrong))
            raise InputError(f"queries is a table without a column query (columns: {columns:.300}): rename one")
    if isinstance(queries, str | bytes | Query) or not isinstance(queries, Iterable):
        raise InputError(f"queries is of type {type(queries).__name__}: expected a list of them")
    if isinstance(queries, Mapping):
        out = [replace(query_of(q), id=id_text(id, "query id")) for id, q in queries.items()]
    else:
        out = []
        for number, query in enumerate(queries, 1):
            try:
                out.append(query_of(query, f"q{number}"))
            except InputError as error:
                raise InputError(f"queries[{number - 1}]: {error}") from None
    for id, number in Counter(q.id for q in out).items():
        if number > 1:
            raise InputError(f"query id {id!r} appears {number} times")
    return out


def _lists(queries: Any, documents: Any, count: int) -> Sequence[Any]:
    """The documents of each query, in the queries' order."""
    if isinstance(documents, Mapping):
        if not isinstance(queries, Mapping):
            raise InputError("documents is a mapping, and queries a list: give both as lists, or both by the same ids")
        if different := [id for id in (*queries, *documents) if id not in queries or id not in documents]:
            raise InputError(f"query id {different[0]!r} is not in both queries and documents")
        return [documents[id] for id in queries]
    if isinstance(documents, str | bytes) or not isinstance(documents, Iterable):
        raise InputError(
            f"documents is of type {type(documents).__name__}: expected a list of documents for each query"
        )
    lists = list(documents)
    if lists and isinstance(lists[0], str):
        raise InputError(
            "documents[0] is a text: give a list of documents for each query, as [documents] * len(queries)"
        )
    if len(lists) != count:
        raise InputError(f"{len(lists)} lists of documents for {count} queries: give one for each")
    return lists


def _finished(ranking: Ranking, count: int | None, documents: bool) -> Ranking:
    ranking = ranking if count is None else ranking[:count]
    if documents:
        return ranking
    return replace(ranking, candidates=tuple(replace(c, content=None, original=None) for c in ranking))


def in_thread(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """The function as a coroutine that runs in a thread, for the edge of asynchronous programs; the work itself is not
    asynchronous."""

    @wraps(function)
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(function, *args, **kwargs)

    return run


arerank = in_thread(rerank)
arerank_many = in_thread(rerank_many)


def top_of(**names: Any) -> int | None:
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


def fields_of(id: str | None, text: str | None, title: str | None) -> Any:
    """The names of the fields of documents, the usual ones where none is given."""
    from .io.corpus import DOCUMENT

    for name, value in {"id_field": id, "text_field": text, "title_field": title}.items():
        if value is not None and not isinstance(value, str):
            raise InputError(f"{name} is of type {type(value).__name__}: expected the name of a field")
    return DOCUMENT.pick(id, text, title)


def _stage(pipeline: Any, model: Any) -> Stage:
    """The stage of a pipeline, or of one model in its place."""
    if model is not None:
        if pipeline != DEFAULT:
            raise InputError(f"pipeline and model={model!r}: give one of them")
        if not isinstance(model, str):
            raise InputError(f"model is of type {type(model).__name__}: expected the name of a model")
        pipeline = f"model({json.dumps(model, ensure_ascii=False)})"
    if not isinstance(pipeline, str | Stage):
        raise InputError(f"pipeline is of type {type(pipeline).__name__}: expected a text or a stage")
    return _parsed(pipeline) if isinstance(pipeline, str) else pipeline


def pipeline(text: str, index: Any = None, filter: Any = None) -> Stage:
    """The stage that a pipeline text describes, over an index (a folder, an `Index` or an opened collection) if it
    searches.

    ``filter`` keeps documents by their fields: ``{"lang": ["en", "de"], "year": (1990, None)}`` (a list is any of
    these, a tuple a range), or texts as on the command line, ``["lang!=fr", "year>=1990"]``. A search is then
    ``pipeline("bm25 + minilm", "my.index")("what causes lift")``. The stage remembers its text, also when it is
    combined further by operators: `pipeline.text.text` writes it.

    >>> import anyrank as ar
    >>> from anyrank.pipeline.text import text
    >>> text(2 * ar.pipeline("mini") + ar.pipeline("prior % 10"))
    '2 * mini + prior % 10'
    """
    if not isinstance(text, str):
        raise InputError(f"pipeline is of type {type(text).__name__}: expected a text")
    return _parsed(text, opened(index), filter)


def explain(
    query: Any,
    pipeline: str | Stage = DEFAULT,
    index: Any = None,
    documents: Any = None,
    *,
    top: int = 10,
    ids: Iterable[str] = (),
    sentences: bool = False,
    budget: int = 64,
    filter: Any = None,
) -> Any:
    """What the scores of a result are made of: an `explanations.Explanation`, whose parts add up to every score.

    ``query`` is a text or a `Query`, for a pipeline that searches ``index`` or ranks ``documents`` (as `rerank` takes
    them); or a `Ranking`: with an index one that a search gave, whose ``top`` documents are explained, else one whose
    candidates are to be ranked. The pipeline runs once more for it; a ranking carries nothing.

    ``ids`` names documents beside the best ``top``, also such as were cut off. ``sentences``: judges score the
    documents again with one sentence less at a time, within ``budget`` calls a document.

    >>> import anyrank as ar
    >>> texts = {"l": "Lyon is a large city.", "p": "Paris is the capital of France."}
    >>> told = ar.explain("capital of France", "mini + 2 * minilm", documents=texts)
    >>> [part.name for part in told["p"].parts], round(told.why("p", "l").score, 2)
    (['mini', 'minilm'], 6.0)
    """
    from .explanations.answers import Answers
    from .explanations.explain import explain as run
    from .io.documents import query_of, ranking_of
    from .pipeline.context import Settings
    from .pipeline.parser import parse

    answers, text = Answers(), pipeline if isinstance(pipeline, str) else ""
    stage: Any = pipeline
    if isinstance(pipeline, str):
        stage = parse(pipeline, Settings(opened(index), filter, log=answers), starts=index is not None)
    request: Any = query
    if documents is not None:
        request = ranking_of(query, documents, fields_of(None, None, None))
    elif not isinstance(query, Ranking):
        request = query_of(query)
    elif index is not None:
        request, ids, top = query.query, [*query.ids[:top], *ids], 0
    return run(
        request,
        stage,
        top=top,
        ids=ids,
        pipeline=text,
        sentences=sentences,
        budget=budget,
        answers=answers if text else None,
    )


def opened(index: Any) -> Any:
    """The collection of an index given as a folder, an address, an `Index` or a collection; None for None."""
    if isinstance(index, str | PathLike):
        from .stores.open import open_index

        return open_index(index)
    return index.collection if isinstance(index, HasCollection) else index


def _parsed(text: str, index: Any = None, filter: Any = None) -> Stage:
    """The stage of a text. The parser is imported at its first use, so that ``import anyrank`` is quick."""
    from .pipeline.context import Settings
    from .pipeline.parser import parse

    return parse(text, Settings(index, filter), starts=index is not None)
