"""The one unit of training data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import InputError
from ..core.types import Candidate, Query


@dataclass(frozen=True, slots=True)
class Group:
    """A query and texts for it, each with a label: a grade, or a teacher's score; higher is better.

    Pairs, triples, listwise permutations and teacher files all read as groups; ``priors`` keeps the scores of the run
    that the texts came from (for curricula), where there is one. Raises InputError where their lengths differ.

    >>> Group("capital of France", ("Paris is.", "Rome is."), (1.0, 0.0)).labels
    (1.0, 0.0)
    """

    query: str
    texts: tuple[str, ...]
    labels: tuple[float, ...]
    id: str = ""
    ids: tuple[str, ...] = ()
    priors: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name, given in (("labels", self.labels), ("ids", self.ids), ("priors", self.priors)):
            if len(given) != len(self.texts) and (given or name == "labels"):
                raise InputError(f"query {self.id or self.query!r}: {len(self.texts)} texts but {len(given)} {name}")

    @classmethod
    def of(cls, query: Query, candidates: Sequence[Candidate], labels: Iterable[float]) -> Group:
        """The group of some candidates, their scores as priors. Raises InputError on a candidate without content.

        >>> Group.of(Query("q1", "why?"), [Candidate("d1", "so", 2.5)], [1.0]).priors
        (2.5,)
        """
        for c in candidates:
            if c.content is None:
                raise InputError(f"candidate {c.id!r} of query {query.id!r} has no text")
        texts, ids = tuple(str(c.content) for c in candidates), tuple(c.id for c in candidates)
        return cls(str(query.content), texts, tuple(labels), query.id, ids, tuple(c.score for c in candidates))

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The texts as candidates, as models take them."""
        ids = self.ids or tuple(map(str, range(len(self.texts))))
        return tuple(Candidate(i, text) for i, text in zip(ids, self.texts))

    def take(self, places: Sequence[int]) -> Group:
        """The texts at these places, in this order.

        >>> Group("q", ("a", "b"), (1.0, 0.0), ids=("1", "2")).take([1]).ids
        ('2',)
        """

        def pick(values: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(values[i] for i in places) if values else ()

        return Group(self.query, pick(self.texts), pick(self.labels), self.id, pick(self.ids), pick(self.priors))
