"""Qdrant, over its official client: a point a document, with named vectors for each model, and its words as a sparse
vector whose weights are BM25's but for the inverse document frequency, which the server multiplies in.

``qdrant:///FOLDER/COLLECTION`` is the client's local mode: a folder, without a server, for one process and some 20,000
documents. Of a server the key is read from QDRANT_API_KEY, or from the address (``qdrant+https://:KEY@HOST/…``).

What differs from a folder's index: the mean length in BM25 is that of the first documents written, k1, b, the title's
weight and the smoothing are the default ones, and a term is known by 32 bits of its hash.
"""

from __future__ import annotations

import json
import pickle
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np

from ..core.errors import AnyrankError, InputError, MissingExtra, StoreError, short
from ..core.matches import Document
from ..index.exact import Settings
from ..vectors import Dense, Sparse, Tokens, Vectors
from .address import Address
from .base import About, Clause, Entry, Hits
from .connected import Connected
from .remote import document

_KEY, _WORDS, _ID, _FACTS = "anyrank", "words", "id", "facts"
_PAGE = 1_000  # points read at once
_FOLDER = (OSError, EOFError, LookupError, AttributeError, sqlite3.Error, pickle.PickleError)
"""What the client's local mode raises on a folder that is damaged or read-only."""
_DEFAULT = Settings()


