"""Input of the ``anyrank peptides`` commands: spectra joined with engines' outputs, and what could not be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import InputError
from ..core.types import Ranking
from .common import Command, as_json_option
from .progress import progress

if TYPE_CHECKING:
    from ..domains.peptides.matching import Tolerance
    from ..domains.peptides.methods import Setting
    from ..domains.peptides.precursor import PrecursorFit
    from ..domains.peptides.psm import Joined
    from ..domains.peptides.spectrum import Spectrum

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
            type=click.Path(path_type=Path),
            help=f"A file for all that could not be read or matched; the first {SHOWN} of each source are printed too.",
        ),
        as_json_option,
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Inputs:
    """The input of a command: the merged candidates (``rankings``) of all spectra of the files ``runs``.

    ``files`` are the engines' files, ``rows`` the number of each engine's rows that matched a spectrum, and
    ``problems`` the errors of what could not be used, by engine and under `SPECTRA`. ``fit`` is the stage that treats
    peptides which don't fit their precursor, ``foreign`` has a warning for each engine whose output seems to be of
    another run, and ``matched`` is the median share of ions that the spectra show of the first peptides.
    """

    runs: tuple[str, ...]
    files: Mapping[str, tuple[str, ...]]
    rankings: list[Ranking]
    setting: Setting
    rows: Mapping[str, int]
    problems: Mapping[str, Sequence[InputError]]
    fit: PrecursorFit
    foreign: Sequence[str]
    matched: float | None

    @property
    def counts(self) -> dict[str, int]:
        """The number of problems of each source."""
        return {name: len(errors) for name, errors in self.problems.items()}

    @property
    def code(self) -> int:
        """The exit code: 1 if something could not be used, or an engine's output seems to be of another run."""
        return int(any(self.counts.values()) or bool(self.foreign))


def read(
    spectra: Sequence[str],
    engines: Sequence[str],
    columns: Sequence[str],
    by: str | None,
    fixed: Sequence[str],
    residues: Sequence[str],
    truth: str | None,
    top: int | None,
    tolerance: str,
    precursor: str,
    off_precursor: str,
    models: Sequence[str],
    problems: Path | None,
) -> Inputs:
    """Read, join and merge all input. Problems are printed to standard error, and all of them written to
    ``problems``."""
    from ..domains.peptides.matching import Tolerance
    from ..domains.peptides.merge import merge
    from ..domains.peptides.methods import Setting
    from ..domains.peptides.precursor import PrecursorFit, foreign, misfits
    from ..domains.peptides.psm import with_charges

    files, named_columns, tokens = checked(engines, columns, fixed, residues, spectra, bool(truth))
    width, fit = Tolerance.of(tolerance), PrecursorFit(Tolerance.of(precursor), off_precursor)  # type: ignore[arg-type]
    default_model, by_method = _models(models)
    spectra_errors: list[InputError] = []
    usable = read_runs(spectra, tokens, spectra_errors, need_charge=False)
    if not usable:
        reason = f"none of {len(spectra_errors)} spectra can be used" if spectra_errors else "no tandem spectra in it"
        raise InputError(reason, path=", ".join(spectra))
    errors: dict[str, list[InputError]] = {SPECTRA: spectra_errors}
    joined = join_engines(usable, files, named_columns, by, tokens, spectra, errors)
    if truth:
        usable = with_truth(usable, truth, named_columns.get(TRUTH, ""), by, tokens, spectra, errors)
    uncharged: list[InputError] = []
    usable = with_charges(usable, joined, spectra[0] if len(spectra) == 1 else None, uncharged)
    _warn("of the spectra", uncharged)
    spectra_errors += uncharged
    if not any(s.charge for s in usable):
        raise InputError(f"none of {len(spectra_errors)} spectra can be used", path=", ".join(spectra))
    misfit = {engine: misfits(j, usable, fit.tolerance) for engine, j in joined.items()}
    warnings = foreign(misfit, fit.tolerance)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    if problems is not None:
        try:
            problems.write_text("".join(f"{e}\n" for some in errors.values() for e in some), "utf-8")
        except OSError as error:
            raise InputError(f"can't be written: {error.strerror}", path=problems) from None
    rankings = [r for r in merge(usable, joined, top) if r.query.content.charge]
    rows = {e: sum(map(len, j.psms.values())) for e, j in joined.items()}
    setting = Setting(tuple(files), rankings, width, default_model, by_method)
    matched = _matched(rankings, width, fit)
    return Inputs(tuple(spectra), files, rankings, setting, rows, errors, fit, warnings, matched)


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
            found = Path(text).read_text("utf-8").splitlines()
        except OSError as error:
            raise InputError(
                f"--residue {text!r}: neither a definition as S[Phospho]=166.998 nor a file ({error.strerror})"
            ) from None
        except UnicodeDecodeError:
            raise InputError("not a text file of definitions as S[Phospho]=166.998", path=text) from None
        out += [line for line in map(str.strip, found) if line and not line.startswith("#")]
    return out


def _models(texts: Sequence[str]) -> tuple[str | None, dict[str, str]]:
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


def read_runs(
    files: Sequence[str],
    fixed: Mapping[str, str],
    errors: list[InputError],
    need_charge: bool = True,
    distinct: bool = True,
) -> list[Spectrum]:
    """The spectra of all files; of several files, each spectrum knows its run. Those that can't be used are printed and
    added to ``errors``. Raises InputError if the runs must be ``distinct`` and two files have one name."""
    from ..domains.peptides.files.mztab import stem

    stems = [stem(f) for f in files]
    twice = next((f for f, name in zip(files, stems) if stems.count(name) > 1), None)
    if distinct and twice:
        raise InputError(f"--spectra {twice}: two files of spectra with that name; runs are told apart by their names")
    spectra: list[Spectrum] = []
    for file, run in zip(files, stems):
        read = read_one(file, fixed, errors, need_charge)
        spectra += [replace(s, run=run) for s in read] if len(files) > 1 else read
    return spectra


