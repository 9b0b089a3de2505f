"""Encoders and cross-encoders on onnxruntime and tokenizers, without torch.

Texts are sorted by length and run in batches bounded by tokens (``max_tokens`` of a batch: rows x padded length), so
memory is bounded whatever is passed; repeated texts run once. The shipped int8 models have no scale that depends on a
batch: their vectors are the same at any batch size within a cosine of 1e-5 (measured 1e-7; float32 sums in other orders
can move a value across a rounding step).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.content import required_text
from ...core.errors import InputError, ModelError
from ...core.rerank import Group, each
from ...core.scripts import unread_notes
from ...core.trace import Usage
from ...core.types import Judgement
from ...hub.folder import Declared
from ...hub.open import declare
from ...vectors import Encoded, Sparse
from .batching import Text
from .engine import MAX_TOKENS, Cost, Engine, Output, engine
from .late import OnnxLateInteraction

LOGIT_TOKENS = 1024
"""The largest batch of a sparse model whose graph gives logits for every position: [tokens, vocabulary] numbers."""


def _distinct(contents: Sequence[Any], prefix: str) -> tuple[list[Text], list[int]]:
    """The distinct texts, and the position of each content's text among them."""
    texts = [required_text(content, f"content {i}") for i, content in enumerate(contents)]
    order = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    return [prefix + text for text in order], [order[text] for text in texts]


def _usage(cost: Cost, contents: int) -> Usage:
    ran = len(cost.tokens)
    return Usage(ran, int(cost.tokens.sum()), truncated=int(cost.cut.sum()), cached=contents - ran)


