"""``anyrank eval`` and ``anyrank compare``: measure runs and compare them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import click

from ..core.errors import InputError
from .common import SEED, Command, Number, PageFile, ignore_self_option, queries_of

DEFAULT = ("nDCG@10", "AP", "RR@10", "R@100")
FORMATS = ["text", "markdown", "latex", "csv", "queries", "pairs", "json"]

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
            help="The format of the table; 'queries' is a CSV with the values of every query, 'pairs' one with every "
            "comparison.",
        ),
        click.option("--json", "form", flag_value="json", help="The same as --format json."),
        click.option("--html", type=PageFile(), help="Also write a self-contained HTML report."),
        click.option(
            "--figures",
            type=click.Path(path_type=Path),
            help="Also write the report's figures into this folder, each as a file.",
        ),
        click.option(
            "--figure-format",
            type=click.Choice(["svg", "pdf"]),
            default="svg",
            show_default=True,
            help="The format of --figures.",
        ),
        click.option("--queries", help="The texts of the queries, for the report: JSONL or id<TAB>text."),
        click.option(
            "--documents",
            help="The texts of the documents, for the report: a file, a collection's folder, or an index.",
        ),
        ignore_self_option,
        click.option(
            "--residual",
            help="A TREC run or judgements: its documents, already seen, are left out of RUNS and QRELS.",
        ),
        click.option(
            "--retrieved-precision",
            is_flag=True,
            help="Also print the mean precision at the relevant documents retrieved, the 'MAP' of arXiv 2204.02292, "
            "with its pooled t-test against the first run; the measure AP is trec_eval's MAP.",
        ),
        click.option(
            "--exposure",
            metavar="FIELD",
            help="Also print the share of the readers' attention that documents of each value of this field get in the "
            "first ten results, beside their shares of the results and of the relevant; needs --documents.",
        ),
        click.option("--condensed", is_flag=True, help="Leave results without a judgement out of RUNS."),
        click.option(
            "--ties",
            type=click.Choice(["given", "trec_eval"]),
            default="trec_eval",
            show_default=True,
            help="Equal scores: as trec_eval breaks them, or in the order of the file.",
        ),
        click.option(
            "--seed",
            type=SEED,
            default=0,
            show_default=True,
            help="The seed of the bootstrap and the randomisation test.",
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
    fixed: dict[str, Any] = {
        "baseline": None,
        "test": "none",
        "correction": "none",
        "pairs": "baseline",
        "equivalence": None,
    }
    return _measure(qrels, runs, **fixed, **options)


@click.command("compare")
@click.argument("qrels")
@click.argument("runs", nargs=-1, required=True)
@click.option("--baseline", help="The run the others are compared with (its file's name); the first one by default.")
@click.option(
    "--test",
    type=click.Choice(["t", "randomisation", "wilcoxon", "tukey"]),
    default="t",
    show_default=True,
    help="The paired test; tukey (Tukey's HSD) compares all pairs at once.",
)
@click.option(
    "--correction",
    type=click.Choice(["holm", "bonferroni", "bh", "none"]),
    default="holm",
    show_default=True,
    help="The correction for several comparisons; bh (Benjamini-Hochberg) bounds the share of false claims.",
)
@click.option(
    "--pairs",
    type=click.Choice(["baseline", "all"]),
    default="baseline",
    show_default=True,
    help="Compare each run with the baseline, or every run with every other.",
)
@click.option(
    "--equivalence",
    type=Number(),
    metavar="MARGIN",
    help="Also test whether runs are equivalent: their difference is within this margin (TOST).",
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
    figures: Path | None,
    figure_format: Literal["svg", "pdf"],
    queries: str | None,
    documents: str | None,
    ignore_self: bool,
    residual: str | None,
    retrieved_precision: bool,
    exposure: str | None,
    condensed: bool,
    ties: Any,
    seed: int,
    baseline: str | None,
    test: Any,
    correction: Any,
    pairs: Any,
    equivalence: float | None,
) -> int:
    from ..evaluate.evaluation import evaluate
    from ..evaluate.inputs import Judgements, seen_documents
    from ..evaluate.leave_out import LeaveOut
    from ..io.runs import read_run
    from .common import is_dataset

    if html is not None or figures is not None:  # if a package is missing, fail now rather than after the work
        from ..pages import write_report
        from ..pages.figures import check_format, write_figures

        if figures is not None:
            check_format(figure_format)
    elif queries or (documents and exposure is None):
        raise InputError("--queries and --documents are for the report: give --html or --figures too")
    if exposure is not None and documents is None:
        raise InputError("--exposure needs --documents: the field is theirs")
    names = run_names(runs)
    topics: dict[str, str] = {}
    if is_dataset(qrels):
        from ..core.content import text_of
        from ..io.dataset import Dataset

        data = Dataset.open(qrels)
        judged = Judgements.of(data.qrels(split))
        topics = {q.id: text_of(q.content) for q in data.queries(split)}
    else:
        judged = Judgements.of(qrels)
    if queries is not None:
        from ..core.content import text_of

        topics |= {q.id: text_of(q.content) for q in queries_of(queries)}
    read = {name: {q: dict(results) for q, results in read_run(path).items()} for name, path in zip(names, runs)}
    if baseline is not None and baseline not in names and baseline in runs:
        baseline = names[runs.index(baseline)]
    left_out = LeaveOut(ignore_self, {} if residual is None else seen_documents(residual), condensed)
    result = evaluate(
        read,
        judged,
        measures,
        baseline,
        test,
        correction,
        seed,
        ties=ties,
        costs={name: cost for name, path in zip(names, runs) if (cost := _cost(path)) is not None},
        pairs=pairs,
        margin=equivalence,
        leave_out=left_out,
    )
    click.echo(result.table(form))
    if retrieved_precision:
        _retrieved(read, judged, left_out, ties)
    if exposure is not None and documents is not None:
        _exposure(read, judged, left_out, ties, exposure, documents)
    if html is None and figures is None:
        return 0
    texts = None if documents is None else _document_texts(documents, read)
    shown: dict[str, Any] = {"queries": topics, "texts": texts, "leave_out": left_out}
    if html is not None:
        write_report(html, result, read, judged, **shown)
        click.echo(f"wrote {html}", err=True)
    if figures is not None:
        written = write_figures(figures, result, read, judged, format=figure_format, **shown)
        click.echo(f"wrote {len(written)} figures into {figures}", err=True)
    return 0


def _retrieved(runs: Mapping[str, Any], judged: Any, left_out: Any, ties: Any) -> None:
    """Print the mean precision at the relevant documents retrieved of each run, to standard error."""
    from ..evaluate.inputs import lists
    from ..evaluate.retrieved_precision import retrieved_precision

    judged = left_out.of_judgements(judged)
    click.echo("mean precision at the relevant documents retrieved (no MAP):", err=True)
    first = None
    for name, run in runs.items():
        result = retrieved_precision(left_out.of_lists(lists(run, name, ties)[0], judged), judged)
        text = f"{name}: {result.mean:.4f} over {len(result.queries)} queries, {len(result.dropped)} dropped"
        if first is not None:
            text += f"; pooled t-test against the first p = {first.pooled_t_test(result):.4f}"
        first = first or result
        click.echo(text, err=True)


def _exposure(
    runs: Mapping[str, Any], judged: Any, left_out: Any, ties: Any, name: str, documents: str, depth: int = 10
) -> None:
    """Print the exposure of the values of a documents' field in each run, to standard error."""
    from ..evaluate.exposure import expected_exposure, group_exposure
    from ..evaluate.inputs import lists

    judged = left_out.of_judgements(judged)
    ordered = {run: left_out.of_lists(lists(results, run, ties)[0], judged) for run, results in runs.items()}
    wanted = {d for run in ordered.values() for docs in run.values() for d in docs[:depth]}
    groups = {c.id: str(c.meta[name]) for c in documents_of(documents, wanted) if c.id in wanted and name in c.meta}
    if not groups:
        raise InputError(f"none of the documents of the runs has the field {name!r}", path=documents)
    for run, results in ordered.items():
        for part in group_exposure(results, groups, judged, depth):
            text = f"{run}: {part.group} {part.exposure:.3f} of the exposure, {part.candidates:.3f} of the results"
            text += "" if part.relevant is None else f", {part.relevant:.3f} of the relevant"
            click.echo(text + ("" if part.ratio is None else f", ratio {part.ratio:.3f}"), err=True)
        loss = expected_exposure([results], judged, depth)
        click.echo(f"{run}: expected exposure loss {loss.loss:.3f}, disparity {loss.disparity:.3f}", err=True)


