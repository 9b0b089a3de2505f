"""Measures of multi-hop retrieval, where a question needs several pieces of evidence: how much of it a pool of
candidates holds, and the four figures of MultiHop-RAG's script."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


def evidence_recall(pool: Collection[str], gold: Collection[str]) -> float:
    """The share of the gold ids that a pool holds; 1 if there are none to find.

    >>> evidence_recall(["a", "b", "c"], ["a", "z"])
    0.5
    """
    needed = set(gold)
    return len(needed & set(pool)) / len(needed) if needed else 1.0


@dataclass(frozen=True, slots=True)
class MultiHop:
    """Means over questions: whether a gold fact is in the first 4 and 10 chunks, the reciprocal rank of the first, and
    MultiHop-RAG's own form of average precision."""

    hits_4: float
    hits_10: float
    mrr_10: float
    map_10: float


def multihop(retrieved: Sequence[Sequence[str]], gold: Sequence[Sequence[str]], *, map_ranks: int = 11) -> MultiHop:
    """The figures of texts of chunks, best first, and gold facts, one list a question (arXiv 2401.15391, its
    ``retrieval_evaluate.py``). A chunk holds a fact if it contains the fact's text, spaces and line ends taken out of
    both. Questions without gold facts ("null queries") are left out.

    Average precision is not the usual one: the facts that are new at a rank, over the rank, summed, over the number
    of facts (at most 10). ``map_ranks``: the script first looked at 11 ranks for it, and in a later version at 10.

    >>> multihop([["no", "a fact", "-", "two"]], [["fact", "two"]]).map_10  # (1 / 2 + 1 / 4) / 2
    0.375
    """
    rows = []
    for chunks, facts in zip(retrieved, gold, strict=True):
        if not facts:
            continue
        missing = [_squeezed(f) for f in facts]
        left = list(missing)
        precision, first = 0.0, 0
        for rank, chunk in enumerate(map(_squeezed, chunks[: max(map_ranks, 10)]), 1):
            if not any(f in chunk for f in missing):
                continue
            if rank <= 10:
                first = first or rank
            if rank <= map_ranks:
                new = {f for f in left if f in chunk}
                precision += len(new) / rank
                left = [f for f in left if f not in new]
        rows.append((0 < first <= 4, first > 0, 1 / first if first else 0.0, precision / min(len(facts), 10)))
    means = [sum(column) / len(rows) for column in zip(*rows)] if rows else [0.0] * 4
    return MultiHop(*map(float, means))


def _squeezed(text: str) -> str:
    return text.replace(" ", "").replace("\n", "")
