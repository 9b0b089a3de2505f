"""Export: a trained BERT as the int8 ONNX graph that the base install runs, checked against the original."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from ..backends.onnx.batching import Text
from ..backends.onnx.models import load
from ..core.content import text_of
from ..core.errors import InputError
from ..core.types import Candidate, Query
from ..models.base import DECLARATION
from .bert_graph import EPS, Bert
from .calibration import tops
from .group import Group
from .recipe import Export
from .validation import scores

log = logging.getLogger(__name__)

CHECKED = 64
"""Groups that the graph is compared on."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A graph and how it compares with its original: ``agreement`` is the mean over groups of Spearman's rank
    correlation (what scores pairs; over all texts together, where no group has two) or the mean cosine of the texts'
    vectors (bi-encoders), ``difference`` the largest absolute one of a score (of a vector's component). A graph below
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


def unfit(model: Any) -> str:
    """Why a model has no int8 graph; "" where it has one."""
    config: Any = getattr(getattr(model, "body", None), "config", None)
    if getattr(config, "model_type", "") != "bert":
        return f"only BERT bodies have one, this is {getattr(config, 'model_type', model.kind)}"
    if config.hidden_act != "gelu" or config.layer_norm_eps != EPS:
        return f"it needs hidden_act gelu and layer_norm_eps {EPS}, not {config.hidden_act}, {config.layer_norm_eps}"
    return ""


def export(model: Any, folder: Path, groups: Sequence[Group], spec: Export, seed: int = 0) -> Exported:
    """Write onnx/model.onnx and anyrank.json into a saved model's folder, and check the graph.

    Scales are found on ``spec.samples`` random texts of the groups; the check uses 64 other groups where there are so
    many. Raises InputError where the model has no int8 graph (`unfit`).
    """
    if reason := unfit(model):
        raise InputError(f"no int8 graph: {reason}")
    order = list(groups)
    random.Random(seed).shuffle(order)
    held = order[: min(CHECKED, max(1, len(order) // 2))]
    pool = [(text_of(g.query), text) for g in order[len(held) :] or held for text in g.texts]
    pairs = random.Random(seed).sample(pool, min(spec.samples, len(pool)))
    sample: list[Text] = list(pairs) if model.kind == "cross" else [text for pair in pairs for text in pair]
    path = folder / "onnx" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(graph(model, folder / "tokenizer.json", sample), path)
    before = (folder / DECLARATION).read_text(encoding="utf-8")
    (folder / DECLARATION).write_text(json.dumps(declared(model), indent=2) + "\n", encoding="utf-8")
    agreement, difference = compared(model, folder, held)
    what = "mean cosine with the original" if model.kind == "bi" else "mean rank correlation with the original"
    size, texts = path.stat().st_size, sum(len(g.candidates) for g in held)
    done = Exported(path, size, agreement, difference, texts, spec.least, what)
    if not done.accepted:
        path.unlink()
        (folder / DECLARATION).write_text(before, encoding="utf-8")
        log.error("the int8 graph agrees by %.4f only, %.4f was asked for: it is removed", agreement, spec.least)
    return done


def graph(model: Any, tokenizer: Path, sample: Sequence[Text]) -> onnx.ModelProto:
    """The int8 graph of a model: logits [batch, 1], or hidden states [batch, length, width], of a late interaction with
    the logit of each token's weight as one column more."""
    config, cross = model.body.config, model.kind == "cross"
    weights = {k.removeprefix("bert."): v.float().cpu().numpy() for k, v in model.body.state_dict().items()}

    def made(found: Any = None) -> tuple[Bert, str]:
        bert = Bert(weights, config.num_hidden_layers, config.num_attention_heads, tops=found, pair=cross)
        if cross:
            return bert, bert.classify()
        return bert, states(bert, model.weigh.weight.detach().float().cpu().numpy() if model.kind == "late" else None)

    plain, _ = made()
    measured = tops(plain, plain.model(list(plain.taps.values())), tokenizer, sample, model.max_length)
    small, out = made(measured)
    return small.model([out])


def states(bert: Bert, weigh: Any = None) -> str:
    """The last hidden states [batch, length, width]; with ``weigh`` [1, width] their product with it behind them."""
    x, shape = bert.encoder()
    if weigh is not None:
        x = bert.op("Concat", x, bert.op("MatMul", x, bert.constant("weigh", weigh.T)), axis=1)
        shape = bert.op("Concat", bert.op("Slice", shape, bert.ints(0), bert.ints(2)), bert.ints(-1), axis=0)
    return bert.op("Reshape", x, shape, out="last_hidden_state")


def declared(model: Any) -> dict[str, Any]:
    """What anyrank.json says of a model."""
    if model.kind == "cross":
        return {"kind": "cross", "pooling": "none", "max_length": model.max_length}
    if model.kind == "late":
        return {"kind": "late", "pooling": "none", "max_length": model.max_length, "scales": list(model.scales)}
    cosine = model.similarity == "cosine"
    return {"kind": "dense", "pooling": model.pooling, "normalise": cosine, "max_length": model.max_length}


def compared(model: Any, folder: Path, groups: Sequence[Group]) -> tuple[float, float]:
    """Agreement and largest difference of a folder's graph with its original, as `Exported` has them."""
    ready: Any = load(folder)
    if model.kind != "bi":
        asked = [(Query("q", text_of(g.query)), _as_texts(g)) for g in groups]
        mine, theirs = scores(model, groups), [list(j.scores) for j in ready(asked)]
        pairs = [(a, b) for x, y in zip(mine, theirs) for a, b in zip(x, y)]
        rhos = [spearman(a, b) for a, b in zip(mine, theirs) if len(a) > 1] or [spearman(*zip(*pairs))]
        return float(np.mean(rhos)), float(max(abs(a - b) for a, b in pairs))
    texts = [t for g in groups for t in g.texts]
    was = model.training
    with torch.inference_mode():
        ours = model.eval().encode(texts).cpu().numpy()
    model.train(was)
    other = np.asarray(ready.encode(texts).vectors)
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
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[place], dtype=np.float64)
