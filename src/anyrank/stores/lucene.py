"""What OpenSearch and Elasticsearch have in common, over their REST interface: an index (of one shard) with a document
each, their words as our terms, which the server scores by its BM25, and dense vectors.

What differs from a folder's index: writes are whole for each document, not for a batch; k1 and b are the default ones;
vectors are dense ones; k is at most 10,000.
"""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..core.errors import InputError, StoreError, quoted, short
from ..core.matches import Document
from ..index.exact import Settings
from ..vectors import Dense, Vectors
from .base import About, Clause, Entry, Hits
from .connected import Connected
from .remote import document

_KEY, _FILLER = "anyrank", "."
_PAGE, _MOST = 1_000, 10_000  # hits read at once, and in one search
_TERMS, _CLAUSES = 65_536, 1_024  # values of a filter, and terms of a query, that a server takes
_BYTES = 8 << 20  # of one request of writes
_DEFAULT = Settings()


@dataclass(slots=True, eq=False)
class Lucene(Connected):
    """A `Server` but for the client, the field of vectors, and the queries that compare them."""

    product: ClassVar[str]
    """The server's name in errors."""
    password: ClassVar[str]
    """The environment variable of the password."""
    settings: ClassVar[Mapping[str, Any]] = {}
    """Settings of a new index."""
    kinds: ClassVar[Sequence[str]] = ("dense",)

    @abstractmethod
    def _send(self, method: str, path: str, params: Mapping[str, str] | None, body: str | None, lines: bool) -> Any:
        """The server's answer, decoded; of HEAD whether there is such an index. ``lines``: the body is one of JSON
        lines. Raises InputError or StoreError on the client's errors (`_refused`, `_unreachable`, `_gone`)."""

    @abstractmethod
    def _field(self, dim: int, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """The mapping of a field of vectors; ``chosen`` are the options of its graph, none without one."""

    @abstractmethod
    def _compared(self, field: str, vector: Sequence[float], wanted: Mapping[str, Any]) -> dict[str, Any]:
        """A query that compares a vector with those of all ``wanted`` documents, with the scores of `product`."""

    @abstractmethod
    def _nearest(
        self, field: str, vector: Sequence[float], k: int, width: int, among: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """A query for the k nearest vectors by the field's graph, with the scores of `product`."""

    def _ask(self, method: str, path: str, body: Any = None, params: Mapping[str, str] | None = None) -> Any:
        """The answer of the server to a request about the index; ``path`` begins behind its name. A body of a list is
        sent as lines of JSON."""
        lines = isinstance(body, list)
        text = None if body is None else "".join(json.dumps(b) + "\n" for b in body) if lines else json.dumps(body)
        return self._send(method, f"/{self.at.name}{path}", params, text, lines)

    def _authority(self) -> str | None:
        """The file of the authority that the server's certificate is checked by, if the address names one. Raises
        InputError if there is no such file."""
        path = self.at.query.get("ca_certs")
        if path is not None and not os.path.isfile(path):
            raise InputError(f"{self.address}: ca_certs: there is no file {quoted(path)}")
        return path

    def _unreachable(self, why: Any) -> StoreError:
        """The error of a server that can't be reached."""
        text = short(self.at.scrubbed(why), 300)
        if "CERTIFICATE_VERIFY_FAILED" in text:
            text += ". If it has a certificate of its own, name the file of its authority: ?ca_certs=http_ca.crt"
        return StoreError(f"{self.address}: can't be reached: {text}. What was acknowledged is kept")

    def _refused(self, status: Any, what: Any, answer: Any) -> StoreError:
        """The error of a request that the server refuses with a status and an answer."""
        info = answer.get("error", "") if isinstance(answer, Mapping) else ""
        reason = info.get("reason", "") if isinstance(info, Mapping) else info
        text = short(self.at.scrubbed(f"{what} {reason}"), 300)
        if status == 401:
            text += f". Give a user in the address (USER@HOST) and the password in {self.password}"
        return StoreError(f"{self.address}: the server refuses ({status}): {text}")

    def read(self) -> About | None:
        if not self._ask("HEAD", ""):
            return None
        (index,) = self._ask("GET", "/_mapping").values()
        return self._learned(index["mappings"].get("_meta", {}).get(_KEY))

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
        settings = {"index": {"number_of_shards": 1, **self.settings}}
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

    def _search(self, body: Mapping[str, Any], k: int) -> list[Any]:
        """The hits of a search, without the documents."""
        whole = {"size": k, "_source": False, "track_total_hits": False, **body}
        hits: list[Any] = self._ask("POST", "/_search", whole, {"search_type": "dfs_query_then_fetch"})["hits"]["hits"]
        return hits

    def _hits(self, query: Mapping[str, Any], k: int) -> Hits:
        if k > _MOST:
            raise InputError(f"{self.address}: k={k:,}: {self.product} gives at most {_MOST:,} results")
        return [(hit["_id"], float(hit["_score"])) for hit in self._search({"query": query}, k)]

    def words(self, weights: Mapping[str, float], k: int, among: Sequence[Clause], settings: Settings) -> Hits:
        if settings != _DEFAULT:
            raise InputError(
                f"{self.address}: BM25's settings are those of the server there, the default ones (k1={_DEFAULT.k1}, "
                f"b={_DEFAULT.b}, title={_DEFAULT.title}, smoothing={_DEFAULT.smoothing}): use bm25 without settings, "
                "or an index in a folder or in PostgreSQL"
            )
        if len(weights) > _CLAUSES:
            raise InputError(f"{self.address}: a query of {len(weights):,} terms: {self.product} takes {_CLAUSES:,}")
        should = [{"term": {"body": {"value": t, "boost": float(w)}}} for t, w in weights.items()]
        return self._hits(_bool(among, should=should, minimum_should_match=1), k)

    def frequencies(self, terms: Sequence[str]) -> dict[str, tuple[int, float]]:
        body = {"doc": {"body": " ".join(dict.fromkeys(terms))}, "fields": ["body"], "term_statistics": True}
        body |= {"field_statistics": False, "positions": False, "offsets": False}
        counted = self._ask("POST", "/_termvectors", body)["term_vectors"].get("body", {}).get("terms", {})
        return {t: (int(c["doc_freq"]), float(c["ttf"])) for t, c in counted.items() if c.get("doc_freq")}

    def check_vectors(self, kind: str, dim: int, index: str, options: Mapping[str, Any]) -> None:
        self._field(dim, self._chosen({"index": index, "options": options}))

    def open_vectors(self, name: str, described: Mapping[str, Any]) -> Mapping[str, Any]:
        chosen, vectors, number = self._chosen(described), self._known.vectors, self._number(name)
        if name in vectors:
            if chosen and vectors[name]["index"] != "approximate":
                raise InputError(
                    f"{self.address}: the vectors of {name} were stored without a graph, which {self.product} can't "
                    "add: index with --ann anew (--overwrite)"
                )
        else:
            vector = self._field(int(described["dim"]), chosen)
            properties = {f"vectors_{number}": vector, f"encoded_{number}": {"type": "boolean"}}
            self._ask("PUT", "/_mapping", {"properties": properties})
        return {**described, "options": chosen, "number": number}

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
        if described["index"] == "approximate" and not exact:
            width = max(k, int(described["options"]["expansion_search"]))
            search = self._nearest(field, vector, k, width, _bool(among) if among else None)
        else:
            search = self._compared(field, vector, _bool(among, must=[{"exists": {"field": field}}]))
        return [(i, product(score)) for i, score in self._hits(search, k)]

    def _stored(self, ids: Sequence[str], field: str) -> Iterator[tuple[str, Any]]:
        """The vectors of a field of those ids that have one."""
        return ((i, source[field]) for i, source in self._many(ids, [field]) if field in source)

    def vectors(self, name: str, ids: Sequence[str]) -> tuple[list[int], Vectors | None]:
        field = f"vectors_{self._described(name)['number']}"
        stored = dict(self._stored(_possible(list(dict.fromkeys(ids))), field))
        positions = [p for p, i in enumerate(ids) if i in stored]
        rows = [stored[ids[p]] for p in positions]
        return positions, Dense(np.array(rows, dtype=np.float32)) if rows else None


def product(score: float) -> float:
    """The dot product of which the server made a score above 0.

    >>> product(1.5), product(0.5)
    (0.5, -1.0)
    """
    return score - 1 if score >= 1 else 1 - 1 / score


def _possible(ids: Sequence[str]) -> list[str]:
    """The ids that a server can hold: of 1 to 512 bytes."""
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
