"""Elasticsearch, over its official client, with its field of dense vectors (`lucene` has what it has in common with
OpenSearch).

A password is read from ELASTICSEARCH_PASSWORD, or from the address
(``elasticsearch+https://USER@HOST:9200/COLLECTION``); without a user the password is an API key, also read from
ELASTICSEARCH_API_KEY. A client of one major version speaks to servers of that version, and of the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from ..core.errors import InputError, MissingExtra, StoreError, short
from .address import Address
from .lucene import Lucene

_DIM = 4_096
"""The most numbers of a vector."""
_CANDIDATES = 10_000
"""The most vectors that a search by the graph looks at."""
_AT_ONCE = 500
"""Vectors read at once."""


@dataclass(slots=True, eq=False)
class Elasticsearch(Lucene):
    """A `Server`."""

    product = "Elasticsearch"
    password = "ELASTICSEARCH_PASSWORD"

    def _open(self) -> Any:
        from elasticsearch import Elasticsearch as Client

        at = self.at
        scheme = "https" if at.scheme.endswith("https") else "http"
        host: dict[str, Any] = {
            "host": at.host,
            "port": at.port or 9200,
            "scheme": scheme,
            "path_prefix": "/".join(at.path),
        }
        options: dict[str, Any] = {"request_timeout": 60}
        if at.user:
            options["basic_auth"] = at.user, self._secret(self.password)
        elif key := self._secret("ELASTICSEARCH_API_KEY"):
            options["api_key"] = key
        if authority := self._authority():
            options["ca_certs"] = authority
        return Client(hosts=[host], **options)

    def _send(self, method: str, path: str, params: Mapping[str, str] | None, body: str | None, lines: bool) -> Any:
        import elasticsearch

        headers = {"accept": "application/json"}
        if body is not None:
            headers["content-type"] = "application/x-ndjson" if lines else "application/json"
        try:
            answer = self._client.perform_request(method, path, params=params, headers=headers, body=body)
        except elasticsearch.NotFoundError:
            raise self._gone() from None
        except elasticsearch.UnsupportedProductError:
            raise StoreError(
                f"{self.address}: the server is not Elasticsearch: of OpenSearch the address begins with opensearch://"
            ) from None
        except elasticsearch.ApiError as error:
            raise self._refused(error.status_code, error.error, error.body) from None
        except elasticsearch.SerializationError as error:
            raise StoreError(f"{self.address}: {short(self.at.scrubbed(error.message), 300)}") from None
        except elasticsearch.TransportError as error:
            raise self._unreachable(error.message) from None
        return bool(answer) if method == "HEAD" else answer.body

    def _refused(self, status: Any, what: Any, answer: Any) -> StoreError:
        if what == "media_type_header_exception":
            return StoreError(
                f"{self.address}: the server is older than the client, {version('elasticsearch')}: install that of its "
                "version, pip install 'elasticsearch<9' for 8"
            )
        return Lucene._refused(self, status, what, answer)

    def _field(self, dim: int, chosen: Mapping[str, Any]) -> dict[str, Any]:
        if dim > _DIM:
            raise InputError(
                f"{self.address}: vectors of {dim:,} numbers: Elasticsearch holds those of at most {_DIM:,}: index "
                "into a folder (-o), or choose another model"
            )
        if not chosen:
            return {"type": "dense_vector", "dims": dim, "index": False}
        graph = {"type": "hnsw", "m": chosen["connectivity"], "ef_construction": chosen["expansion_add"]}
        return {
            "type": "dense_vector",
            "dims": dim,
            "index": True,
            "similarity": "max_inner_product",
            "index_options": graph,
        }

    def _compared(self, field: str, vector: Sequence[float], wanted: Mapping[str, Any]) -> dict[str, Any]:
        # A score is above 0; this is the one that Elasticsearch itself makes of an inner product.
        text = f"double p = dotProduct(params.query, '{field}'); return p < 0 ? 1 / (1 - p) : p + 1;"
        return {"script_score": {"query": wanted, "script": {"source": text, "params": {"query": vector}}}}

    def _nearest(
        self, field: str, vector: Sequence[float], k: int, width: int, among: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        nearest = {"field": field, "query_vector": vector, "num_candidates": min(width, _CANDIDATES)}
        return {"knn": {**nearest, **({"filter": among} if among else {})}}

    def _stored(self, ids: Sequence[str], field: str) -> Iterator[tuple[str, Any]]:
        # Since version 9.2 a vector isn't part of a document's source; as a field every version gives it.
        for start in range(0, len(ids), _AT_ONCE):
            part = list(ids[start : start + _AT_ONCE])
            hits = self._search({"query": {"ids": {"values": part}}, "fields": [field]}, len(part))
            yield from ((hit["_id"], hit["fields"][field]) for hit in hits if field in hit.get("fields", {}))


def open_server(address: Address) -> Elasticsearch:
    """The server of an address. Raises MissingExtra without elasticsearch."""
    try:
        import elasticsearch  # noqa: F401
    except ImportError as error:
        raise MissingExtra("elasticsearch", "elasticsearch") from error
    if not address.host:
        raise InputError(f"{address.shown}: give a host: elasticsearch://HOST:9200/COLLECTION")
    address.check_settings("ca_certs")
    return Elasticsearch(address)
