"""Judges of summaries that need no model: agreement with the other candidates, and with a reference.

A likelihood is `llm.pointwise.CandidateLikelihood` (method ``brio``); a trained judge is any model of `anyrank.train`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...core.content import required_text
from ...core.errors import InputError
from ...core.rerank import Group
from ...core.trace import Usage
from ...core.types import Candidate, Judgement, Query
from .overlap import Utility, similarity


@dataclass(frozen=True)
class Consensus:
    """A judge of whole groups: a candidate's mean utility with each of the others as the reference, so that the most
    typical one is best (minimum Bayes risk decoding). A single candidate scores 0.

    ``utility`` (reference, summary) need not be symmetric. Costs n (n - 1) comparisons, no model calls.
    """

    utility: Utility = similarity

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        return [Judgement(consensus(_texts(members), self.utility), Usage()) for _, members in groups]


def consensus(texts: Sequence[str], utility: Utility = similarity) -> list[float]:
    """Each text's mean utility with the others as references.

    >>> [round(s, 3) for s in consensus(["a cat sat", "the cat sat", "a dog ran"])]
    [0.375, 0.292, 0.083]
    """
    others = max(len(texts) - 1, 1)
    return [sum(utility(b, a) for j, b in enumerate(texts) if j != i) / others for i, a in enumerate(texts)]


@dataclass(frozen=True)
class Reference:
    """A judge that sees the reference: a candidate's utility for the text in the query's ``meta["reference"]``. It
    gives the upper bound of choosing by that utility, and labels for training; it can't be used where there is no
    reference.

    Raises InputError on a query without one, and on a candidate without a text.
    """

    utility: Utility = similarity

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        out = []
        for query, members in groups:
            reference = reference_of(query)
            out.append(Judgement([self.utility(reference, text) for text in _texts(members)], Usage()))
        return out


def _texts(members: Sequence[Candidate]) -> list[str]:
    """The texts of candidates. Raises InputError on one that has none."""
    return [required_text(c.content, f"candidate {c.id!r}") for c in members]


def reference_of(query: Query) -> str:
    """The reference of an article. Raises InputError if its ``meta`` has none."""
    reference: object = query.meta.get("reference") if isinstance(query.meta, Mapping) else None
    if reference is not None and not isinstance(reference, str):
        kind = type(reference).__name__
        raise InputError(f"the reference summary of query {query.id!r} is {kind}: expected a text")
    if reference is None or not reference.strip():
        raise InputError(f"query {query.id!r} has no reference summary: give it as the field reference of its line")
    return reference
