"""The table of names that a pipeline text may use. A plug-in adds its own by the entry point group ``anyrank.stages``:
each entry point is a `Part`, or a fusion."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import quote, unquote

from ..core.errors import InputError
from ..core.fusion import RRF, Borda, Combine, Fusion, Interleave
from ..core.rerank import Rerank
from ..core.stage import Each, Keep, Stage
from ..hub.open import open_model
from ..vectors import Encoder
from .parser import Part, Settings

SHIPPED = {"splade": "splade-tiny", "minilm": "minilm", "tiny": "anyrank-tiny"}
"""Names in pipelines of the models that come with the package."""


def model(name: str) -> Any:
    """The model of a registry name, hub id or folder, opened once a process."""
    return open_model(name)


def _collection(settings: Settings, what: str) -> Any:
    if settings.collection is None:
        raise InputError(f"{what} needs an index to search: give one, or rerank given candidates")
    return settings.collection


def _bm25(settings: Settings, k: int = 1000) -> Stage:
    from ..retrieve.stages import BM25

    return BM25(_collection(settings, "bm25").lexical, _count(k), settings.filter)


def _count(k: Any) -> int:
    """How many results are wanted. Raises InputError on anything but a whole number of at least 1."""
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise InputError(f"k={k!r}: expected a whole number of at least 1")
    return k


def _search(settings: Settings, name: str, k: int = 1000) -> Stage:
    from ..retrieve.stages import VectorSearch

    collection, encoder = _collection(settings, name), model(SHIPPED.get(name, name))
    if not isinstance(encoder, Encoder):
        raise InputError(f"{name} scores candidates and can't search: put it after '>>'")
    key = stored(encoder.name)
    if key not in collection.encoded:
        known = ", ".join(map(model_of, collection.encoded)) or "none"
        raise InputError(f"the index holds no vectors of {encoder.name!r} (it has: {known}): add them with --encode")
    return VectorSearch(collection.vectors(key), encoder, collection, _count(k), settings.filter)


def stored(name: str) -> str:
    """The name under which a collection stores the vectors of a model: its own, or for a hub id or a path one that a
    folder can have.

    >>> stored("minilm"), stored("owner/name"), model_of(stored("../a b"))
    ('minilm', '_owner+2Fname', '../a b')
    """
    if re.fullmatch(r"[^\W_][\w.+-]*", name):
        return name
    return "_" + quote(name, safe="").replace("~", "%7E").replace("%", "+")


def model_of(kept: str) -> str:
    """The model whose vectors are kept under that name."""
    return unquote(kept[1:].replace("+", "%")) if kept.startswith("_") else kept


def _score(
    settings: Settings,
    name: str,
    depth: int | None = None,
    max_calls: int | None = None,
    max_seconds: float | None = None,
) -> Stage:
    """The candidates scored by a model."""
    return Rerank(_judge(settings, name), depth=depth, max_calls=max_calls, max_seconds=max_seconds, name=name)


def _judge(settings: Settings, name: str) -> Any:
    """The judge that a name stands for: an encoder's similarity, or a model that scores candidates by itself."""
    from ..judges.similarity import Similarity

    name = SHIPPED.get(name, name)
    opened = model(name)
    if isinstance(opened, Encoder):
        return Similarity(opened, _stored(settings, opened.name))
    if not callable(opened):
        raise InputError(
            f"{name} is a language model and scores no candidates by itself: use it by a method, as rankgpt({name!r})"
        )
    return opened


def _stored(settings: Settings, name: str) -> Any:
    """The vectors of a model that the collection stores; None where it stores none."""
    collection, key = settings.collection, stored(name)
    return collection.vectors(key) if collection is not None and key in collection.encoded else None


def _feedback(settings: Settings, name: str, k: int = 1000, loss: str = "kl") -> Stage:
    """The query's vector moved by the scores so far, and the search again."""
    from ..retrieve.feedback import DistilledFeedback

    search: Any = _search(settings, name, k)
    return DistilledFeedback(search.encoder, search.index, search.documents, search.k, loss)  # type: ignore[arg-type]


def _passages(
    settings: Settings, name: str, aggregate: Any = "max", words: int = 150, stride: int = 100, top: int = 3
) -> Stage:
    """Long candidates split into passages, each scored by a model, and the scores aggregated."""
    from ..judges.passages import Passages

    judge = _judge(Settings(), name)  # what an index stores are vectors of whole texts
    return Rerank(Passages(judge, words=words, stride=stride, aggregate=aggregate, top=top), name=f"passages({name})")


def _shipped(name: str, about: str, *, searches: bool = True) -> Part:
    return Part(
        about,
        source=(lambda settings, **options: _search(settings, name, **options)) if searches else None,
        then=lambda settings, **options: _score(settings, name, **options),
    )


PARTS: dict[str, Part | Fusion] = {
    "bm25": Part("BM25 search; bm25(k=1000)", source=_bm25, then=_bm25),
    "splade": _shipped("splade", "learned sparse model (shipped): searches at the start, scores candidates after '>>'"),
    "minilm": _shipped("minilm", "dense model (shipped): searches at the start, scores candidates after '>>'"),
    "mini": _shipped("mini", "reranker, the shipped MiniLM read token by token: scores after '>>'", searches=False),
    "tiny": _shipped("tiny", "reranker over BERT-tiny (shipped), the fast one: scores after '>>'", searches=False),
    "model": Part('any model by name, hub id or folder: model("path")', source=_search, then=_score),
    "search": Part("search with a model's stored vectors, also after '>>': search(\"minilm\")", _search, _search),
    "passages": Part('long texts split, scored and aggregated: passages("splade", aggregate="max")', then=_passages),
    "feedback": Part(
        'scores so far move the query\'s vector, which searches again: minilm % 50 >> splade >> feedback("minilm")',
        then=_feedback,
    ),
    "keep": Part('remember the scores so far under a name: keep("bm25")', then=lambda settings, name: Keep(str(name))),
    "prior": Part("the scores so far, as one part of a fusion: splade + prior", then=lambda settings: Each(_as_it_is)),
    "rrf": RRF(),
    "borda": Borda(),
    "zscore": Combine(),
    "minmax": Combine(normalise="minmax"),
    "combsum": Combine(normalise="none", missing="zero"),
    "combmnz": Combine("mnz", "minmax", "zero"),
    "union": Interleave(),
}


def _as_it_is(ranking: Any) -> Any:
    return ranking


def names() -> Mapping[str, Part | Fusion]:
    """All names: ours, the papers', then those of plug-ins. A plug-in can't take one of ours."""
    from .methods import parts

    table = {**parts(), **PARTS}
    for point in entry_points(group="anyrank.stages"):
        if point.name in table:
            raise InputError(f"the plug-in {point.value} names its stage {point.name!r}, which anyrank has already")
        table[point.name] = point.load()
    return table
