"""Group: the one unit of training data, a query and candidates for it, each with a label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.content import text_of
from ..core.errors import InputError
from ..core.types import Candidate, Query


@dataclass(frozen=True, slots=True)
class Group:
    """The content of a query and candidates for it, each with a label: a grade, or a teacher's score; higher is better.
    ``grades`` are the judgements beside a teacher's labels, if there are any: above 0 is relevant.

    Pairs, triples, listwise permutations and teacher files all read as groups. Contents are anything that a model
    reads: texts, mappings, images, spectra and peptides. ``priors`` are the scores of the run that the candidates came
    from (for curricula), if there is one; candidates without an id of their own have the id "". Raises InputError
    if the lengths differ.

    >>> Group.from_texts("capital of France", ["Paris is.", "Rome is."], [1.0, 0.0]).labels
    (1.0, 0.0)
    """

    query: Any
    candidates: tuple[Candidate, ...]
    labels: tuple[float, ...]
    id: str = ""
    priors: tuple[float, ...] = ()
    grades: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name, values in (("labels", self.labels), ("priors", self.priors), ("grades", self.grades)):
            if len(values) != len(self.candidates) and (values or name == "labels"):
                raise InputError(f"{self.name}: {len(self.candidates)} texts but {len(values)} {name}")

    @classmethod
    def of(cls, query: Query, candidates: Sequence[Candidate], labels: Iterable[float]) -> Group:
        """The group of some candidates, their scores as priors. Raises InputError on a candidate without content.

        >>> Group.of(Query("q1", "why?"), [Candidate("d1", "so", 2.5)], [1.0]).priors
        (2.5,)
        """
        for c in candidates:
            if c.content is None:
                raise InputError(f"candidate {c.id!r} of query {query.id!r} has no text")
        members = tuple(Candidate(c.id, c.content, meta=c.meta) for c in candidates)
        return cls(query.content, members, tuple(labels), query.id, tuple(c.score for c in candidates))

    @classmethod
    def from_texts(
        cls,
        query: Any,
        texts: Sequence[Any],
        labels: Iterable[float],
        id: str = "",
        ids: Sequence[str] = (),
        priors: Iterable[float] = (),
        grades: Iterable[float] = (),
    ) -> Group:
        """The group of plain contents, with the ids of the candidates if they have any.

        >>> Group.from_texts("why?", ["so"], [1.0], ids=["d1"]).candidates
        (Candidate(id='d1', content='so', score=0.0, meta={}),)
        """
        if ids and len(ids) != len(texts):
            raise InputError(f"query {id or query!r}: {len(texts)} texts but {len(ids)} ids")
        members = tuple(map(Candidate, ids or [""] * len(texts), texts))
        return cls(query, members, tuple(labels), id, tuple(priors), tuple(grades))

    @property
    def name(self) -> str:
        """The group's name in errors: its id, else its query."""
        return f"query {self.id or self.query!r}"

    @property
    def texts(self) -> tuple[str, ...]:
        """The candidates' texts, as `core.content.text_of` reads them."""
        return tuple(text_of(c.content) for c in self.candidates)

    @property
    def ids(self) -> tuple[str, ...]:
        """The candidates' ids; () if they have none."""
        ids = tuple(c.id for c in self.candidates)
        return ids if any(ids) else ()

    @property
    def size(self) -> int:
        """The characters of the texts. Batches join groups of similar size."""
        return sum(map(len, self.texts))

    def scored(self) -> tuple[Candidate, ...]:
        """The candidates with their priors as scores, for models that a first stage's scores count in.

        >>> Group.from_texts("q", ["a"], [1.0], priors=[2.5]).scored()
        (Candidate(id='', content='a', score=2.5, meta={}),)
        """
        if not self.priors:
            return self.candidates
        return tuple(replace(c, score=prior) for c, prior in zip(self.candidates, self.priors))

    def named(self) -> tuple[Candidate, ...]:
        """The candidates, each with an id: their positions "0", "1", … if they have none."""
        if self.ids:
            return self.candidates
        return tuple(replace(c, id=str(i)) for i, c in enumerate(self.candidates))

    def take(self, positions: Sequence[int]) -> Group:
        """The candidates at these positions, in this order.

        >>> Group.from_texts("q", ["a", "b"], [1.0, 0.0], ids=["1", "2"]).take([1]).ids
        ('2',)
        """

        def pick(values: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(values[i] for i in positions) if values else ()

        kept = pick(self.candidates), pick(self.labels), self.id, pick(self.priors), pick(self.grades)
        return Group(self.query, *kept)