def read_one(file: str, fixed: Mapping[str, str], errors: list[InputError], need_charge: bool = True) -> list[Spectrum]:
    """The spectra of a file, with progress; those that can't be used are printed and added to ``errors``."""
    from ..domains.peptides.files.spectra import read_spectra

    spectra = []
    own: list[InputError] = []
    notes: list[InputError] = []
    with progress("reading spectra", None, "spectra") as bar:
        for spectrum in read_spectra(file, fixed=fixed, bad=own, notes=notes, need_charge=need_charge):
            spectra.append(spectrum)
            bar.update()
    _warn("of the spectra", own)
    _warn("of the spectra", notes, "note")
    errors += own
    return spectra


def join_engines(
    spectra: Sequence[Spectrum],
    files: Mapping[str, Sequence[str]],
    columns: Mapping[str, str],
    by: str | None,
    fixed: Mapping[str, str],
    runs: Sequence[str],
    errors: dict[str, list[InputError]],
) -> dict[str, Joined]:
    """Each engine's rows joined with their spectra; rows that can't be used are printed and added to ``errors``."""
    joined = {}
    for engine, paths in files.items():
        bad_rows = errors[engine] = []
        joined[engine] = _joined(spectra, paths, columns.get(engine, ""), by, fixed, runs, bad_rows)
        _warn(f"of {engine}", bad_rows)
    return joined


def _joined(
    spectra: Sequence[Spectrum],
    paths: Sequence[str],
    columns: str,
    by: str | None,
    fixed: Mapping[str, str],
    runs: Sequence[str],
    bad: list[InputError],
    need_score: bool = True,
) -> Joined:
    """The rows of an engine's files joined with their spectra: one file for all runs, or one for each."""
    from ..domains.peptides.files.mztab import stem
    from ..domains.peptides.files.tables import Columns, read_psms
    from ..domains.peptides.psm import Joined, join

    accepted = Columns().named(columns)
    notes: list[InputError] = []
    parts: list[Joined] = []
    for i, path in enumerate(paths):
        own = list(range(len(spectra)))
        run: Sequence[str] = runs
        if len(paths) > 1:
            run = [runs[i]]
            own = [j for j, s in enumerate(spectra) if s.run == stem(runs[i])]
        psms = read_psms(path, columns=accepted, run=run, fixed=fixed, bad=bad, notes=notes, need_score=need_score)
        part = join(psms, [spectra[j] for j in own], by, bad)
        parts.append(replace(part, psms={own[j]: rows for j, rows in part.psms.items()}))
    _warn("", notes, "note")
    psms_by_spectrum = {j: rows for part in parts for j, rows in part.psms.items()}
    return Joined(psms_by_spectrum, parts[0].by, sum(p.lost for p in parts), parts[0].column)


def with_truth(
    spectra: Sequence[Spectrum],
    path: str,
    columns: str,
    by: str | None,
    fixed: Mapping[str, str],
    runs: Sequence[str],
    errors: dict[str, list[InputError]],
) -> list[Spectrum]:
    """The spectra, annotated by a file of true peptides: the best row of each spectrum. Rows that can't be used are
    printed and added to ``errors``."""
    bad = errors[TRUTH] = []
    joined = _joined(spectra, [path], columns, by, fixed, runs, bad, need_score=False)
    _warn("of the truth", bad)
    out = []
    for i, s in enumerate(spectra):
        rows = joined.psms.get(i)
        out.append(replace(s, peptide=rows[0].peptide, charge=s.charge or rows[0].charge or 0) if rows else s)
    return out


def _matched(rankings: Sequence[Ranking], tolerance: Tolerance, fit: PrecursorFit) -> float | None:
    """The median share of the ions that are matched of the first peptides which fit their precursors, None without any.
    It is printed, and if it is low with what another tolerance gives."""
    from ..domains.peptides.matching import Tolerance, median_matched
    from ..domains.peptides.precursor import fits

    pairs = []
    for r in rankings:
        first = next((c.content for c in r if fits(c.content, r.query.content, fit.tolerance)), None)
        if first is not None and len(first) > 1:
            pairs.append((r.query.content, first))
    if not pairs:
        return None
    pairs = pairs[:: max(len(pairs) // 200, 1)]
    share = median_matched(pairs, tolerance)
    wide = Tolerance(0.5, "Da")
    width = f"{tolerance.value:g}{tolerance.unit}"
    hint = ""
    if share < 0.25 and (wider := median_matched(pairs, wide)) > max(2 * share, 0.25):
        hint = f" (at 0.5Da {wider:.2f}: ion-trap spectra? --tolerance 0.5Da)"
    click.echo(f"note: the median share of matched ions is {share:.2f} at {width}{hint}", err=True)
    return share


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


def _warn(source: str, errors: Sequence[InputError], kind: str = "warning") -> None:
    """Print the first errors of a source to standard error, and the number of the others."""
    for error in errors[:SHOWN]:
        click.echo(f"{kind}: {error}", err=True)
    if len(errors) > SHOWN:
        click.echo(f"{kind}: and {len(errors) - SHOWN} more {source} (--problems FILE names all)", err=True)
