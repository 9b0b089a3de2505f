"""The table of names that a pipeline may use: built-in names, those of plug-ins, and the papers' methods.

A plug-in adds its own by the entry point group ``anyrank.stages``: each entry point is a `Part` or a fusion. The code
behind a name is imported when the name is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from ..core.errors import InputError, listed, quoted
from ..core.fusion import RRF, Borda, Combine, Fusion, Interleave
from ..core.rerank import Rerank
from ..core.stage import Cut, Each, Keep, Limited, Stage
from ..core.types import Ranking
from ..hub.open import FIXED, is_server, open_model
from ..hub.registry import SHIPPED
from ..store.vector_names import META, encode_command, model_of, stored
from ..vectors import Encoder
from .context import Settings
from .describe import described
from .generative import GENERATIVE, check_no_generative
from .parts import Part
from .peptides import PEPTIDES


def model(name: str) -> Any:
    """The model of a registry name, hub id or folder, opened once per process."""
    return open_model(name)


def encoder(name: str) -> Encoder:
    """The opened model of a name, for an index. Raises InputError if it makes no vectors."""
    opened = model(name)
    if not isinstance(opened, Encoder):
        raise InputError(f"{name} scores candidates and makes no vectors: index with a dense or sparse model")
    return opened


def _collection(settings: Settings, name: str) -> Any:
    if settings.collection is None:
        raise InputError(f"{name} needs an index to search: give one, or rerank given candidates")
    return settings.collection


def _bm25(
    settings: Settings, k: int = 1000, k1: float = 1.2, b: float = 0.75, title: float = 3, smoothing: float = 4
) -> Stage:
    from ..index.exact import Settings as Formula
    from ..retrieve.stages import BM25

    index, formula = _collection(settings, "bm25").lexical, Formula(k1, b, title, smoothing)
    return _searching(settings, lambda k: BM25(index, k, settings.filter, formula), _count(k))


def _searching(settings: Settings, search: Callable[[int], Limited], k: int) -> Stage:
    """The stage of a search of k results, without the query itself if the settings say so."""
    from ..retrieve.ignore_self import IgnoreSelf

    return IgnoreSelf(search(k + 1), k) if settings.ignore_self else search(k)


def _count(k: Any) -> int:
    """``k`` itself. Raises InputError on anything but a whole number of at least 1."""
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise InputError(f"k={quoted(k)}: expected a whole number of at least 1")
    return k


def _search(settings: Settings, name: str, k: int = 1000, exact: bool = False) -> Stage:
    return _searching(settings, lambda k: _vector_search(settings, name, k, exact), _count(k))


def _fde(
    settings: Settings, model: str, k: int = 1000, repetitions: int = 20, planes: int = 5, block: int = 16
) -> Stage:
    """Search with one dense vector a text that stands for its states of tokens (MUVERA)."""
    return _search(settings, fixed_name(model, repetitions, planes, block), k)


def fixed_name(model: str, repetitions: int, planes: int, block: int) -> str:
    """The name of the encoder whose vectors ``fde(…)`` searches.

    >>> fixed_name("mini", 20, 4, 16)
    'fde:mini#planes=4'
    """
    given = {"repetitions": (repetitions, 20), "planes": (planes, 5), "block": (block, 16)}
    settings = ",".join(f"{name}={value}" for name, (value, default) in given.items() if value != default)
    return f"{FIXED}{model}" + (f"#{settings}" if settings else "")


def _vector_search(settings: Settings, name: str, k: int, exact: bool = False) -> Any:
    from ..retrieve.stages import VectorSearch

    collection, encoder = _collection(settings, name), model(name)
    if not isinstance(encoder, Encoder):
        check_no_generative(encoder, name)
        raise InputError(f"{name} scores candidates and can't search: put it after '>>'")
    key = stored(encoder.name)
    if key not in collection.encoded:
        models = listed(map(model_of, collection.encoded))
        command = encode_command(collection.path, name)
        raise InputError(
            f"the index holds no vectors of {quoted(encoder.name)} (it has: {models}): add them with `{command}`"
        )
    return VectorSearch(_of_present_weights(collection, key, exact), encoder, collection, k, settings.filter)


def _of_present_weights(collection: Any, key: str, exact: bool = False) -> Any:
    """The index over stored vectors. Raises InputError if their model has other weights now."""
    from ..index.collection import Collection
    from ..index.vector_store import VectorStore

    if isinstance(collection, Collection) and (file := collection.path / "vectors" / key / META).is_file():
        VectorStore.open(file.parent).check_weights()
    return collection.vectors(key, exact=exact)


def _score(
    settings: Settings,
    name: str,
    depth: int | None = None,
    max_calls: int | None = None,
    max_seconds: float | None = None,
    max_ms: float | None = None,
) -> Stage:
    """Score the candidates by a model."""
    budgets: dict[str, Any] = {"max_calls": max_calls, "max_seconds": max_seconds, "max_ms": max_ms}
    return Rerank(_judge(settings, name), depth=depth, name=name, **budgets)


def _judge(settings: Settings, name: str) -> Any:
    """The judge of a name: an encoder's similarity, or a model that scores candidates by itself. Late interaction is
    both: by stored states if the index has some, else as a judge, which holds one text's states at a time."""
    from ..judges.encoder_cache import CachedEncoder
    from ..judges.similarity import Similarity

    name = SHIPPED.get(name, name)
    judge = model(name)
    if isinstance(judge, Encoder):
        vectors = _stored(settings, judge.name)
        if not callable(judge):
            return Similarity(CachedEncoder(judge) if settings.remember else judge, vectors)
        if vectors is not None:
            return Similarity(judge, vectors)
    if not callable(judge):
        check_no_generative(judge, name)
        raise InputError(
            f"{name} is a language model and scores no candidates by itself: use it with a method, as "
            f"rankgpt({quoted(name)})"
        )
    if settings.log is not None and is_server(name):
        from ..llm.call_log import LoggedJudge

        return LoggedJudge(judge, settings.log, name)
    return judge


