"""``anyrank peptides``: rerank and judge the peptides that de novo sequencing engines propose for spectra."""

from __future__ import annotations

import click

from .near import Near
from .peptides_eval import eval_command
from .peptides_rerank import calibrate_command, rerank_command
from .peptides_train import propose_command, train_command


@click.group("peptides", cls=Near)
def peptides_command() -> None:
    """Rerank peptide candidates of several de novo sequencing engines over their spectra, and measure them.

    \b
    anyrank peptides rerank --spectra run.mgf --engine casanovo=a.mztab --engine other=b.csv -o best.mztab
    anyrank peptides eval --spectra annotated.mgf --engine casanovo=a.mztab --engine other=b.csv --html report.html
    anyrank peptides calibrate --spectra annotated.mgf --engine casanovo=a.mztab --engine other=b.csv -o confidence.json
    anyrank peptides train --spectra annotated.mgf -o model/
    anyrank peptides rerank --spectra run.mgf --engine casanovo=a.mztab --method ranknovo --model model/ -o best.mztab
    """


for command in (rerank_command, eval_command, calibrate_command, train_command, propose_command):
    peptides_command.add_command(command)


@peptides_command.command("methods")
def methods_command() -> None:
    """List the methods that rerank and eval take."""
    from ..domains.peptides.methods import METHODS

    for name, method in METHODS.items():
        click.echo(f"{name:<12} {method.about}")
    click.echo(f"{'engine:NAME':<12} the scores of one engine alone")
