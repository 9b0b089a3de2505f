"""What the playground's page asks for: lanes, values of all queries, differences, and the next document to judge."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ... import __version__
from ...core.content import text_of
from ...core.errors import InputError
from ...core.limits import Limits
from ...core.stage import Stage
from ...core.trace import worst
from ...core.types import Candidate, Query, Ranking
from ...evaluate.measures import Meter
from ...evaluate.significance import intervals, wins
from ...explanations import explain
from ...index.collection import Collection
from ...judging.pool import Measure, Pool
from ...judging.session import Session
from ...pipeline.context import Settings
from ...pipeline.parser import PipelineError, parse
from ...pipeline.text import text as text_form
from ..dialects import counts_of
from ..requests import Refusal, clean, flag, query_text, text, whole
from ..service import Service, finite
from .lanes import Lane, shown
from .stages import check_allowed, over_documents

PIPELINES, DOCUMENTS, AT_ONCE, LABELS, RUNS, LANES = 4, 10_000, 32, 5_000, 200_000, 12
"""The most pipelines, pasted documents, queries of one request, labels, results in the runs of a session, and
lanes that are kept."""
HIGHEST = 1000
"""The highest grade of a page's own judgements; the program that measures makes room for all up to it."""


@dataclass(slots=True, eq=False)
class Playground:
    """The playground over a service. ``free``: a page may run any pipeline (else see `stages.check_allowed`);
    ``queries`` and ``qrels`` are those of the index, if there are any."""

    service: Service
    free: bool = False
    queries: Sequence[Query] = ()
    qrels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    _lanes: OrderedDict[str, tuple[Lane, float]] = field(default_factory=OrderedDict, repr=False)
    _sessions: OrderedDict[str, Session] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def answers(self) -> dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]]:
        """What the page may ask for, by name."""
        every = (self.run, self.values, self.compare, self.judge, self.explain)
        return {answer.__name__: answer for answer in every}

    def info(self) -> dict[str, Any]:
        """What is served, for the page's first look."""
        collection = self.service.collection
        size = self.service.size()
        index = None if collection is None else {"documents": size, "vectors": list(collection.encoded)}
        pipelines = [{"name": n, "text": _text(s)} for n, s in self.service.pipelines.items()]
        queries = [{"id": q.id, "text": text_of(q.content)[:500]} for q in self.queries]
        return {
            "version": __version__,
            "pipelines": pipelines,
            "search": self.service.search,
            "index": index,
            "free": self.free,
            "queries": queries,
            "judged": bool(self.qrels),
            "documents": DOCUMENTS,
        }

    def run(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Lanes of up to four ``pipelines`` for a ``query``, over ``documents`` or the index; ``k`` results of each."""
        query = Query("q", query_text(body.get("query")))
        documents, k = _documents(body.get("documents")), whole(body.get("k"), "k", 1, 1000) or 10
        lanes = [self._lane(p, query, documents) for p in _pipelines(body)]
        best = dict.fromkeys(id for lane, _ in lanes if isinstance(lane, Lane) for id in lane.ranking.ids[:k])
        texts: dict[str, Any] = {}
        for lane, _ in lanes:
            if isinstance(lane, Lane):
                texts |= shown(c for c in lane.ranking if c.id in best and c.id not in texts)
        return {"lanes": [_lane_answer(lane, seconds, list(best), k) for lane, seconds in lanes], "texts": texts}

    def _lane(self, pipeline: str, query: Query, documents: list[Candidate] | None) -> tuple[Lane | InputError, float]:
        """A lane and its seconds, or what is wrong with its pipeline. The last ones are kept: where one of several
        pipelines changes, the others don't run again."""
        collection = self.service.collection
        build = ""
        if isinstance(collection, Collection):
            build = f"{collection.store.manifest.build} {self.service.size()}"
        elif collection is not None:
            build = f"{collection.path} {self.service.size()}"
        given_texts = None if documents is None else [(c.id, c.content) for c in documents]
        content = [pipeline, query.content, build, given_texts]
        key = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        if key in self._lanes:
            self._lanes.move_to_end(key)
            return self._lanes[key]
        start = time.perf_counter()
        try:
            stage, given = self._stage(pipeline, documents)
            lane = Lane.of(stage, Ranking(query, given, limits=Limits.within(self.service.seconds)))
        except InputError as error:
            return error, 0.0
        self._lanes[key] = lane, time.perf_counter() - start
        while len(self._lanes) > LANES:
            self._lanes.popitem(last=False)
        return self._lanes[key]

    def _stage(self, pipeline: str, documents: list[Candidate] | None = None) -> tuple[Stage, tuple[Candidate, ...]]:
        """The stage of a pipeline over given documents, or over the index, and the candidates that it starts with."""
        if not self.free:
            check_allowed(pipeline, self.service.pipelines)
        if documents is not None and pipeline in self.service.pipelines:
            return self.service.pipelines[pipeline], tuple(documents)
        if documents is not None:
            return over_documents(pipeline, documents)
        if self.service.collection is None:
            raise InputError("no index is served here: paste documents")
        return parse(pipeline, Settings(self.service.collection)), ()

    def explain(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """What the score of the first of two ``ids`` is made of by a ``pipeline``, and why it stands above the second,
        or below, if there is one."""
        query = Query("q", query_text(body.get("query")))
        documents, ids = _documents(body.get("documents")), body.get("ids")
        if not isinstance(ids, list) or not 1 <= len(ids) <= 2 or not all(isinstance(i, str) for i in ids):
            raise Refusal(400, "ids: expected the ids of one document or two")
        pipeline = text(body.get("pipeline"), "pipeline").strip()
        stage, given = self._stage(pipeline, documents)
        start = Ranking(query, given, limits=Limits.within(self.service.seconds))
        explanation = explain(start, stage, top=0, ids=ids, pipeline=pipeline)
        known = {d.id for d in explanation.documents if d.score is not None}
        both = len(ids) == 2 and set(ids) <= known
        return {
            "document": explanation[ids[0]].as_dict(),
            "difference": explanation.why(ids[0], ids[1]).as_dict() if both else None,
        }

    def values(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The results of several ``pipelines`` on the queries with these ``ids``: the first ten ids of each, and
        nDCG@10 where the query is judged, by the server's qrels or by the page's own ``qrels``."""
        known = {q.id: q for q in self.queries}
        ids = body.get("ids")
        if not isinstance(ids, list) or not all(isinstance(i, str) and i in known for i in ids):
            raise Refusal(400, "ids: expected ids of the queries that /play/info lists")
        if len(ids) > AT_ONCE:
            raise Refusal(413, f"{len(ids)} queries: at most {AT_ONCE} in a request")
        qrels = _qrels(body.get("qrels")) or self.qrels
        limits = Limits.within(self.service.seconds)
        runs = []
        for pipeline in _pipelines(body):
            stage, _ = self._stage(pipeline)
            runs.append(stage.batch([Ranking(known[i], limits=limits) for i in ids]))
        judged = {q: dict(qrels[q]) for q in ids if qrels.get(q)}
        meter = Meter(["nDCG@10"], judged) if judged else None
        measured: list[dict[str, float]] = [{} for _ in runs]
        if meter is not None:
            lists = [{r.query.id: r.ids for r in run} for run in runs]
            measured = [dict(zip(meter.queries, meter(run)["nDCG@10"])) for run in lists]
        rows = [
            {"id": id, "runs": [run[n].ids[:10] for run in runs], "values": [m.get(id) for m in measured]}
            for n, id in enumerate(ids)
        ]
        return {"rows": rows, "status": [worst(s for r in run for s in r.trace) for run in runs]}

    def compare(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The mean of ``b`` less ``a``, values paired by query, with its bootstrap interval, and wins, ties, losses."""
        a, b = (_numbers(body.get(n), n) for n in "ab")
        if len(a) != len(b) or not a:
            raise Refusal(400, f"{len(a)} and {len(b)} values: expected as many, at least one")
        low, high = intervals(np.array([b]).T - np.array([a]).T, method="percentile")
        won, tied, lost = wins(b, a)
        mean = float(np.mean(np.subtract(b, a)))
        return {"mean": mean, "low": float(low[0]), "high": float(high[0]), "wins": won, "ties": tied, "losses": lost}

    def judge(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The next document to judge, after the ``labels`` given so far to a session of ``runs`` (lists of ids by run
        and query). What they show is told once it is decided, or with ``reveal``."""
        labels = body.get("labels")
        most = whole(body.get("most"), "most", 1, 9) or 3
        if not isinstance(labels, list) or not all(type(x) is int and 0 <= x <= most for x in labels):
            raise Refusal(400, f"labels: expected a list of whole numbers from 0 to {most}")
        if len(labels) > LABELS:
            raise Refusal(413, f"{len(labels):,} labels: at most {LABELS:,}")
        seed = whole(body.get("seed"), "seed") or 0
        with self._lock:
            session = self._session(_runs(body.get("runs")), labels, most, seed)
            item = session.next()
            answer: dict[str, Any] = {
                "next": None if item is None else self._item(*item),
                "judged": len(session.judged),
                "pool": len(session.pool.items),
                "decided": session.decided,
                "remaining": session.remaining(),
                "labels": [[*session.pool.items[i], g] for i, g in zip(session.judged, session.given)],
            }
            if session.decided or item is None or flag(body.get("reveal"), "reveal"):
                answer["measure"] = session.pool.measure.name
                answer["differences"] = [
                    {
                        "first": d.first,
                        "second": d.second,
                        "estimate": d.estimate,
                        "low": d.low,
                        "high": d.high,
                        "verdict": d.verdict,
                    }
                    for d in session.differences()
                ]
        return answer

    def _session(self, runs: dict[str, Any], labels: list[int], most: int, seed: int) -> Session:
        """A session with these labels: the one of the last request with one more, or a new one that replays them."""
        key = hashlib.sha256(json.dumps([runs, most, seed], sort_keys=True).encode()).hexdigest()
        session = self._sessions.pop(key, None) or Session(Pool.of(runs, Measure(most=most)), seed)
        if session.given != labels[: len(session.given)]:
            session.replay([])
        for label in labels[len(session.given) :]:
            if session.next(after=True) is None:
                raise Refusal(400, f"{len(labels)} labels for {len(session.pool.items)} documents")
            session.record(label)
        self._sessions[key] = session
        while len(self._sessions) > 8:
            self._sessions.popitem(last=False)
        return session

    def _item(self, query: str, document: str) -> dict[str, Any]:
        """A document to judge, with its text and that of its query where the server has them."""
        item: dict[str, Any] = {"query": query, "document": document}
        known = next((q for q in self.queries if q.id == query), None)
        if known is not None:
            item["question"] = text_of(known.content)
        collection = self.service.collection
        if collection is not None and document in collection:
            item["text"] = text_of(collection.get([document])[0].content)[:20_000]
        return item


def _lane_answer(lane: Lane | InputError, seconds: float, ids: list[str], k: int) -> dict[str, Any]:
    """A lane as JSON: the results, the ranks of what other lanes have too, why the rest is missing, trace and cost."""
    if isinstance(lane, PipelineError):
        return {"error": lane.message, "start": lane.start, "end": lane.end}
    if isinstance(lane, InputError):
        return {"error": str(lane)[:2000], "start": 0, "end": 0}
    ranking = lane.ranking
    ranks = {id: n for n, id in enumerate(ranking.ids, 1)}
    step = ranking.cost
    return {
        "results": [{"id": i, "score": s} for i, s in zip(ranking.ids[:k], finite(ranking.scores[:k]))],
        "count": len(ranking),
        "ranks": {i: ranks[i] for i in ids if i in ranks},
        "missing": {i: lane.lost(i) for i in ids if i not in ranks},
        "steps": [{"name": name, "count": len(r)} for name, r in lane.steps],
        "paths": {i: lane.path(i) for i in ids},
        "status": ranking.status,
        "seconds": seconds,
        "usage": counts_of(step.usage),
        "notes": list(dict.fromkeys(n[:500] for n in step.notes))[:10],
        "trace": [
            {"name": s.name, "seconds": s.seconds, "status": s.status, "calls": s.usage.calls} for s in ranking.trace
        ],
    }


def _pipelines(body: Mapping[str, Any]) -> list[str]:
    given = body.get("pipelines")
    if not isinstance(given, list) or not 1 <= len(given) <= PIPELINES:
        raise Refusal(400, f"pipelines: expected a list of 1 to {PIPELINES} texts")
    return [text(p, "pipeline").strip() for p in given]


def _documents(value: Any) -> list[Candidate] | None:
    """Pasted documents: texts, or objects with a text, and perhaps an id and a title. Nothing in them is opened."""
    if value is None:
        return None
    if not isinstance(value, list) or not value:
        raise Refusal(400, "documents: expected a list of texts, or of objects with id and text")
    if len(value) > DOCUMENTS:
        raise Refusal(413, f"{len(value):,} documents: at most {DOCUMENTS:,}")
    out: dict[str, Candidate] = {}
    for n, given in enumerate(value):
        fields = given if isinstance(given, dict) else {"text": given}
        parts = [fields.get(name) for name in ("title", "text")]
        if not isinstance(parts[1], str) or not isinstance(parts[0], str | None):
            raise Refusal(400, f"document {n + 1}: expected a text, or an object with a text")
        id = clean(str(n if fields.get("id") is None else fields["id"]))
        if id in out:
            raise Refusal(400, f"two documents have the id {id[:80]!r}")
        out[id] = Candidate(id, clean("\n".join(p for p in parts if p)), float(-n))
    return list(out.values())


def _runs(value: Any) -> dict[str, dict[str, list[str]]]:
    """Lists of document ids by run and query."""
    if not isinstance(value, dict) or not 2 <= len(value) <= 8:
        raise Refusal(400, "runs: expected 2 to 8 runs, each a mapping of queries to lists of ids")
    for run in value.values():
        if not isinstance(run, dict) or not all(
            isinstance(ids, list) and all(isinstance(i, str) for i in ids) for ids in run.values()
        ):
            raise Refusal(400, "runs: each is a mapping of queries to lists of ids")
    if sum(len(ids) for run in value.values() for ids in run.values()) > RUNS:
        raise Refusal(413, f"the runs have more than {RUNS:,} results")
    return value


def _qrels(value: Any) -> dict[str, dict[str, int]]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(
        isinstance(docs, dict) and all(type(g) is int and 0 <= g <= HIGHEST for g in docs.values())
        for docs in value.values()
    ):
        raise Refusal(400, f"qrels: expected grades by query and document, from 0 to {HIGHEST}")
    return value


def _numbers(value: Any, name: str) -> list[float]:
    if (
        not isinstance(value, list)
        or len(value) > 100_000
        or not all(type(x) in (int, float) and -1e9 < x < 1e9 for x in value)
    ):
        raise Refusal(400, f"{name}: expected a list of numbers")
    return [float(x) for x in value]


def _text(stage: Any) -> str:
    try:
        return text_form(stage)
    except InputError:
        return ""
