"""OpenSearch, over its official client: an index (of one shard) with a document each, their words as our terms, which
the server scores by its BM25, and dense vectors of its k-NN plugin.

A password is read from OPENSEARCH_PASSWORD, or from the address (``opensearch+https://USER@HOST:9200/COLLECTION``).

What differs from a folder's index: writes are whole for each document, not for a batch; k1 and b are the default ones,
and of version 3 on scores are 1 / (k1 + 1) of ours (so Lucene's BM25); vectors are dense ones; k is at most 10,000.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.errors import InputError, MissingExtra, StoreError, short
from ..core.matches import Document
from ..index.exact import Settings
from ..vectors import Dense, Vectors
from .address import Address
from .base import About, Clause, Entry, Hits, check_index
from .remote import document

_KEY, _FILLER = "anyrank", "."
_PAGE, _MOST = 1_000, 10_000  # hits read at once, and in one search
_TERMS, _CLAUSES = 65_536, 1_024  # values of a filter, and terms of a query, that OpenSearch takes
_BYTES = 8 << 20  # of one request of writes
_OPTIONS = {"connectivity": 16, "expansion_add": 100, "expansion_search": 128}
"""The options of a graph and their defaults: m, ef_construction and ef_search."""
_DEFAULT = Settings()


@dataclass(slots=True, eq=False)
class OpenSearch:
    """A `Server`. The client is made at the first call."""

    at: Address
    _opened: Any = field(default=None, repr=False)
    _about: About | None = field(default=None, repr=False)

    kinds = ("dense",)

    @property
    def address(self) -> str:
        return self.at.shown

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _ask(self, method: str, path: str, body: Any = None, params: Any = None) -> Any:
        """The answer of the server to a request about the index; ``path`` begins behind its name. A body of a list is
        sent as lines of JSON."""
        from opensearchpy import OpenSearch as Client

        at = self.at
        if self._opened is None:
            password = at.password or os.environ.get("OPENSEARCH_PASSWORD", "")
            self._opened = Client(
                hosts=[{"host": at.host, "port": at.port or 9200, "url_prefix": "/".join(at.path)}],
                http_auth=(at.user, password) if at.user else None,
                use_ssl=at.scheme.endswith("https"),
                timeout=60,
            )
        if isinstance(body, list):
            body = "".join(json.dumps(line) + "\n" for line in body)
        with self._errors():
            return self._opened.transport.perform_request(method, f"/{at.name}{path}", params=params, body=body)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Errors of the client in our words."""
        from opensearchpy import exceptions

        try:
            yield
        except exceptions.NotFoundError:
            raise InputError(f"{self.address}: the collection is gone") from None
        except exceptions.ConnectionError as error:
            text = short(self.at.scrubbed(error.error), 300)
            raise StoreError(f"{self.address}: can't be reached: {text}. What was acknowledged is kept") from None
        except exceptions.TransportError as error:
            info = error.info.get("error", "") if isinstance(error.info, Mapping) else ""
            reason = info.get("reason", "") if isinstance(info, Mapping) else info
            text = short(self.at.scrubbed(f"{error.error} {reason}"), 300)
            raise StoreError(f"{self.address}: the server refuses ({error.status_code}): {text}") from None
        except exceptions.OpenSearchException as error:
            raise StoreError(f"{self.address}: {short(self.at.scrubbed(error), 300)}") from None

    def read(self) -> About | None:
        if not self._ask("HEAD", ""):
            return None
        (index,) = self._ask("GET", "/_mapping").values()
        text = index["mappings"].get("_meta", {}).get(_KEY)
        if not isinstance(text, str):
            raise InputError(f"{self.address}: is no collection of anyrank: choose another name of a collection")
        self._about = About.from_json(json.loads(text), self.address)
        return self._about

    @property
    def _known(self) -> About:
        about = self._about or self.read()
        if about is None:
            raise InputError(f"{self.address}: the collection is gone")
        return about

    def create(self, about: About) -> None:
        kept = {"type": "keyword", "index": False, "doc_values": False}
        properties = {
            "id": {"type": "keyword"},
            "content": kept,
            "meta": kept,
            "facts": {"type": "keyword"},
            "body": {"type": "text", "analyzer": "whitespace"},
        }
        mappings = {"dynamic": False, "_meta": {_KEY: json.dumps(about.to_json())}, "properties": properties}
        settings = {"index": {"knn": True, "number_of_shards": 1, "knn.algo_param.ef_search": 128}}
        self._ask("PUT", "", {"settings": settings, "mappings": mappings})
        self._about = about

    def drop(self) -> None:
        self._ask("DELETE", "")
        self._about = None

    def write(self, about: About) -> None:
        self._ask("PUT", "/_mapping", {"_meta": {_KEY: json.dumps(about.to_json())}})
        self._about = about

    def count(self) -> int:
        return int(self._ask("GET", "/_count")["count"])

    def _many(self, ids: Sequence[str], fields: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """The fields of those ids that are there."""
        for start in range(0, len(ids), _PAGE):
            body = {"ids": list(ids[start : start + _PAGE])}
            answer = self._ask("POST", "/_mget", body, {"_source_includes": ",".join(fields)})
            yield from ((d["_id"], d["_source"]) for d in answer["docs"] if d.get("found"))

    def present(self, ids: Sequence[str]) -> set[str]:
        return {i for i, _ in self._many(_possible(ids), ["id"])}

    def documents(self, ids: Sequence[str]) -> dict[str, Document]:
        found = self._many(_possible(ids), ["content", "meta"])
        return {i: document(source["content"], source["meta"]) for i, source in found}

    def _pages(self, query: Any, most: int | None = None) -> Iterator[str]:
        after = None
        while most is None or most > 0:
            size = _PAGE if most is None else min(most, _PAGE)
            body = {"size": size, "query": query, "_source": False, "sort": [{"id": "asc"}]}
            hits = self._ask("POST", "/_search", body if after is None else {**body, "search_after": after})["hits"]
            yield from (hit["_id"] for hit in hits["hits"])
            if len(hits["hits"]) < size:
                return
            after, most = hits["hits"][-1]["sort"], None if most is None else most - size

    def ids(self) -> Iterable[str]:
        return self._pages({"match_all": {}})

    def put(self, entries: Sequence[Entry]) -> None:
        lines: list[tuple[Any, Any]] = []
        for e in entries:
            extra = round(_DEFAULT.title) - 1
            words = [t for t, n in e.words.items() for _ in range(n)]
            words += [t for t, n in e.title.items() for _ in range(n * extra)]
            words += [_FILLER] * round(_DEFAULT.smoothing)
            source = {"id": e.id, "content": e.content, "meta": e.meta, "facts": list(e.facts), "body": " ".join(words)}
            lines.append(({"index": {"_id": e.id}}, source))
        self._bulk(lines)

    def _bulk(self, lines: Sequence[tuple[Any, Any]], missing: bool = False) -> list[Any]:
        """The items of the answers to many writes, seen by the next search; ``missing``: a document may be gone. Raises
        StoreError on the first that failed."""
        out: list[Any] = []
        body: list[Any] = []
        size = 0
        for n, pair in enumerate(lines):
            body += [part for part in pair if part is not None]
            size += sum(len(v) for v in (pair[1] or {}).values() if isinstance(v, str)) + 1000
            if size >= _BYTES or n == len(lines) - 1:
                out += self._ask("POST", "/_bulk", body, {"refresh": "true"})["items"]
                body, size = [], 0
        for item in out:
            (result,) = item.values()
            if result["status"] >= 300 and not (missing and result["status"] == 404):
                reason = result.get("error", {}).get("reason", "") if isinstance(result.get("error"), dict) else ""
                raise StoreError(
                    f"{self.address}: document {result.get('_id')!r:.80} was refused ({result['status']}): "
                    f"{short(reason, 300)}; others of the batch may be written"
                )
        return out

    def delete(self, ids: Sequence[str]) -> int:
        items = self._bulk([({"delete": {"_id": i}}, None) for i in dict.fromkeys(_possible(ids))], missing=True)
        return sum(item["delete"]["status"] == 200 for item in items)

    def _hits(self, body: Mapping[str, Any], k: int) -> list[tuple[str, float]]:
        if k > _MOST:
            raise InputError(f"{self.address}: k={k:,}: OpenSearch gives at most {_MOST:,} results")
        whole = {"size": k, "_source": False, "track_total_hits": False, **body}
        hits = self._ask("POST", "/_search", whole, {"search_type": "dfs_query_then_fetch"})["hits"]["hits"]
        return [(hit["_id"], float(hit["_score"])) for hit in hits]

    def words(self, weights: Mapping[str, float], k: int, among: Sequence[Clause], settings: Settings) -> Hits:
        if settings != _DEFAULT:
            raise InputError(
                f"{self.address}: BM25's settings are those of the server there, the default ones (k1={_DEFAULT.k1}, "
                f"b={_DEFAULT.b}, title={_DEFAULT.title}, smoothing={_DEFAULT.smoothing}): use bm25 without settings, "
                "or an index in a folder or in PostgreSQL"
            )
        if len(weights) > _CLAUSES:
            raise InputError(f"{self.address}: a query of {len(weights):,} terms: OpenSearch takes {_CLAUSES:,}")
        should = [{"term": {"body": {"value": t, "boost": float(w)}}} for t, w in weights.items()]
        return self._hits({"query": _bool(among, should=should, minimum_should_match=1)}, k)

    def frequencies(self, terms: Sequence[str]) -> dict[str, tuple[int, float]]:
        body = {"doc": {"body": " ".join(dict.fromkeys(terms))}, "fields": ["body"], "term_statistics": True}
        body |= {"field_statistics": False, "positions": False, "offsets": False}
        counted = self._ask("POST", "/_termvectors", body)["term_vectors"].get("body", {}).get("terms", {})
        return {t: (int(c["doc_freq"]), float(c["ttf"])) for t, c in counted.items() if c.get("doc_freq")}

    def open_vectors(self, name: str, described: Mapping[str, Any]) -> Mapping[str, Any]:
        dim, graph = int(described["dim"]), described["index"] == "approximate"
        check_index(self.address, described["index"])
        options = described.get("options", {})
        if unknown := sorted(set(options) - set(_OPTIONS if graph else ())):
            known = ", ".join(_OPTIONS) if graph else "none without --ann"
            raise InputError(f"{self.address}: no option {unknown[0]!r:.40}: there are {known}")
        chosen = {**_OPTIONS, **options} if graph else {}
        vectors = self._known.vectors
        if name in vectors:
            if graph and vectors[name]["index"] != "approximate":
                raise InputError(
                    f"{self.address}: the vectors of {name} were stored without a graph, which OpenSearch can't add: "
                    "index with --ann anew (--overwrite)"
                )
            return {**described, "options": chosen, "number": vectors[name]["number"]}
        number = 1 + max((v["number"] for v in vectors.values()), default=0)
        vector: dict[str, Any] = {"type": "knn_vector", "dimension": dim, "index": graph}
        if graph:
            parameters = {"m": chosen["connectivity"], "ef_construction": chosen["expansion_add"]}
            method = {"name": "hnsw", "engine": "lucene", "space_type": "innerproduct", "parameters": parameters}
            vector = {"type": "knn_vector", "dimension": dim, "method": method}
        properties = {f"vectors_{number}": vector, f"encoded_{number}": {"type": "boolean"}}
        self._ask("PUT", "/_mapping", {"properties": properties})
        return {**described, "options": chosen, "number": number}

    def _described(self, name: str) -> Mapping[str, Any]:
        if name not in self._known.vectors:
            self.read()
        if name not in self._known.vectors:
            raise InputError(f"{self.address}: holds no vectors {name!r:.80}")
        return self._known.vectors[name]

    def unencoded(self, name: str, most: int) -> list[str]:
        marked = {"term": {f"encoded_{self._described(name)['number']}": True}}
        return list(self._pages({"bool": {"must_not": [marked]}}, most))

    def put_vectors(self, name: str, ids: Sequence[str], vectors: Vectors, blank: Sequence[bool]) -> None:
        number, array = self._described(name)["number"], vectors.dense()
        if not np.isfinite(array).all():
            raise InputError(f"{name}: a vector holds a number that is not finite")
        lines = []
        for n, i in enumerate(ids):
            value = {} if blank[n] else {f"vectors_{number}": array[n].tolist()}
            lines.append(({"update": {"_id": i}}, {"doc": {**value, f"encoded_{number}": True}}))
        for start in range(0, len(lines), 256):
            self._bulk(lines[start : start + 256], missing=True)

    def near(self, name: str, query: Vectors, k: int, among: Sequence[Clause], exact: bool) -> Hits:
        described = self._described(name)
        field, vector = f"vectors_{described['number']}", query.dense()[0].tolist()
        body: dict[str, Any]
        if described["index"] == "approximate" and not exact:
            nearest: dict[str, Any] = {"vector": vector, "k": k}
            nearest["method_parameters"] = {"ef_search": max(k, int(described["options"]["expansion_search"]))}
            body = {"knn": {field: {**nearest, **({"filter": _bool(among)} if among else {})}}}
        else:
            parameters = {"field": field, "query_value": vector, "space_type": "innerproduct"}
            script = {"source": "knn_score", "lang": "knn", "params": parameters}
            wanted = _bool(among, must=[{"exists": {"field": field}}])
            body = {"script_score": {"query": wanted, "script": script}}
        return [(i, product(score)) for i, score in self._hits({"query": body}, k)]

    def vectors(self, name: str, ids: Sequence[str]) -> tuple[list[int], Vectors | None]:
        field = f"vectors_{self._described(name)['number']}"
        found = self._many(_possible(list(dict.fromkeys(ids))), [field])
        stored = {i: source[field] for i, source in found if field in source}
        positions = [p for p, i in enumerate(ids) if i in stored]
        rows = [stored[ids[p]] for p in positions]
        return positions, Dense(np.array(rows, dtype=np.float32)) if rows else None


def product(score: float) -> float:
    """The dot product of which the plugin made a score above 0.

    >>> product(1.5), product(0.5)
    (0.5, -1.0)
    """
    return score - 1 if score >= 1 else 1 - 1 / score


def _possible(ids: Sequence[str]) -> list[str]:
    """The ids that OpenSearch can hold: of 1 to 512 bytes."""
    return [i for i in ids if 0 < len(i.encode("utf-8", "replace")) <= 512]


def _bool(among: Sequence[Clause], **clauses: Any) -> dict[str, Any]:
    """A query of these clauses and a filter."""
    filters = [(_either(c.terms), c.negated) for c in among]
    out = {"filter": [f for f, negated in filters if not negated], "must_not": [f for f, negated in filters if negated]}
    return {"bool": {**clauses, **{name: some for name, some in out.items() if some}}}


def _either(terms: Sequence[str]) -> dict[str, Any]:
    """Documents with one of the terms, of which a filter takes so many at once."""
    parts = [{"terms": {"facts": list(terms[n : n + _TERMS])}} for n in range(0, len(terms), _TERMS)]
    return parts[0] if len(parts) == 1 else {"bool": {"should": parts}}


def open_server(address: Address) -> OpenSearch:
    """The server of an address. Raises MissingExtra without opensearch-py."""
    try:
        import opensearchpy  # noqa: F401
    except ImportError as error:
        raise MissingExtra("opensearchpy", "opensearch") from error
    if not address.host:
        raise InputError(f"{address.shown}: give a host: opensearch://HOST:9200/COLLECTION")
    return OpenSearch(address)
