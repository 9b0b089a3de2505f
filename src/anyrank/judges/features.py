"""Features of candidates for learned rankers: scores that `Keep` remembered, numeric fields, words in common with the
query, and ready-made vectors.

A feature is known by its name, and a list of names is a table's columns:

``score``, ``score.less best``, ``rank``   the candidate's score and rank (from 1) as it comes in
``meta.NAME``        a number of the candidate's meta: a remembered score (``keep("bm25")``), a field of its document
``field.NAME``       a number of a content that is a mapping
``vector.N``         position N of the vector in ``meta["features"]``, as `io.libsvm` reads it
``FIELD.terms``, ``.share``, ``.idf``, ``.bm25``, ``.length``   of the text of a field ("text": the whole content): how
                     many of the query's terms it has, their share, the sum of their idf, BM25, its length in terms
``query.terms``, ``query.idf``             the number of the query's terms, and the sum of their idf
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..core.content import text_of
from ..core.errors import InputError
from ..core.types import Candidate, Query, Ranking
from ..index.analysis import Analyser
from ..index.exact import title_of
from ..io.libsvm import FEATURES
from .trees import Floats

K1, B = 1.2, 0.75
INCOMING = ("score", "score.less best", "rank")
OF_QUERY = ("query.terms", "query.idf")
OF_TEXT = ("terms", "share", "idf", "bm25", "length")
FAMILIES = ("score", "meta", "field", "words", "vector")


@dataclass(frozen=True)
class Statistics:
    """Counts of the texts that a ranker was trained on: how many, how many have each term, and the mean length of each
    field in terms. They are saved with the ranker, so that a text has the same features wherever it is ranked."""

    documents: int = 0
    frequencies: Mapping[str, int] = field(default_factory=dict, repr=False)
    lengths: Mapping[str, float] = field(default_factory=dict)
    language: str = "english"

    @classmethod
    def of(cls, candidates: Iterable[Candidate], fields: Sequence[str], language: str = "english") -> Statistics:
        """The counts of distinct candidates, by id."""
        analyser = Analyser(language)
        frequencies: Counter[str] = Counter()
        lengths: dict[str, list[int]] = {name: [] for name in fields}
        seen: set[str] = set()
        for c in candidates:
            if c.id in seen:
                continue
            seen.add(c.id)
            frequencies.update(set(analyser.terms(text_of(c.content))))
            for name in fields:
                if (text := field_text(c, name)) is not None:
                    lengths[name].append(len(analyser.terms(text)))
        means = {name: float(np.mean(values)) for name, values in lengths.items() if values}
        return cls(len(seen), dict(frequencies), means, language)

    def idf(self, term: str) -> float:
        """ln(1 + (N - n + 0.5) / (n + 0.5)), as BM25 has it."""
        n = self.frequencies.get(term, 0)
        return math.log(1 + (self.documents - n + 0.5) / (n + 0.5))

    @cached_property
    def analyser(self) -> Analyser:
        """The analysis of the texts' language."""
        return Analyser(self.language)


def field_text(candidate: Candidate, name: str) -> str | None:
    """The text of a candidate's field; None if it has none. "text" is the whole content, "title" its title."""
    if name == "text":
        return None if candidate.content is None else text_of(candidate.content)
    if name == "title":
        return title_of(candidate) or None
    inner = candidate.content.get(name) if isinstance(candidate.content, Mapping) else None
    value = candidate.meta.get(name) if inner is None else inner
    return None if value is None else str(value)


