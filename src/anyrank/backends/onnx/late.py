"""Late interaction on onnxruntime: the graph gives states of tokens, numpy compares those of query and candidate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ...core.content import required_text
from ...core.rerank import Group
from ...core.scripts import unread_notes
from ...core.trace import Usage
from ...core.types import Judgement
from ...hub.folder import Declared
from .engine import Engine

Array = NDArray[np.float32]
Cost = list[tuple[int, bool]]
"""Tokens of every text, and whether it was cut."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a text: ``unit`` rows of length 1, the ``weight`` of each, and their ``mean``, of length 1."""

    unit: Array
    weight: Array
    mean: Array

    @classmethod
    def of(cls, rows: Array) -> Tokens:
        """From the graph's rows [tokens, width + 1], the last column a weight's logit."""
        states, logits = rows[:, :-1], rows[:, -1]
        weight = np.exp(logits - logits.max())
        mean = states.mean(0)
        return cls(
            states / np.maximum(np.linalg.norm(states, axis=1, keepdims=True), 1e-12),
            weight / weight.sum(),
            mean / max(float(np.linalg.norm(mean)), 1e-12),
        )

    def halved(self) -> Tokens:
        """In half precision, for storage: half the memory."""
        return replace(self, unit=self.unit.astype(np.float16))

    def near(self, text: Tokens, scales: Sequence[float]) -> float:
        """The score of a text for this query."""
        best = (self.unit @ np.asarray(text.unit, dtype=np.float32).T).max(axis=1)
        weighted, even, means = scales
        return float(weighted * (self.weight @ best) + even * best.mean() + means * (self.mean @ text.mean))


@dataclass(frozen=True, slots=True, eq=False)
class OnnxLateInteraction:
    """A judge: every distinct query and text is read once a call, and each pair compared by its tokens and its means
    (see `anyrank.models.late`). Contents are read by `text_of`; raises InputError for one without a text."""

    name: str
    declared: Declared = field(repr=False)
    engine: Engine = field(repr=False)

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        queries, texts = self._prefixed(groups)
        distinct = {query: i for i, query in enumerate(dict.fromkeys(queries))}
        known = {text: i for i, text in enumerate(dict.fromkeys(t for mine in texts for t in mine))}
        costs: dict[str, Cost] = {"query": [], "text": []}
        tokens = dict(self.read(list(distinct), costs["query"]))
        users: list[list[tuple[int, int]]] = [[] for _ in known]
        for g, mine in enumerate(texts):
            for m, text in enumerate(mine):
                users[known[text]].append((g, m))
        scores = [[0.0] * len(mine) for mine in texts]
        for i, text_tokens in self.read(
            list(known), costs["text"]
        ):  # one at a time: all together would fill the memory
            for g, m in users[i]:
                scores[g][m] = tokens[distinct[queries[g]]].near(text_tokens, self.declared.scales)
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

    def read(self, texts: Sequence[str], spent: Cost | None = None) -> Iterator[tuple[int, Tokens]]:
        """The position and the tokens of every text, in no order; ``spent`` is filled in once all are read."""
        cost, outputs = self.engine.run(texts)
        for out in outputs:
            for position, rows, real in zip(out.positions, out.values, out.mask):
                yield int(position), Tokens.of(rows[: max(int(real.sum()), 1)])
        if spent is not None:
            spent.extend(zip(cost.tokens.tolist(), cost.cut.tolist()))
