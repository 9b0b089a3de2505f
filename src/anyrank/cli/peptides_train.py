"""``anyrank peptides train`` and ``propose``: train peptide models, and propose peptides by a trained engine."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import InputError, MissingExtra
from ..core.types import Ranking
from .common import SEED, Command, Number, OutputFile
from .peptides_inputs import join_engines, read_runs, with_truth
from .peptides_options import TRUTH, checked, columns_option, reading_options
from .progress import progress

if TYPE_CHECKING:
    from ..domains.peptides.spectrum import Spectrum


KINDS = {
    "reranker": {
        "rounds", "batch", "rate", "patience", "seed", "simulated", "valid", "width", "layers", "candidates",
        "rmd_weight", "attend", "ions", "resume", "engines", "columns", "by", "top", "truth", "residues",
    },
    "engine": {"rounds", "batch", "rate", "patience", "seed", "simulated", "valid", "width", "layers", "ions", "truth",
               "residues", "columns", "by"},
    "lightgbm": {"rounds", "seed", "valid", "candidates", "engines", "columns", "by", "top", "tolerance", "truth",
                 "residues", "learn"},
}  # fmt: skip
"""The options that each kind of training takes; any other one is an error rather than ignored."""


def _reading(command: Command) -> Command:
    """Add the options about reading spectra and engines' outputs."""
    for option in reading_options:
        command = option(command)
    return command


@click.command("train")
@click.option("--spectra", "files", multiple=True, required=True, help="Annotated spectra (MGF with SEQ=; repeat).")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder to write the model to; for trees (lightgbm) a file.",
)
@click.option(
    "--kind",
    type=click.Choice(list(KINDS)),
    default="reranker",
    show_default=True,
    help="A reranker of candidates (RankNovo), a small engine that proposes them, or boosted trees over scores.",
)
@click.option(
    "--engine",
    "engines",
    multiple=True,
    metavar="NAME=FILE",
    help="An engine's output for the spectra, to learn from (repeat for several).",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    help="Passes over the spectra, 10 by default; for lightgbm the number of trees, 100 by default.",
)
@click.option("--batch", default=16, show_default=True, type=click.IntRange(1), help="Spectra in a training step.")
@click.option("--rate", default=3e-3, show_default=True, type=Number(), help="The highest learning rate.")
@click.option("--patience", default=0, show_default=True, help="Stop after this many rounds without a gain (0: never).")
@click.option("--seed", type=SEED, default=0, show_default=True, help="The seed of the training.")
@click.option(
    "--simulated", default=0, show_default=True, type=click.IntRange(0), help="Simulated spectra added to each round."
)
@click.option(
    "--valid",
    default=0.1,
    show_default=True,
    type=Number(0, 0.9),
    help="The share of peptides held out to choose the best round and to measure the model.",
)
@click.option("--width", default=64, show_default=True, help="The width of the model.")
@click.option("--layers", type=click.IntRange(1), help="The layers of the model; 2 by default, 1 for an engine.")
@click.option(
    "--candidates", default=6, show_default=True, type=click.IntRange(2), help="The most candidates to simulate."
)
@click.option(
    "--rmd-weight",
    default=1.0,
    show_default=True,
    type=Number(),
    help="The weight of the residues' loss beside the peptides' loss.",
)
@click.option(
    "--attend-columns/--no-attend-columns",
    "attend",
    default=True,
    help="Let the candidates of a spectrum attend to each other.",
)
@click.option("--ions/--no-ions", default=True, help="Start the model with attention to fragment ions.")
@click.option(
    "--learn",
    multiple=True,
    type=click.Choice(["intensities", "retention"]),
    help="For trees: features that are learned from the annotated spectra too, the heights of fragment ions and the "
    "retention time (repeat).",
)
@click.option("--resume", is_flag=True, help="Resume a reranker's training from its last checkpoint.")
@_reading
@columns_option("--columns", "--engine-columns")
@click.pass_context
def train_command(
    context: click.Context, /, files: tuple[str, ...], out: Path, kind: str, fixed: tuple[str, ...], **options: Any
) -> int:
    """Train on annotated spectra; no peptide is both trained on and held out. A reranker learns from simulated
    candidates and from those of engines, if given; trees learn from engines' candidates and scores, or from simulated
    candidates if there are none. Exit code 1 means that some spectrum or row could not be used."""
    source = click.core.ParameterSource.COMMANDLINE
    for name in options:
        if name not in KINDS[kind] and context.get_parameter_source(name) is source:
            option = next(p.opts[0] for p in context.command.params if p.name == name)
            raise InputError(f"{option} has no effect with --kind {kind}: leave it out")
    spectra, annotated, engines, unusable = _annotated(
        files, fixed, **{k: options[k] for k in ("engines", "columns", "by", "top", "residues", "truth")}
    )
    if not options["simulated"] and not any(s.peptide for s in spectra):
        raise InputError(
            "none of the spectra is annotated: expected lines SEQ=PEPTIDE, or --truth FILE", path=", ".join(files)
        )
    if kind == "lightgbm":
        return _trees(spectra, annotated, engines, out, options) or int(unusable > 0)
    try:
        from ..domains.peptides.neural.engine_training import EnginePlan, train_engine
        from ..domains.peptides.neural.training import SMALL, Pace, Plan, train
    except ImportError as error:
        raise MissingExtra(error.name or "torch", extra="train") from error
    rounds = options["rounds"] or 10
    pace = Pace(rounds, options["batch"], options["rate"], patience=options["patience"], seed=options["seed"])
    width, layers = options["width"], options["layers"] or (1 if kind == "engine" else 2)
    shape = replace(SMALL, width=width, ffn=2 * width, layers=layers, columns=options["attend"])
    common = {
        "shape": shape,
        "ions": options["ions"],
        "pace": pace,
        "simulated": options["simulated"],
        "valid": options["valid"],
    }
    show_progress = sys.stderr.isatty()
    if kind == "engine":
        if (out / "axial.json").is_file():
            raise InputError(f"{out} holds a model: choose another folder")
        train_engine(EnginePlan(**common), spectra, out, show_progress)
    else:
        plan = Plan(**common, candidates=options["candidates"], rmd_weight=options["rmd_weight"])
        result = train(plan, spectra, out, known=annotated, resume=options["resume"], progress=show_progress)
        _echo_exact(result.exact)
    click.echo(f"wrote {out}", err=True)
    return int(unusable > 0)


