"""Measures of many rankings at once, from the grades of their first documents: those that a choice is made by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, quoted

Floats = NDArray[np.float64]
Name = Literal["nDCG", "RR", "P", "R", "Success"]


@dataclass(frozen=True, slots=True)
class Measure:
    """nDCG@k (trec_eval's: gains are the grades), RR@k, P@k, R@k or Success@k; relevant is a grade of ``rel`` or more.

    >>> Measure.of("nDCG@10").values(np.array([[0.0, 1.0]]), np.array([1.0])).round(4).tolist()
    [0.6309]
    """

    name: Name = "nDCG"
    depth: int = 10
    rel: int = 1

    @classmethod
    def of(cls, text: str) -> Measure:
        """The measure of a name in ir_measures' notation, such as ``nDCG@10`` or ``RR(rel=2)@10``. Raises InputError
        on another one."""
        match = re.fullmatch(r"(\w+)(?:\(rel=(\d+)\))?@(\d+)", text.replace(" ", ""))
        if match is None or match[1] not in get_args(Name) or not int(match[3]):
            known = ", ".join(f"{n}@10" for n in get_args(Name))
            raise InputError(f"a choice can't be made by {quoted(text)}: take one of {known}, RR(rel=2)@10")
        return cls(match[1], int(match[3]), int(match[2] or 1))  # type: ignore[arg-type]

    def __str__(self) -> str:
        return f"{self.name}{f'(rel={self.rel})' if self.rel != 1 else ''}@{self.depth}"

    def values(self, top: Floats, all: Floats) -> Floats:
        """The measure of rankings of one query by the grades of their first documents, [rankings, at most depth] (0 for
        unjudged ones), and the query's grades, all above 0."""
        top = top[:, : self.depth]
        if self.name == "nDCG":
            if not len(all):
                return np.zeros(len(top))
            length = min(self.depth, max(len(all), top.shape[1]))  # a depth may be far beyond both
            discounts = 1 / np.log2(np.arange(2, length + 2))
            ideal = np.sort(all)[::-1][: self.depth] @ discounts[: len(all)]
            return np.asarray(np.maximum(top, 0) @ discounts[: top.shape[1]] / ideal)
        relevant = top >= self.rel
        if self.name == "RR":
            first = relevant.argmax(axis=1) if top.shape[1] else np.zeros(len(top))
            return np.asarray(np.where(relevant.any(axis=1), 1 / (first + 1), 0.0))
        if self.name == "Success":
            return np.asarray(relevant.any(axis=1), dtype=np.float64)
        of = self.depth if self.name == "P" else int((all >= self.rel).sum())
        return np.asarray(relevant.sum(axis=1) / of) if of else np.zeros(len(top))


@dataclass(frozen=True, slots=True, eq=False)
class Graded:
    """Judgements by numbers of documents: of each query the numbers that are judged, ascending, their ``grades``, and
    ``all`` grades above 0, also those of documents without a number."""

    documents: Sequence[NDArray[np.int64]]
    grades: Sequence[Floats]
    all: Sequence[Floats] = field(default_factory=list)

    @classmethod
    def by(cls, qrels: Mapping[str, Mapping[str, int]], queries: Sequence[str], ids: Sequence[str]) -> Graded:
        """The judgements {query: {document: grade}} of some queries, in their order, by the documents' numbers: their
        positions in ``ids``."""
        numbers = {id: n for n, id in enumerate(ids)}
        documents, grades, every = [], [], []
        for q in queries:
            judged = qrels.get(q, {})
            pairs = sorted((numbers[d], g) for d, g in judged.items() if d in numbers)
            documents.append(np.array([d for d, _ in pairs], dtype=np.int64))
            grades.append(np.array([g for _, g in pairs], dtype=np.float64))
            every.append(np.array([g for g in judged.values() if g > 0], dtype=np.float64))
        return cls(documents, grades, every)

    def of(self, query: int, documents: NDArray[np.int64]) -> Floats:
        """The grades of some documents for a query, given by its position; 0 for those not judged."""
        return np.where(self.judged(query, documents), self._nearest(query, documents), 0.0)

    def judged(self, query: int, documents: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each of some documents is judged for a query."""
        return np.isin(documents, self.documents[query])

    def _nearest(self, query: int, documents: NDArray[np.int64]) -> Floats:
        known = self.documents[query]
        if not len(known):
            return np.zeros(len(documents))
        return self.grades[query][np.minimum(np.searchsorted(known, documents), len(known) - 1)]
