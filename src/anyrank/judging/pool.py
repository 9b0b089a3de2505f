"""The documents whose judgements can move the difference between runs, each with how far it can move it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError

Floats = NDArray[np.float64]
DEEPEST = 100_000
"""The deepest rank that a measure looks at."""
Lists = Mapping[str, Sequence[str]]
"""Document ids by query id, best first."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure that is a sum over documents: the only kind that a part of the judgements estimates without bias.

    ``SDCG@10`` is the discounted gain at 10 as a share of the highest there can be, ``P@10`` precision, and ``RBP@20``
    rank-biased precision (persistence .8). ``most`` is the highest label; a document counts for P and RBP from the
    label ``relevant`` on. nDCG is no such sum: it divides by what the best ranking of all judged documents has.
    """

    name: str = "SDCG@10"
    most: int = 3
    relevant: int = 1

    def __post_init__(self) -> None:
        if not re.fullmatch(r"(SDCG|P|RBP)@[1-9]\d*", self.name):
            raise InputError(
                f"measure {self.name!r}: judging estimates SDCG@k, P@k and RBP@k, which are sums over documents"
            )
        if self.depth > DEEPEST:
            raise InputError(f"measure {self.name!r}: the depth is at most {DEEPEST:,}")
        if not 1 <= self.relevant <= self.most:
            raise InputError(f"the lowest relevant label {self.relevant} is not between 1 and the highest, {self.most}")

    @property
    def depth(self) -> int:
        return int(self.name.partition("@")[2])

    def discounts(self) -> Floats:
        """What a document of the highest label adds at each rank, from rank 1 on.

        >>> Measure("P@4").discounts().tolist()
        [0.25, 0.25, 0.25, 0.25]
        """
        ranks = np.arange(self.depth)
        if self.name.startswith("RBP"):
            return np.asarray(0.2 * 0.8**ranks)
        shares = np.ones(self.depth) if self.name.startswith("P") else 1 / np.log2(ranks + 2)
        return np.asarray(shares / shares.sum())

    def gain(self, label: float) -> float:
        """A label as a share of the highest gain.

        >>> Measure("SDCG@10").gain(1), Measure("P@10", relevant=2).gain(1)
        (0.3333333333333333, 0.0)
        """
        if self.name.startswith("SDCG"):
            return min(max(label, 0) / self.most, 1.0)
        return float(label >= self.relevant)


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """``items`` are (query, document) of a pool, ``weights`` [pairs, items] how much each adds to the difference of
    each of the ``pairs`` of runs, if its label is the highest; ``votes`` [items] how high the runs rank it in the mean,
    from 0 to 1. An item that all runs rank alike is in no pool: its judgement would change nothing."""

    measure: Measure
    runs: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    items: tuple[tuple[str, str], ...]
    queries: tuple[str, ...]
    weights: Floats
    votes: Floats

    @classmethod
    def of(cls, runs: Mapping[str, Lists], measure: Measure | None = None, *, every_pair: bool = False) -> Pool:
        """The pool of named runs: each is compared with the first, or with ``every_pair`` all with all. A query counts
        if any run answers it.

        >>> pool = Pool.of({"a": {"q": ["x", "y"]}, "b": {"q": ["y", "z"]}}, Measure("P@2"))
        >>> pool.pairs, pool.items, pool.weights.tolist()
        ((('a', 'b'),), (('q', 'x'), ('q', 'z')), [[0.5, -0.5]])
        """
        measure = measure or Measure()
        if len(runs) < 2:
            raise InputError(f"judging tells runs apart: give two or more, not {len(runs)}")
        queries = tuple(dict.fromkeys(q for lists in runs.values() for q in lists))
        shares = measure.discounts() / max(len(queries), 1)
        values: dict[tuple[str, str], Floats] = {}
        for n, lists in enumerate(runs.values()):
            for query, documents in lists.items():
                for document, share in zip(documents, shares):
                    values.setdefault((query, document), np.zeros(len(runs)))[n] = share
        names = tuple(runs)
        numbers = list(itertools.combinations(range(len(names)), 2))
        numbers = numbers if every_pair else [(0, n) for n in range(1, len(names))]
        table = np.array(list(values.values())).reshape(len(values), len(names)).T  # [runs, items]
        weights = np.array([table[a] - table[b] for a, b in numbers])
        matter = np.flatnonzero(np.abs(weights).max(axis=0) > 1e-15)
        if not len(matter):
            raise InputError(f"the runs have the same first {measure.depth} documents: there is nothing to judge")
        items = list(values)
        votes = table.mean(axis=0) / shares[0]
        pairs = tuple((names[a], names[b]) for a, b in numbers)
        return cls(measure, names, pairs, tuple(items[i] for i in matter), queries, weights[:, matter], votes[matter])