@dataclass(slots=True, eq=False)
class Qdrant(Connected):
    """A `Server`."""

    kinds = ("dense", "sparse", "tokens")

    def _open(self) -> Any:
        from qdrant_client import QdrantClient

        at = self.at
        if not at.host:
            return QdrantClient(path="/" + "/".join(at.path))
        key = self._secret("QDRANT_API_KEY") or None
        scheme = "https" if at.scheme.endswith("https") else "http"
        url = f"{scheme}://{at.host}:{at.port or 6333}"
        prefix = "/".join(at.path) or None
        return QdrantClient(url=url, api_key=key, prefix=prefix, timeout=60, check_compatibility=False)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Errors of the client in our words."""
        from qdrant_client.common.client_exceptions import QdrantException
        from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

        try:
            yield
        except AnyrankError:
            raise
        except UnexpectedResponse as error:
            if error.status_code == 404:
                raise self._gone() from None
            content = short(self.at.scrubbed(error.content.decode("utf-8", "replace")), 300)
            if error.status_code in (401, 403):
                content += ". Give the key in QDRANT_API_KEY"
            raise StoreError(f"{self.address}: the server refuses ({error.status_code}): {content}") from None
        except (ResponseHandlingException, QdrantException) as error:
            self.close()
            text = short(self.at.scrubbed(error), 300)
            raise StoreError(f"{self.address}: can't be reached: {text}. What was acknowledged is kept") from None
        except (ValueError, RuntimeError, NotImplementedError) as error:
            text = short(self.at.scrubbed(error), 300)
            if text == f"Collection {self.at.name} not found":  # the local mode's
                raise self._gone() from None
            if isinstance(error, json.JSONDecodeError):
                raise self._damaged(error) from error
            raise StoreError(f"{self.address}: Qdrant's client refuses: {text}") from None
        except _FOLDER as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> StoreError:
        """The error of the local mode's folder, which can't be read or written."""
        folder, text = "/" + "/".join(self.at.path), short(f"{type(error).__name__}: {error}", 300)
        return StoreError(
            f"{self.address}: Qdrant's local mode can't use its folder {folder} ({text}): if it is damaged, remove it "
            "and index again"
        )

    def read(self) -> About | None:
        with self._errors():
            if not self._client.collection_exists(self.at.name):
                return None
            metadata = self._client.get_collection(self.at.name).config.metadata or {}
        return self._learned(metadata.get(_KEY))

    def create(self, about: About) -> None:
        from qdrant_client import models

        with self._errors():
            if self._client.collection_exists(self.at.name):
                raise InputError(f"{self.address}: is there already: choose another name of a collection")
            self._client.create_collection(
                self.at.name,
                vectors_config={},
                sparse_vectors_config={_WORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                metadata={_KEY: json.dumps(about.to_json())},
            )
            if self.at.host:  # the local mode has no index of fields
                for name in (_ID, _FACTS):
                    self._client.create_payload_index(self.at.name, name, models.PayloadSchemaType.KEYWORD, wait=True)
        self._about = about

    def drop(self) -> None:
        with self._errors():
            self._client.delete_collection(self.at.name)
        self._about = None

    def write(self, about: About) -> None:
        with self._errors():
            self._client.update_collection(self.at.name, metadata={_KEY: json.dumps(about.to_json())})
        self._about = about

    def count(self) -> int:
        with self._errors():
            return int(self._client.count(self.at.name, exact=True).count)

    def _retrieve(self, ids: Sequence[str], payload: Any, vectors: Any = False) -> Iterator[Any]:
        for start in range(0, len(ids), _PAGE):
            points = [point(i) for i in ids[start : start + _PAGE]]
            with self._errors():
                yield from self._client.retrieve(self.at.name, points, with_payload=payload, with_vectors=vectors)

    def present(self, ids: Sequence[str]) -> set[str]:
        return {p.payload[_ID] for p in self._retrieve(ids, [_ID])}

    def documents(self, ids: Sequence[str]) -> dict[str, Document]:
        points = self._retrieve(ids, [_ID, "content", "meta"])
        return {p.payload[_ID]: document(p.payload["content"], p.payload["meta"]) for p in points}

    def _scroll(self, filter: Any = None, most: int | None = None) -> Iterator[str]:
        offset = None
        while most is None or most > 0:
            size = _PAGE if most is None else min(most, _PAGE)
            with self._errors():
                points, offset = self._client.scroll(
                    self.at.name, filter, limit=size, offset=offset, with_payload=[_ID]
                )
            yield from (p.payload[_ID] for p in points)
            most = None if most is None else most - len(points)
            if offset is None:
                return

    def ids(self) -> Iterable[str]:
        return self._scroll()

    def put(self, entries: Sequence[Entry]) -> None:
        from qdrant_client import models

        mean = self._known.mean_length
        points = []
        for e in entries:
            indices, values = _arrays(weights(e, mean))
            payload = {_ID: e.id, "content": e.content, "meta": e.meta, _FACTS: list(e.facts)}
            words = models.SparseVector(indices=indices, values=values)
            points.append(models.PointStruct(id=point(e.id), payload=payload, vector={_WORDS: words}))
        with self._errors():
            self._client.upsert(self.at.name, points, wait=True)

    def delete(self, ids: Sequence[str]) -> int:
        from qdrant_client import models

        known = sorted(self.present(ids))
        if known:
            with self._errors():
                selector = models.PointIdsList(points=[point(i) for i in known])
                self._client.delete(self.at.name, selector, wait=True)
        return len(known)

    def words(self, weights: Mapping[str, float], k: int, among: Sequence[Clause], settings: Settings) -> Hits:
        from qdrant_client import models

        if settings != _DEFAULT:
            raise InputError(
                f"{self.address}: BM25's settings are written into the words there, and are the default ones "
                f"(k1={_DEFAULT.k1}, b={_DEFAULT.b}, title={_DEFAULT.title}, smoothing={_DEFAULT.smoothing}): use bm25 "
                "without settings, or an index in a folder or in PostgreSQL"
            )
        by_number: dict[int, float] = {}
        for term, weight in weights.items():
            by_number[number(term)] = by_number.get(number(term), 0.0) + float(weight)
        indices, values = _arrays(by_number)
        return self._query(models.SparseVector(indices=indices, values=values), _WORDS, k, among)

    def _query(self, query: Any, using: str, k: int, among: Sequence[Clause], params: Any = None) -> Hits:
        with self._errors():
            result = self._client.query_points(
                self.at.name,
                query,
                using=using,
                limit=k,
                query_filter=_filter(among),
                search_params=params,
                with_payload=[_ID],
            )
        return [(p.payload[_ID], float(p.score)) for p in result.points]

    def frequencies(self, terms: Sequence[str]) -> dict[str, tuple[int, float]]:
        raise InputError(
            f"{self.address}: Qdrant counts no terms, which rm3 and bo1 need: use them over an index in a folder or in "
            "PostgreSQL; feedback by vectors works"
        )

    def open_vectors(self, name: str, described: Mapping[str, Any]) -> Mapping[str, Any]:
        from qdrant_client import models

        kind, dim, graph = described["kind"], int(described["dim"]), described["index"] == "approximate"
        chosen, free = self._chosen(described), self._number(name)
        if graph and kind != "dense":
            raise InputError(f"{self.address}: the graph takes dense vectors, not {kind} ones: leave --ann out")
        if name in self._known.vectors:
            return {**described, "options": chosen, "number": free}
        config: Any
        if kind == "sparse":
            config = models.SparseVectorNameConfig(sparse=models.SparseVectorConfig())
        else:
            config = models.DenseVectorNameConfig(
                dense=models.DenseVectorConfig(
                    size=dim,
                    distance=models.Distance.DOT,
                    multivector_config=None
                    if kind == "dense"
                    else models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
                )
            )
        with self._errors():
            self._client.create_vector_name(self.at.name, f"vectors_{free}", config, wait=True)
            if kind != "sparse" and self.at.host:
                # states of tokens are compared with all: a graph of each state would cost more than it saves
                m = chosen.get("connectivity", 16 if kind == "dense" else 0)
                graph_config = models.HnswConfigDiff(m=m, ef_construct=chosen.get("expansion_add", 100))
                changed = {f"vectors_{free}": models.VectorParamsDiff(hnsw_config=graph_config)}
                self._client.update_collection(self.at.name, vectors_config=changed)
        return {**described, "options": chosen, "number": free}

    def unencoded(self, name: str, most: int) -> list[str]:
        from qdrant_client import models

        field = f"encoded_{self._described(name)['number']}"
        marked = models.FieldCondition(key=field, match=models.MatchValue(value=True))
        return list(self._scroll(models.Filter(must_not=[marked]), most))

    def put_vectors(self, name: str, ids: Sequence[str], vectors: Vectors, blank: Sequence[bool]) -> None:
        from qdrant_client import models

        number = self._described(name)["number"]
        if isinstance(vectors, Tokens) and (vectors.means is not None or vectors.weights is not None):
            raise InputError(
                f"{self.address}: {name} compares states by more than their products (weights, means of texts), which "
                "Qdrant can't: index into a folder (-o) with it"
            )
        if not all(np.isfinite(array).all() for array in vectors.arrays().values()):
            raise InputError(f"{name}: a vector holds a number that is not finite")
        points = [
            models.PointVectors(id=point(i), vector={f"vectors_{number}": _value(vectors, n)})
            for n, i in enumerate(ids)
            if not blank[n]
        ]
        with self._errors():
            if points:
                self._client.update_vectors(self.at.name, points, wait=True)
            marks = [point(i) for i in ids]
            self._client.set_payload(self.at.name, {f"encoded_{number}": True}, points=marks, wait=True)

    def near(self, name: str, query: Vectors, k: int, among: Sequence[Clause], exact: bool) -> Hits:
        from qdrant_client import models

        described = self._described(name)
        graph = described["index"] == "approximate" and not exact
        params = None
        if described["kind"] == "dense" and self.at.host:  # the local mode compares all
            width = max(k, int(described["options"]["expansion_search"])) if graph else None
            params = models.SearchParams(exact=not graph, hnsw_ef=width)
        hits = self._query(_value(query, 0), f"vectors_{described['number']}", k, among, params)
        return [(i, s) for i, s in hits if s] if described["kind"] == "sparse" else hits

    def vectors(self, name: str, ids: Sequence[str]) -> tuple[list[int], Vectors | None]:
        described = self._described(name)
        key = f"vectors_{described['number']}"
        points = self._retrieve(list(dict.fromkeys(ids)), [_ID], [key])
        stored = {p.payload[_ID]: p.vector[key] for p in points if p.vector and key in p.vector}
        positions = [p for p, i in enumerate(ids) if i in stored]
        rows = [stored[ids[p]] for p in positions]
        if not rows:
            return [], None
        if described["kind"] == "sparse":
            maps = [dict(zip(row.indices, row.values)) for row in rows]
            return positions, Sparse.of(maps, int(described["dim"]))
        arrays = [np.asarray(row, dtype=np.float32) for row in rows]
        if described["kind"] == "dense":
            return positions, Dense(np.stack(arrays))
        return positions, Tokens(np.cumsum([0, *map(len, arrays)], dtype=np.int64), np.concatenate(arrays))


def point(id: str) -> str:
    """The number of a document's point: the same for the same id."""
    return str(uuid5(NAMESPACE_OID, id.encode("utf-8", "surrogatepass").hex()))