def _stored(settings: Settings, name: str) -> Any:
    """The vectors of a model that the collection stores; None if it stores none."""
    collection, key = settings.collection, stored(name)
    return _of_present_weights(collection, key) if collection is not None and key in collection.encoded else None


def _promptreps(settings: Settings, model: str, depth: int = 1000, alpha: float = 0.5) -> Stage:
    """Search by the dense and the sparse vectors of a language model, fused."""
    from ..papers.promptreps import retriever

    dense, sparse = (_search(settings, f"promptreps-{kind}:{model}", depth) for kind in ("dense", "sparse"))
    return retriever(dense, sparse, alpha) % depth


def _promptreps_scores(settings: Settings, model: str, depth: int | None = None, alpha: float = 0.5) -> Stage:
    """Score the candidates by the dense and the sparse vectors of a language model, fused."""
    from ..papers.promptreps import retriever

    dense, sparse = (_score(settings, f"promptreps-{kind}:{model}", depth) for kind in ("dense", "sparse"))
    return retriever(dense, sparse, alpha)


def _feedback(settings: Settings, name: str, k: int = 1000, loss: str = "kl") -> Stage:
    """Move the query's vector by the scores so far, and search again."""
    from ..retrieve.feedback import DistilledFeedback

    search = _vector_search(settings, name, _count(k))

    def feedback(k: int) -> Limited:
        return DistilledFeedback(search.encoder, search.index, search.documents, k, loss)  # type: ignore[arg-type]

    return _searching(settings, feedback, k)


def _explore(
    settings: Settings, judge: str, neighbours: str = "minilm", budget: int = 100, near: int = 16, size: int = 16
) -> Stage:
    """Score the candidates by a model, and the neighbours of the best, which are added."""
    from ..retrieve.explore import Explore

    collection, key = _collection(settings, "explore"), stored(model(neighbours).name)
    if key not in collection.encoded:
        command = encode_command(collection.path, neighbours)
        raise InputError(f"the index holds no vectors of {quoted(neighbours)} to find neighbours by: `{command}`")
    return Explore(
        _judge(settings, judge),
        _of_present_weights(collection, key),
        collection,
        _count(budget),
        near,
        size,
        settings.filter,
        settings.ignore_self,
        name=f"explore({judge})",
    )


def _gym(settings: Settings, url: str, k: int = 10, key_env: str = "") -> Stage:
    """Search by a server with DeepResearchGym's interface."""
    from ..retrieve.gym import GymSearch

    return GymSearch(url, _count(k), key_env)


def _passages(
    settings: Settings, name: str, aggregate: Any = "max", words: int = 150, stride: int = 100, top: int = 3
) -> Stage:
    """Split long candidates into passages, score each by a model, and aggregate the scores."""
    from ..judges.passages import Passages

    judge = _judge(Settings(log=settings.log), name)  # without the index, whose stored vectors are of whole texts
    return Rerank(Passages(judge, words=words, stride=stride, aggregate=aggregate, top=top), name=f"passages({name})")


def _text_prf(
    settings: Settings,
    name: str,
    k: int = 3,
    how: Literal["truncate", "aggregate", "sliding"] = "truncate",
    merge: Literal["average", "max", "borda"] = "average",
    words: int = 256,
    window: int = 65,
    stride: int = 32,
    depth: int | None = None,
) -> Stage:
    """Score the candidates again by a model, for the query with the texts of the first k."""
    from ..judges.text_feedback import Expansion
    from ..papers.text_prf import reranker

    return reranker(_judge(settings, name), Expansion(how, words, window, stride), k=k, merge=merge, depth=depth)


