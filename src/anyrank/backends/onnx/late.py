"""Late interaction on onnxruntime: the graph gives states of tokens, numpy compares those of query and candidate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...core.content import required_text
from ...core.rerank import Group
from ...core.scripts import unread_notes
from ...core.trace import Usage
from ...core.types import Judgement
from ...hub.folder import Declared
from ...vectors import Encoded, Tokens
from .engine import Engine

Array = NDArray[np.float32]
Cost = list[tuple[int, bool]]
"""Tokens of every text, and whether it was cut."""


@dataclass(frozen=True, slots=True)
class States:
    """The states of a text's tokens: ``unit`` rows of length 1, the ``weight`` of each, and their ``mean``, of length
    1."""

    unit: Array
    weight: Array
    mean: Array

    @classmethod
    def of(cls, rows: Array) -> States:
        """From the graph's rows [tokens, width + 1], the last column a weight's logit."""
        states, logits = rows[:, :-1], rows[:, -1]
        weight = np.exp(logits - logits.max())
        mean = states.mean(0)
        return cls(
            states / np.maximum(np.linalg.norm(states, axis=1, keepdims=True), 1e-12),
            weight / weight.sum(),
            mean / max(float(np.linalg.norm(mean)), 1e-12),
        )


def text_vectors(texts: Sequence[States]) -> Tokens:
    """Texts as they are searched: the states and the mean of each."""
    return Tokens.of([t.unit for t in texts], means=np.stack([t.mean for t in texts]))


def query_vectors(queries: Sequence[States], scales: Sequence[float]) -> Tokens:
    """Queries whose nearness to a text is the score: weighted MaxSim, even MaxSim (the mean over the query's tokens)
    and the cosine of the means, by their ``scales``."""
    weighted, even, means = scales
    weights = [weighted * q.weight + np.float32(even / len(q.weight)) for q in queries]
    return Tokens.of([q.unit for q in queries], weights, np.stack([q.mean for q in queries]) * np.float32(means))


@dataclass(frozen=True, slots=True, eq=False)
class OnnxLateInteraction:
    """A judge and an encoder (see `anyrank.models.late`). As a judge it reads every distinct query and text once a
    call, and compares each pair by its tokens and its means; as an encoder it makes `Tokens`, whose nearness is the
    same score, so that texts can be stored and searched. Contents are read by `text_of`; raises InputError for one
    without a text.

    >>> from anyrank.backends.onnx.models import load
    >>> late = load("mini")
    >>> query, texts = late.encode(["dogs"], query=True).vectors, late.encode(["a small dog", "stock prices"]).vectors
    >>> texts.near(query).argmax(), texts.dim
    (np.int64(0), 384)
    """

    name: str
    declared: Declared = field(repr=False)
    engine: Engine = field(repr=False)

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO codes of the languages that it reads; none if not stated."""
        return self.declared.languages

    def encode(self, contents: Sequence[object], *, query: bool = False) -> Encoded:
        prefix = self.declared.query_prefix if query else self.declared.document_prefix
        texts = [prefix + required_text(content, f"content {i}") for i, content in enumerate(contents)]
        order = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        spent: Cost = []
        states = dict(self.read(list(order) or [""], spent))
        rows = [states[i] for i in range(len(states))]
        vectors = query_vectors(rows, self.declared.scales) if query else text_vectors(rows)
        usage = Usage()
        if texts:
            tokens, cut = sum(n for n, _ in spent), sum(cut for _, cut in spent)
            usage = Usage(len(order), tokens, truncated=cut, cached=len(texts) - len(order))
        taken = [order[text] for text in texts]
        return Encoded(vectors if taken == list(range(len(vectors))) else vectors.take(taken), usage)

    def tokens(self, content: object, *, query: bool = False) -> list[tuple[str, int, int]]:
        """The token of each state of a content and its span in the content's text (see `vectors.NamesTokens`)."""
        prefix = self.declared.query_prefix if query else self.declared.document_prefix
        return self.engine.tokens(required_text(content, "the content"), prefix)

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        queries, texts = self._prefixed(groups)
        distinct = {query: i for i, query in enumerate(dict.fromkeys(queries))}
        known = {text: i for i, text in enumerate(dict.fromkeys(t for mine in texts for t in mine))}
        costs: dict[str, Cost] = {"query": [], "text": []}
        read = dict(self.read(list(distinct), costs["query"]))
        vectors = {i: query_vectors([states], self.declared.scales) for i, states in read.items()}
        users: list[list[tuple[int, int]]] = [[] for _ in known]
        for g, mine in enumerate(texts):
            for m, text in enumerate(mine):
                users[known[text]].append((g, m))
        scores = [[0.0] * len(mine) for mine in texts]
        for i, states in self.read(list(known), costs["text"]):  # one at a time: all together would fill the memory
            text_states = text_vectors([states])
            for g, m in users[i]:
                scores[g][m] = float(text_states.near(vectors[distinct[queries[g]]])[0])
        seen: set[tuple[str, int]] = set()
        judgements, notes = [], unread_notes(self.name, self.declared.languages, groups)
        for g, mine in enumerate(texts):
            keys = list(dict.fromkeys([("query", distinct[queries[g]]), *(("text", known[t]) for t in mine)]))
            new = [key for key in keys if key not in seen]
            seen.update(new)
            spent = [costs[kind][i] for kind, i in new]
            cut = sum(cut for _, cut in spent)
            usage = Usage(len(new), sum(n for n, _ in spent), truncated=cut, cached=len(mine) + 1 - len(new))
            judgements.append(Judgement(scores[g], usage, notes[g]))
        return judgements

    def _prefixed(self, groups: Sequence[Group]) -> tuple[list[str], list[list[str]]]:
        query_prefix, text_prefix = self.declared.query_prefix, self.declared.document_prefix
        queries = [query_prefix + required_text(q.content, f"query {q.id!r}") for q, _ in groups]
        texts = [[text_prefix + required_text(c.content, f"candidate {c.id!r}") for c in cs] for _, cs in groups]
        return queries, texts

    def read(self, texts: Sequence[str], spent: Cost | None = None) -> Iterator[tuple[int, States]]:
        """The position and the states of every text, in no order; ``spent`` is filled in once all are read."""
        cost, outputs = self.engine.run(texts)
        for out in outputs:
            for position, rows, real in zip(out.positions, out.values, out.mask):
                yield int(position), States.of(rows[: max(int(real.sum()), 1)])
        if spent is not None:
            spent.extend(zip(cost.tokens.tolist(), cost.cut.tolist()))
