"""Input of the ``anyrank peptides`` commands: spectra and engines' outputs, joined, with all that was lost."""

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


def input_options(command: Made) -> Made:
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
    """Read, join and merge everything; each spectrum or row that could not be used is named on standard error."""
    from ..domains.peptides.matching import Tolerance
    from ..domains.peptides.merge import merge
    from ..domains.peptides.methods import Setting

    files, known, tokens = checked(engines, columns, fixed)
    width = Tolerance.of(tolerance)
    bad: list[InputError] = []
    usable = read_one(spectra, tokens, bad)
    if not usable:
        reason = f"none of {len(bad)} spectra can be used" if bad else "no tandem spectra in it"
        raise InputError(reason, path=spectra)
    lost: dict[str, list[InputError]] = {SPECTRA: bad}
    joined = join_engines(usable, files, known, by, tokens, spectra, lost)
    if problems is not None:
        try:
            problems.write_text("".join(f"{e}\n" for errors in lost.values() for e in errors), "utf-8")
        except OSError as error:
            raise InputError(f"can't be written: {error.strerror}", path=problems) from None
    rankings = merge(usable, joined, top)
    rows = {e: sum(map(len, j.psms.values())) for e, j in joined.items()}
    return Inputs(spectra, files, rankings, Setting(tuple(files), rankings, width, model), rows, lost)


def checked(
    engines: Sequence[str], columns: Sequence[str], fixed: Sequence[str]
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Files and columns by engine, tokens by letter. Raises InputError on options that contradict each other or name
    what does not exist."""
    from ..domains.peptides.files.tables import Columns

    files = _pairs(engines, "=", "--engine", "NAME=FILE")
    known = _pairs(columns, ":", "--columns", "NAME:spectrum=COL,sequence=COL,score=COL")
    if SPECTRA in files:
        raise InputError(f"--engine {SPECTRA}=…: choose another name for the engine")
    if unknown := [e for e in known if e not in files]:
        raise InputError(f"--columns {unknown[0]}:…: no such engine; given are {', '.join(files) or 'none'}")
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
    """The spectra of a file, with progress; those that could not be used are named and added to ``bad``."""
    from ..domains.peptides.files.spectra import read_spectra

    spectra = []
    with progress("reading spectra", None, "spectra") as bar:
        for spectrum in read_spectra(file, fixed=fixed, bad=bad):
            spectra.append(spectrum)
            bar.update()
    _warn("of the spectra", bad)
    return spectra


def join_engines(
    spectra: Sequence[Spectrum], files: Mapping[str, str], columns: Mapping[str, str], by: str | None,
    fixed: Mapping[str, str], run: str, lost: dict[str, list[InputError]],
) -> dict[str, Joined]:  # fmt: skip
    """Each engine's rows with their spectra; those that could not be used are named and added to ``lost``."""
    from ..domains.peptides.files.tables import Columns, read_psms
    from ..domains.peptides.psm import join

    joined = {}
    for engine, path in files.items():
        rows = lost[engine] = []
        psms = read_psms(path, columns=Columns().named(columns.get(engine, "")), run=run, fixed=fixed, bad=rows)
        joined[engine] = join(psms, spectra, by, rows)
        _warn(f"of {engine}", rows)
    return joined


def _pairs(given: Sequence[str], sign: str, option: str, expected: str) -> dict[str, str]:
    """Names and values of an option's texts; raises InputError on one without name or value, and on a name twice."""
    out: dict[str, str] = {}
    for pair in given:
        name, separator, value = pair.partition(sign)
        example = "" if sign == ":" else f", as in casanovo={pair.strip(sign) or 'a.mztab'}"
        if not separator or not name or not value:
            raise InputError(f"{option} {pair!r}: expected {expected}" + example)
        if name in out:
            raise InputError(f"{option} names {name!r} twice")
        out[name] = value
    return out


def _warn(whose: str, bad: Sequence[InputError]) -> None:
    """Name the first losses on standard error, and say how many more there are."""
    for error in bad[:SHOWN]:
        click.echo(f"warning: {error}", err=True)
    if len(bad) > SHOWN:
        click.echo(f"warning: and {len(bad) - SHOWN} more {whose} (--problems FILE names all)", err=True)
