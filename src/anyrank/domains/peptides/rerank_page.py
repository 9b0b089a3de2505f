"""The report of a reranking: what was read and lost, who proposed what, where the first choice changed, and spectra."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ...core.types import Candidate, Ranking
from ...evaluate.charts import esc, tag
from .charts import mirrored
from .ions import ppm
from .matching import NARROW, Tolerance, coverage, explained, hyperscore, match
from .page import IONS, one_of, shell

SPECTRA, RIVALS, LOST, LISTED = 12, 2, 5, 10
"""At most so many spectra are drawn, each with so many rivals; so many losses of a file and candidates are listed."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read: whose it is, how many spectra or rows could be used, and of each other why not."""

    name: str
    path: str
    used: int
    lost: tuple[str, ...] = ()


def rerank_page(
    before: Sequence[Ranking],
    after: Sequence[Ranking],
    sources: Sequence[Source],
    *,
    method: str,
    tolerance: Tolerance = NARROW,
) -> str:
    """``before``: the merged rankings, in the engines' order; ``after``: the same as ``method`` ranked them;
    ``sources``: the spectra first, then the engines in their order. Drawn are spectra whose first choice changed, those
    first where the method was surest: its scores of the new and the former choice are furthest apart.
    """
    pairs = [(a, b) for a, b in zip(before, after, strict=True) if len(a)]
    changed = [(a, b) for a, b in pairs if a[0].id != b[0].id]
    total, names = sum(map(len, before)), [s.name for s in sources[1:]]
    lead = (
        f"{len(before):,} spectra, {len(pairs):,} with candidates ({total:,} in all), ranked by {method}; the first "
        f"choice changed for {len(changed):,}" + (f" ({len(changed) / len(pairs):.1%})." if pairs else ".")
    )
    parts = [
        ("Read and lost", _sources(sources)),
        ("Candidates by engine", _engines(names, before, after)),
        ("First choices", _choices(pairs)),
        (f"Spectra whose first choice changed, by {method}", _drawn(changed, names, tolerance)),
    ]
    return shell(f"Peptides of {sources[0].path.replace(chr(92), '/').rsplit('/', 1)[-1]}, reranked", lead, parts)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[int] = ()) -> str:
    """A table of markup; the columns ``words`` hold text, the first names the row."""
    lines = [tag("tr", *(tag("th", h, scope="col", **_words(i, words)) for i, h in enumerate(head)))]
    for name, *cells in rows:
        tds = (tag("td", c, **_words(i, words)) for i, c in enumerate(cells, 1))
        lines.append(tag("tr", tag("th", name, scope="row"), *tds))
    return tag("div", tag("table", *lines), class_="scroll")


def _words(column: int, words: Sequence[int]) -> dict[str, str]:
    return {"class_": "words", "style": "text-align:left"} if column in words else {}


def _sources(sources: Sequence[Source]) -> str:
    rows = [[esc(s.name, 40), esc(s.path, 120), f"{s.used:,}", f"{len(s.lost):,}"] for s in sources]
    parts = [table(["", "file", "used", "lost"], rows, words=(1,))]
    for s in sources:
        if s.lost:
            more = [f"and {len(s.lost) - LOST:,} more"] if len(s.lost) > LOST else []
            items = (tag("li", esc(x)) for x in [*s.lost[:LOST], *more])
            parts.append(tag("h3", f"Lost of {esc(s.name, 40)}") + tag("ul", *items, class_="legend"))
    note = "Of spectra, those that could be read; of an engine, the rows that found their spectrum."
    return "".join([*parts, tag("p", note, class_="key")])


