"""Documents that an evaluation leaves out: the query itself, those already seen (residual collections), and those
without a judgement (condensed lists)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from .inputs import Judgements, Lists


@dataclass(frozen=True, slots=True)
class LeaveOut:
    """With ``ignore_self`` the document whose id is the query's, and the documents of ``seen`` by query, are left out
    of runs and judgements; with ``condensed``, results without a judgement are left out of the runs (Sakai 2007).

    >>> LeaveOut(ignore_self=True).of_lists({"q": ["q", "d"]}, Judgements({"q": {"d": 1}}))
    {'q': ['d']}
    """

    ignore_self: bool = False
    seen: Mapping[str, Collection[str]] = field(default_factory=dict)
    condensed: bool = False

    def _removed(self, query: str) -> set[str]:
        return {*self.seen.get(query, ()), *([query] if self.ignore_self else [])}

    def of_judgements(self, judgements: Judgements) -> Judgements:
        """The judgements that are left."""
        removed = {q: docs for q in judgements.grades if (docs := self._removed(q))}
        return judgements.without(removed) if removed else judgements

    def of_lists(self, ids: Lists, judgements: Judgements) -> Lists:
        """A run's lists without the documents left out; ``judgements`` are those that are left."""
        if not (self.ignore_self or self.seen or self.condensed):
            return ids
        out: Lists = {}
        for q, docs in ids.items():
            removed, judged = self._removed(q), judgements.grades.get(q)
            left = [d for d in docs if d not in removed]
            out[q] = [d for d in left if d in judged] if self.condensed and judged is not None else left
        return out

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was left out, in words, to stand beside the numbers."""
        out = []
        if self.ignore_self:
            out.append("The document whose id is the query's was left out of runs and judgements.")
        if self.seen:
            count = sum(map(len, self.seen.values()))
            out.append(f"Residual collection: {count:,} documents already seen were left out of runs and judgements.")
        if self.condensed:
            out.append("Condensed lists: results without a judgement were left out of the runs.")
        return tuple(out)
