"""OpenSearch, over its official client, with the dense vectors of its k-NN plugin (`lucene` has what it has in common
with Elasticsearch).

A password is read from OPENSEARCH_PASSWORD, or from the address (``opensearch+https://USER@HOST:9200/COLLECTION``).
From version 3 on scores of BM25 are 1 / (k1 + 1) of ours, as Lucene computes it now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..core.errors import InputError, MissingExtra, StoreError, short
from .address import Address
from .lucene import Lucene


@dataclass(slots=True, eq=False)
class OpenSearch(Lucene):
    """A `Server`."""

    product = "OpenSearch"
    password = "OPENSEARCH_PASSWORD"
    settings: ClassVar[Mapping[str, Any]] = {"knn": True, "knn.algo_param.ef_search": 128}

    def _open(self) -> Any:
        from opensearchpy import OpenSearch as Client

        at = self.at
        return Client(
            hosts=[{"host": at.host, "port": at.port or 9200, "url_prefix": "/".join(at.path)}],
            http_auth=(at.user, self._secret(self.password)) if at.user else None,
            use_ssl=at.scheme.endswith("https"),
            ca_certs=self._authority(),
            timeout=60,
        )

    def _send(self, method: str, path: str, params: Mapping[str, str] | None, body: str | None, lines: bool) -> Any:
        from opensearchpy import exceptions

        try:
            return self._client.transport.perform_request(method, path, params=params, body=body)
        except exceptions.NotFoundError:
            raise self._gone() from None
        except exceptions.ConnectionError as error:
            raise self._unreachable(error.error) from None
        except exceptions.TransportError as error:
            raise self._refused(error.status_code, error.error, error.info) from None
        except exceptions.OpenSearchException as error:
            raise StoreError(f"{self.address}: {short(self.at.scrubbed(error), 300)}") from None

    def _field(self, dim: int, chosen: Mapping[str, Any]) -> dict[str, Any]:
        if not chosen:
            return {"type": "knn_vector", "dimension": dim, "index": False}
        parameters = {"m": chosen["connectivity"], "ef_construction": chosen["expansion_add"]}
        method = {"name": "hnsw", "engine": "lucene", "space_type": "innerproduct", "parameters": parameters}
        return {"type": "knn_vector", "dimension": dim, "method": method}

    def _compared(self, field: str, vector: Sequence[float], wanted: Mapping[str, Any]) -> dict[str, Any]:
        parameters = {"field": field, "query_value": vector, "space_type": "innerproduct"}
        script = {"source": "knn_score", "lang": "knn", "params": parameters}
        return {"script_score": {"query": wanted, "script": script}}

    def _nearest(
        self, field: str, vector: Sequence[float], k: int, width: int, among: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        nearest = {"vector": vector, "k": k, "method_parameters": {"ef_search": width}}
        return {"knn": {field: {**nearest, **({"filter": among} if among else {})}}}


def open_server(address: Address) -> OpenSearch:
    """The server of an address. Raises MissingExtra without opensearch-py."""
    try:
        import opensearchpy  # noqa: F401
    except ImportError as error:
        raise MissingExtra("opensearchpy", "opensearch") from error
    if not address.host:
        raise InputError(f"{address.shown}: give a host: opensearch://HOST:9200/COLLECTION")
    address.check_settings("ca_certs")
    return OpenSearch(address)
