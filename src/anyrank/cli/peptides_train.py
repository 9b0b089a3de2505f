"""``anyrank peptides train`` and ``propose``: models of our own for peptides, trained and used."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..core.errors import InputError, MissingExtra
from .common import progress


@click.command("train")
@click.option("--spectra", "files", multiple=True, required=True, help="Annotated spectra (MGF with SEQ=; repeat).")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The model's folder.")
@click.option(
    "--kind",
    type=click.Choice(["reranker", "engine"]),
    default="reranker",
    show_default=True,
    help="A reranker of candidates (RankNovo), or a small engine that proposes them.",
)
@click.option("--fixed", multiple=True, metavar="TOKEN", help="What a bare letter stands for, as in C+57.021.")
@click.option("--rounds", default=10, show_default=True, type=click.IntRange(1), help="Over the spectra.")
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
    help="The share of peptides held out, by which the best round is chosen.",
)
@click.option("--width", default=64, show_default=True, help="Of the model.")
@click.option("--layers", type=click.IntRange(1), help="Of the model; 2 by default, of an engine 1.")
@click.option("--candidates", default=6, show_default=True, type=click.IntRange(2), help="At most so many a spectrum.")
@click.option("--rmd-weight", default=1.0, show_default=True, help="Of the residues' loss beside the peptides' (ours).")
@click.option("--columns/--no-columns", default=True, help="Whether candidates look at each other.")
@click.option("--ions/--no-ions", default=True, help="Whether the model starts by looking for ions (ours).")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint of a reranker's training.")
def train_command(files: tuple[str, ...], out: Path, kind: str, fixed: tuple[str, ...], **given: Any) -> int:
    """Train on annotated spectra, with candidates made up for a reranker; no peptide is both learned and held out.
    Exit code 1 says that some spectrum could not be used."""
    try:
        from ..peptides.engine_training import EnginePlan, train_engine
        from ..peptides.fit import Pace
        from ..peptides.training import SMALL, Plan, train
    except ImportError as error:
        raise MissingExtra(error.name or "torch", extra="train") from error
    spectra, bad = _spectra(files, fixed)
    pace = Pace(given["rounds"], given["batch"], given["rate"], patience=given["patience"], seed=given["seed"])
    width, layers = given["width"], given["layers"] or (1 if kind == "engine" else 2)
    shape = replace(SMALL, width=width, ffn=2 * width, layers=layers, columns=given["columns"])
    common = {"shape": shape, "ions": given["ions"], "pace": pace, "simulated": given["simulated"],
              "valid": given["valid"]}  # fmt: skip
    shown = sys.stderr.isatty()
    if kind == "engine":
        if (out / "axial.json").is_file():
            raise InputError(f"{out} holds a model: choose another folder")
        train_engine(EnginePlan(**common), spectra, out, shown)
    else:
        plan = Plan(**common, candidates=given["candidates"], rmd_weight=given["rmd_weight"])
        done = train(plan, spectra, out, resume=given["resume"], progress=shown)
        said = ", ".join(f"{name} {value:.3f}" for name, value in done.exact.items())
        click.echo(f"exact peptides of the spectra held out: {said or 'none was'}", err=True)
    click.echo(f"wrote {out}", err=True)
    return int(bad)


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
        from ..peptides.base_engine import BaseEngine
    except ImportError as error:
        raise MissingExtra(error.name or "torch", extra="torch") from error
    from ..io.files import atomic

    engine = BaseEngine.load(model, beam, top)
    spectra, bad = _spectra(files, ())
    told: set[str] = set()
    with atomic(out) as f, progress("proposing", len(spectra), "spectra") as bar:
        write = csv.writer(f, lineterminator="\n")
        write.writerow(["spectrum_id", "denovo_seq", "peptide_score", "precursor_mz"])
        for at in range(0, len(spectra), engine.batch):
            part = spectra[at : at + engine.batch]
            for p in engine(part):
                write.writerow([p.spectrum, p.peptide.proforma, f"{p.score:.6f}", p.precursor_mz])
                told.add(p.spectrum)
            bar.update(len(part))
    click.echo(f"{len(told)} of {len(spectra)} spectra have candidates; wrote {out}", err=True)
    return int(bad or len(told) < len(spectra))


def _spectra(files: tuple[str, ...], fixed: tuple[str, ...]) -> tuple[list[Any], int]:
    """The spectra of all files, and how many could not be used, each told on standard error."""
    from ..peptides.residues import RESIDUES
    from ..peptides.spectra import read_spectra

    if strange := [t for t in fixed if t not in RESIDUES]:
        raise InputError(f"{strange[0]!r}: no such residue")
    found, bad = [], 0
    for file in files:
        lost: list[InputError] = []
        found += list(read_spectra(file, fixed={t[0]: t for t in fixed}, bad=lost))
        for error in lost:
            click.echo(f"warning: {error}", err=True)
        bad += len(lost)
    return found, bad
