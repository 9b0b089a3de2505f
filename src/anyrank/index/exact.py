"""BM25 with any settings, from counts of terms in memory. The engine's k1 and b are fixed, its title weight and
smoothing are written into its postings, and it rounds lengths; here all four are chosen at query time.

For collections that fit in memory and change seldom: the counts are made of all documents at the first search, and anew
after a change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.types import Candidate

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Settings:
    """``k1`` bounds the gain of repeated terms, ``b`` is the part of length normalisation, ``title`` counts the terms
    of a title so often, ``smoothing`` words are added to every length. The defaults are the engine's; title=1 and
    smoothing=0 give the plain formula."""

    k1: float = 1.2
    b: float = 0.75
    title: float = 3
    smoothing: float = 4

    def __post_init__(self) -> None:
        for name in ("k1", "b", "title", "smoothing"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
                raise InputError(f"{name}={value!r:.40}: expected a number of at least 0")
        if self.b > 1:
            raise InputError(f"b={self.b!r}: expected a number from 0 to 1")


@dataclass(frozen=True, slots=True, eq=False)
class TermCounts:
    """Counts of terms by document: those of term t are ``columns[starts[t]:starts[t+1]]`` (positions of documents),
    with ``counts`` in the whole text and ``titles`` in the title beside them. ``rows`` are the documents' rows in the
    store, ``lengths`` and ``title_lengths`` their numbers of terms."""

    rows: Ints
    terms: Mapping[str, int]
    starts: Ints
    columns: Ints
    counts: NDArray[np.float64]
    titles: NDArray[np.float64]
    lengths: NDArray[np.float64]
    title_lengths: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Sequence[int], texts: Iterable[tuple[list[str], list[str]]]) -> TermCounts:
        """Of documents' terms: those of the whole text, and of its title."""
        terms: dict[str, int] = {}
        entries: list[tuple[int, int, int, int]] = []  # term, document, count, count in the title
        lengths, title_lengths = [], []
        for column, (body, title) in enumerate(texts):
            in_title = Counter(title)
            for term, count in Counter(body).items():
                entries.append((terms.setdefault(term, len(terms)), column, count, in_title[term]))
            lengths.append(len(body))
            title_lengths.append(len(title))
        table = np.array(entries, dtype=np.int64).reshape(-1, 4)
        table = table[np.argsort(table[:, 0], kind="stable")]
        starts = np.searchsorted(table[:, 0], np.arange(len(terms) + 1))
        counts, in_titles = table[:, 2].astype(float), table[:, 3].astype(float)
        return cls(
            np.array(rows, dtype=np.int64), terms, starts, table[:, 1], counts, in_titles,
            np.array(lengths, dtype=float), np.array(title_lengths, dtype=float),
        )  # fmt: skip

    def frequency(self, term: str) -> float:
        """How often a term stands in all documents together, titles counted once."""
        t = self.terms.get(term)
        return 0.0 if t is None else float(self.counts[self.starts[t] : self.starts[t + 1]].sum())

    def scores(self, query: Sequence[str] | Mapping[str, float], settings: Settings) -> NDArray[np.float64]:
        """The score of every document for terms, or terms with weights; 0 for those without a term of the query:
        sum of idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / mean length)) over the query's terms, with
        idf = ln(1 + (N - n + .5) / (n + .5)), times a term's weight, or how often it stands in the query."""
        out = np.zeros(len(self.rows))
        if not len(self.rows):
            return out
        lengths = self.lengths + (settings.title - 1) * self.title_lengths + settings.smoothing
        norm = settings.k1 * (1 - settings.b + settings.b * lengths / max(lengths.mean(), 1e-12))
        for term, times in (query if isinstance(query, Mapping) else Counter(query)).items():
            if (t := self.terms.get(term)) is None:
                continue
            span = slice(self.starts[t], self.starts[t + 1])
            columns = self.columns[span]
            frequency = self.counts[span] + (settings.title - 1) * self.titles[span]
            n = len(columns)
            idf = np.log(1 + (len(self.rows) - n + 0.5) / (n + 0.5))
            out[columns] += times * idf * frequency * (settings.k1 + 1) / np.maximum(frequency + norm[columns], 1e-12)
        return out

    def best(
        self,
        query: Sequence[str] | Mapping[str, float],
        k: int,
        settings: Settings,
        among: NDArray[np.bool_] | None = None,
    ) -> tuple[Ints, NDArray[np.float64]]:
        """Rows and scores of the k best documents with a term of the query, best first; ``among`` says for every row
        of the store whether it may be found. Ties stay in the order of rows."""
        scores = self.scores(query, settings)
        if among is not None:
            scores = np.where(among[self.rows], scores, 0)
        columns = np.flatnonzero(scores > 0)
        columns = columns[np.argsort(-scores[columns], kind="stable")][:k]
        return self.rows[columns], scores[columns]


def title_of(doc: Candidate) -> str:
    """A document's title: of its fields, or of its content."""
    inner = doc.content.get("title") if isinstance(doc.content, Mapping) else None
    return str(doc.meta.get("title") or inner or "")
