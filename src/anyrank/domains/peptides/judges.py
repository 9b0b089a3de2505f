"""Judges that need no training. Each scores one group: all candidates of a spectrum."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ...core.errors import InputError
from ...core.fusion import RRF, Borda, Fusion
from ...core.groupings import Whole
from ...core.rerank import Group, Rerank
from ...core.types import Candidate, Judgement, Ranking
from .distance import pmds
from .ions import ppm
from .matching import Match, Tolerance, hyperscore, match
from .peptide import Peptide
from .spectrum import Spectrum


def reranker(judge: Callable[[Sequence[Group]], Sequence[Judgement]], name: str) -> Rerank:
    """A judge of whole groups as a stage, named ``name`` in traces."""
    return Rerank(Checked(judge), Whole(), name=name)


@dataclass(frozen=True)
class Checked:
    """A judge that takes peptides of spectra only. Raises InputError on other queries and candidates."""

    judge: Callable[[Sequence[Group]], Sequence[Judgement]]

    def __call__(self, groups: Sequence[Group]) -> Sequence[Judgement]:
        for query, members in groups:
            if not isinstance(query.content, Spectrum):
                raise InputError(
                    f"query {query.id!r} is no spectrum but {type(query.content).__name__}: this method ranks peptide "
                    "candidates of spectra, see 'anyrank peptides rerank'"
                )
            if wrong := next((c for c in members if not isinstance(c.content, Peptide)), None):
                raise InputError(
                    f"candidate {wrong.id!r} is no peptide but {type(wrong.content).__name__}: this method ranks "
                    "peptide candidates of spectra, see 'anyrank peptides rerank'"
                )
        return self.judge(groups)


@dataclass(frozen=True)
class EngineScore:
    """One engine's own score; candidates that it didn't propose come last."""

    engine: str

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        return [Judgement([float(_scores(c).get(self.engine, -math.inf)) for c in members]) for _, members in groups]


@dataclass(frozen=True)
class Vote:
    """The engines' lists fused: ``RRF()``, ``Borda()`` or ``Combine()`` of core.fusion, over their ranks or scores
    within the group. Borda's points are divided by the most there are, which grow with the group."""

    engines: tuple[str, ...]
    fusion: Fusion = RRF()

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        return [Judgement(self._fused(members)) for _, members in groups]

    def _fused(self, members: Sequence[Candidate]) -> list[float]:
        runs = []
        for engine in self.engines:
            ranked = sorted((c for c in members if engine in _scores(c)), key=lambda c: c.meta["ranks"][engine])
            runs.append({c.id: float(_scores(c)[engine]) for c in ranked})
        fused = self.fusion([r for r in runs if r], [1.0] * sum(map(bool, runs)))
        most = len(fused) * len(runs) if isinstance(self.fusion, Borda) else 1
        return [fused[c.id] / most if c.id in fused else -math.inf for c in members]


@dataclass(frozen=True)
class ScoreSum:
    """The sum over engines of the score's percentile among all scores of that engine in this run; an engine that didn't
    propose a candidate adds 0. Comparable between spectra, and between engines with different scales."""

    engines: tuple[str, ...]
    levels: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, rankings: Sequence[Ranking], engines: Sequence[str]) -> ScoreSum:
        """A judge with the percentiles of these rankings, the ones to be ranked; their annotations are not used."""
        levels = (sorted(float(_scores(c)[e]) for r in rankings for c in r if e in _scores(c)) for e in engines)
        return cls(tuple(engines), tuple(map(tuple, levels)))

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        return [Judgement([self._sum(c) for c in members]) for _, members in groups]

    def _sum(self, c: Candidate) -> float:
        scores = _scores(c)
        pairs = zip(self.engines, self.levels)
        return math.fsum(bisect_right(level, scores[e]) / len(level) for e, level in pairs if e in scores)


@dataclass(frozen=True)
class MassError:
    """The absolute precursor error in ppm, negated; of several isotope peaks the best fit counts."""

    isotopes: tuple[int, ...] = (0, 1)

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        return [
            Judgement([-abs(ppm(c.content, q.content.precursor_mz, q.content.charge, self.isotopes)) for c in members])
            for q, members in groups
        ]


@dataclass(frozen=True)
class Consensus:
    """The mean mass distance (PMD) from the other candidates, negated; the spectrum isn't used."""

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        return [Judgement(self._central([c.content for c in members])) for _, members in groups]

    @staticmethod
    def _central(peptides: Sequence[Peptide]) -> list[float]:
        out: list[float] = (-pmds(peptides).sum(axis=1) / max(len(peptides) - 1, 1)).tolist()
        return out


@dataclass(frozen=True)
class SpectrumMatch:
    """A score of the spectrum's match with a candidate's ions: `matching.hyperscore`, `cosine`, `explained` or
    `coverage`, on the ``peaks`` highest peaks."""

    score: Callable[[Spectrum, Match], float] = hyperscore
    tolerance: Tolerance = Tolerance()
    peaks: int = 300

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        out = []
        for query, members in groups:
            spectrum = query.content.prepared(peaks=self.peaks)
            matches = (match(spectrum, c.content, self.tolerance) for c in members)
            out.append(Judgement([self.score(spectrum, matched) for matched in matches]))
        return out


@runtime_checkable
class Trained(Protocol):
    """A judge that knows what it was trained on: the hashes of its training peptides (see `split.fingerprints`)."""

    @property
    def trained_on(self) -> Sequence[str]: ...


def _scores(c: Candidate) -> dict[str, float]:
    """A candidate's score by engine (see `merge`)."""
    return c.meta.get("scores", {})  # type: ignore[no-any-return]
