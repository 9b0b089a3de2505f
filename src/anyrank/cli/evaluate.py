"""``anyrank eval`` and ``anyrank compare``: measure runs and compare them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..core.errors import InputError
from .common import Command

DEFAULT = ("nDCG@10", "AP", "RR@10", "R@100")
FORMATS = ["text", "markdown", "latex", "csv", "queries", "json"]

measures_option = click.option(
    "-m",
    "--measure",
    "measures",
    multiple=True,
    default=DEFAULT,
    show_default=True,
    help="A measure in ir_measures' notation: nDCG@10, RR(rel=2)@10, AP … (repeat for several).",
)


def shared(command: Command) -> Command:
    """Add the options that eval and compare share."""
    for option in (
        measures_option,
        click.option("--split", help="The part of the collection with judgements, if QRELS is a collection."),
        click.option(
            "--format",
            "form",
            type=click.Choice(FORMATS),
            default="text",
            show_default=True,
            help="The format of the table; 'queries' is a CSV with the values of every query.",
        ),
        click.option("--json", "form", flag_value="json", help="The same as --format json."),
        click.option("--html", type=click.Path(path_type=Path), help="Also write a self-contained HTML report."),
        click.option(
            "--ties",
            type=click.Choice(["given", "trec_eval"]),
            default="trec_eval",
            show_default=True,
            help="Equal scores: as trec_eval breaks them, or in the order of the file.",
        ),
        click.option(
            "--seed", default=0, show_default=True, help="The seed of the bootstrap and the randomisation test."
        ),
    ):
        command = option(command)
    return command


@click.command("eval")
@click.argument("qrels")
@click.argument("runs", nargs=-1, required=True)
@shared
def eval_command(qrels: str, runs: tuple[str, ...], **options: Any) -> int:
    """Measure RUNS (TREC run files) by QRELS (a TREC or BEIR file, a collection's folder, or 'demo'), each on its own.

    \b
    anyrank eval dl19.qrels bm25.trec -m nDCG@10 -m "RR(rel=2)@10"
    """
    return _measure(qrels, runs, baseline=None, test="none", correction="none", **options)


@click.command("compare")
@click.argument("qrels")
@click.argument("runs", nargs=-1, required=True)
@click.option("--baseline", help="The run the others are compared with (its file's name); the first one by default.")
@click.option(
    "--test", type=click.Choice(["t", "randomisation"]), default="t", show_default=True, help="The paired test."
)
@click.option(
    "--correction",
    type=click.Choice(["holm", "bonferroni", "none"]),
    default="holm",
    show_default=True,
    help="The correction for several comparisons.",
)
@shared
def compare_command(qrels: str, runs: tuple[str, ...], **options: Any) -> int:
    """Compare two or more RUNS with a baseline: paired tests, intervals, wins, losses and cost.

    \b
    anyrank compare dl19.qrels bm25.trec reranked.trec --html report.html
    """
    if len(runs) < 2:
        raise InputError("compare takes two runs or more; 'anyrank eval' measures one")
    return _measure(qrels, runs, **options)


def _measure(
    qrels: str,
    runs: tuple[str, ...],
    measures: tuple[str, ...],
    split: str | None,
    form: str,
    html: Path | None,
    ties: Any,
    seed: int,
    baseline: str | None,
    test: Any,
    correction: Any,
) -> int:
    from ..evaluate.evaluation import evaluate
    from ..io.runs import read_run
    from .common import is_dataset

    if html is not None:  # if a package is missing, fail now rather than after the work
        from ..pages import write_report

    names = _names(runs)
    if is_dataset(qrels):
        from ..core.content import text_of
        from ..io.dataset import Dataset

        data = Dataset.open(qrels)
        judged = data.qrels(split)
        topics = {q.id: text_of(q.content) for q in data.queries(split)}
    else:
        from ..io.qrels import read_qrels

        judged, topics = read_qrels(qrels), None
    read = {name: {q: dict(results) for q, results in read_run(path).items()} for name, path in zip(names, runs)}
    if baseline is not None and baseline not in names and baseline in runs:
        baseline = names[runs.index(baseline)]
    result = evaluate(read, judged, measures, baseline, test, correction, seed, ties=ties)
    click.echo(result.table(form))
    if html is not None:
        write_report(html, result, read, judged, queries=topics)
        click.echo(f"wrote {html}", err=True)
    return 0


def _names(runs: tuple[str, ...]) -> list[str]:
    """Short distinct names of run files: the file's name, or the whole path where two share it."""
    short = [
        Path(r).name.removesuffix(".gz").removesuffix(".trec").removesuffix(".txt").removesuffix(".run") for r in runs
    ]
    if len(set(runs)) < len(runs):
        raise InputError("a run file is named twice")
    return short if len(set(short)) == len(short) else list(runs)