def _trees(
    spectra: list[Spectrum], annotated: list[Ranking], engines: tuple[str, ...], out: Path, options: dict[str, Any]
) -> int:
    """Train boosted trees on the engines' candidates, or on simulated ones if no engine is given."""
    from ..domains.peptides.boosted_training import train_trees
    from ..domains.peptides.corrupt import practice
    from ..domains.peptides.matching import Tolerance

    rankings = annotated if engines else practice(spectra, options["candidates"], options["seed"])
    result = train_trees(
        rankings,
        engines,
        rounds=options["rounds"] or 100,
        valid=options["valid"],
        seed=options["seed"],
        tolerance=Tolerance.of(options["tolerance"]),
        learn=options["learn"],
    )
    result.trees.save(out)
    _echo_exact(result.exact)
    weights = ", ".join(f"{name} {share:.0%}" for name, share in list(result.trees.weights.items())[:5])
    click.echo(f"the most important features: {weights}", err=True)
    click.echo(f"wrote {out}", err=True)
    return 0


def _echo_exact(exact: Mapping[str, float]) -> None:
    shares = ", ".join(f"{name} {value:.3f}" for name, value in exact.items())
    click.echo(f"exact peptides of the spectra held out: {shares or 'none was'}", err=True)


def _annotated(
    files: tuple[str, ...],
    fixed: tuple[str, ...],
    engines: tuple[str, ...],
    columns: tuple[str, ...],
    by: str | None,
    top: int | None,
    residues: tuple[str, ...],
    truth: str | None,
) -> tuple[list[Spectrum], list[Ranking], tuple[str, ...], int]:
    """The spectra, the candidates of the annotated ones, the engines, and how many spectra and rows can't be used."""
    from ..domains.peptides.merge import merge
    from ..domains.peptides.psm import with_charges

    paths, named_columns, tokens = checked(engines, columns, fixed, residues, files, bool(truth))
    errors: dict[str, list[InputError]] = {"spectra": []}
    spectra = read_runs(files, tokens, errors["spectra"], not (truth or paths), bool(truth or paths))
    if truth and spectra:
        spectra = with_truth(spectra, truth, named_columns.get(TRUTH, ""), by, tokens, files, errors)
    if not paths or not spectra:
        usable = [s for s in with_charges(spectra, {}, bad=errors["spectra"]) if s.charge]
        return usable, [], (), sum(map(len, errors.values()))
    joined = join_engines(spectra, paths, named_columns, by, tokens, files, errors)
    spectra = with_charges(spectra, joined, bad=errors["spectra"])
    rankings = [r for r in merge(spectra, joined, top) if r.query.content.charge]
    annotated = [r for r in rankings if r.query.content.peptide is not None]
    return [s for s in spectra if s.charge], annotated, tuple(paths), sum(map(len, errors.values()))


@click.command("propose")
@click.option("--spectra", "files", multiple=True, required=True, help="MGF or mzML, gzipped or not (repeat).")
@click.option("--model", required=True, help="The folder of an engine made by 'train --kind engine'.")
@click.option(
    "-o",
    "--out",
    required=True,
    type=OutputFile(),
    help="The CSV file to write, which rerank reads as an --engine.",
)
@click.option(
    "-k", "top", default=6, show_default=True, type=click.IntRange(1), help="Peptides proposed for each spectrum."
)
@click.option("--beam", default=10, show_default=True, type=click.IntRange(1), help="Prefixes kept in the search.")
def propose_command(files: tuple[str, ...], model: str, out: Path, top: int, beam: int) -> int:
    """Propose peptides by a small engine of anyrank's own. Exit code 1 means that some spectrum could not be used or
    that no peptide fits its mass."""
    try:
        from ..domains.peptides.neural.base_engine import BaseEngine
    except ImportError as error:
        raise MissingExtra(error.name or "torch", extra="torch") from error
    from ..io.files import atomic

    engine = BaseEngine.load(model, beam, top)
    errors: list[InputError] = []
    spectra = read_runs(files, {}, errors, distinct=False)
    unusable = len(errors)
    proposed: set[str] = set()
    with atomic(out) as f, progress("proposing", len(spectra), "spectra") as bar:
        write = csv.writer(f, lineterminator="\n")
        write.writerow(["spectrum_id", "denovo_seq", "peptide_score", "precursor_mz"])
        for start in range(0, len(spectra), engine.batch):
            part = spectra[start : start + engine.batch]
            for p in engine(part):
                write.writerow([p.spectrum, p.peptide.proforma, f"{p.score:.6f}", p.precursor_mz])
                proposed.add(p.spectrum)
            bar.update(len(part))
    click.echo(f"{len(proposed)} of {len(spectra)} spectra have candidates; wrote {out}", err=True)
    return int(unusable > 0 or len(proposed) < len(spectra))
