"""What the playground's page asks for: lanes, values of all queries, differences, and the next document to judge."""

from __future__ import annotations

import functools
import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...core.content import images_of, text_of
from ...core.errors import InputError
from ...core.limits import Limits
from ...core.stage import Stage
from ...core.trace import worst
from ...core.types import Candidate, Query, Ranking
from ...cutoffs.calibration import Calibration
from ...evaluate.measures import Meter
from ...evaluate.significance import intervals, wins
from ...explanations import explain
from ...judging.pool import Measure, Pool
from ...judging.session import Session
from ...pipeline.context import Settings
from ...pipeline.describe import described
from ...pipeline.parser import PipelineError, parse
from ...pipeline.text import text as text_form
from ...tuning.cost import PROBES
from ...tuning.fingerprint import version
from ...tuning.table import ScoreTable
from ..dialects import counts_of
from ..requests import Refusal, clean, flag, query_text, text, whole
from ..service import Service, finite, has_words
from . import curves
from .curves import Floats, Mean
from .cutoffs import promises
from .knobs import Dial
from .lanes import Lane, shown
from .pictures import LARGE, SIZE, thumbnails
from .spectra import annotated, proposed
from .stages import SAFE, check_allowed, over_documents
from .tables import Tables, Unscored

PIPELINES, DOCUMENTS, AT_ONCE, LABELS, RUNS, LANES = 4, 10_000, 32, 5_000, 200_000, 12
"""The most pipelines, pasted documents, queries of one request, labels, results in the runs of a session, and
lanes that are kept."""
DEEPEST, FILLED, MEASURED = 100, 8, 300
"""The depth that sliders reach at least, the queries that are scored by one request, and the judged queries by which
pipelines are measured, evenly chosen if there are more."""
SHOWN = 50
"""The most problems of files that the page lists."""
HIGHEST = 1000
"""The highest grade of a page's own judgements; the program that measures makes room for all up to it."""


Answer = Callable[[Mapping[str, Any]], dict[str, Any]]
"""What is answered to the JSON object of a request."""


