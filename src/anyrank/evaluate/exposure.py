"""Exposure: who gets the readers' attention in rankings, by groups of documents and by relevance.

A reader reaches rank i with the weight 1 / log2(i + 1) (``log``, as nDCG has it) or patience^(i - 1) (``rbp``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .inputs import Judgements, Lists

Model = Literal["log", "rbp"]
UNKNOWN = "(unknown)"


def weights(n: int, model: Model = "log", patience: float = 0.8) -> NDArray[np.float64]:
    """The weight of each of n ranks.

    >>> weights(3).round(3).tolist(), weights(3, "rbp", 0.5).tolist()
    ([1.0, 0.631, 0.5], [1.0, 0.5, 0.25])
    """
    ranks = np.arange(n)
    return np.asarray(1 / np.log2(ranks + 2) if model == "log" else patience**ranks, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class GroupExposure:
    """A group's mean shares over queries: of the exposure, of the candidates that were ranked, and of the relevant
    among them (None if no query has any). ``ratio`` is its exposure over its share of the relevant: below 1 it is seen
    less than its relevance earns, which is disparate treatment (Singh and Joachims, 2018)."""

    group: str
    exposure: float
    candidates: float
    relevant: float | None

    @property
    def ratio(self) -> float | None:
        return self.exposure / self.relevant if self.relevant else None


def group_exposure(
    run: Lists, groups: Mapping[str, str], judgements: Judgements | None = None, depth: int = 10, model: Model = "log"
) -> list[GroupExposure]:
    """The exposure of each group of documents in the first ``depth`` results; documents without a group form one of
    their own. Queries without results don't count; shares of relevance are over queries with relevant results.

    >>> parts = group_exposure({"q": ["a", "b", "c"]}, {"a": "x", "b": "y", "c": "y"})
    >>> [(p.group, round(p.exposure, 3)) for p in parts]
    [('x', 0.469), ('y', 0.531)]
    """
    if depth < 1:
        raise InputError(f"a depth of {depth}: expected at least 1")
    names = sorted({groups.get(d, UNKNOWN) for docs in run.values() for d in docs[:depth]})
    shares: dict[str, list[list[float]]] = {"exposure": [], "candidates": [], "relevant": []}
    for query, docs in run.items():
        top = docs[:depth]
        if not top:
            continue
        grades = {} if judgements is None else judgements.grades.get(query, {})
        owners = [groups.get(d, UNKNOWN) for d in top]
        relevant = np.array([grades.get(d, 0) > 0 for d in top], dtype=float)
        for kind, values in (
            ("exposure", weights(len(top), model)),
            ("candidates", np.ones(len(top))),
            ("relevant", relevant),
        ):
            if values.sum():
                shares[kind].append(
                    [float(sum(v for v, o in zip(values, owners) if o == n) / values.sum()) for n in names]
                )
    means = {kind: np.mean(rows, axis=0) if rows else None for kind, rows in shares.items()}
    exposure, candidates, relevant_share = means["exposure"], means["candidates"], means["relevant"]
    return [
        GroupExposure(
            n, float(exposure[i]), float(candidates[i]), None if relevant_share is None else float(relevant_share[i])
        )
        for i, n in enumerate(names)
        if exposure is not None and candidates is not None
    ]


@dataclass(frozen=True, slots=True)
class ExpectedExposure:
    """The squared distance of documents' exposure from that which an ideal ranker gives them, who shows relevant
    documents before others in every order equally often (Diaz et al., "Evaluating Stochastic Rankings with Expected
    Exposure", 2020): ``loss`` = ``disparity`` - 2 * ``relevance`` + a constant. A single fixed order has the highest
    disparity; means over queries."""

    loss: float
    disparity: float
    relevance: float


def expected_exposure(
    samples: Sequence[Lists], judgements: Judgements, depth: int = 10, patience: float = 0.8
) -> ExpectedExposure:
    """The expected exposure of rankings of the same queries, each of ``samples`` one draw of a stochastic ranker (or
    the one run of a fixed one), over the documents that a sample ranks or the judgements call relevant. Queries without
    a relevant document don't count.

    >>> both = expected_exposure([{"q": ["a", "b"]}, {"q": ["b", "a"]}], Judgements.of({"q": {"a": 1, "b": 1}}))
    >>> one = expected_exposure([{"q": ["a", "b"]}], Judgements.of({"q": {"a": 1, "b": 1}}))
    >>> round(both.loss, 6), round(one.loss, 6)
    (0.0, 0.02)
    """
    rows: list[tuple[float, float, float]] = []
    for query, grades in judgements.grades.items():
        relevant = {d for d, grade in grades.items() if grade > 0}
        lists = [sample.get(query, [])[:depth] for sample in samples]
        documents = sorted(relevant.union(*lists))
        if not relevant or not any(lists):
            continue
        at = {d: i for i, d in enumerate(documents)}
        system = np.zeros(len(documents))
        for docs in lists:
            for rank, d in enumerate(docs):
                system[at[d]] += patience**rank / len(lists)
        worth = weights(min(depth, len(documents)), "rbp", patience)
        each = float(worth[: len(relevant)].sum()) / len(relevant)
        others = len(documents) - len(relevant)
        rest = float(worth[len(relevant) :].sum()) / others if others else 0.0
        target = np.array([each if d in relevant else rest for d in documents])
        rows.append((float(((system - target) ** 2).sum()), float((system**2).sum()), float(system @ target)))
    if not rows:
        raise InputError("no query has both results and a relevant document")
    return ExpectedExposure(*(float(x) for x in np.mean(rows, axis=0)))
