"""Input of the ``anyrank peptides`` commands: spectra joined with engines' outputs, and what could not be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..core.errors import InputError
from ..core.types import Ranking
from .peptides_options import SHOWN, SPECTRA, TRUTH, checked, models_by_method
from .progress import progress

if TYPE_CHECKING:
    from ..domains.peptides.matching import Tolerance
    from ..domains.peptides.methods import Setting
    from ..domains.peptides.precursor import PrecursorFit
    from ..domains.peptides.psm import Joined
    from ..domains.peptides.spectrum import Spectrum


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
    default_model, by_method = models_by_method(models)
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
    _note_no_choice(rankings)
    return Inputs(tuple(spectra), files, rankings, setting, rows, errors, fit, warnings, matched)


def read_runs(
    files: Sequence[str],
    fixed: Mapping[str, str],
    errors: list[InputError],
    need_charge: bool = True,
    distinct: bool = True,
) -> list[Spectrum]:
    """The spectra of all files; of several files, each spectrum knows its run. Those that can't be used are printed and
    added to ``errors``. Raises InputError if the runs must be ``distinct`` and two files have one name."""
    from ..domains.peptides.scans import stem

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
    from ..domains.peptides.files.tables import Columns, read_psms
    from ..domains.peptides.psm import Joined, join
    from ..domains.peptides.scans import stem

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


def _note_no_choice(rankings: Sequence[Ranking]) -> None:
    """Say on standard error if no spectrum has two candidates, so that no method can change anything."""
    if max(map(len, rankings), default=0) == 1:
        message = "no spectrum has more than one candidate, so all methods choose alike: give another engine's output"
        click.echo(f"note: {message}, or one with several peptides a spectrum", err=True)


def _warn(source: str, errors: Sequence[InputError], kind: str = "warning") -> None:
    """Print the first errors of a source to standard error, and the number of the others."""
    for error in errors[:SHOWN]:
        click.echo(f"{kind}: {error}", err=True)
    if len(errors) > SHOWN:
        click.echo(f"{kind}: and {len(errors) - SHOWN} more {source} (--problems FILE names all)", err=True)
