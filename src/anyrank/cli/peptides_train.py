"""``anyrank peptides train`` and ``propose``: models of our own for peptides, trained and used."""

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
from .common import progress
from .peptides_inputs import Made, checked, columns_option, join_engines, read_one, reading_options

if TYPE_CHECKING:
    from ..domains.peptides.spectrum import Spectrum


KINDS = {
    "reranker": {
        "rounds", "batch", "rate", "patience", "seed", "simulated", "valid", "width", "layers", "candidates",
        "rmd_weight", "attend", "ions", "resume", "engines", "columns", "by", "top",
    },
    "engine": {"rounds", "batch", "rate", "patience", "seed", "simulated", "valid", "width", "layers", "ions"},
    "lightgbm": {"rounds", "seed", "valid", "candidates", "engines", "columns", "by", "top", "tolerance"},
}  # fmt: skip
"""The options that each kind of training reads; others are refused, not passed over."""


def _reading(command: Made) -> Made:
    for option in reading_options:
        command = option(command)
    return command


@click.command("train")
@click.option("--spectra", "files", multiple=True, required=True, help="Annotated spectra (MGF with SEQ=; repeat).")
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="The model's folder; of trees a file."
)
@click.option(
    "--kind",
    type=click.Choice(list(KINDS)),
    default="reranker",
    show_default=True,
    help="A reranker of candidates (RankNovo), a small engine that proposes them, or boosted trees over scores.",
)
@click.option("--engine", "engines", multiple=True, metavar="NAME=FILE",
              help="An engine's output for the spectra, to learn from (repeat for several).")  # fmt: skip
@click.option("--rounds", type=click.IntRange(1), help="Over the spectra; 10 by default. Of lightgbm: trees, 100.")
@click.option("--batch", default=16, show_default=True, type=click.IntRange(1), help="Spectra a step.")
@click.option("--rate", default=3e-3, show_default=True, help="The highest learning rate.")
@click.option("--patience", default=0, show_default=True, help="Stop after so many rounds without a gain (0: never).")
@click.option("--seed", default=0, show_default=True)
@click.option("--simulated", default=0, show_default=True, type=click.IntRange(0), help="Spectra added to each round.")
@click.option(
    "--valid",
    default=0.1,
    show_default=True,
    type=click.FloatRange(0, 0.9),
    help="The share of peptides held out, by which the best round is chosen and the model measured.",
)
@click.option("--width", default=64, show_default=True, help="Of the model.")
@click.option("--layers", type=click.IntRange(1), help="Of the model; 2 by default, of an engine 1.")
@click.option("--candidates", default=6, show_default=True, type=click.IntRange(2), help="Made up a spectrum, at most.")
@click.option("--rmd-weight", default=1.0, show_default=True, help="Of the residues' loss beside the peptides' (ours).")
@click.option("--columns/--no-columns", "attend", default=True, help="Whether candidates look at each other.")
@click.option("--ions/--no-ions", default=True, help="Whether the model starts by looking for ions (ours).")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint of a reranker's training.")
@_reading
@columns_option("--engine-columns")
@click.pass_context
def train_command(
    context: click.Context, /, files: tuple[str, ...], out: Path, kind: str, fixed: tuple[str, ...], **given: Any
) -> int:
    """Train on annotated spectra; no peptide is both learned and held out. A reranker learns from candidates made up
    for it and from those of engines, where given; trees learn from engines' candidates and scores, or from made-up
    candidates where none is given. Exit code 1 says that some spectrum or row could not be used."""
    source = click.core.ParameterSource.COMMANDLINE
    for name in given:
        if name not in KINDS[kind] and context.get_parameter_source(name) is source:
            option = next(p.opts[0] for p in context.command.params if p.name == name)
            raise InputError(f"{option} means nothing to --kind {kind}: leave it out")
    spectra, known, engines, bad = _known(files, fixed, **{k: given[k] for k in ("engines", "columns", "by", "top")})
    if not given["simulated"] and not any(s.peptide for s in spectra):
        raise InputError("none of the spectra is annotated: expected lines SEQ=PEPTIDE", path=files[0])
    if kind == "lightgbm":
        return _trees(spectra, known, engines, out, given) or int(bad > 0)
    try:
        from ..domains.peptides.neural.engine_training import EnginePlan, train_engine
        from ..domains.peptides.neural.training import SMALL, Pace, Plan, train
    except ImportError as error:
        raise MissingExtra(error.name or "torch", extra="train") from error
    rounds = given["rounds"] or 10
    pace = Pace(rounds, given["batch"], given["rate"], patience=given["patience"], seed=given["seed"])
    width, layers = given["width"], given["layers"] or (1 if kind == "engine" else 2)
    shape = replace(SMALL, width=width, ffn=2 * width, layers=layers, columns=given["attend"])
    common = {"shape": shape, "ions": given["ions"], "pace": pace, "simulated": given["simulated"],
              "valid": given["valid"]}  # fmt: skip
    shown = sys.stderr.isatty()
    if kind == "engine":
        if (out / "axial.json").is_file():
            raise InputError(f"{out} holds a model: choose another folder")
        train_engine(EnginePlan(**common), spectra, out, shown)
    else:
        plan = Plan(**common, candidates=given["candidates"], rmd_weight=given["rmd_weight"])
        done = train(plan, spectra, out, known=known, resume=given["resume"], progress=shown)
        _measured(done.exact)
    click.echo(f"wrote {out}", err=True)
    return int(bad > 0)


