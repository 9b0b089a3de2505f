"""System, the reproduction card of a system of the literature: its claim, the command that runs it here, what was
measured here and what its paper reports, kept apart.

The list of systems is ``systems.json``. Measured figures are never written there: each names a result file of the
project's ``bench/results`` and the key in it. ``measured.json``, which ships, holds their values; ``python
bench/reproductions.py`` writes it from the result files, and a test fails if it is stale.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from . import card as paper_card
from . import systems as papers
from .card import Figure

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure measured by anyrank: what it is, on which data and with which weights, the result file and the path of
    keys in it; a mapping as a key selects the row of a list that has these fields."""

    what: str
    data: str
    weights: str
    file: str
    key: tuple[Any, ...]

    @property
    def name(self) -> str:
        """The file and the path of keys as one text, unique to the figure.

        >>> Measured("", "", "", "a.json", ("rows", {"variant": "x"}, "p")).name
        'a.json: rows / {"variant": "x"} / p'
        """
        return f"{self.file}: " + " / ".join(k if isinstance(k, str) else json.dumps(k) for k in self.key)

    def read(self, results: Path) -> float:
        """The figure's value in a folder of result files. Raises InputError if the file or the key isn't there."""
        path = results / self.file
        if not path.is_file():
            raise InputError("no such result file", path=path)
        value: Any = json.loads(path.read_text(encoding="utf-8"))
        for key in self.key:
            try:
                value = _row(value, key) if isinstance(key, dict) else value[key]
            except (KeyError, IndexError, TypeError, StopIteration):
                raise InputError(f"nothing at {self.name}", path=path) from None
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise InputError(f"{self.name} is no number", path=path)
        return float(value)


def _row(rows: Sequence[Mapping[str, Any]], fields: Mapping[str, Any]) -> Any:
    return next(row for row in rows if all(row.get(k) == v for k, v in fields.items()))


@dataclass(frozen=True, slots=True)
class Expected:
    """The figure that the command with the real weights should give, and by how much it may differ."""

    value: float
    metric: str
    dataset: str
    source: str
    tolerance: float


@dataclass(frozen=True, slots=True)
class System:
    """A system of the literature. ``papers`` are the files of this folder that make it, ``benchmarks`` those of
    `anyrank.benchmarks`; without either it isn't in anyrank yet. ``run`` are commands that run it here,
    ``real_run`` those with the real weights, ``unmeasured`` says why there is no measured figure."""

    number: int
    name: str
    title: str
    arxiv: str
    papers: tuple[str, ...]
    benchmarks: tuple[str, ...]
    claim: str
    needs: str
    run: tuple[str, ...]
    measured: tuple[Measured, ...]
    unmeasured: str
    own_figures: tuple[Figure, ...]
    real_needs: str
    real_run: tuple[str, ...]
    expected: Expected | None
    note: str

    @property
    def built(self) -> bool:
        """True if anyrank has the system, or a part of it."""
        return bool(self.benchmarks) or any(p in papers() for p in self.papers)

    @property
    def reported(self) -> tuple[Figure, ...]:
        """The figures of the paper and of other sources: the system's own, and those of the cards that make it."""
        cards = [paper_card(p) for p in self.papers if p in papers() and paper_card(p).arxiv == self.arxiv]
        listed = [f for c in cards for f in c.figures]
        return (*listed, *(f for f in self.own_figures if f not in listed))

    def __str__(self) -> str:
        lines = [
            f"{self.number}. {self.name}: {self.title}" + (f", arXiv {self.arxiv}" if self.arxiv else ""),
            f"  claim: {self.claim}",
            f"  needs: {self.needs}",
        ]
        if not self.built:
            lines.append("  not in anyrank yet")
        else:
            parts = [*(p for p in self.papers if p in papers()), *(f"benchmark {b}" for b in self.benchmarks)]
            lines.append(f"  made of: {', '.join(parts)}")
            lines += (f"  run here: {command}" for command in self.run)
            values = measured_values()
            for m in self.measured:
                value = f"{values[m.name]:.4g}" if m.name in values else "not measured yet"
                lines.append(f"  measured here: {m.what} {value} on {m.data}; weights: {m.weights} ({m.name})")
            if not self.measured:
                lines.append(f"  measured here: nothing. {self.unmeasured}")
        lines += (f"  paper, not ours: {figure}" for figure in self.reported)
        if not self.reported:
            lines.append("  paper, not ours: no figure in the sources at hand")
        if self.built and self.real_run:
            lines.append(f"  with the real weights ({self.real_needs}):")
            lines += (f"    {command}" for command in self.real_run)
            e = self.expected
            lines.append(
                "  expected: not known"
                if e is None
                else f"  expected: {e.metric} {e.value:g} on {e.dataset} ({e.source}), within {e.tolerance:g}; "
                "not run by anyrank"
            )
        if self.note:
            lines.append(f"  note: {self.note}")
        return "\n".join(lines)


@cache
def all_systems() -> tuple[System, ...]:
    """The systems, by their numbers."""
    rows = json.loads((FOLDER / "systems.json").read_text(encoding="utf-8"))
    return tuple(_system(row) for row in rows)


def system(name: str) -> System | None:
    """The system of a name, or None.

    >>> system("rank_r1").number, system("rankgtp")
    (3, None)
    """
    return next((s for s in all_systems() if s.name == name), None)


@cache
def measured_values() -> Mapping[str, float]:
    """The values of all measured figures by `Measured.name`."""
    values: dict[str, float] = json.loads((FOLDER / "measured.json").read_text(encoding="utf-8"))
    return values


def read_values(results: Path) -> dict[str, float]:
    """The values of all measured figures, read from a folder of result files."""
    return {m.name: m.read(results) for s in all_systems() for m in s.measured}


def _system(row: Mapping[str, Any]) -> System:
    real = row["real"]
    return System(
        number=row["number"],
        name=row["name"],
        title=row["title"],
        arxiv=row["arxiv"],
        papers=tuple(row["papers"]),
        benchmarks=tuple(row["benchmarks"]),
        claim=row["claim"],
        needs=row["needs"],
        run=tuple(row["run"]),
        measured=tuple(
            Measured(m["what"], m["data"], m["weights"], m["file"], tuple(m["key"])) for m in row["measured"]
        ),
        unmeasured=row["unmeasured"],
        own_figures=tuple(Figure(**f) for f in row["reported"]),
        real_needs=real["needs"],
        real_run=tuple(real["run"]),
        expected=None if real["expected"] is None else Expected(**real["expected"]),
        note=real["note"],
    )
