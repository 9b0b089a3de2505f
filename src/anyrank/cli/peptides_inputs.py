"""What the commands of ``anyrank peptides`` read: spectra and engines' outputs, joined, with all that was lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..core.errors import InputError
from ..core.types import Ranking
from .common import as_json_option, progress

if TYPE_CHECKING:
    from ..domains.peptides.methods import Setting
    from ..domains.peptides.psm import Joined
    from ..domains.peptides.spectrum import Spectrum

Made = TypeVar("Made", bound=Callable[..., Any])
SHOWN = 5
SPECTRA = "spectra"
"""The key of what was lost of the spectra, beside the engines'."""


def columns_option(*names: str) -> Callable[[Made], Made]:
    """The option that names the columns of engines' tables."""
    return click.option(*names, "columns", multiple=True, metavar="NAME:spectrum=COL,sequence=COL,score=COL",
                        help="Which columns an engine's table has, where they aren't known by name.")  # fmt: skip


reading_options: tuple[Callable[[Any], Any], ...] = (
    click.option("--by", type=click.Choice(["title", "scan", "index"]),
                 help="How engines name spectra; by default whichever finds most."),
    click.option("--fixed", multiple=True, metavar="TOKEN",
                 help="What a bare letter stands for, as in C+57.021 where a file leaves that unsaid."),
    click.option("--top", type=click.IntRange(1), help="Take only the best K of each engine."),
    click.option("--tolerance", default="20ppm", show_default=True, help="Of fragments: 20ppm, 0.5Da."),
)  # fmt: skip


def inputs(command: Made) -> Made:
    """The options of the commands that rank."""
    for option in (
        click.option("--spectra", required=True, help="The spectra: MGF or mzML, gzipped or not."),
        click.option("--engine", "engines", multiple=True, required=True, metavar="NAME=FILE",
                     help="An engine's output, mzTab or a table (repeat for several; the first wins ties)."),
        columns_option("--columns", "--engine-columns"),
        *reading_options,
        click.option("--model", help="A trained model's file or folder, for the methods that need one."),
        click.option("--problems", type=click.Path(path_type=Path),
                     help=f"A file for all that could not be read or found; {SHOWN} of each kind are shown anyway."),
        as_json_option,
    ):  # fmt: skip
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Inputs:
    """The merged candidates of all spectra of ``run``; the engines' ``files``; of each engine how many ``rows`` found
    their spectrum; what was ``lost``, by engine and under `SPECTRA`."""

    run: str
    files: Mapping[str, str]
    rankings: list[Ranking]
    setting: Setting
    rows: Mapping[str, int]
    lost: Mapping[str, Sequence[InputError]]

    @property
    def counts(self) -> dict[str, int]:
        """How much was lost of each."""
        return {name: len(errors) for name, errors in self.lost.items()}


def read(
    spectra: str, engines: Sequence[str], columns: Sequence[str], by: str | None, fixed: Sequence[str],
    top: int | None, tolerance: str, model: str | None, problems: Path | None,
) -> Inputs:  # fmt: skip
    """Everything read, joined and merged; what could not be used is told on standard error."""
    from ..domains.peptides.matching import Tolerance
    from ..domains.peptides.merge import merge
    from ..domains.peptides.methods import Setting

    files, known, letters = checked(engines, columns, fixed)
    width = Tolerance.of(tolerance)
    bad: list[InputError] = []
    found = read_one(spectra, letters, bad)
    if not found:
        message = f"none of {len(bad)} spectra can be used" if bad else "no tandem spectra in it"
        raise InputError(message, path=spectra)
    lost: dict[str, list[InputError]] = {SPECTRA: bad}
    joined = join_engines(found, files, known, by, letters, spectra, lost)
    if problems is not None:
        try:
            problems.write_text("".join(f"{e}\n" for errors in lost.values() for e in errors), "utf-8")
        except OSError as error:
            raise InputError(f"can't be written: {error.strerror}", path=problems) from None
    rankings = merge(found, joined, top)
    rows = {e: sum(map(len, j.found.values())) for e, j in joined.items()}
    return Inputs(spectra, files, rankings, Setting(tuple(files), rankings, width, model), rows, lost)


def checked(
    engines: Sequence[str], columns: Sequence[str], fixed: Sequence[str]
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Files and columns by engine, tokens by letter. Raises InputError on what can't be meant."""
    from ..domains.peptides.table import Columns

    files = _pairs(engines, "=", "--engine", "NAME=FILE")
    known = _pairs(columns, ":", "--columns", "NAME:spectrum=COL,sequence=COL,score=COL")
    if SPECTRA in files:
        raise InputError(f"--engine {SPECTRA}=…: choose another name for the engine")
    if strange := [e for e in known if e not in files]:
        raise InputError(f"--columns {strange[0]}:…: no such engine; given are {', '.join(files) or 'none'}")
    for spec in known.values():
        Columns().named(spec)
    return files, known, letters(fixed)


def letters(fixed: Sequence[str]) -> dict[str, str]:
    """Tokens by the bare letter that stands for them."""
    from ..domains.peptides.residues import RESIDUES

    for token in fixed:
        if token not in RESIDUES:
            known = ", ".join(t for t in RESIDUES if len(t) > 1)
            raise InputError(f"--fixed {token!r}: no such residue; modified ones are {known}")
    return {t[0]: t for t in fixed}


def read_one(file: str, fixed: Mapping[str, str], bad: list[InputError]) -> list[Spectrum]:
    """The spectra of a file, with progress; what could not be used is told and put into ``bad``."""
    from ..domains.peptides.spectra import read_spectra

    found = []
    with progress("reading spectra", None, "spectra") as bar:
        for s in read_spectra(file, fixed=fixed, bad=bad):
            found.append(s)
            bar.update()
    _tell("of the spectra", bad)
    return found


def join_engines(
    found: Sequence[Spectrum], files: Mapping[str, str], columns: Mapping[str, str], by: str | None,
    fixed: Mapping[str, str], run: str, lost: dict[str, list[InputError]],
) -> dict[str, Joined]:  # fmt: skip
    """Each engine's rows with their spectra; what could not be used is told and put into ``lost``."""
    from ..domains.peptides.psm import join
    from ..domains.peptides.table import Columns, read_psms

    joined = {}
    for engine, path in files.items():
        rows = lost[engine] = []
        psms = read_psms(path, columns=Columns().named(columns.get(engine, "")), run=run, fixed=fixed, bad=rows)
        joined[engine] = join(psms, found, by, rows)
        _tell(f"of {engine}", rows)
    return joined


def _pairs(given: Sequence[str], sign: str, option: str, expected: str) -> dict[str, str]:
    out: dict[str, str] = {}
    for text in given:
        name, found, value = text.partition(sign)
        example = "" if sign == ":" else f", as in casanovo={text.strip(sign) or 'a.mztab'}"
        if not found or not name or not value:
            raise InputError(f"{option} {text!r}: expected {expected}" + example)
        if name in out:
            raise InputError(f"{option} names {name!r} twice")
        out[name] = value
    return out


def _tell(whose: str, bad: Sequence[InputError]) -> None:
    for error in bad[:SHOWN]:
        click.echo(f"warning: {error}", err=True)
    if len(bad) > SHOWN:
        click.echo(f"warning: and {len(bad) - SHOWN} more {whose} (--problems FILE names all)", err=True)
