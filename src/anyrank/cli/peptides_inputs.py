"""Input of the ``anyrank peptides`` commands: spectra joined with engines' outputs, and what could not be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import InputError
from ..core.types import Ranking
from .common import Command, as_json_option, progress

if TYPE_CHECKING:
    from ..domains.peptides.methods import Setting
    from ..domains.peptides.psm import Joined
    from ..domains.peptides.spectrum import Spectrum

SHOWN = 5
"""Problems of each source that are printed; the rest are only counted."""
SPECTRA = "spectra"
"""The key under which problems of the spectra are listed, beside those of each engine."""


def columns_option(*names: str) -> Callable[[Command], Command]:
    """An option, under the given names, for the columns of engines' tables."""
    return click.option(
        *names,
        "columns",
        multiple=True,
        metavar="NAME:spectrum=COL,sequence=COL,score=COL",
        help="The columns of an engine's table, if they don't have the usual names.",
    )


reading_options: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--by",
        type=click.Choice(["title", "scan", "index"]),
        help="How engines name spectra; by default the way that matches most of them.",
    ),
    click.option(
        "--fixed",
        multiple=True,
        metavar="TOKEN",
        help="A fixed modification that a file leaves out, such as C+57.021 for every C (repeat for several).",
    ),
    click.option("--top", type=click.IntRange(1), help="Take only the best K peptides of each engine."),
    click.option(
        "--tolerance",
        default="20ppm",
        show_default=True,
        help="The tolerance of fragment masses, such as 20ppm or 0.5Da.",
    ),
)


