"""Embeddings in OpenAI's and Cohere's form."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .requests import Refusal, name, text, whole

FORMATS = ("float", "base64")


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Texts to be embedded. ``dimensions``: the first numbers of each vector, brought to length 1 again."""

    texts: tuple[str, ...]
    model: str = ""
    format: str = "float"
    dimensions: int | None = None
    query: bool = False


def read_openai(body: Mapping[str, Any], most: int = 2048) -> EmbedRequest:
    """The request in a body of ``/v1/embeddings``. Raises Refusal.

    >>> read_openai({"input": "a text", "encoding_format": "base64"}).format
    'base64'
    """
    given = body.get("input")
    if isinstance(given, list) and any(isinstance(x, int | list) for x in given):
        raise Refusal(422, "input holds numbers of tokens: send texts")
    form = "float" if body.get("encoding_format") is None else body["encoding_format"]
    if form not in FORMATS:
        raise Refusal(400, f"encoding_format is {str(form)[:40]!r}: expected {' or '.join(FORMATS)}")
    query = name(body.get("input_type"), "input_type") in ("query", "search_query")
    return EmbedRequest(
        _texts(given, "input", most),
        name(body.get("model"), "model"),
        form,
        whole(body.get("dimensions"), "dimensions", 1),
        query,
    )


def read_cohere(body: Mapping[str, Any], most: int = 2048) -> EmbedRequest:
    """The request in a body of ``/v2/embed``. Raises Refusal."""
    types = ["float"] if body.get("embedding_types") is None else body["embedding_types"]
    if types != ["float"]:
        raise Refusal(422, f"embedding_types is {str(types)[:80]}: only float is served")
    texts = _texts(body.get("texts"), "texts", most)
    dimension = whole(body.get("output_dimension"), "output_dimension", 1)
    query = name(body.get("input_type"), "input_type") == "search_query"
    return EmbedRequest(texts, name(body.get("model"), "model"), "float", dimension, query)


def _texts(given: Any, field: str, most: int) -> tuple[str, ...]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise Refusal(400, f"{field} is missing: expected a text or a list of texts")
    if len(texts) > most:
        raise Refusal(413, f"{len(texts):,} texts: at most {most:,} in a request")
    return tuple(text(t, f"{field}[{i}]") for i, t in enumerate(texts))


def shortened(vectors: NDArray[np.float32], dimensions: int | None) -> NDArray[np.float32]:
    """The first numbers of each vector, of length 1. Raises Refusal if there are not so many.

    >>> shortened(np.array([[3.0, 4.0, 12.0]], dtype=np.float32), 2).round(3).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    if dimensions is None or dimensions == vectors.shape[1]:
        return vectors
    if dimensions > vectors.shape[1]:
        raise Refusal(400, f"dimensions is {dimensions}: the model's vectors have {vectors.shape[1]}")
    cut = vectors[:, :dimensions]
    return np.asarray(cut / np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def openai_answer(request: EmbedRequest, model: str, vectors: NDArray[np.float32], tokens: int) -> dict[str, Any]:
    """The answer of ``/v1/embeddings``."""
    rows: Sequence[Any] = vectors.tolist()
    if request.format == "base64":
        rows = [base64.b64encode(v.astype("<f4").tobytes()).decode() for v in vectors]
    data = [{"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(rows)]
    return {"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def cohere_answer(request: EmbedRequest, id: str, vectors: NDArray[np.float32], tokens: int) -> dict[str, Any]:
    """The answer of ``/v2/embed``."""
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": tokens}}
    return {
        "id": id,
        "response_type": "embeddings_by_type",
        "embeddings": {"float": vectors.tolist()},
        "texts": list(request.texts),
        "meta": meta,
    }