def _ltr(settings: Settings, file: str, depth: int | None = None) -> Stage:
    """Score the candidates by trees over their features."""
    from ..core.groupings import Whole
    from ..judges.lambdamart import LambdaMart

    return Rerank(LambdaMart.load(file), Whole(), depth=depth, name="ltr")


def _mmr(settings: Settings, name: str, lam: float = 0.7, depth: int | None = 100) -> Stage:
    """Order the candidates by relevance and by difference from those above."""
    from ..judges.diversify import Mmr
    from ..judges.encoder_cache import CachedEncoder

    name = SHIPPED.get(name, name)
    encoder = model(name)
    if not isinstance(encoder, Encoder):
        check_no_generative(encoder, name)
        raise InputError(f"mmr compares candidates by their vectors, and {name} makes none: take an encoder, as minilm")
    return Mmr(CachedEncoder(encoder) if settings.remember else encoder, lam, depth, _stored(settings, encoder.name))


def _xquad(settings: Settings, name: str, lam: float = 0.5, depth: int | None = 100) -> Stage:
    """Order the candidates so that all aspects of the query are covered early."""
    from ..judges.diversify import Xquad

    return Xquad(_judge(settings, name), lam, depth)


def _shipped(name: str, about: str) -> Part:
    """The part of a model that comes with the package."""

    def search(settings: Settings, *, k: int = 1000, exact: bool = False) -> Stage:
        return _search(settings, name, k, exact)

    def score(
        settings: Settings,
        *,
        depth: int | None = None,
        max_calls: int | None = None,
        max_seconds: float | None = None,
        max_ms: float | None = None,
    ) -> Stage:
        return _score(settings, name, depth, max_calls, max_seconds, max_ms)

    return Part(about, source=search, then=score)


def _keep(
    settings: Settings,
    name: str | None = None,
    *,
    recall: float | None = None,
    precision: float | None = None,
    any: float | None = None,
    file: str = "",
) -> Stage:
    """Remember the scores so far under a name; or keep the candidates that a promise needs, by a calibration."""
    promises = {"recall": recall, "precision": precision, "any": any}
    given = {kind: level for kind, level in promises.items() if level is not None}
    if (name is None) != bool(given) or len(given) > 1:
        raise InputError('keep("bm25") remembers the scores, keep(recall=0.9, file="…") cuts: give one of these')
    if name is not None:
        if file:
            raise InputError('keep("bm25") remembers the scores, and takes no file')
        return Keep(name)
    from ..cutoffs.stages import Cutoff

    ((kind, level),) = given.items()
    made, now = _calibration(file, f"keep({kind}={level:g}, …)"), _documents(settings)
    return Cutoff(made, described, documents=now, kind=kind, level=level)  # type: ignore[arg-type]


def _calibrated(settings: Settings, file: str) -> Stage:
    """Turn scores into probabilities of relevance."""
    from ..cutoffs.stages import Probabilities

    return Probabilities(_calibration(file, "calibrated(…)"), described, documents=_documents(settings))


def _documents(settings: Settings) -> int:
    return 0 if settings.collection is None else len(settings.collection)


def _calibration(file: str, what: str) -> Any:
    from ..cutoffs.calibration import Calibration

    if not file:
        raise InputError(
            f"{what} needs a calibration of the pipeline before it: `anyrank calibrate INDEX -p PIPELINE --queries … "
            '--qrels … -o cut.json`, and file="cut.json"'
        )
    return Calibration.load(file)


def _cut(settings: Settings, k: int) -> Stage:
    """Keep the best k."""
    return Cut(_count(k))


def _prior(settings: Settings) -> Stage:
    """Leave the candidates and their scores unchanged."""
    return Each(_unchanged)


def _unchanged(ranking: Ranking) -> Ranking:
    return ranking


