"""A collection in OpenSearch: the official client against a small server that imitates the requests that are used here,
after the REST reference. No real server is started, so what a real one refuses is not seen."""

import json
import math
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pytest

from anyrank.core.errors import InputError, StoreError
from anyrank.core.types import Candidate
from anyrank.index.exact import Settings
from anyrank.store.engine import whole
from anyrank.stores.open import open_index, open_server
from anyrank.stores.remote import Remote
from anyrank.testing.stores import DOCUMENTS, ENCODERS, FILTERS, in_folder, results, same

pytest.importorskip("opensearchpy", reason="needs opensearch-py: pip install 'anyrank[opensearch]'")
PASSWORD = "s3cret-word"


class Imitation(BaseHTTPRequestHandler):
    """One index, in memory; the formats of requests and answers are those of the reference."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_request(self):
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode() if length else ""
        status, answer = self.server.store.answer(
            self.command, unquote(url.path), parse_qs(url.query), body, self.headers.get("Authorization")
        )
        data = b"" if self.command == "HEAD" else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_request


class Store:
    """The state of the imitated server: mappings and documents."""

    def __init__(self):
        self.mappings, self.documents, self.requests, self.authorization = None, {}, [], None

    def answer(self, method, path, params, body, authorization):
        self.requests.append((method, path))
        self.authorization = authorization
        name, _, action = path.lstrip("/").partition("/")
        if self.mappings is None and (method, action) != ("PUT", ""):
            return 404, {"error": {"type": "index_not_found_exception", "reason": f"no such index [{name}]"}}
        if action == "_bulk":
            return 200, self.bulk([json.loads(line) for line in body.splitlines()], name)
        request = json.loads(body) if body else {}
        work = getattr(self, f"{method.lower()}_{action.strip('_')}")
        return 200, work(request, name, params)

    def put_(self, request, name, params):
        self.mappings = request["mappings"]
        return {"acknowledged": True, "shards_acknowledged": True, "index": name}

    def head_(self, request, name, params):
        return {}

    def delete_(self, request, name, params):
        self.mappings, self.documents = None, {}
        return {"acknowledged": True}

    def get_mapping(self, request, name, params):
        return {name: {"mappings": self.mappings}}

    def put_mapping(self, request, name, params):
        self.mappings["_meta"] = request.get("_meta", self.mappings["_meta"])
        self.mappings["properties"].update(request.get("properties", {}))
        return {"acknowledged": True}

    def get_count(self, request, name, params):
        return {"count": len(self.documents), "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0}}

    def post_mget(self, request, name, params):
        fields = params["_source_includes"][0].split(",")
        docs = []
        for i in request["ids"]:
            found = self.documents.get(i)
            source = {} if found is None else {"_source": {f: found[f] for f in fields if f in found}}
            docs.append({"_index": name, "_id": i, "found": found is not None, **source})
        return {"docs": docs}

    def bulk(self, lines, name):
        items, lines = [], iter(lines)
        for line in lines:
            ((action, head),) = line.items()
            i, status = head["_id"], 200
            if action == "index":
                self.documents[i] = next(lines)
            elif action == "update":
                part = next(lines)["doc"]
                status = 200 if i in self.documents else 404
                self.documents.get(i, {}).update(part)
            else:
                status = 200 if self.documents.pop(i, None) else 404
            error = {"error": {"type": "document_missing_exception", "reason": "missing"}} if status == 404 else {}
            items.append({action: {"_index": name, "_id": i, "status": status, **error}})
        return {"took": 1, "errors": any("error" in x for item in items for x in item.values()), "items": items}

    def post_termvectors(self, request, name, params):
        counts = {
            t: [Counter(d["body"].split())[t] for d in self.documents.values()] for t in request["doc"]["body"].split()
        }
        terms = {
            t: {"term_freq": 1, **({"doc_freq": sum(map(bool, c)), "ttf": sum(c)} if any(c) else {})}
            for t, c in counts.items()
        }
        return {"_index": name, "found": True, "term_vectors": {"body": {"terms": terms}}}

    def post_search(self, request, name, params):
        scores = {i: s for i in self.documents if (s := self.score(request["query"], i)) is not None}
        if "sort" in request:
            order = sorted(i for i in scores if i > request.get("search_after", [""])[0])
            hits = [{"_id": i, "_score": None, "sort": [i]} for i in order]
        else:
            hits = [{"_id": i, "_score": s} for i, s in sorted(scores.items(), key=lambda p: -p[1])]
        return {"timed_out": False, "hits": {"hits": hits[: request["size"]]}}

    def score(self, query, i):
        """The score of a document; None if it doesn't match."""
        ((kind, q),) = query.items()
        doc = self.documents[i]
        if kind == "match_all":
            return 1.0
        if kind == "exists":
            return 1.0 if q["field"] in doc else None
        if kind == "terms":
            ((field, values),) = q.items()
            return 1.0 if set(values) & set(doc[field]) else None
        if kind == "term":
            ((field, value),) = q.items()
            return self.bm25(value, doc) if field == "body" else 1.0 if doc.get(field) is value else None
        if kind == "script_score":
            params = q["script"]["params"]
            assert (q["script"]["source"], q["script"]["lang"]) == ("knn_score", "knn")
            return (
                None
                if self.score(q["query"], i) is None
                else self.nearness(doc[params["field"]], params["query_value"])
            )
        if kind == "knn":
            ((field, near),) = q.items()
            if field not in doc or ("filter" in near and self.score(near["filter"], i) is None):
                return None
            return self.nearness(doc[field], near["vector"])
        assert kind == "bool", kind
        if any(self.score(c, i) is not None for c in q.get("must_not", ())):
            return None
        needed = [self.score(c, i) for c in (*q.get("filter", ()), *q.get("must", ()))]
        some = [s for c in q.get("should", ()) if (s := self.score(c, i)) is not None]
        if None in needed or (q.get("should") and not some):
            return None
        return sum(some)

    @staticmethod
    def nearness(a, b):
        dot = float(np.dot(a, b))
        return dot + 1 if dot >= 0 else 1 / (1 - dot)

    def bm25(self, value, doc):
        """Lucene's BM25, with exact lengths."""
        bodies = [d["body"].split() for d in self.documents.values()]
        n, tf = sum(value["value"] in b for b in bodies), doc["body"].split().count(value["value"])
        mean, length = sum(map(len, bodies)) / len(bodies), len(doc["body"].split())
        idf = math.log(1 + (len(bodies) - n + 0.5) / (n + 0.5))
        return value["boost"] * idf * tf / (tf + 1.2 * (0.25 + 0.75 * length / mean)) if tf else None