def _cost(run: str) -> Any:
    """The cost of a run by the trace that stands beside it; None if there is none."""
    from ..core.types import Query, Ranking
    from ..evaluate.cost import Cost
    from ..io.traces import read_traces, trace_path

    traces = read_traces(run)
    if traces is None:
        if trace_path(run).is_file():
            click.echo(f"note: {trace_path(run)} is of another state of {run} and is not used", err=True)
        return None
    return Cost.of([Ranking(Query(q), (), steps) for q, steps in traces.items()])


def _document_texts(documents: str, runs: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, str]:
    """The beginnings of the documents that a report may show, by id."""
    from ..core.content import text_of

    wanted = {d for run in runs.values() for docs in run.values() for d in docs}
    texts = {c.id: text_of(c.content)[:1000] for c in documents_of(documents, wanted) if c.id in wanted}
    if lost := len(wanted) - len(texts):
        click.echo(f"note: {documents} lacks {lost:,} of the {len(wanted):,} documents of the runs", err=True)
    return texts


def documents_of(documents: str, wanted: set[str]) -> Iterable[Any]:
    """The documents of a file, a collection's folder or an index; of an index those ``wanted`` alone."""
    from ..io.corpus import read_documents
    from ..io.dataset import Dataset
    from ..stores.open import is_index, open_index
    from .common import is_dataset

    if is_index(documents):
        collection = open_index(documents)
        wanted_here: Iterable[Any] = collection.get(sorted(d for d in wanted if d in collection))
        return wanted_here
    return Dataset.open(documents).documents() if is_dataset(documents) else read_documents(documents)


def run_names(runs: tuple[str, ...]) -> list[str]:
    """Short distinct names of run files: the file's name, or the whole path where two share it."""
    short = [
        Path(r).name.removesuffix(".gz").removesuffix(".trec").removesuffix(".txt").removesuffix(".run") for r in runs
    ]
    if len(set(runs)) < len(runs):
        raise InputError("a run file is named twice")
    return short if len(set(short)) == len(short) else list(runs)
