"""The tasks of Hugging Face's InferenceClient that an encoder answers: feature extraction, sentence similarity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .embeddings import EmbedRequest
from .requests import Refusal, text


@dataclass(frozen=True, slots=True)
class Task:
    """Texts to be embedded, and whether the answer is the similarity of the first to each of the others."""

    texts: tuple[str, ...]
    similarity: bool = False

    @property
    def request(self) -> EmbedRequest:
        return EmbedRequest(self.texts)


def read_task(body: Mapping[str, Any], most: int = 2048) -> Task:
    """The task that the inputs of a request show. Raises Refusal on those of another task, and on too many texts.

    >>> read_task({"inputs": {"source_sentence": "a", "sentences": ["b"]}})
    Task(texts=('a', 'b'), similarity=True)
    """
    inputs = body.get("inputs")
    if isinstance(inputs, Mapping) and "source_sentence" in inputs:
        sentences = inputs.get("sentences")
        if not isinstance(sentences, list) or not sentences:
            raise Refusal(400, "inputs.sentences is no list of texts")
        _bounded(sentences, most)
        others = (text(s, f"inputs.sentences[{i}]") for i, s in enumerate(sentences))
        return Task((text(inputs["source_sentence"], "inputs.source_sentence"), *others), True)
    if "parameters" in body and not {"normalize", "truncate"} & body.keys():
        raise Refusal(422, "text classification is not served: send documents to /rerank")
    texts: Sequence[Any] = inputs if isinstance(inputs, list) else [inputs]
    if not texts:
        raise Refusal(400, "inputs is empty: expected a text or a list of texts")
    _bounded(texts, most)
    return Task(tuple(text(t, f"inputs[{i}]") for i, t in enumerate(texts)))


def _bounded(texts: Sequence[Any], most: int) -> None:
    if len(texts) > most:
        raise Refusal(413, f"{len(texts):,} texts: at most {most:,} in a request")


def task_answer(task: Task, vectors: NDArray[np.float32]) -> Any:
    """Vectors, or the cosines of the first with the others."""
    if not task.similarity:
        return vectors.tolist()
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return (unit[1:] @ unit[0]).tolist()