def input_options(command: Command) -> Command:
    """Add the options of the commands that rank peptides."""
    for option in (
        click.option("--spectra", required=True, help="The spectra: MGF or mzML, gzipped or not."),
        click.option(
            "--engine",
            "engines",
            multiple=True,
            required=True,
            metavar="NAME=FILE",
            help="An engine's output, mzTab or a table (repeat for several; the first wins ties).",
        ),
        columns_option("--columns", "--engine-columns"),
        *reading_options,
        click.option("--model", help="A trained model's file or folder, for the methods that need one."),
        click.option(
            "--problems",
            type=click.Path(path_type=Path),
            help=f"A file for all that could not be read or matched; the first {SHOWN} of each source are printed too.",
        ),
        as_json_option,
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Inputs:
    """The input of a command: the merged candidates (``rankings``) of all spectra of the file ``run``.

    ``files`` are the engines' files, ``rows`` the number of each engine's rows that matched a spectrum, and
    ``problems`` the errors of what could not be used, by engine and under `SPECTRA`.
    """

    run: str
    files: Mapping[str, str]
    rankings: list[Ranking]
    setting: Setting
    rows: Mapping[str, int]
    problems: Mapping[str, Sequence[InputError]]

    @property
    def counts(self) -> dict[str, int]:
        """The number of problems of each source."""
        return {name: len(errors) for name, errors in self.problems.items()}


def read(
    spectra: str,
    engines: Sequence[str],
    columns: Sequence[str],
    by: str | None,
    fixed: Sequence[str],
    top: int | None,
    tolerance: str,
    model: str | None,
    problems: Path | None,
) -> Inputs:
    """Read, join and merge all input. Problems are printed to standard error, and all of them written to
    ``problems``."""
    from ..domains.peptides.matching import Tolerance
    from ..domains.peptides.merge import merge
    from ..domains.peptides.methods import Setting

    files, named_columns, tokens = checked(engines, columns, fixed)
    width = Tolerance.of(tolerance)
    spectra_errors: list[InputError] = []
    usable = read_one(spectra, tokens, spectra_errors)
    if not usable:
        reason = f"none of {len(spectra_errors)} spectra can be used" if spectra_errors else "no tandem spectra in it"
        raise InputError(reason, path=spectra)
    errors: dict[str, list[InputError]] = {SPECTRA: spectra_errors}
    joined = join_engines(usable, files, named_columns, by, tokens, spectra, errors)
    if problems is not None:
        try:
            problems.write_text("".join(f"{e}\n" for some in errors.values() for e in some), "utf-8")
        except OSError as error:
            raise InputError(f"can't be written: {error.strerror}", path=problems) from None
    rankings = merge(usable, joined, top)
    rows = {e: sum(map(len, j.psms.values())) for e, j in joined.items()}
    return Inputs(spectra, files, rankings, Setting(tuple(files), rankings, width, model), rows, errors)


def checked(
    engines: Sequence[str], columns: Sequence[str], fixed: Sequence[str]
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Files and columns by engine, tokens by letter. Raises InputError on options that contradict each other or name
    what does not exist."""
    from ..domains.peptides.files.tables import Columns

    files = _pairs(engines, "=", "--engine", "NAME=FILE")
    named_columns = _pairs(columns, ":", "--columns", "NAME:spectrum=COL,sequence=COL,score=COL")
    if SPECTRA in files:
        raise InputError(f"--engine {SPECTRA}=…: choose another name for the engine")
    if unknown := [e for e in named_columns if e not in files]:
        raise InputError(f"--columns {unknown[0]}:…: no engine of that name; there are {', '.join(files) or 'none'}")
    for spec in named_columns.values():
        Columns().named(spec)
    return files, named_columns, letters(fixed)


def letters(fixed: Sequence[str]) -> dict[str, str]:
    """Fixed modifications by the letter they apply to: ``{"C": "C+57.021"}``."""
    from ..domains.peptides.residues import RESIDUES

    for token in fixed:
        if token not in RESIDUES:
            modified = ", ".join(t for t in RESIDUES if len(t) > 1)
            raise InputError(f"--fixed {token!r}: unknown residue; choose one of {modified}")
    return {t[0]: t for t in fixed}


def read_one(file: str, fixed: Mapping[str, str], errors: list[InputError]) -> list[Spectrum]:
    """The spectra of a file, with progress; those that can't be used are printed and added to ``errors``."""
    from ..domains.peptides.files.spectra import read_spectra

    spectra = []
    with progress("reading spectra", None, "spectra") as bar:
        for spectrum in read_spectra(file, fixed=fixed, bad=errors):
            spectra.append(spectrum)
            bar.update()
    _warn("of the spectra", errors)
    return spectra


def join_engines(
    spectra: Sequence[Spectrum],
    files: Mapping[str, str],
    columns: Mapping[str, str],
    by: str | None,
    fixed: Mapping[str, str],
    run: str,
    errors: dict[str, list[InputError]],
) -> dict[str, Joined]:
    """Each engine's rows joined with their spectra; rows that can't be used are printed and added to ``errors``."""
    from ..domains.peptides.files.tables import Columns, read_psms
    from ..domains.peptides.psm import join

    joined = {}
    for engine, path in files.items():
        bad_rows = errors[engine] = []
        psms = read_psms(path, columns=Columns().named(columns.get(engine, "")), run=run, fixed=fixed, bad=bad_rows)
        joined[engine] = join(psms, spectra, by, bad_rows)
        _warn(f"of {engine}", bad_rows)
    return joined


def _pairs(texts: Sequence[str], sign: str, option: str, expected: str) -> dict[str, str]:
    """Names and values of an option's texts. Raises InputError on a missing name or value, and on a repeated name."""
    out: dict[str, str] = {}
    for pair in texts:
        name, separator, value = pair.partition(sign)
        example = "" if sign == ":" else f", as in casanovo={pair.strip(sign) or 'a.mztab'}"
        if not separator or not name or not value:
            raise InputError(f"{option} {pair!r}: expected {expected}" + example)
        if name in out:
            raise InputError(f"{option} names {name!r} twice")
        out[name] = value
    return out


def _warn(source: str, errors: Sequence[InputError]) -> None:
    """Print the first errors of a source to standard error, and the number of the others."""
    for error in errors[:SHOWN]:
        click.echo(f"warning: {error}", err=True)
    if len(errors) > SHOWN:
        click.echo(f"warning: and {len(errors) - SHOWN} more {source} (--problems FILE names all)", err=True)