PARTS: dict[str, Part | Fusion] = {
    "bm25": Part(
        "BM25 search, a title counted three times, lengths smoothed; the plain formula: bm25(title=1, smoothing=0)",
        source=_bm25,
        then=_bm25,
    ),
    "splade": _shipped("splade", "learned sparse model (shipped): searches at the start, scores candidates after '>>'"),
    "minilm": _shipped("minilm", "dense model (shipped): searches at the start, scores candidates after '>>'"),
    "mini": _shipped(
        "mini", "late interaction, the shipped MiniLM read token by token: scores after '>>', and searches"
    ),
    "tiny": _shipped(
        "tiny", "late interaction over BERT-tiny (shipped), the fast one: scores after '>>', and searches"
    ),
    "model": Part('any model by name, hub id or folder: model("path")', source=_search, then=_score),
    "search": Part(
        "search with a model's stored vectors, also after '>>': search(\"minilm\"); exact=True compares all of them",
        _search,
        _search,
    ),
    "fde": Part(
        'search with one vector for a text\'s token states, stored by --encode fde:mini: fde("mini") % 200 >> mini',
        source=_fde,
    ),
    "promptreps": Part(
        "search, or scores after '>>', by a language model's states and logits: promptreps(\"MODEL\")",
        source=_promptreps,
        then=_promptreps_scores,
    ),
    "passages": Part('long texts split, scored and aggregated: passages("splade", aggregate="max")', then=_passages),
    "text_prf": Part(
        'candidates scored again by a model, for the query with the texts of the first k: text_prf("mini", k=3)',
        then=_text_prf,
    ),
    "feedback": Part(
        'scores so far move the query\'s vector, which searches again: minilm % 50 >> splade >> feedback("minilm")',
        then=_feedback,
    ),
    "ltr": Part(
        "candidates scored by the trees of 'anyrank ltr train' over their features: ltr(\"model.txt\")", then=_ltr
    ),
    "mmr": Part('relevant candidates unlike those above them: bm25 % 100 >> mmr("minilm", lam=0.7)', then=_mmr),
    "xquad": Part('all aspects of a query early: multi_query >> bm25 % 100 >> xquad("minilm", lam=0.5)', then=_xquad),
    "explore": Part(
        "candidates scored by a model, and the neighbours of the best by stored vectors, which are added: "
        'bm25 % 100 >> explore("mini", neighbours="minilm", budget=100)',
        then=_explore,
    ),
    "gym": Part(
        'search by a server with DeepResearchGym\'s interface: gym("http://HOST:8000/search", k=20)', _gym, _gym
    ),
    "keep": Part(
        'remember the scores so far: keep("bm25"); or cut by a promise: keep(recall=0.9, file="cut.json"), '
        "keep(precision=0.8, …), keep(any=0.95, …)",
        then=_keep,
    ),
    "calibrated": Part(
        "scores made probabilities of relevance by 'anyrank calibrate': mini >> calibrated(\"cut.json\") >= 0.5",
        then=_calibrated,
    ),
    "cut": Part("the best k, as % k: splade >> cut(10)", then=_cut),
    "prior": Part("the scores so far, as one part of a fusion: splade + prior", then=_prior),
    **GENERATIVE,
    **PEPTIDES,
    "rrf": RRF(),
    "borda": Borda(),
    "zscore": Combine(),
    "minmax": Combine(normalise="minmax"),
    "combsum": Combine(normalise="none", missing="zero"),
    "combmnz": Combine("mnz", "minmax", "zero"),
    "union": Interleave(),
}


FUSIONS = {
    "rrf": "reciprocal rank fusion: rrf(bm25, minilm, k=60)",
    "borda": "fusion by points for each candidate ranked below: borda(bm25, minilm)",
    "zscore": "sum of z-scores, as a + b: zscore(bm25, minilm, missing='min')",
    "minmax": "sum of scores scaled to 0 … 1: minmax(bm25, minilm)",
    "combsum": "sum of the scores as they are: combsum(bm25, minilm, normalise='none')",
    "combmnz": "sum of scaled scores times the number of parts that found it: combmnz(bm25, minilm)",
    "union": "all candidates by their best rank, as a | b: union(bm25, minilm)",
}
"""A line about each built-in fusion; their settings are keywords after the stages."""


@dataclass(frozen=True)
class Table(Mapping[str, Part | Fusion]):
    """All names with their parts and fusions. Iterating over the names imports nothing; looking one up imports its
    paper or plug-in."""

    plugins: Mapping[str, EntryPoint]
    papers: tuple[str, ...]

    def __getitem__(self, name: str) -> Part | Fusion:
        if name in PARTS:
            return PARTS[name]
        if name in self.plugins:
            part: Part | Fusion = self.plugins[name].load()
            return part
        if name in self.papers:
            from .methods import part_of

            return part_of(name)
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return name in PARTS or name in self.plugins or name in self.papers

    def __iter__(self) -> Iterator[str]:
        return iter((*PARTS, *self.plugins, *self.papers))

    def __len__(self) -> int:
        return len(PARTS) + len(self.plugins) + len(self.papers)


@cache
def names() -> Table:
    """All names: built-in ones, those of plug-ins, then the papers'; installed plug-ins are looked up once per process.
    Raises InputError if a plug-in's name is taken already."""
    from .. import papers

    plugins: dict[str, EntryPoint] = {}
    methods = (*papers.names(), *papers.rewriters())
    for point in entry_points(group="anyrank.stages"):
        if point.name in PARTS or point.name in methods or point.name in plugins:
            raise InputError(
                f"the plug-in {point.value} names its stage {quoted(point.name)}, which anyrank has already"
            )
        plugins[point.name] = point
    return Table(plugins, methods)