def _engines(names: Sequence[str], before: Sequence[Ranking], after: Sequence[Ranking]) -> str:
    rows = []
    for name in names:
        mine = [[c for c in r if name in c.meta["scores"]] for r in before]
        alone = sum(len(c.meta["scores"]) == 1 for cs in mine for c in cs)
        asked = sum(map(bool, mine))
        kept = sum(r[0].meta["ranks"].get(name) == 1 for r in after if len(r))
        rows.append([
            esc(name, 40), f"{asked:,}", f"{sum(map(len, mine)):,}", f"{alone:,}",
            f"{kept:,}" + (f" ({kept / asked:.1%})" if asked else ""),
        ])  # fmt: skip
    return table(["engine", "spectra", "candidates", "of it alone", "its first is now the choice"], rows)


def _choices(pairs: Sequence[tuple[Ranking, Ranking]]) -> str:
    """How often the first choice changed, by the number of candidates."""
    many = Counter(min(len(a), LISTED) for a, _ in pairs)
    changed = Counter(min(len(a), LISTED) for a, b in pairs if a[0].id != b[0].id)
    rows = [
        [f"{n}{' or more' if n == LISTED else ''}", f"{many[n]:,}", f"{changed[n]:,}", f"{changed[n] / many[n]:.1%}"]
        for n in sorted(many)
    ]
    return table(["candidates", "spectra", "first choice changed", "share"], rows)


def _drawn(changed: Sequence[tuple[Ranking, Ranking]], engines: Sequence[str], tolerance: Tolerance) -> str:
    if not changed:
        return tag("p", "None changed.", class_="key")
    surest = sorted(changed, key=lambda pair: -_margin(*pair))[:SPECTRA]
    drawn = {f"{b.query.id}: {b[0].content}, was {a[0].content}": _one(a, b, engines, tolerance) for a, b in surest}
    said = f"{len(surest)} of {len(changed):,}, the clearest first." if len(changed) > len(surest) else ""
    return tag("p", said, class_="key") * bool(said) + one_of(drawn) + IONS


def _margin(a: Ranking, b: Ranking) -> float:
    score = {c.id: c.score for c in b}
    away = b[0].score - score[a[0].id]
    return away if away == away else 0.0


def _one(a: Ranking, b: Ranking, engines: Sequence[str], tolerance: Tolerance) -> str:
    """The choice against the former one and against further rivals, and the numbers of all."""
    former = a[0].id
    rivals = [("the engines' first", next(c for c in b if c.id == former))]
    rivals += [(f"rival, now {i}", c) for i, c in enumerate(b, 1) if i > 1 and c.id != former]
    above = ("chosen" + _verdict(b, b[0]), b[0].content)
    pictures = [
        mirrored(b.query.content, above, (name + _verdict(b, c), c.content), tolerance)
        for name, c in rivals[: 1 + RIVALS]
    ]
    return _numbers(a, b, engines, tolerance) + "".join(pictures)


def _numbers(a: Ranking, b: Ranking, engines: Sequence[str], tolerance: Tolerance) -> str:
    spectrum = b.query.content
    clean = spectrum.prepared()
    place = {c.id: i for i, c in enumerate(a, 1)}
    rows = []
    for i, c in enumerate(b.candidates[:LISTED], 1):
        found = match(clean, c.content, tolerance)
        scores = (f"{c.meta['scores'][e]:.4g}" if e in c.meta["scores"] else "" for e in engines)
        rows.append([
            esc(f"{c.content}{_verdict(b, c)}", 90), f"{i}", f"{place[c.id]}", f"{c.score:.4g}", *scores,
            f"{hyperscore(clean, found):.1f}", f"{explained(clean, found):.0%}", f"{coverage(clean, found):.0%}",
            f"{ppm(c.content, spectrum.precursor_mz, spectrum.charge, (0, 1)):+.1f}",
        ])  # fmt: skip
    head = ["peptide", "place", "was", "score", *(esc(e, 20) for e in engines), "hyperscore", "intensity explained",
            "bonds seen", "mass error, ppm"]  # fmt: skip
    return table(head, rows)


def _verdict(r: Ranking, c: Candidate) -> str:
    """Whether it is the annotated peptide, where there is one."""
    truth = r.query.content.peptide
    return "" if truth is None else " (right)" if c.id == truth.key else " (wrong)"