@dataclass(slots=True, eq=False)
class Playground:
    """The playground over a service. ``free``: a page may run any pipeline (else see `stages.check_allowed`);
    ``queries`` and ``qrels`` are those of the index, if there are any; ``given`` are spectra with their candidates,
    ``problems`` what of these files could not be used."""

    service: Service
    free: bool = False
    queries: Sequence[Query] = ()
    qrels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    given: Mapping[str, Ranking] = field(default_factory=dict)
    problems: Sequence[str] = ()
    _lanes: OrderedDict[str, tuple[Lane, float]] = field(default_factory=OrderedDict, repr=False)
    _sessions: OrderedDict[str, Session] = field(default_factory=OrderedDict, repr=False)
    _tables: Tables = field(default_factory=Tables, repr=False)
    _values: OrderedDict[tuple[str, str], Floats] = field(default_factory=OrderedDict, repr=False)
    _costs: OrderedDict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def answers(self) -> dict[str, Answer]:
        """What the page may ask for, by name."""
        lanes = (self.run, self.fill, self.cost, self.values, self.compare, self.judge, self.explain)
        contents = (self.pictures, self.spectrum)
        computed = (self.slide, self.curve, self.cutoff)
        answers: dict[str, Answer] = {answer.__name__: answer for answer in (*lanes, *contents)}
        return answers | {answer.__name__: functools.partial(_or_unscored, answer) for answer in computed}

    def info(self) -> dict[str, Any]:
        """What is served, for the page's first look."""
        collection = self.service.collection
        size = self.service.size()
        index = None
        if collection is not None:
            index = {"documents": size, "vectors": list(collection.encoded), "words": has_words(collection)}
        pipelines = [{"name": n, "text": _text(s)} for n, s in self.service.pipelines.items()]
        queries = [{"id": q.id, "text": text_of(q.content)[:500]} for q in self.queries]
        return {
            "version": __version__,
            "pipelines": pipelines,
            "search": self.service.search,
            "index": index,
            "free": self.free,
            "safe": sorted(SAFE | set(self.service.pipelines)),
            "queries": queries,
            "judged": bool(self.qrels),
            "measured": [q.id for q in self._measured()],
            "documents": DOCUMENTS,
            "spectra": [{"id": id, "candidates": len(r)} for id, r in self.given.items()],
            "problems": {"count": len(self.problems), "first": [p[:500] for p in self.problems[:SHOWN]]},
        }

    def run(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Lanes of up to four ``pipelines`` for a ``query``, over ``documents`` or the index; ``k`` results of each."""
        query, documents = self._asked(body)
        k = whole(body.get("k"), "k", 1, 1000) or 10
        lanes = [self._lane(p, query, documents) for p in _pipelines(body)]
        answer = self._shown(_pipelines(body), lanes, k, documents)
        for id, engines in proposed(self.given[query.id]).items() if query.id in self.given else ():
            if id in answer["texts"]:
                answer["texts"][id]["by"] = engines
        return answer

    def _asked(self, body: Mapping[str, Any]) -> tuple[Query, list[Candidate] | None]:
        """The query of a request and its documents, None for the index: those of a spectrum that the server was given,
        or pasted ones."""
        if body.get("spectrum") is not None:
            ranking = self._spectrum(body["spectrum"])
            return ranking.query, list(ranking)
        return Query("q", query_text(body.get("query"))), _documents(body.get("documents"))

    def _spectrum(self, id: Any) -> Ranking:
        if not isinstance(id, str) or id not in self.given:
            raise Refusal(400, "spectrum: expected the id of one that /play/info lists")
        return self.given[id]

    def spectrum(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The peaks of a ``spectrum``, with the ions of the peptides with these one or two ``ids``."""
        ranking, ids = self._spectrum(body.get("spectrum")), body.get("ids")
        if not isinstance(ids, list) or not 1 <= len(ids) <= 2 or not all(i in ranking.ids for i in ids):
            raise Refusal(400, "ids: expected the ids of one or two of the spectrum's peptides")
        return annotated(ranking, ids, text(body.get("tolerance", "20ppm"), "tolerance"))

    def pictures(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Thumbnails of the pictures of documents of the index with these ``ids``, larger ones if ``large``. Where not
        every pipeline may run, only pictures are shown that lie beside the index, or in its documents."""
        ids, collection = body.get("ids"), self._collection()
        if not isinstance(ids, list) or len(ids) > AT_ONCE or not all(isinstance(i, str) for i in ids):
            raise Refusal(400, f"ids: expected at most {AT_ONCE} ids of documents")
        documents = collection.get([i for i in dict.fromkeys(ids) if i in collection])
        root = None if self.free else Path(collection.path).resolve().parent
        return {"pictures": thumbnails(documents, root, LARGE if flag(body.get("large"), "large") else SIZE)}

    def _shown(
        self,
        pipelines: Sequence[str],
        lanes: Sequence[tuple[Lane | InputError, float]],
        k: int,
        documents: Sequence[Candidate] | None,
        since: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Lanes as JSON, with the texts of what is shown, and, where all judged queries are scored, the pipelines'
        quality and how far it is from that of those ``since``."""
        best = dict.fromkeys(id for lane, _ in lanes if isinstance(lane, Lane) for id in lane.ranking.ids[:k])
        texts: dict[str, Any] = {}
        for lane, _ in lanes:
            if isinstance(lane, Lane):
                texts |= shown(c for c in lane.ranking if c.id in best and c.id not in texts)
        deepest = DEEPEST if documents is None else max(len(documents), 1)
        answers = [
            _lane_answer(lane, seconds, list(best), k) | _dial(pipeline, lane, deepest)
            for pipeline, (lane, seconds) in zip(pipelines, lanes)
        ]
        if documents is None and self._measured():
            for answer, now, before in zip(answers, pipelines, since or pipelines):
                answer["quality"] = self._quality(now, before)
        return {"lanes": answers, "texts": texts}

    def slide(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Lanes as those of `run`, computed from the scores that are there, and for the index what all judged queries
        say of each pipeline, where they were scored (`fill`): nDCG@10, and its difference from that of the pipelines
        ``since``. No model is called: where a score is missing, the answer says so as ``unscored``, unless ``fill``
        asks for the scores that sliders of these pipelines need first."""
        text_of_query = query_text(body.get("query"))
        query = next((q for q in self.queries if q.content == text_of_query), Query("q", text_of_query))
        documents, k = _documents(body.get("documents")), whole(body.get("k"), "k", 1, 1000) or 10
        pipelines, fill = _pipelines(body), flag(body.get("fill"), "fill")
        since = [text(p, "since") for p in body["since"]] if isinstance(body.get("since"), list) else pipelines
        lanes = [self._slid(p, query, documents, fill) for p in pipelines]
        return self._shown(pipelines, lanes, k, documents, since)

    def _slid(
        self, pipeline: str, query: Query, documents: list[Candidate] | None, fill: bool
    ) -> tuple[Lane | InputError, float]:
        """A lane that was run already, or one that is computed. Raises Unscored where scores are missing."""
        key = self._key(pipeline, query, documents)
        start = time.perf_counter()
        try:
            if not self.free:
                check_allowed(pipeline, self.service.pipelines)
            if fill:
                deepest = DEEPEST if documents is None else len(documents)
                for extreme in Dial.of(pipeline, deepest).extremes():
                    table, stage = self._table(extreme, query, documents, run=True)
                    table.lists(stage)
            if key in self._lanes:
                return self._lanes[key]
            table, stage = self._table(pipeline, query, documents, run=fill)
            return Lane.computed(stage, table, documents), time.perf_counter() - start
        except Unscored:
            raise
        except InputError as error:
            return error, 0.0

    def _table(
        self, pipeline: str, query: Query, documents: list[Candidate] | None, *, run: bool
    ) -> tuple[ScoreTable, Stage]:
        """The score table of a query, and the stage of a pipeline there."""
        seconds = self.service.seconds
        if documents is not None:
            return self._tables.given(pipeline, documents, query, run=run, seconds=seconds)
        table = self._tables.over(self._collection(), [query], run=run, seconds=seconds)
        return table, table.stage(pipeline)

    def _collection(self) -> Any:
        """The index as it is now. Raises InputError without one."""
        self.service.refresh()
        if self.service.collection is None:
            raise InputError("no index is served here: paste documents")
        return self.service.collection

    def _measured(self) -> list[Query]:
        """The queries with a relevant document, by which pipelines are measured."""
        judged = [q for q in self.queries if any(g > 0 for g in self.qrels.get(q.id, {}).values())]
        step = max(len(judged) / MEASURED, 1.0)
        return [judged[int(n * step)] for n in range(min(len(judged), MEASURED))]

    def _judged_table(self) -> ScoreTable:
        """The scores of the judged queries. Raises Refusal without any."""
        if self.service.collection is None or not self._measured():
            raise Refusal(400, "this needs an index with judged queries: start with --queries and --qrels")
        return self._tables.over(self._collection(), self._measured(), run=False)

    def _value(self, pipeline: str) -> Floats:
        """nDCG@10 of a pipeline on the judged queries, from the scores that are there. Raises Unscored if some are
        missing, Refusal without judged queries."""
        if not self.free:
            check_allowed(pipeline, self.service.pipelines)
        table = self._judged_table()
        key = version(self._collection()), pipeline
        if key not in self._values:
            self._values[key] = curves.values(table, pipeline, self.qrels)
            while len(self._values) > 64:
                self._values.popitem(last=False)
        return self._values[key]

    def _quality(self, pipeline: str, before: str) -> dict[str, Any] | None:
        try:
            now, then = self._value(pipeline), self._value(before)
        except (Refusal, InputError):
            return None
        return Mean.of(now).as_dict() | {"queries": len(now), "gain": Mean.of(now - then).as_dict()}

    def fill(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Runs what is needed so that sliders of ``pipelines`` can be measured on the judged queries with these
        ``ids`` (see `info`), and says what it cost."""
        known, ids = {q.id: q for q in self._measured()}, body.get("ids")
        if not isinstance(ids, list) or not all(isinstance(i, str) and i in known for i in ids):
            raise Refusal(400, "ids: expected ids of the measured queries that /play/info lists")
        if len(ids) > FILLED:
            raise Refusal(413, f"{len(ids)} queries: at most {FILLED} in a request")
        pipelines, collection = _pipelines(body), self._collection()
        queries = [known[i] for i in ids]
        table = self._tables.over(collection, queries, run=True, seconds=self.service.seconds)
        for pipeline in pipelines:
            if not self.free:
                check_allowed(pipeline, self.service.pipelines)
            dial = Dial.of(pipeline, DEEPEST)
            for extreme in filter(None, (dial.first, pipeline, *dial.extremes())):  # the deepest search first
                table.lists(extreme)
        return {"usage": counts_of(table.spent)}

    def curve(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """nDCG@10 of a ``pipeline`` on the judged queries by the depth of its reranker, and without it. No model is
        called; where a score is missing, the answer says so as ``unscored``."""
        dial = Dial.of(text(body.get("pipeline"), "pipeline").strip(), DEEPEST)
        points = [
            {"depth": depth, "pipeline": at, **Mean.of(self._value(at)).as_dict()}
            for depth, at in curves.depths_of(dial)
        ]
        first = {"pipeline": dial.first, **Mean.of(self._value(dial.first)).as_dict()} if dial.first else None
        own = int(dial.knobs[dial.depth].value) if dial.depth is not None else 0
        return {"points": points, "first": first, "depth": own, "queries": len(self._measured())}

    def cost(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The time and tokens a query of a ``pipeline`` without its reranker, and at its least and greatest depth,
        timed on this machine."""
        pipeline = text(body.get("pipeline"), "pipeline").strip()
        if not self.free:
            check_allowed(pipeline, self.service.pipelines)
        collection = self._collection()
        dial = Dial.of(pipeline, DEEPEST)
        depths = curves.depths_of(dial)
        ends = [*([(0, dial.first)] if dial.first else []), *dict.fromkeys([depths[0], depths[-1]])]
        key = version(collection), " ".join(at for _, at in ends)
        if key not in self._costs:
            stages = [(depth, parse(at, Settings(collection))) for depth, at in ends]
            self._costs[key] = curves.costs(stages, self._measured() or self.queries, self.service.seconds)
            while len(self._costs) > 64:
                self._costs.popitem(last=False)
        return {"ends": self._costs[key], "probes": PROBES}

    def cutoff(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """What cut-offs with a promise keep and miss after a ``pipeline``, calibrated on the judged queries. No model
        is called; where a score is missing, the answer says so as ``unscored``."""
        pipeline = text(body.get("pipeline"), "pipeline").strip()
        if not self.free:
            check_allowed(pipeline, self.service.pipelines)
        table = self._judged_table()
        stage = table.stage(pipeline)
        results = table.lists(stage)
        rankings = [
            Ranking(q, tuple(Candidate(table.ids[d], None, s) for d, s in zip(r.documents.tolist(), r.scores.tolist())))
            for q, r in zip(table.queries, results)
        ]
        size = len(self._collection())
        made = Calibration.of(rankings, self.qrels, *described(stage), documents=size)
        return promises(made, [r for r in rankings if len(r)], self.qrels)

    def _lane(self, pipeline: str, query: Query, documents: list[Candidate] | None) -> tuple[Lane | InputError, float]:
        """A lane and its seconds, or what is wrong with its pipeline. The last ones are kept: where one of several
        pipelines changes, the others don't run again."""
        key = self._key(pipeline, query, documents)
        if key in self._lanes:
            self._lanes.move_to_end(key)
            return self._lanes[key]
        start = time.perf_counter()
        try:
            stage, given = self._stage(pipeline, documents, listed=query.id in self.given)
            lane = Lane.of(stage, Ranking(query, given, limits=Limits.within(self.service.seconds)))
        except InputError as error:
            return error, 0.0
        self._lanes[key] = lane, time.perf_counter() - start
        while len(self._lanes) > LANES:
            self._lanes.popitem(last=False)
        return self._lanes[key]

    def _key(self, pipeline: str, query: Query, documents: list[Candidate] | None) -> str:
        """What a lane depends on: also the state of the index, which may change in place."""
        self.service.refresh()
        collection = self.service.collection
        state = "" if collection is None or documents is not None else version(collection)
        if query.id in self.given:
            return f"{query.id} {pipeline}"
        given_texts = None if documents is None else [(c.id, c.content) for c in documents]
        return hashlib.sha256(json.dumps([pipeline, query.content, state, given_texts]).encode()).hexdigest()

    def _stage(
        self, pipeline: str, documents: list[Candidate] | None = None, *, listed: bool = False
    ) -> tuple[Stage, tuple[Candidate, ...]]:
        """The stage of a pipeline over given documents, or over the index, and the candidates that it starts with.
        ``listed``: these can only be reranked, not searched."""
        if not self.free:
            check_allowed(pipeline, self.service.pipelines)
        if documents is not None and listed:
            return parse(pipeline, starts=False), tuple(documents)
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
        query, documents = self._asked(body)
        ids = body.get("ids")
        if not isinstance(ids, list) or not 1 <= len(ids) <= 2 or not all(isinstance(i, str) for i in ids):
            raise Refusal(400, "ids: expected the ids of one document or two")
        pipeline = text(body.get("pipeline"), "pipeline").strip()
        stage, given = self._stage(pipeline, documents, listed=query.id in self.given)
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
            content = collection.get([document])[0].content
            item |= {"text": text_of(content)[:20_000], "picture": bool(images_of(content))}
        return item


def _or_unscored(answer: Answer, body: Mapping[str, Any]) -> dict[str, Any]:
    """An answer that is computed from stored scores, or what has none yet."""
    try:
        return answer(body)
    except Unscored as error:
        return {"unscored": str(error)}


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


def _dial(pipeline: str, lane: Lane | InputError, deepest: int) -> dict[str, Any]:
    """What sliders of a lane may move: of what isn't text, nothing."""
    if not isinstance(lane, Lane) or not isinstance(lane.ranking.query.content, str):
        return {}
    return {"computed": not lane.ranking.trace, "text": pipeline, **Dial.of(pipeline, deepest).as_dict()}


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