@dataclass(frozen=True)
class Features:
    """The features of these ``names``, in this order, by the ``statistics`` of the texts trained on."""

    names: tuple[str, ...]
    statistics: Statistics = Statistics()

    @classmethod
    def of(
        cls,
        rankings: Sequence[Ranking],
        families: Sequence[str] = (),
        fields: Sequence[str] = ("text", "title"),
        language: str = "english",
    ) -> Features:
        """The features that some candidates have: of the ``families`` that are named, else of vectors alone if there
        are any, and of all others if there are none. ``fields`` are those whose words are compared with the query's.
        Raises InputError on an unknown family, and if there is no feature at all."""
        if wrong := [name for name in families if name not in FAMILIES]:
            raise InputError(f"no family of features {wrong[0]!r}: choose of {', '.join(FAMILIES)}")
        members = [c for r in rankings for c in r]
        widths = [len(v) for c in members if isinstance(v := c.meta.get(FEATURES), Sequence)]
        chosen = tuple(families) or (("vector",) if widths else ("score", "meta", "field", "words"))
        names: list[str] = []
        if "score" in chosen:
            names += INCOMING
        if "meta" in chosen:
            names += [f"meta.{n}" for n in _numeric(c.meta for c in members)]
        if "field" in chosen:
            names += [f"field.{n}" for n in _numeric(c.content for c in members if isinstance(c.content, Mapping))]
        statistics = Statistics()
        present = [n for n in fields if any(field_text(c, n) for c in members)] if "words" in chosen else []
        if present:
            statistics = Statistics.of(members, present, language)
            names += [*OF_QUERY, *(f"{n}.{kind}" for n in present for kind in OF_TEXT)]
        if "vector" in chosen:
            names += [f"vector.{i}" for i in range(max(widths, default=0))]
        if not names:
            raise InputError(f"the candidates have no features of the families {', '.join(chosen)}")
        return cls(tuple(names), statistics)

    def table(self, query: Query, candidates: Sequence[Candidate]) -> Floats:
        """The features [candidates, names]; NaN where a candidate lacks one."""
        columns: dict[str, Floats] = {}
        if any(name in INCOMING for name in self.names):
            scores = np.array([c.score for c in candidates], dtype=np.float64)
            less = scores - scores.max(initial=-np.inf)
            columns |= dict(zip(INCOMING, (scores, less, np.arange(1.0, len(candidates) + 1))))
        if self.fields:
            columns |= self._words(query, candidates)
        vectors = [c.meta.get(FEATURES) for c in candidates] if any(n.startswith("vector.") for n in self.names) else []
        for name in self.names:
            family, _, key = name.partition(".")
            if name in columns:
                continue
            if family == "meta":
                columns[name] = np.array([_number(c.meta.get(key)) for c in candidates], dtype=np.float64)
            elif family == "field":
                inner = [c.content.get(key) if isinstance(c.content, Mapping) else None for c in candidates]
                columns[name] = np.array(list(map(_number, inner)), dtype=np.float64)
            elif family == "vector":
                columns[name] = np.array([_at(v, int(key)) for v in vectors], dtype=np.float64)
            else:
                raise InputError(f"no feature {name!r}")
        return np.column_stack([columns[n] for n in self.names]).reshape(len(candidates), len(self.names))

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields whose words are features."""
        return tuple(n.removesuffix(".bm25") for n in self.names if n.endswith(".bm25") and not n.startswith("meta."))

    def _words(self, query: Query, candidates: Sequence[Candidate]) -> dict[str, Floats]:
        """The columns that compare words."""
        known = self.statistics
        asked = list(dict.fromkeys(known.analyser.terms(text_of(query.content))))
        idf = {term: known.idf(term) for term in asked}
        n = len(candidates)
        columns = {"query.terms": np.full(n, float(len(asked))), "query.idf": np.full(n, sum(idf.values()))}
        for name in self.fields:
            rows = np.full((n, len(OF_TEXT)), np.nan)
            mean = max(known.lengths.get(name, 0.0), 1e-12)
            for i, c in enumerate(candidates):
                if (text := field_text(c, name)) is None:
                    continue
                counts = Counter(terms := known.analyser.terms(text))
                matched = [t for t in asked if t in counts]
                norm = K1 * (1 - B + B * len(terms) / mean)
                bm25 = sum(idf[t] * counts[t] * (K1 + 1) / (counts[t] + norm) for t in matched)
                share = len(matched) / max(len(asked), 1)
                rows[i] = len(matched), share, sum(idf[t] for t in matched), bm25, len(terms)
            columns |= {f"{name}.{kind}": rows[:, j] for j, kind in enumerate(OF_TEXT)}
        return columns

    def as_dict(self) -> dict[str, Any]:
        """A JSON-ready form, which `from_dict` reads."""
        return {"names": list(self.names), "statistics": asdict(self.statistics)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Features:
        """The features of `as_dict`'s form."""
        return cls(tuple(record["names"]), Statistics(**record["statistics"]))


def _numeric(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """The keys under which some record has a number, in order of appearance."""
    names: dict[str, None] = {}
    for record in records:
        names |= dict.fromkeys(k for k, v in record.items() if isinstance(v, int | float) and k != FEATURES)
    return list(names)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else math.nan


def _at(vector: Any, position: int) -> float:
    inside = isinstance(vector, Sequence) and not isinstance(vector, str) and position < len(vector)
    return _number(vector[position]) if inside else math.nan
