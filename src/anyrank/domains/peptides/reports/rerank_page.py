"""The report of a reranking: input and losses, candidates by engine, changes of the first choice, and spectra."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PureWindowsPath

from markupsafe import Markup

from ....core.types import Candidate, Ranking
from ....pages.render import render
from ....pages.svg import element
from ..confidence import PRECURSOR, Threshold
from ..ions import ppm
from ..matching import NARROW, Tolerance, coverage, explained, hyperscore, match
from ..precursor import ISOTOPES, fits
from ..spectrum import Spectrum
from .histogram import histogram
from .spectrum_chart import spectrum_chart

SPECTRA, RIVALS, LOST, LISTED = 12, 2, 5, 10
"""The most spectra drawn, rivals drawn with each, losses listed of a file, and candidates listed of a spectrum."""

Row = list[str | Markup]
Pair = tuple[Ranking, Ranking]
"""A spectrum's candidates before and after."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read: the engine it is of, how many spectra or rows were used, and the reason for each that was
    lost."""

    name: str
    path: str
    used: int
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A spectrum that is drawn: its label in the menu, the numbers of its candidates, and the choice drawn
    against each of its rivals."""

    label: str
    numbers: list[Row]
    charts: list[Markup]


def rerank_page(
    before: Sequence[Ranking],
    after: Sequence[Ranking],
    sources: Sequence[Source],
    *,
    method: str,
    tolerance: Tolerance = NARROW,
    precursor: Tolerance = PRECURSOR,
    confidence: str = "",
    thresholds: Sequence[Threshold] = (),
    engines: Sequence[str] | None = None,
) -> str:
    """Render the report.

    ``before``: the merged rankings, in the engines' order; ``after``: the same as ``method`` ranked them;
    ``sources``: the spectra first, then the engines in their order. Drawn are spectra whose first choice changed, by
    falling difference between the method's scores of the new and of the former choice, and after them an even sample of
    those whose first choice stayed. Candidates further from the precursor than ``precursor`` are marked in colour, and
    the distances of the choices drawn. ``confidence`` is a text about the confidences in the candidates' meta,
    ``thresholds`` what they advise; ``engines`` are by default the sources after the first.
    """
    pairs = [(a, b) for a, b in zip(before, after, strict=True) if len(a)]
    changed = [(a, b) for a, b in pairs if a[0].id != b[0].id]
    engines = list(engines) if engines is not None else [s.name for s in sources[1:]]
    unchanged = [(a, b) for a, b in pairs if a[0].id == b[0].id]
    unchanged = unchanged[:: max(len(unchanged) // SPECTRA, 1)][:SPECTRA]
    surest = sorted(changed, key=lambda pair: -_margin(*pair))[:SPECTRA]
    return render(
        "rerank.html.jinja",
        package=__package__,
        # Windows paths split at both kinds of slash.
        title=f"Peptides of {PureWindowsPath(sources[0].path).name}, reranked",
        method=method,
        spectra_count=len(before),
        candidates_count=sum(map(len, before)),
        pairs=pairs,
        changed=changed,
        sources=sources,
        most_lost=LOST,
        engine_rows=_engines(engines, before, after),
        choice_rows=_choices(pairs),
        changes=[_change(a, b, engines, tolerance, precursor) for a, b in surest],
        others=[_change(a, b, engines, tolerance, precursor) for a, b in unchanged],
        misfit_count=sum(not fits(b[0].content, b.query.content, precursor) for _, b in pairs),
        precursor=f"{precursor.value:g} {precursor.unit}",
        errors=_errors([b for _, b in pairs], precursor),
        confidence=confidence,
        thresholds=[[f"{t.rate:.0%}", f"{t.confidence:.3f}", f"{t.count:,}"] for t in thresholds],
        engines=engines,
    )


def _engines(engines: Sequence[str], before: Sequence[Ranking], after: Sequence[Ranking]) -> list[Row]:
    """A row an engine: its spectra and candidates, those that no other engine has, and how often its first is
    chosen."""
    rows = []
    for engine in engines:
        candidates = [[c for c in r if engine in c.meta["scores"]] for r in before]
        alone = sum(len(c.meta["scores"]) == 1 for cs in candidates for c in cs)
        spectra = sum(map(bool, candidates))
        chosen = sum(r[0].meta["ranks"].get(engine) == 1 for r in after if len(r))
        share = f" ({chosen / spectra:.1%})" if spectra else ""
        total = sum(map(len, candidates))
        rows.append([engine, f"{spectra:,}", f"{total:,}", f"{alone:,}", f"{chosen:,}{share}"])
    return rows


def _choices(pairs: Sequence[Pair]) -> list[Row]:
    """How often the first choice changed, by the number of candidates."""
    spectra = Counter(min(len(a), LISTED) for a, _ in pairs)
    changed = Counter(min(len(a), LISTED) for a, b in pairs if a[0].id != b[0].id)
    return [
        [f"{n}{' or more' if n == LISTED else ''}", f"{m:,}", f"{changed[n]:,}", f"{changed[n] / m:.1%}"]
        for n, m in sorted(spectra.items())
    ]


def _margin(a: Ranking, b: Ranking) -> float:
    """The score of the new first choice less that of the former one; 0 if that is not a number."""
    scores = {c.id: c.score for c in b}
    margin = b[0].score - scores[a[0].id]
    return margin if margin == margin else 0.0


_BINS = (0.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0)


def _errors(rankings: Sequence[Ranking], precursor: Tolerance) -> Markup:
    """The histogram of the choices' mass errors: those that fit the precursor, and those that don't."""
    counts = {low: [0, 0] for low in _BINS}
    for r in rankings:
        s = r.query.content
        error = abs(ppm(r[0].content, s.precursor_mz, s.charge, ISOTOPES))
        counts[max(low for low in _BINS if low <= error)][not fits(r[0].content, s, precursor)] += 1
    labels = [f"{a:g}-{b:g}" for a, b in pairwise(_BINS)] + [f"over {_BINS[-1]:g}"]
    bins = [(label, counts[low][0], counts[low][1]) for label, low in zip(labels, _BINS)]
    words = "distance of the choice from the precursor in ppm (isotopes allowed)"
    return histogram(bins, "Mass errors of the choices", words, ("fit", "don't fit"))


def _change(a: Ranking, b: Ranking, engines: Sequence[str], tolerance: Tolerance, precursor: Tolerance) -> Change:
    """The charts of the choice against the former one and against further rivals, and the table of all candidates."""
    former = a[0].id
    rivals = [("the engines' first", next(c for c in b if c.id == former))] if former != b[0].id else []
    rivals += [(f"rival, now {i}", c) for i, c in enumerate(b, 1) if i > 1 and c.id != former]
    chosen = ("chosen" + _verdict(b, b[0]), b[0].content)
    charts = [
        spectrum_chart(b.query.content, chosen, (caption + _verdict(b, c), c.content), tolerance)
        for caption, c in (rivals[: 1 + RIVALS] if former != b[0].id else rivals[:1])
    ] or [spectrum_chart(b.query.content, chosen, None, tolerance)]
    label = f"{b.query.id}: {b[0].content}" + (f", was {a[0].content}" if former != b[0].id else _verdict(b, b[0]))
    return Change(label, _numbers(a, b, engines, tolerance, precursor), charts)


def _numbers(a: Ranking, b: Ranking, engines: Sequence[str], tolerance: Tolerance, precursor: Tolerance) -> list[Row]:
    """A row a candidate: name, rank after and before, score, the engines' scores, and the match of its ions."""
    spectrum = b.query.content
    prepared = spectrum.prepared()
    former_ranks = {c.id: i for i, c in enumerate(a, 1)}
    rows = []
    for rank, c in enumerate(b.candidates[:LISTED], 1):
        matched = match(prepared, c.content, tolerance)
        rows.append(
            [
                f"{c.content}{_verdict(b, c)}",
                f"{rank}",
                f"{former_ranks[c.id]}",
                f"{c.meta.get('method_score', c.score):.4g}",
                *(f"{c.meta['scores'][e]:.4g}" if e in c.meta["scores"] else "" for e in engines),
                f"{hyperscore(prepared, matched):.1f}",
                f"{explained(prepared, matched):.0%}",
                f"{coverage(prepared, matched):.0%}",
                _error(c, spectrum, precursor),
            ]
        )
    return rows


def _error(c: Candidate, spectrum: Spectrum, precursor: Tolerance) -> str | Markup:
    """The mass error in ppm, in the colour of losses if the candidate doesn't fit the precursor."""
    words = f"{ppm(c.content, spectrum.precursor_mz, spectrum.charge, ISOTOPES):+.1f}"
    if fits(c.content, spectrum, precursor):
        return words
    return element("strong", f"{words} off", style="color:var(--loss)")


def _verdict(r: Ranking, c: Candidate) -> str:
    """A mark, right or wrong, by the annotated peptide; empty if there is none."""
    truth = r.query.content.peptide
    return "" if truth is None else " (right)" if c.id == truth.key else " (wrong)"