def _pooled(out: Output, pooling: str) -> NDArray[np.float32]:
    """One row a text, of states [rows, length, width] or of vectors that the graph has pooled already."""
    if out.values.ndim == 2:
        return out.values
    if pooling == "cls":
        return out.values[:, 0]
    mask = out.mask[..., None].astype(np.float32)
    return np.asarray((out.values * mask).sum(1) / np.maximum(mask.sum(1), 1.0), dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class OnnxEncoder:
    """A dense encoder: float32 [n, dim]. Contents are read by `text_of`; raises InputError for one without a text.

    >>> from anyrank.backends.onnx.models import load
    >>> load("minilm").encode(["a small dog", "a puppy", "stock prices"]).vectors.shape
    (3, 384)
    """

    name: str
    declared: Declared = field(repr=False)
    engine: Engine = field(repr=False)

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO codes of the languages that it reads; none if not stated."""
        return self.declared.languages

    def encode(self, contents: Sequence[Any], *, query: bool = False) -> Encoded:
        prefix = self.declared.query_prefix if query else self.declared.document_prefix
        texts, position = _distinct(contents, prefix)
        cost, outputs = self.engine.run(texts or [""])  # without texts one run still gives the width
        rows: NDArray[np.float32] | None = None
        for out in outputs:
            part = _pooled(out, self.declared.pooling)
            if rows is None:
                rows = np.empty((max(len(texts), 1), part.shape[1]), dtype=np.float32)
            if self.declared.normalise:
                part = part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)
            rows[out.positions] = part
        assert rows is not None
        return Encoded(rows[position], _usage(cost, len(contents)) if texts else Usage())

    def late(self) -> OnnxLateInteraction:
        """The same model as a judge by late interaction. Raises InputError if its graph has no output "tokens"."""
        if "tokens" not in [o.name for o in self.engine.session.get_outputs()]:
            raise InputError(
                f"{self.name} gives one vector a text and no states of tokens, so it can't rank by late interaction"
            )
        return OnnxLateInteraction(self.name, self.declared, replace(self.engine, output="tokens"))


@dataclass(frozen=True, slots=True, eq=False)
class OnnxSparseEncoder:
    """A learned sparse encoder (SPLADE, arXiv 2107.05720): log(1 + relu(max over positions of the logit)) a term.

    Only the ``terms`` heaviest terms of each text stay, if given; weights at or below ``threshold`` are dropped.
    Contents are read by `text_of`; raises InputError for one without a text.
    """

    name: str
    declared: Declared = field(repr=False)
    engine: Engine = field(repr=False)
    threshold: float = 0.0
    terms: int | None = None

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO codes of the languages that it reads; none if not stated."""
        return self.declared.languages

    def encode(self, contents: Sequence[Any], *, query: bool = False) -> Encoded:
        prefix = self.declared.query_prefix if query else self.declared.document_prefix
        texts, position = _distinct(contents, prefix)
        cost, outputs = self.engine.run(texts or [""])
        parts, positions = [], []
        for out in outputs:
            parts.append(Sparse.from_weights(_weights(out), self.threshold, self.terms))
            positions.append(out.positions)
        back = np.argsort(np.concatenate(positions))
        rows = Sparse.join(parts)
        return Encoded(rows.take([int(back[i]) for i in position]), _usage(cost, len(contents)) if texts else Usage())

    def term_names(self, numbers: Sequence[int]) -> list[str]:
        """The terms of the vocabulary by number (see `vectors.NamesTerms`)."""
        return [self.engine.tokenizer.id_to_token(number) or f"term {number}" for number in numbers]


def _weights(out: Output) -> NDArray[np.float32]:
    """Term weights [rows, vocabulary], of the graph itself or of its logits [rows, length, vocabulary]."""
    if out.values.ndim == 2:
        return out.values
    logits = np.where(out.mask[..., None] > 0, out.values, np.float32(0)).max(axis=1)
    return np.asarray(np.log1p(np.maximum(logits, 0)), dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class OnnxCrossEncoder:
    """A judge that reads query and candidate together and scores each pair alone.

    One logit is the score itself, of two the second less the first; a declared sigmoid makes it 0 … 1.
    Contents are read by `text_of`; raises InputError for one without a text.
    """

    name: str
    declared: Declared = field(repr=False)
    engine: Engine = field(repr=False)

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        pairs = [
            (required_text(q.content, f"query {q.id!r}"), required_text(c.content, f"candidate {c.id!r}"))
            for q, c in each(groups)
        ]
        order = {pair: i for i, pair in enumerate(dict.fromkeys(pairs))}
        cost, outputs = self.engine.run(list(order))
        scores = np.empty(len(order), dtype=np.float64)
        for out in outputs:
            scores[out.positions] = self._score(out.values)
        judgements, rows, seen = [], iter(order[p] for p in pairs), set[int]()
        notes = unread_notes(self.name, self.declared.languages, groups)
        for (_, members), note in zip(groups, notes):
            mine = [next(rows) for _ in members]
            new = list(dict.fromkeys(i for i in mine if i not in seen))
            seen.update(new)
            tokens, cut = int(cost.tokens[new].sum()), int(cost.cut[new].sum())
            usage = Usage(len(new), tokens, truncated=cut, cached=len(mine) - len(new))
            judgements.append(Judgement(scores[mine].tolist(), usage, note))
        return judgements

    def _score(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        values = np.asarray(logits, dtype=np.float64).reshape(len(logits), -1)
        if values.shape[1] > 2:
            raise ModelError(f"{self.declared.onnx}: {values.shape[1]} logits a pair, expected 1 or 2")
        score = values[:, -1] - (values[:, 0] if values.shape[1] == 2 else 0.0)
        return 1 / (1 + np.exp(-score)) if self.declared.activation == "sigmoid" else score


def load(name: str | Path, **options: Any) -> OnnxEncoder | OnnxSparseEncoder | OnnxCrossEncoder | OnnxLateInteraction:
    """The model of a registry name, a hub id or a local folder on onnxruntime, opened anew at each call (`open_model`
    opens it once). ``options`` are those of `open_folder`."""
    return open_folder(declare(name, runtime="onnx"), **options)


def open_folder(
    declared: Declared,
    *,
    max_length: int | None = None,
    max_tokens: int = MAX_TOKENS,
    threads: int | None = None,
    **options: Any,
) -> OnnxEncoder | OnnxSparseEncoder | OnnxCrossEncoder | OnnxLateInteraction:
    """The model of a folder, of the kind that it declares.

    ``max_length`` cuts texts shorter than the model does; ``max_tokens`` bounds a batch (rows x padded length);
    ``threads`` defaults to all processors. A sparse model also takes ``terms`` and ``threshold``.
    """
    ready = engine(declared, threads, max_tokens, max_length)
    if declared.kind == "sparse":
        shape = next(o.shape for o in ready.session.get_outputs() if o.name == ready.output)
        if shape is not None and len(shape) == 3:
            ready = engine(declared, threads, min(max_tokens, LOGIT_TOKENS), max_length)
        return OnnxSparseEncoder(declared.name, declared, ready, **options)
    if options:
        raise InputError(f"a {declared.kind} model takes no {', '.join(options)}")
    if declared.kind == "late" and "tokens" in [o.name for o in ready.session.get_outputs()]:
        ready = replace(ready, output="tokens")  # a dense graph that gives the states of its tokens beside its vector
    kinds: dict[str, Any] = {"dense": OnnxEncoder, "late": OnnxLateInteraction, "cross": OnnxCrossEncoder}
    model: OnnxEncoder | OnnxCrossEncoder | OnnxLateInteraction = kinds[declared.kind](declared.name, declared, ready)
    return model