@pytest.fixture
def server():
    imitation = ThreadingHTTPServer(("127.0.0.1", 0), Imitation)
    imitation.daemon_threads = True
    imitation.store = Store()
    threading.Thread(target=imitation.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield imitation
    imitation.shutdown()
    imitation.server_close()


@pytest.fixture
def made(server):
    url = f"opensearch://me:{PASSWORD}@127.0.0.1:{server.server_address[1]}/wings"
    collection = Remote.build(open_server(url), DOCUMENTS)
    collection.encode(ENCODERS["small"])
    yield collection
    collection.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return in_folder(tmp_path_factory.mktemp("folder") / "x")


def exact(folder, queries, k, filter=None):
    """The folder's results by the exact formula in the default settings."""
    counts, mask = folder.lexical.exact(), None if filter is None else folder.store.passing(filter)
    found = [counts.best(folder.lexical.weights(q), k, Settings(), mask) for q in queries]
    return [list(zip(folder.store.rows.of(r.tolist()).ids(r.tolist()), s.tolist())) for r, s in found]


def test_it_finds_what_a_folder_finds(monkeypatch, made, folder):
    for pipeline in ("search('small') % 10", "search('small') % 20 >> model('small')"):
        same(results(monkeypatch, made, pipeline), results(monkeypatch, folder, pipeline))
    queries = ["wing lift", "heat shock wave", "the layer"]
    same(made.lexical.search(queries, 10), exact(folder, queries, 10), 1 / 2.2)
    assert made.lexical.document_frequencies(["lift", "none"]) == folder.lexical.document_frequencies(["lift", "none"])
    for settings, k, match in ((Settings(0.9), 10, "use bm25 without settings"), (None, 20_000, "at most 10,000")):
        with pytest.raises(InputError, match=match):
            made.lexical.search(["wing"], k, settings=settings)
    with pytest.raises(InputError, match="a query of 1,025 terms"):
        made.lexical.search([{f"t{n}": 1.0 for n in range(1025)}], 10)
    with pytest.raises(InputError, match="holds dense ones"):
        made.encode(ENCODERS["terms"])


@pytest.mark.parametrize("filter", FILTERS, ids=lambda f: str(f)[:20])
def test_filters_pass_the_same(made, folder, filter):
    query = ENCODERS["small"].encode(["wing"]).vectors
    same(made.vectors("small").search(query, 40, filter), folder.vectors("small").search(query, 40, filter))
    same(made.lexical.search(["wing lift"], 40, filter), exact(folder, ["wing lift"], 40, filter), 1 / 2.2)


def test_updates_and_deletions(made, server):
    made.update([Candidate("d3", "shock shock"), Candidate("blank", "")], ENCODERS)
    assert made.delete(["d5", "unknown", ""]) == 1
    again = open_index(made.server.at.url)
    assert len(again) == 40
    assert [d.id for d in again.documents()] == sorted(again.ids())
    assert again.get(["d3"])[0].content == "shock shock"
    assert again.vectors("small").missing() == []
    assert again.vectors("small").vectors(["d3", "blank", "d5"])[0] == [0]
    ids = ["a/b?c#d", "'; --", "東京é𝔘", '"quoted"', "a" * 512]
    docs = [Candidate(i, f"zebra {i} \0", meta={"n": 2**70}) for i in ids]
    again.update(docs)
    assert again.get(ids) == [whole(d) for d in docs]
    assert {i for i, _ in again.lexical.search(["zebra"], 9)[0]} == set(ids)
    again.close()
    assert server.store.authorization.startswith("Basic ")


def test_the_graph(monkeypatch, server, folder):
    url = f"opensearch://127.0.0.1:{server.server_address[1]}/wings"
    made = Remote.build(open_server(url), DOCUMENTS)
    made.encode(ENCODERS["small"], index="approximate", options={"connectivity": 8})
    vector = server.store.mappings["properties"]["vectors_1"]
    assert vector["method"]["parameters"] == {"m": 8, "ef_construction": 100}
    for filter in (None, {"lang": "de"}):
        search = "search('small') % 10"
        same(results(monkeypatch, made, search, filter), results(monkeypatch, folder, search, filter))
    made.server.drop()
    assert made.server.read() is None
    made.close()


def test_errors_name_the_server_and_no_password(made, server):
    with pytest.raises(InputError, match="holds a complete collection"):
        Remote.build(made.server, DOCUMENTS)
    server.store.answer = lambda *_: (401, {"error": "Unauthorized"})
    with pytest.raises(StoreError, match=r"refuses \(401\)") as refused:
        made.lexical.search(["wing"], 3)
    server.store.answer = lambda *_: (507, {"error": {"type": "x", "reason": "disk full"}})
    with pytest.raises(StoreError, match="disk full"):
        made.update([Candidate("x", "y")])
    server.shutdown()
    server.server_close()
    with pytest.raises(StoreError, match="can't be reached") as gone:
        open_index(made.server.at.url)
    for error in (refused, gone):
        assert PASSWORD not in str(error.value)


def test_an_index_of_somebody_else_is_left_alone(made, server):
    server.store.mappings["_meta"] = {}
    with pytest.raises(InputError, match="no collection of anyrank"):
        open_index(made.server.at.url)
    with pytest.raises(InputError, match="no collection of anyrank"):
        Remote.build(open_server(made.server.at.url), DOCUMENTS, overwrite=True)
    assert len(server.store.documents) == 40
