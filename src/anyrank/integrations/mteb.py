"""MTEB: our encoders (`Encoder`) and pipelines (`CrossEncoder`) as models of the benchmark.

import mteb
from anyrank.integrations.mteb import CrossEncoder, Encoder
tasks = mteb.get_tasks(["NFCorpus"])
mteb.evaluate(Encoder("minilm"), tasks)
mteb.evaluate(CrossEncoder("mini"), tasks.convert_to_reranking(…))
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import vectors
from ..core.errors import InputError, MissingExtra
from ..core.types import Ranking
from ..hub.open import open_model
from .ranked import reranker, scores_of, unranked

try:
    from mteb.models import ModelMeta
    from mteb.models.model_meta import ScoringFunction
    from mteb.similarity_functions import dot_score, pairwise_dot_score
    from mteb.types import PromptType
except ModuleNotFoundError as error:
    raise MissingExtra("mteb", "mteb") from error


class Encoder:
    """A dense encoder of any name that `anyrank.hub.open.open_model` takes, with its own prompts: those of queries for
    MTEB's queries, those of documents for all else. Vectors are compared by their product, which is the cosine of
    encoders that make vectors of length 1."""

    def __init__(
        self, model_name: str, revision: str | None = None, *, device: str | None = None, **options: Any
    ) -> None:
        name = f"{model_name}@{revision}" if revision else model_name
        self.model = open_model(name, **options)
        if not isinstance(self.model, vectors.Encoder):
            raise InputError(f"{name} makes no vectors: use CrossEncoder for a reranker")
        width = self.model.encode(["a text"]).vectors.dense().shape[1]  # an error here if they are no dense ones
        fields = {"similarity_fn_name": ScoringFunction.DOT_PRODUCT, "model_type": ["dense"], "embed_dim": width}
        self.mteb_model_meta = _meta(model_name, revision, loader=Encoder, **fields)

    def encode(self, inputs: Any, *, prompt_type: Any = None, **others: Any) -> NDArray[np.float32]:
        """Vectors [n, dim] of the texts of batches."""
        is_query = prompt_type == PromptType.query
        parts = [self.model.encode(batch, query=is_query).vectors.dense() for batch in _batches(inputs)]
        return np.concatenate(parts) if parts else np.zeros((0, self.mteb_model_meta.embed_dim), dtype=np.float32)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """The product of each vector with each other one."""
        return dot_score(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """The product of the vectors of each pair."""
        return pairwise_dot_score(embeddings1, embeddings2)


class CrossEncoder:
    """A reranking pipeline, or the server at an address. The texts of one query that follow each other are ranked
    together, so that pipelines which compare texts with each other are measured as they are used."""

    def __init__(self, model_name: str, revision: str | None = None, device: str | None = None) -> None:
        if revision:
            raise InputError(f"revision={revision!r}: write it into the pipeline, as owner/name@revision")
        self.pipeline = model_name
        self.model = reranker(model_name)
        self.mteb_model_meta = _meta(model_name, None, loader=CrossEncoder, model_type=["cross-encoder"])

    def predict(self, inputs1: Any, inputs2: Any, **others: Any) -> NDArray[np.float64]:
        """A score for each pair of a query of ``inputs1`` and a text of ``inputs2``."""
        queries, texts = ([t for batch in _batches(i) for t in batch] for i in (inputs1, inputs2))
        if len(queries) != len(texts):
            raise InputError(f"{len(queries)} queries for {len(texts)} texts: expected pairs")
        rankings: list[Ranking] = []
        for number, (query, group) in enumerate(groupby(zip(queries, texts), key=lambda pair: pair[0])):
            rankings.append(unranked(query, [text for _, text in group], str(number)))
        scores = [scores_of(after, len(before)) for before, after in zip(rankings, self.model.batch(rankings))]
        return np.array([score for part in scores for score in part], dtype=np.float64)


def _batches(inputs: Iterable[Any]) -> Iterable[Sequence[str]]:
    """The texts of each batch. Raises InputError on a batch without any."""
    for batch in inputs:
        if "text" not in batch:
            raise InputError(f"a batch of {', '.join(batch)}: only texts are read here")
        yield list(batch["text"])


def _meta(name: str, revision: str | None, **fields: Any) -> Any:
    """What MTEB writes beside results. Its names are owner/name, from which it makes folders."""
    short = "-".join(os.path.basename(os.path.normpath(name)).split()) if os.path.isdir(name) else name
    if short.count("/") != 1 or not all(part.strip("-") for part in short.split("/")):
        short = "anyrank/" + "".join(c if c.isalnum() or c in "._" else "-" for c in short).strip("-")
    return ModelMeta.create_empty(overwrites={"name": short, "revision": revision, "modalities": ["text"], **fields})


def scores(name: str, tasks: Sequence[Any]) -> dict[str, float]:
    """The main score of each of MTEB's tasks (names, or tasks of its own classes): of the encoder of a name, or of a
    pipeline that reranks, for its reranking tasks. Raises InputError on a name that MTEB doesn't know."""
    import mteb

    try:
        known = [task for t in tasks for task in (mteb.get_tasks(tasks=[t]) if isinstance(t, str) else [t])]
    except (KeyError, ValueError) as error:
        raise InputError(f"MTEB has no such task: {error}") from None
    model: Encoder | CrossEncoder
    try:
        model = Encoder(name)
    except InputError:
        model = CrossEncoder(name)
    results = mteb.evaluate(model, known, cache=None)
    return {r.task_name: float(r.get_score()) for r in results.task_results}
