"""Options of the ``anyrank peptides`` commands: their declarations, and the reading of their texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ..core.errors import InputError
from .common import Command, OutputFile, as_json_option

SHOWN = 5
"""Problems of each source that are printed; the rest are only counted."""
SPECTRA, TRUTH = "spectra", "truth"
"""The keys under which problems of the spectra and of the file of true peptides are listed, beside those of each
engine."""


def columns_option(*names: str) -> Callable[[Command], Command]:
    """An option, under the given names, for the columns of engines' tables."""
    return click.option(
        *names,
        "columns",
        multiple=True,
        metavar="NAME:spectrum=COL,sequence=COL,score=COL",
        help="The columns of an engine's table (or of the truth), if they don't have the usual names.",
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
    click.option(
        "--residue",
        "residues",
        multiple=True,
        metavar="SPELLING=MASS",
        help="A residue of your own with its whole mass in Da, such as S[Phospho]=166.998 or U=150.954 (n[NAME]=MASS "
        "and c[NAME]=MASS for the ends), or a file of such lines (repeat for several).",
    ),
    click.option(
        "--truth",
        metavar="FILE",
        help="The true peptides of spectra without annotation: an mzTab file or a table, read as an engine's output.",
    ),
    click.option("--top", type=click.IntRange(1), help="Take only the best K peptides of each engine."),
    click.option(
        "--tolerance",
        default="20ppm",
        show_default=True,
        help="The tolerance of fragment masses, such as 20ppm or 0.5Da (ion traps).",
    ),
)


def input_options(command: Command) -> Command:
    """Add the options of the commands that rank peptides."""
    for option in (
        click.option(
            "--spectra",
            multiple=True,
            required=True,
            help="The spectra: MGF, mzML or mzXML, gzipped or not (repeat for several runs).",
        ),
        click.option(
            "--engine",
            "engines",
            multiple=True,
            required=True,
            metavar="NAME=FILE",
            help="An engine's output, mzTab or a table (repeat for several; the first wins ties). Of several runs, one "
            "file for all, or the same NAME once for each run, in their order.",
        ),
        columns_option("--columns", "--engine-columns"),
        *reading_options,
        click.option(
            "--precursor",
            default="50ppm",
            show_default=True,
            help="How far a peptide's mass may be from the precursor's (isotopes allowed), such as 50ppm or 0.1Da.",
        ),
        click.option(
            "--off-precursor",
            type=click.Choice(["last", "mark", "drop", "keep"]),
            default="last",
            show_default=True,
            help="What is done with peptides that don't fit their precursor: put last and marked, marked only, left "
            "out, or nothing.",
        ),
        click.option(
            "--model",
            "models",
            multiple=True,
            metavar="[METHOD=]PATH",
            help="A trained model's file or folder, for the methods that need one (repeat with METHOD= for several).",
        ),
        click.option(
            "--problems",
            type=OutputFile(),
            help=f"A file for all that could not be read or matched; the first {SHOWN} of each source are printed too.",
        ),
        as_json_option,
    ):
        command = option(command)
    return command


def checked(
    engines: Sequence[str],
    columns: Sequence[str],
    fixed: Sequence[str],
    residues: Sequence[str] = (),
    runs: Sequence[str] = (),
    truth: bool = False,
) -> tuple[dict[str, tuple[str, ...]], dict[str, str], dict[str, str]]:
    """Files and columns by engine, and what letters mean, as `notation.parse` takes it. Raises InputError on options
    that contradict each other or name what does not exist."""
    from ..domains.peptides.files.tables import Columns

    files = _engines(engines, len(runs))
    named_columns = _pairs(columns, ":", "--columns", "NAME:spectrum=COL,sequence=COL,score=COL")
    for reserved in (SPECTRA, TRUTH):
        if reserved in files:
            raise InputError(f"--engine {reserved}=…: choose another name for the engine")
    allowed = [*files, *([TRUTH] if truth else [])]
    if unknown := [e for e in named_columns if e not in allowed]:
        raise InputError(f"--columns {unknown[0]}:…: no engine of that name; there are {', '.join(allowed) or 'none'}")
    for spec in named_columns.values():
        Columns().named(spec)
    return files, named_columns, letters(fixed, residues)


def letters(fixed: Sequence[str], residues: Sequence[str] = ()) -> dict[str, str]:
    """What letters and spellings mean: fixed modifications by the letter they apply to, ``{"C": "C+57.021"}``, and the
    user's residues. Raises InputError on texts that are neither."""
    from ..domains.peptides.notation import parse
    from ..domains.peptides.residues import RESIDUES, defined

    out = dict(map(defined, _definitions(residues)))
    for token in fixed:
        try:
            (residue,) = parse(token, fixed=out).tokens
        except (InputError, ValueError):
            residue = ""
        if len(residue) < 2:
            modified = ", ".join(t for t in RESIDUES if len(t) > 1)
            raise InputError(
                f"--fixed {token!r}: unknown residue; choose one of {modified}, or a residue with another "
                "modification, as K[TMT6plex]"
            )
        out[residue[0]] = residue
    return out


def _definitions(residues: Sequence[str]) -> list[str]:
    """The definitions of residues: the texts themselves, and the lines of the files that they name."""
    out = []
    for text in residues:
        if "=" in text:
            out.append(text)
            continue
        try:
            lines = Path(text).read_text("utf-8").splitlines()
        except OSError as error:
            raise InputError(
                f"--residue {text!r}: neither a definition as S[Phospho]=166.998 nor a file ({error.strerror})"
            ) from None
        except UnicodeDecodeError:
            raise InputError("not a text file of definitions as S[Phospho]=166.998", path=text) from None
        out += [line for line in map(str.strip, lines) if line and not line.startswith("#")]
    return out


def models_by_method(texts: Sequence[str]) -> tuple[str | None, dict[str, str]]:
    """The model for methods without one of their own, and the models by method."""
    from ..domains.peptides.methods import METHODS

    default: str | None = None
    by_method: dict[str, str] = {}
    for text in texts:
        method, sign, path = text.partition("=")
        if sign and method in METHODS:
            if not METHODS[method].learned:
                raise InputError(f"--model {text}: the method {method} needs no model")
            if method in by_method:
                raise InputError(f"--model names {method!r} twice")
            by_method[method] = path
        elif default is not None:
            raise InputError(f"--model {default} and {text}: say which is whose, as in --model lightgbm={default}")
        else:
            default = text
    return default, by_method


def _engines(texts: Sequence[str], runs: int) -> dict[str, tuple[str, ...]]:
    """The files of each engine: one, or one for each of several runs."""
    files: dict[str, tuple[str, ...]] = {}
    for text in texts:
        ((name, path),) = _pairs([text], "=", "--engine", "NAME=FILE").items()
        if name in files and runs < 2:
            raise InputError(f"--engine names {name!r} twice")
        files[name] = (*files.get(name, ()), path)
    if wrong := next((e for e, paths in files.items() if len(paths) not in (1, runs)), None) if runs else None:
        raise InputError(
            f"--engine {wrong}: {len(files[wrong])} files for {runs} files of spectra: expected one for all, or one "
            "for each in the order of --spectra"
        )
    return files


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
