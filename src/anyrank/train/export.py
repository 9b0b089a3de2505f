"""Export: an encoder or reranker as the int8 ONNX graph that the base install runs, checked against the original.

A BERT's graph is written by hand (`bert_graph`), any other's by torch's exporter (`int8_graph`). Neither has scales
that depend on the rest of a batch.
"""

from __future__ import annotations

import copy
import inspect
import json
import logging
import math
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from ..backends.onnx.batching import Text
from ..backends.onnx.models import load
from ..core.content import text_of
from ..core.errors import InputError, ModelError
from ..core.types import Candidate, Query
from ..hub.open import declare
from ..models import model_class
from ..models.base import DECLARATION
from .bert_graph import CHUNKS, EPS, Bert
from .calibration import tops
from .group import Group
from .int8_graph import float_graph, int8_graph
from .recipe import Export
from .validation import scores

log = logging.getLogger(__name__)

CHECKED = 64
"""Groups that the graph is compared on."""
NAMES = ("input_ids", "attention_mask", "token_type_ids")
"""The inputs of graphs that the base install can run."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A graph and how it compares with its original: ``agreement`` is the mean over groups of Spearman's rank
    correlation (models that score pairs; over all texts together if no group has two) or the mean cosine of the texts'
    vectors (encoders), ``difference`` the largest absolute one of a score (of a vector's component). A graph below
    ``least`` is not ``accepted``, and is removed."""

    path: Path
    bytes: int
    agreement: float
    difference: float
    texts: int
    least: float
    what: str

    @property
    def accepted(self) -> bool:
        return self.agreement >= self.least


KINDS = ("cross", "bi", "late", "sparse")
"""Kinds whose graphs the base install runs."""


def unfit(model: Any) -> str:
    """The reason why a model can't have an int8 graph; "" if it can."""
    if model.kind == "bi" and model.separate_documents:
        return "queries and documents have an encoder each, and a graph is of one: separate_documents: false has one"
    return "" if model.kind in KINDS else f"models of kind {model.kind} can't be exported, only {', '.join(KINDS)}"