def _trees(
    spectra: list[Spectrum], known: list[Ranking], engines: tuple[str, ...], out: Path, given: dict[str, Any]
) -> int:
    """Trees over the engines' candidates, or over made-up ones."""
    from ..domains.peptides.boosted_training import train_trees
    from ..domains.peptides.corrupt import practice
    from ..domains.peptides.matching import Tolerance

    rankings = known if engines else practice(spectra, given["candidates"], given["seed"])
    done = train_trees(
        rankings, engines, rounds=given["rounds"] or 100, valid=given["valid"], seed=given["seed"],
        tolerance=Tolerance.of(given["tolerance"]),
    )  # fmt: skip
    done.trees.save(out)
    _measured(done.exact)
    most = ", ".join(f"{name} {share:.0%}" for name, share in list(done.trees.weights.items())[:5])
    click.echo(f"what the trees look at most: {most}", err=True)
    click.echo(f"wrote {out}", err=True)
    return 0


def _measured(exact: Mapping[str, float]) -> None:
    shares = ", ".join(f"{name} {value:.3f}" for name, value in exact.items())
    click.echo(f"exact peptides of the spectra held out: {shares or 'none was'}", err=True)


def _known(
    files: tuple[str, ...], fixed: tuple[str, ...], engines: tuple[str, ...], columns: tuple[str, ...],
    by: str | None, top: int | None,
) -> tuple[list[Spectrum], list[Ranking], tuple[str, ...], int]:  # fmt: skip
    """The spectra, the engines' candidates for the annotated ones, the engines, and how much could not be used."""
    from ..domains.peptides.merge import merge

    paths, named, bare = checked(engines, columns, fixed)
    spectra, bad = _spectra(files, bare)
    if not paths:
        return spectra, [], (), bad
    if len(files) > 1:
        raise InputError("--engine with several --spectra: an engine's output belongs to one file of spectra")
    lost: dict[str, list[InputError]] = {}
    rankings = merge(spectra, join_engines(spectra, paths, named, by, bare, files[0], lost), top)
    annotated = [r for r in rankings if r.query.content.peptide is not None]
    return spectra, annotated, tuple(paths), bad + sum(map(len, lost.values()))


@click.command("propose")
@click.option("--spectra", "files", multiple=True, required=True, help="MGF or mzML, gzipped or not (repeat).")
@click.option("--model", required=True, help="The folder of an engine of 'train --kind engine'.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="A CSV that rerank reads.")
@click.option("-k", "top", default=6, show_default=True, type=click.IntRange(1), help="Peptides of each spectrum.")
@click.option("--beam", default=10, show_default=True, type=click.IntRange(1), help="Prefixes kept in the search.")
def propose_command(files: tuple[str, ...], model: str, out: Path, top: int, beam: int) -> int:
    """Propose peptides by our own small engine. Exit code 1 says that some spectrum could not be used or that nothing
    fits its mass."""
    try:
        from ..domains.peptides.neural.base_engine import BaseEngine
    except ImportError as error:
        raise MissingExtra(error.name or "torch", extra="torch") from error
    from ..io.files import atomic

    engine = BaseEngine.load(model, beam, top)
    spectra, bad = _spectra(files, {})
    proposed: set[str] = set()
    with atomic(out) as f, progress("proposing", len(spectra), "spectra") as bar:
        write = csv.writer(f, lineterminator="\n")
        write.writerow(["spectrum_id", "denovo_seq", "peptide_score", "precursor_mz"])
        for at in range(0, len(spectra), engine.batch):
            part = spectra[at : at + engine.batch]
            for p in engine(part):
                write.writerow([p.spectrum, p.peptide.proforma, f"{p.score:.6f}", p.precursor_mz])
                proposed.add(p.spectrum)
            bar.update(len(part))
    click.echo(f"{len(proposed)} of {len(spectra)} spectra have candidates; wrote {out}", err=True)
    return int(bad > 0 or len(proposed) < len(spectra))


def _spectra(files: tuple[str, ...], fixed: Mapping[str, str]) -> tuple[list[Spectrum], int]:
    """The spectra of all files, and how many could not be used, each told on standard error."""
    found: list[Spectrum] = []
    lost = 0
    for file in files:
        bad: list[InputError] = []
        found += read_one(file, fixed, bad)
        lost += len(bad)
    return found, lost
