"""Service: what a server serves (pipelines, an index, encoders), without HTTP."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from ..core.errors import InputError, StoreError
from ..core.groupings import Pointwise
from ..core.limits import Limits
from ..core.rerank import Rerank
from ..core.stage import Stage
from ..core.trace import Status, Step, Usage, total, worst
from ..core.types import Candidate, Query, Ranking
from ..hub.open import is_allowed, open_model
from ..index.collection import Collection
from ..index.sharded import open_collection
from ..pipeline.context import Settings
from ..pipeline.named import Named
from ..pipeline.parser import parse
from ..stores.remote import Remote
from ..vectors import Encoded, Encoder
from .batching import Batcher
from .dialects import Outcome, RerankRequest
from .embeddings import EmbedRequest
from .requests import Refusal

log = logging.getLogger("anyrank.serve")

OVERHEAD = 8
"""Tokens that a document costs beside its own: markers, and its share of the query."""
SEARCH = 256
"""Units of work that a search counts."""
MANY = 64
"""Groups that no model judged after which a reranker gives up on a batch, and so on those of other requests in it."""
ASK = 10.0
"""Seconds after which a collection on a server is asked whether another took its place."""
PIECE = 256
"""Documents of a large request that are scored together, so that small requests need not wait for all of it."""


def has_words(collection: Any) -> bool:
    """Whether an index can be searched by words."""
    try:
        return bool(collection.lexical is not None)
    except InputError:
        return False


@dataclass(eq=False)
class Service:
    """Pipelines by name, the first the default; ``search`` the text of a pipeline over an index's ``collection``;
    ``allow`` the models that a request may name beside them (shell patterns, as `open_model` takes); ``embed`` the
    default encoder.

    ``seconds`` bounds the work on a request, ``batch`` the tokens given to a model together, ``waiting`` those that
    may wait.
    """

    pipelines: Mapping[str, Stage]
    search: str = ""
    collection: Collection | Remote | None = None
    embed: str = "minilm"
    allow: Sequence[str] = ()
    seconds: float | None = 30.0
    batch: int = 32_768
    waiting: int = 1_000_000
    _batchers: dict[str, Batcher[Any, Any]] = field(default_factory=dict, repr=False)
    _opened: dict[str, Any] = field(default_factory=dict, repr=False)
    _unfiltered: Stage | None = field(default=None, repr=False)
    _ask_at: float = field(default=0.0, repr=False)
    _numbers: Any = field(default_factory=itertools.count, repr=False)

    @property
    def default(self) -> str:
        return next(iter(self.pipelines))

    @property
    def models(self) -> list[str]:
        """Names that a request may state."""
        return list(dict.fromkeys([*self.pipelines, self.embed, *(a for a in self.allow if not set(a) & set("*?["))]))

    @property
    def waits(self) -> int:
        """Units of work that wait or are under way."""
        return sum(b.pending for b in self._batchers.values())

    def warm(self) -> None:
        """Opens the models and runs each pipeline once, so that the first request is as fast as others."""
        for stage in self.pipelines.values():
            stage(Ranking(Query("warm", "a query"), (Candidate("0", "a text"), Candidate("1", "another text"))))
        if self.search:
            self._unfiltered = self._searching(None)
            self._unfiltered(Ranking(Query("warm", "a query")))

    async def rerank(self, request: RerankRequest) -> Outcome:
        """The documents of a request, ranked. Raises Refusal, `batching.Full`, and errors of the pipeline."""
        name, notes = self._named(request.model)
        id = self.new_id()
        limits = self._limits(request.seconds, request.max_tokens)
        candidates = tuple(Candidate(str(i), d, float(-i)) for i, d in enumerate(request.documents))
        ranking = Ranking(Query(id, request.query), candidates, limits=limits)
        stage: Stage = self.pipelines[name] if name in self.pipelines else await self._once(self._model, name)
        pieces = _pieces(ranking) if _is_pointwise(stage) else [ranking]
        sizes = [_size(p) for p in pieces]
        done: list[Ranking] = await self._batcher(f"rerank {name}", stage).run(pieces, sizes)
        ranked = _joined(done)
        rows = tuple(zip((int(i) for i in ranked.ids), finite(ranked.scores)))
        step = total(ranked.trace)
        cut = tuple(map(int, step.cut))
        return Outcome(id, name, rows, step.usage, _status(done), (*notes, *dict.fromkeys(step.notes)), cut)

    async def find(self, query: Query, k: int, filter: Any = None, seconds: float | None = None) -> Ranking:
        """The best k documents of the index as it is now. Raises Refusal without an index."""
        if not self.search:
            raise Refusal(404, "no index is served here: start the server with --index")
        await asyncio.to_thread(self.refresh)
        start = Ranking(replace(query, id=self.new_id()), limits=self._limits(seconds, None))
        ranking: Ranking
        try:
            (ranking,) = await self._searcher.run([(filter, start)], [SEARCH])
        except Exception:
            await asyncio.to_thread(self.refresh, True)  # an index that was removed meanwhile is the better error
            raise
        return ranking[:k]

    def document(self, id: str) -> Candidate:
        """A document of the index. Raises Refusal if it isn't there."""
        with self._reading():
            if self.collection is None or id not in self.collection:
                raise Refusal(404, f"no document {id[:80]!r} here: search gives ids")
            (candidate,) = self.collection.get([id])
            return candidate

    def size(self) -> int | None:
        """The number of documents of the index, None without one."""
        with self._reading():
            return None if self.collection is None else len(self.collection)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """A block that reads the index as it is now. Raises Refusal if it can't be read."""
        self.refresh()
        try:
            yield
        except (InputError, StoreError):
            self.refresh(True)
            raise

    def refresh(self, failed: bool = False) -> None:
        """Opens the index again if it was built anew, or is linked and a part was changed; asks a collection on a
        server what it says of itself if a request ``failed``, and now and then. Raises Refusal while there is none that
        can be read."""
        collection = self.collection
        if collection is None:
            return
        try:
            if isinstance(collection, Remote):
                if failed or time.monotonic() > self._ask_at:
                    self._ask_at = time.monotonic() + ASK
                    collection.refresh()
            elif collection.replaced():
                collection = open_collection(collection.path)
                self._unfiltered = parse(self.search, Settings(collection))
                self.collection = collection
        except (OSError, InputError, StoreError) as error:
            self._ask_at = 0.0
            log.error("%s", json.dumps({"error": f"index: {error}"}))
            what = "'s server can't be reached" if isinstance(error, StoreError) else " is gone or being built"
            raise Refusal(503, f"the index{what}: try again later", {"Retry-After": "10"}) from None

    async def vectors(self, request: EmbedRequest) -> tuple[str, Encoded]:
        """The name of the encoder, and dense vectors of a request's texts."""
        own = request.model in self.pipelines  # which ranks, and need not be an encoder
        name = request.model if request.model and not own and self._allowed(request.model) else self.embed
        encoder: Any = await self._once(open_model, name)
        if not isinstance(encoder, Encoder):
            raise Refusal(400, f"the model {name} makes no vectors: name another one")

        def call(texts: Sequence[str]) -> list[Encoded]:
            encoded = encoder.encode(list(texts), query=request.query)
            shares = shared(encoded.usage, [len(t) + OVERHEAD for t in texts])
            if encoded.usage.calls == len(texts):  # a call a text, whatever its length
                shares = [replace(share, calls=1) for share in shares]
            return [Encoded(encoded.vectors.take([i]), u) for i, u in enumerate(shares)]

        key = f"embed {name} {request.query}"
        if key not in self._batchers:
            self._batchers[key] = Batcher(call, self.batch, self.waiting)
        parts: list[Encoded] = await self._batchers[key].run(
            request.texts, [len(t) // 4 + OVERHEAD for t in request.texts]
        )
        usage = total([Step("embed", 0.0, p.usage) for p in parts]).usage
        return name, Encoded(type(parts[0].vectors).join([p.vectors for p in parts]), usage)

    def new_id(self) -> str:
        """An id that no other request of this process has: queries of a batch must differ in theirs."""
        return f"{os.getpid():x}-{next(self._numbers):x}"

    async def drain(self) -> None:
        """Waits for what was accepted."""
        await asyncio.gather(*(b.drain() for b in self._batchers.values()))

    def _named(self, model: str) -> tuple[str, tuple[str, ...]]:
        """The pipeline for a request's model, and a note if it is another one."""
        if not model or model in self.pipelines or self._allowed(model):
            return model or self.default, ()
        return self.default, (f"the model {model[:80]!r} is not served here: {self.default!r} answered",)

    def _allowed(self, model: str) -> bool:
        try:
            return model in self.models or (bool(self.allow) and is_allowed(model, self.allow))
        except (OSError, RuntimeError):  # a name too long for a path, or of the home of nobody
            return False

    def _model(self, name: str) -> Stage:
        """The stage of a model that a request names."""
        return parse(f"model({name!r})", Settings(), starts=False)

    async def _once(self, open: Callable[[str], Any], name: str) -> Any:
        """A model by its name, opened at the first request for it: it goes on answering if its folder is removed, and
        one that is trained anew is served after a restart, as those of the pipelines are."""
        key = f"{open.__name__} {name}"
        if key not in self._opened:
            self._opened[key] = await asyncio.to_thread(open, name)
        return self._opened[key]

    def _batcher(self, key: str, stage: Stage) -> Batcher[Ranking, Ranking]:
        if key not in self._batchers:
            self._batchers[key] = Batcher(functools.partial(_apart, stage), self.batch, self.waiting, fill=False)
        return self._batchers[key]

    @functools.cached_property
    def _searcher(self) -> Batcher[tuple[Any, Ranking], Ranking]:
        """Answers searches, each with its filter."""
        self._batchers["search"] = Batcher(self._searched, self.batch, self.waiting, fill=False)
        return self._batchers["search"]

    def _searched(self, searches: Sequence[tuple[Any, Ranking]]) -> list[Ranking]:
        """The results of searches: those without a filter together, the others one by one."""
        unfiltered = [i for i, (filter, _) in enumerate(searches) if filter is None]
        done = {}
        if unfiltered:
            self._unfiltered = self._unfiltered or self._searching(None)
            done = dict(zip(unfiltered, _apart(self._unfiltered, [searches[i][1] for i in unfiltered])))
        return [
            done[i] if i in done else self._searching(filter)(ranking) for i, (filter, ranking) in enumerate(searches)
        ]

    def _searching(self, filter: Any) -> Stage:
        """The stage that searches the index, among the documents that pass a filter."""
        return parse(self.search, Settings(self.collection, filter))

    def _limits(self, seconds: float | None, tokens: int | None) -> Limits:
        bounds = [s for s in (seconds, self.seconds) if s is not None]
        return Limits.within(min(bounds, default=None), max_tokens=tokens)


def _apart(stage: Stage, rankings: Sequence[Ranking]) -> list[Ranking]:
    """The rankings of several requests; if so many texts fail that others of the batch may not have been judged for
    it, those that were not are ranked alone."""
    done = stage.batch(rankings)
    if len(done) == 1 or sum(total(r.trace).usage.fallback for r in done) < MANY:
        return done
    return [stage(r) if worst(d.trace) in ("partial", "fallback") else d for r, d in zip(rankings, done)]


def _size(ranking: Ranking) -> int:
    """About the tokens of a ranking's texts: four characters each."""
    return sum(len(c.content) // 4 + OVERHEAD for c in ranking) + len(str(ranking.query.content)) // 4 + OVERHEAD


def _is_pointwise(stage: Stage) -> bool:
    """Whether a stage scores each candidate alone, so that a large request may be split."""
    while isinstance(stage, Named):
        stage = stage.stage
    return isinstance(stage, Rerank) and stage.grouping == Pointwise() and stage.depth is None


def _pieces(ranking: Ranking) -> list[Ranking]:
    """The parts of a large ranking, each with a query id of its own."""
    if len(ranking) <= PIECE:
        return [ranking]
    starts = range(0, len(ranking), PIECE)
    return [
        replace(ranking[at : at + PIECE], query=replace(ranking.query, id=f"{ranking.query.id}.{at}")) for at in starts
    ]


def _joined(parts: Sequence[Ranking]) -> Ranking:
    """The parts of one ranking as one, best first; parts that no model judged come after those that one did."""
    if len(parts) == 1:
        return parts[0]
    judged = [c for p in parts if worst(p.trace) != "fallback" for c in p]
    unjudged = [c for p in parts if worst(p.trace) == "fallback" for c in p]
    least = min((c.score for c in judged if math.isfinite(c.score)), default=0.0)
    below = [c.rescored(least - 1 - i) for i, c in enumerate(unjudged)] if judged else unjudged
    candidates = sorted(judged, key=lambda c: -c.score) + below
    return replace(parts[0], candidates=tuple(candidates), trace=tuple(s for p in parts for s in p.trace))


def shared(usage: Usage, sizes: Sequence[int]) -> list[Usage]:
    """The usage of a batch as that of each text, by its size: a request must not pay for another one's texts.

    >>> [(u.calls, u.prompt_tokens) for u in shared(Usage(calls=3, prompt_tokens=10), [1, 1, 3])]
    [(0, 2), (1, 2), (2, 6)]
    """
    names = ("calls", "prompt_tokens", "truncated", "cached")
    ends = [0, *itertools.accumulate(sizes)]
    marks = [{n: getattr(usage, n) * end // ends[-1] for n in names} for end in ends]
    return [Usage(**{n: b[n] - a[n] for n in names}) for a, b in itertools.pairwise(marks)]


def _status(parts: Sequence[Ranking]) -> Status:
    """The status of the parts of one ranking: partial if only some of them were judged."""
    statuses = {worst(p.trace) for p in parts}
    return "partial" if "fallback" in statuses and len(statuses) > 1 else max(statuses, key=get_args(Status).index)


def finite(scores: Sequence[float]) -> list[float]:
    """Scores as JSON can hold them: what is not finite is put below the rest.

    >>> finite([2.0, float("-inf")])
    [2.0, 1.0]
    """
    least = min((s for s in scores if math.isfinite(s)), default=0.0)
    return [s if math.isfinite(s) else least - 1 for s in scores]