def by_hand(model: Any) -> bool:
    """Whether `bert_graph` fits: a BERT with the usual GELU, its projections and pooling those that it knows."""
    config = model.body.config
    bert = config.model_type == "bert" and config.hidden_act == "gelu" and config.layer_norm_eps == EPS
    if model.kind == "bi":
        return bert and model.pooling in ("mean", "cls") and not len(model.projection)
    if model.kind == "sparse":
        parts = -(-config.vocab_size // CHUNKS)  # of the vocabulary; the last must not be empty
        usual = (model.pooling, model.activation) == ("max", "relu") and config.tie_word_embeddings
        return bert and usual and parts * (CHUNKS - 1) < config.vocab_size
    return bool(bert)


def export(
    model: Any, folder: Path, groups: Sequence[Group], spec: Export, seed: int = 0, activation: str = "none"
) -> Exported:
    """Write onnx/model.onnx and anyrank.json into a folder that holds the model's tokenizer.json, and check the graph.

    Scales are found on ``spec.samples`` random texts of the groups; the check uses 64 other groups if there are so
    many. Raises InputError if the model has no int8 graph (`unfit`), ModelError if torch can't export it.
    """
    if reason := unfit(model):
        raise InputError(f"no int8 graph: {reason}")
    order = list(groups)
    random.Random(seed).shuffle(order)
    checked = order[: min(CHECKED, max(1, len(order) // 2))]
    pool = [(text_of(g.query), text) for g in order[len(checked) :] or checked for text in g.texts]
    pairs = random.Random(seed).sample(pool, min(spec.samples, len(pool)))
    path, declaration = folder / "onnx" / "model.onnx", folder / DECLARATION
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(graph(model, folder / "tokenizer.json", pairs), path)
    before = declaration.read_text(encoding="utf-8") if declaration.is_file() else None
    content = {"runtime": "onnx", **declared(model), "activation": activation}
    declaration.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    agreement, difference = compared(model, folder, checked, activation)
    vectors = model.kind in ("bi", "sparse")
    what = "mean cosine with the original" if vectors else "mean rank correlation with the original"
    size, texts = path.stat().st_size, sum(len(g.candidates) for g in checked)
    done = Exported(path, size, agreement, difference, texts, spec.least, what)
    if not done.accepted:
        path.unlink()
        if before is None:
            declaration.unlink()
        else:
            declaration.write_text(before, encoding="utf-8")
        log.error("the int8 graph is removed: its agreement is %.4f, at least %.4f is required", agreement, spec.least)
    return done


def export_folder(name: str, out: Path | None, groups: Sequence[Group], spec: Export, seed: int = 0) -> Exported:
    """The int8 graph of a model by its name, of the hub or of a folder: into ``out``, with its tokenizer and
    configuration, or into its own folder. Raises InputError if it has none, ModelError if the model can't be read."""
    model = declare(name, runtime="torch")
    if out is None and model.hub:
        raise InputError(f"{name} is a model of the hub: give a folder for its graph (out)")
    loaded = model_class(model.kind).from_folder(model.folder).eval()
    folder = out or model.folder
    if reason := unfit(loaded):
        raise InputError(f"no int8 graph: {reason}")
    if folder != model.folder:
        folder.mkdir(parents=True, exist_ok=True)
        for file in (*model.folder.glob("*.json"), *model.folder.glob("*.txt")):
            if file.name not in (DECLARATION, "modules.json") and not file.name.endswith(".index.json"):
                shutil.copyfile(file, folder / file.name)
    if not (folder / "tokenizer.json").is_file():
        loaded.tokenizer.save_pretrained(folder)
    return export(loaded, folder, groups, spec, seed, model.activation)


def graph(model: Any, tokenizer: Path, pairs: Sequence[tuple[str, str]]) -> onnx.ModelProto:
    """The int8 graph of a model: logits [batch, labels] of a cross-encoder; vectors [batch, width], or hidden states
    [batch, length, width] to be pooled, of a bi-encoder; hidden states of a late interaction with the logit of each
    token's weight as a further column; weights [batch, vocabulary] of a sparse model."""
    if not by_hand(model):
        return any_graph(model, pairs)
    config, cross = model.body.config, model.kind == "cross"
    weights = {k.removeprefix("bert."): v.float().cpu().numpy() for k, v in model.body.state_dict().items()}

    def build(largest: Any = None) -> tuple[Bert, str]:
        bert = Bert(weights, config.num_hidden_layers, config.num_attention_heads, tops=largest, pair=cross)
        if cross:
            return bert, bert.classify()
        if model.kind == "sparse":
            return bert, bert.splade()
        return bert, states(bert, model.weigh.weight.detach().float().cpu().numpy() if model.kind == "late" else None)

    document, query = getattr(model, "prefixes", ("", ""))
    sample: list[Text] = list(pairs) if cross else [t for q, d in pairs for t in (query + q, document + d)]
    plain, _ = build()  # in float32, to measure the inputs of its layers
    measured = tops(plain, plain.model(list(plain.taps.values())), tokenizer, sample, model.max_length)
    small, out = build(measured)
    return small.model([out])


def any_graph(model: Any, pairs: Sequence[tuple[str, str]]) -> onnx.ModelProto:
    """The int8 graph of any encoder, by torch's exporter (see `int8_graph`)."""
    copied = copy.deepcopy(model).cpu().float().eval()
    queries, candidates = [q for q, _ in pairs[:2]], [[Candidate("0", t)] for _, t in pairs[:2]]
    chunk = copied.features(queries, candidates)["chunks"][0]
    known = inspect.signature(type(copied.body).forward).parameters
    inputs = {name: chunk[name] for name in NAMES if name in chunk and name in known}
    function, output = _function(copied)
    try:
        return int8_graph(float_graph(copied, function, inputs, output))
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"no int8 graph: torch can't export this {copied.body.config.model_type}: {reason}") from error


def _function(model: Any) -> tuple[Any, str]:
    """The function that the graph computes, and the name of its output."""
    if model.kind == "cross":
        return (lambda inputs: model.body(**inputs).logits), "logits"
    if model.kind == "late":
        return partial(_with_weight_logit, model), "last_hidden_state"
    return (model.weights, "weights") if model.kind == "sparse" else (model.pooled, "sentence_embedding")


def _with_weight_logit(model: Any, inputs: Any) -> torch.Tensor:
    """States with the logit of each token's weight as the last column: [batch, length, width + 1]."""
    hidden = model.body(**inputs).last_hidden_state
    return torch.cat([hidden, model.weigh(hidden)], dim=-1)


def states(bert: Bert, weigh: Any = None) -> str:
    """The last hidden states [batch, length, width]; with ``weigh`` [1, width] their product with it is a further
    column."""
    x, shape = bert.encoder()
    if weigh is not None:
        x = bert.op("Concat", x, bert.op("MatMul", x, bert.constant("weigh", weigh.T)), axis=1)
        shape = bert.op("Concat", bert.op("Slice", shape, bert.ints(0), bert.ints(2)), bert.ints(-1), axis=0)
    return bert.op("Reshape", x, shape, out="last_hidden_state")


def declared(model: Any) -> dict[str, Any]:
    """The fields of anyrank.json of a model with a graph, without its runtime."""
    length = {"max_length": model.max_length}
    if model.kind == "cross":
        return {"kind": "cross", "pooling": "none", **length}
    if model.kind == "late":
        return {"kind": "late", "pooling": "none", "scales": list(model.scales), **length}
    document, query = model.prefixes
    prefixes = {"query_prefix": query, "document_prefix": document}
    if model.kind == "sparse":
        return {"kind": "sparse", "pooling": "none", **length, **prefixes}
    pooling = model.pooling if by_hand(model) else "none"  # graphs of torch's exporter include the pooling
    return {"kind": "dense", "pooling": pooling, "normalise": model.similarity == "cosine", **length, **prefixes}


def compared(model: Any, folder: Path, groups: Sequence[Group], activation: str = "none") -> tuple[float, float]:
    """Agreement and largest difference of a folder's graph with its original, as `Exported` has them."""
    ready: Any = load(folder)
    if model.kind in ("cross", "late"):
        requests = [(Query("q", text_of(g.query)), _as_texts(g)) for g in groups]
        expected, actual = scores(model, groups), [list(j.scores) for j in ready(requests)]
        if activation == "sigmoid":
            expected = [[1 / (1 + math.exp(-s)) for s in row] for row in expected]
        pairs = [(a, b) for x, y in zip(expected, actual) for a, b in zip(x, y)]
        rhos = [spearman(a, b) for a, b in zip(expected, actual) if len(a) > 1] or [spearman(*zip(*pairs))]
        return float(np.mean(rhos)), float(max(abs(a - b) for a, b in pairs))
    texts = [t for g in groups for t in g.texts]
    was_training = model.training
    with torch.inference_mode():
        ours = model.eval().encode(texts).cpu().numpy()
    model.train(was_training)
    other = ready.encode(texts).vectors.filled()
    cosines = (ours * other).sum(1) / np.maximum(np.linalg.norm(ours, axis=1) * np.linalg.norm(other, axis=1), 1e-12)
    return float(cosines.mean()), float(np.abs(ours - other).max())


def _as_texts(group: Group) -> list[Candidate]:
    return [Candidate(str(i), text) for i, text in enumerate(group.texts)]


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """The correlation of the ranks of two lists of numbers; ties share their mean rank, constants correlate by 1 with
    constants and by 0 with others.

    >>> spearman([1.0, 2.0, 3.0], [10.0, 30.0, 20.0])
    0.5
    """
    x, y = (_ranks(np.asarray(v)) for v in (a, b))
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size else float(not x.any() and not y.any())


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1 for the least value; ties share the mean of theirs."""
    _, position, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[position], dtype=np.float64)