def number(term: str) -> int:
    """A term as a dimension of the sparse vectors of words."""
    return int.from_bytes(blake2b(term.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "big")


def weights(entry: Entry, mean: float) -> dict[int, float]:
    """The weights of a document's words: tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / mean)), the title counted as
    in `Settings`; ``mean`` is that of the lengths without smoothing."""
    s = _DEFAULT
    length = entry.length + (s.title - 1) * entry.title_length + s.smoothing
    norm = s.k1 * (1 - s.b + s.b * length / max(mean + s.smoothing, 1e-12))
    out: dict[int, float] = {}
    for term in entry.words.keys() | entry.title.keys():
        tf = entry.words.get(term, 0) + (s.title - 1) * entry.title.get(term, 0)
        out[number(term)] = out.get(number(term), 0.0) + tf * (s.k1 + 1) / (tf + norm)
    return out


def _arrays(row: Mapping[int, float]) -> tuple[list[int], list[float]]:
    return list(row), list(row.values())


def _value(vectors: Vectors, row: int) -> Any:
    """A row as the client takes it."""
    from qdrant_client import models

    if isinstance(vectors, Sparse):
        indices, values = _arrays(vectors.row(row))
        return models.SparseVector(indices=indices, values=values)
    if isinstance(vectors, Tokens):
        one = vectors.take([row])
        states = one.states.astype(np.float32)
        return (states if one.weights is None else states * one.weights[:, None]).tolist()
    return vectors.dense()[row].tolist()


def _filter(among: Sequence[Clause]) -> Any:
    """A filter in Qdrant's terms; None without one."""
    from qdrant_client import models

    if not among:
        return None
    fields = [(models.FieldCondition(key=_FACTS, match=models.MatchAny(any=list(c.terms))), c.negated) for c in among]
    return models.Filter(must=[f for f, negated in fields if not negated], must_not=[f for f, n in fields if n])


def open_server(address: Address) -> Qdrant:
    """The server of an address. Raises MissingExtra without qdrant-client."""
    try:
        import qdrant_client  # noqa: F401
    except ImportError as error:
        raise MissingExtra("qdrant_client", "qdrant") from error
    if not address.host and not address.path:
        raise InputError(f"{address.shown}: give a folder: qdrant:///FOLDER/COLLECTION")
    address.check_settings()
    return Qdrant(address)
