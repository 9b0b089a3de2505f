"""Small servers that imitate the requests of OpenSearch and of Elasticsearch that are used here, after their references
and, of Elasticsearch, the tests of its REST interface. What a real server refuses beyond that is not seen."""

import json
import math
import re
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np


class Refused(Exception):
    """A request that is answered by an error of a type, with a reason."""

    def __init__(self, kind, reason, status=400):
        super().__init__(kind, reason, status)
        self.kind, self.reason, self.status = kind, reason, status

    def answer(self):
        cause = {"type": self.kind, "reason": self.reason}
        return {"error": {"root_cause": [cause], **cause}, "status": self.status}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_request(self):
        store = self.server.store
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode() if length else ""
        status, answer = store.answer(self.command, unquote(url.path), parse_qs(url.query), body, self.headers)
        data = b"" if self.command == "HEAD" else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in store.headers(self.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_request


class Store:
    """One index, in memory: what the two have in common. A document is found once the index was refreshed; by its id it
    is read at once."""

    def __init__(self):
        self.mappings, self.documents, self.found, self.authorization = None, {}, {}, None

    def headers(self, asked):
        return {"Content-Type": "application/json"}

    def answer(self, method, path, params, body, headers):
        self.authorization = headers.get("Authorization")
        try:
            self.check_headers(headers)
            return self.answered(method, path, params, body)
        except Refused as refused:
            return refused.status, refused.answer()

    def check_headers(self, headers):
        pass

    def answered(self, method, path, params, body):
        name, _, action = path.lstrip("/").partition("/")
        if self.mappings is None and (method, action) != ("PUT", ""):
            raise Refused("index_not_found_exception", f"no such index [{name}]", 404)
        if action == "_bulk":
            return 200, self.bulk([json.loads(line) for line in body.splitlines()], name, params)
        request = json.loads(body) if body else {}
        work = getattr(self, f"{method.lower()}_{action.strip('_')}")
        return 200, work(request, name, params)

    def put_(self, request, name, params):
        if self.mappings is not None:
            raise Refused("resource_already_exists_exception", f"index [{name}] already exists")
        for setting in request["settings"]["index"]:
            self.check_setting(f"index.{setting}")
        for field in request["mappings"]["properties"].values():
            self.check_field(field)
        self.mappings = request["mappings"]
        return {"acknowledged": True, "shards_acknowledged": True, "index": name}

    def check_setting(self, name):
        if name not in ("index.number_of_shards", *self.own_settings):
            raise Refused("illegal_argument_exception", f"unknown setting [{name}] please check that any required ...")

    def check_field(self, field):
        allowed = {"type", *self.fields.get(field["type"], ())}
        if field["type"] not in self.fields or set(field) - allowed:
            raise Refused("mapper_parsing_exception", f"unknown parameter or type: {field}")

    def head_(self, request, name, params):
        return {}

    def delete_(self, request, name, params):
        self.mappings, self.documents, self.found = None, {}, {}
        return {"acknowledged": True}

    def get_mapping(self, request, name, params):
        return {name: {"mappings": self.mappings}}

    def put_mapping(self, request, name, params):
        for field in request.get("properties", {}).values():
            self.check_field(field)
        self.mappings["_meta"] = request.get("_meta", self.mappings["_meta"])
        self.mappings["properties"].update(request.get("properties", {}))
        return {"acknowledged": True}

    def get_count(self, request, name, params):
        return {"count": len(self.found), "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0}}

    def post_mget(self, request, name, params):
        fields = params["_source_includes"][0].split(",")
        docs = []
        for i in request["ids"]:
            found = self.documents.get(i)
            source = {} if found is None else {"_source": self.source(found, fields)}
            docs.append({"_index": name, "_id": i, "found": found is not None, **source})
        return {"docs": docs}

    def source(self, document, fields):
        return {f: document[f] for f in fields if f in document}

    def bulk(self, lines, name, params):
        items, lines = [], iter(lines)
        for line in lines:
            ((action, head),) = line.items()
            i = head["_id"]
            body = next(lines) if action != "delete" else None
            try:
                status = getattr(self, f"bulk_{action}")(i, body)
                error = {}
            except Refused as refused:
                status, error = refused.status, {"error": refused.answer()["error"]}
            items.append({action: {"_index": name, "_id": i, "status": status, **error}})
        if params.get("refresh") == ["true"]:
            self.found = dict(self.documents)
        return {"took": 1, "errors": any("error" in x for item in items for x in item.values()), "items": items}

    def bulk_index(self, i, body):
        if len(i.encode()) > 512:
            raise Refused("illegal_argument_exception", "id is too long, must be no longer than 512 bytes")
        for field in ("id", "facts"):
            for term in body[field] if isinstance(body[field], list) else [body[field]]:
                if len(term.encode()) > 32_766:
                    raise Refused("illegal_argument_exception", f"immense term in field [{field}]")
        new = i not in self.documents
        self.documents[i] = body
        return 201 if new else 200

    def bulk_update(self, i, body):
        if i not in self.documents:
            raise Refused("document_missing_exception", f"[{i}]: document missing", 404)
        for field, value in body["doc"].items():
            dim = self.mappings["properties"][field].get(self.dimensions)
            if dim is not None and len(value) != dim:
                raise Refused("document_parsing_exception", f"[{field}] has {len(value)} dimensions, not {dim}")
        self.documents[i] = {**self.documents[i], **body["doc"]}
        return 200

    def bulk_delete(self, i, body):
        return 200 if self.documents.pop(i, None) else 404

    def post_termvectors(self, request, name, params):
        counts = {
            t: [Counter(d["body"].split())[t] for d in self.found.values()] for t in request["doc"]["body"].split()
        }
        terms = {
            t: {"term_freq": 1, **({"doc_freq": sum(map(bool, c)), "ttf": sum(c)} if any(c) else {})}
            for t, c in counts.items()
        }
        return {"_index": name, "found": True, "term_vectors": {"body": {"terms": terms}}}

    def post_search(self, request, name, params):
        known = {"size", "query", "_source", "sort", "search_after", "track_total_hits", "fields"}
        if unknown := set(request) - known:
            raise Refused("parsing_exception", f"unknown key for a VALUE_OBJECT in {sorted(unknown)}")
        if request["size"] > 10_000:
            raise Refused("illegal_argument_exception", "Result window is too large, from + size must be ... [10000]")
        scores = {i: s for i in self.found if (s := self.score(request["query"], i)) is not None}
        if "sort" in request:
            order = sorted(i for i in scores if i > request.get("search_after", [""])[0])
            hits = [{"_id": i, "_score": None, "sort": [i]} for i in order]
        else:
            hits = [{"_id": i, "_score": s} for i, s in sorted(scores.items(), key=lambda p: -p[1])]
        hits = hits[: request["size"]]
        for hit in hits:
            fields = self.retrieved(self.found[hit["_id"]], request.get("fields", ()))
            hit.update({"_index": name} | ({"fields": fields} if fields else {}))
        return {"timed_out": False, "hits": {"hits": hits}}

    def retrieved(self, document, fields):
        """What the option ``fields`` gives: values in lists."""
        return {f: v if isinstance(v, list) else [v] for f in fields if (v := document.get(f)) is not None}

    def score(self, query, i):
        """The score of a document; None if it doesn't match."""
        ((kind, q),) = query.items()
        if (work := getattr(self, f"query_{kind}", None)) is None:
            raise Refused("parsing_exception", f"unknown query [{kind}]")
        return work(q, self.found[i], i)

    def query_match_all(self, q, doc, i):
        return 1.0

    def query_exists(self, q, doc, i):
        return 1.0 if q["field"] in doc else None

    def query_ids(self, q, doc, i):
        return 1.0 if i in q["values"] else None

    def query_terms(self, q, doc, i):
        ((field, values),) = q.items()
        if len(values) > 65_536:
            raise Refused("illegal_argument_exception", "The number of terms [65537] used in the Terms Query ...")
        return 1.0 if set(values) & set(doc[field]) else None

    def query_term(self, q, doc, i):
        ((field, value),) = q.items()
        return self.bm25(value, doc) if field == "body" else 1.0 if doc.get(field) is value else None

    def query_script_score(self, q, doc, i):
        if self.score(q["query"], i) is None:
            return None
        field, vector = self.script(q["script"])
        return nearness(doc[field], vector)

    def query_bool(self, q, doc, i):
        if sum(map(len, (v for v in q.values() if isinstance(v, list)))) > 1024:
            raise Refused("too_many_nested_clauses", "maxClauseCount is set to 1024")
        if any(self.score(c, i) is not None for c in q.get("must_not", ())):
            return None
        needed = [self.score(c, i) for c in (*q.get("filter", ()), *q.get("must", ()))]
        some = [s for c in q.get("should", ()) if (s := self.score(c, i)) is not None]
        if None in needed or (q.get("should") and not some):
            return None
        return sum(some)

    def bm25(self, value, doc):
        """Lucene's BM25 times ``times``, with exact lengths."""
        bodies = [d["body"].split() for d in self.found.values()]
        n, tf = sum(value["value"] in b for b in bodies), doc["body"].split().count(value["value"])
        mean, length = sum(map(len, bodies)) / len(bodies), len(doc["body"].split())
        idf = math.log(1 + (len(bodies) - n + 0.5) / (n + 0.5))
        score = idf * tf / (tf + 1.2 * (0.25 + 0.75 * length / mean))
        return self.times * value["boost"] * score if tf else None


def nearness(a, b):
    """The score that both make of an inner product."""
    dot = float(np.dot(a, b))
    return dot + 1 if dot >= 0 else 1 / (1 - dot)


BASIC = {"text": {"analyzer"}, "keyword": {"index", "doc_values"}, "boolean": ()}


class OpenSearch(Store):
    """OpenSearch with its k-NN plugin, of version 3."""

    own_settings = ("index.knn", "index.knn.algo_param.ef_search")
    fields = {**BASIC, "knn_vector": {"dimension", "index", "method"}}  # noqa: RUF012
    dimensions = "dimension"
    times = 1.0

    def script(self, script):
        params = script["params"]
        assert (script["source"], script["lang"], params["space_type"]) == ("knn_score", "knn", "innerproduct")
        return params["field"], params["query_value"]

    def query_knn(self, q, doc, i):
        ((field, near),) = q.items()
        assert set(near) <= {"vector", "k", "method_parameters", "filter"}
        if field not in doc or ("filter" in near and self.score(near["filter"], i) is None):
            return None
        return nearness(doc[field], near["vector"])


class Elasticsearch(Store):
    """Elasticsearch 9.2: its BM25 keeps the factor k1 + 1, vectors are no part of the source, and a request has the
    media types of its client's version."""

    major = 9
    own_settings = ("index.mapping.exclude_source_vectors",)
    fields = {**BASIC, "dense_vector": {"dims", "index", "similarity", "index_options"}}  # noqa: RUF012
    dimensions = "dims"
    times = 2.2
    script_source = re.compile(
        r"double p = dotProduct\(params\.query, '(\w+)'\); return p < 0 \? 1 / \(1 - p\) : p \+ 1;"
    )

    def headers(self, asked):
        kind = asked.get("Accept") or "application/json"
        return {"X-Elastic-Product": "Elasticsearch", "Content-Type": kind.replace(" ", "")}

    def check_headers(self, headers):
        for name in ("Accept", "Content-Type"):
            version = re.search(r"compatible-with=(\d+)", headers.get(name) or "")
            if version and int(version[1]) not in (self.major, self.major - 1):
                raise Refused("media_type_header_exception", "Invalid media-type value on headers [Accept]")

    def check_field(self, field):
        super().check_field(field)
        if field["type"] == "dense_vector":
            graph = {"similarity", "index_options"} & set(field)
            if field["dims"] > 4096 or (graph and not field["index"]):
                raise Refused("mapper_parsing_exception", "The number of dimensions should be in the range [1, 4096]")
            if graph:
                assert field["similarity"] == "max_inner_product"
                assert set(field["index_options"]) == {"type", "m", "ef_construction"}
                assert field["index_options"]["type"] == "hnsw"

    def source(self, document, fields):
        vectors = {n for n, f in self.mappings["properties"].items() if f["type"] == "dense_vector"}
        return {f: document[f] for f in fields if f in document and f not in vectors}

    def script(self, script):
        source = self.script_source.fullmatch(script["source"])
        if source is None or set(script) != {"source", "params"}:
            raise Refused("script_exception", "compile error")
        return source[1], script["params"]["query"]

    def query_knn(self, q, doc, i):
        if set(q) - {"field", "query_vector", "k", "num_candidates", "filter"}:
            raise Refused("parsing_exception", "[knn] unknown field")
        if not self.mappings["properties"][q["field"]]["index"]:
            raise Refused("illegal_argument_exception", "to perform knn search on field, its mapping must have [index]")
        if q["num_candidates"] > 10_000:
            raise Refused("illegal_argument_exception", "[num_candidates] cannot exceed [10000]")
        if q["field"] not in doc or ("filter" in q and self.score(q["filter"], i) is None):
            return None
        return nearness(doc[q["field"]], q["query_vector"])


@contextmanager
def serving(store):
    """A server of a store; its ``port`` and ``stop``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.store = True, store
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    store.port = server.server_address[1]

    def stop():
        server.shutdown()
        server.server_close()

    store.stop = stop
    yield store
    stop()
