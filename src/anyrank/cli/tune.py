"""``anyrank tune``: choose a pipeline by judged queries, with what the choice is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..core.errors import InputError
from .common import SEED, Number, PageFile, as_json, as_json_option, ignore_self_option, is_dataset
from .evaluate import run_names
from .progress import advance, progress


@click.command("tune")
@click.argument("index", type=click.Path(path_type=Path), required=False)
@click.option("--queries", help="A file of queries (JSONL or id<TAB>text), or a collection (a BEIR folder, 'demo').")
@click.option("--qrels", help="Their judgements (a TREC or BEIR file); not needed if --queries is a collection.")
@click.option("--split", help="The part of the collection, such as train.")
@click.option("--run", "runs", multiple=True, help="A TREC run, without an index (repeat): their fusions are tried.")
@click.option("--search", "searches", multiple=True, help="A search to fuse (repeat).  [default: all of the index]")
@click.option(
    "--rerank",
    "rerankers",
    multiple=True,
    help="A reranker to try, as 'model(\"owner/name\")' (repeat, the cheapest first); 'none' for no reranker.  "
    "[default: tiny, mini]",
)
@click.option(
    "--depth",
    "depths",
    multiple=True,
    type=click.IntRange(2),
    help="A depth of reranking (repeat).  [default: 10, 20, 50, 100]",
)
@click.option(
    "--default",
    default="",
    help="The pipeline in use, which the others must beat, one of those tried.  [default: the even fusion of the first "
    "two searches, as bm25 + minilm]",
)
@click.option("-m", "--measure", default="nDCG@10", show_default=True, help="nDCG@10, RR@10, P@5, R@100 or Success@5.")
@click.option(
    "--max-ms",
    type=Number(0, min_open=True),
    help="Only pipelines that take at most so many milliseconds a query here.",
)
@click.option("--max-tokens", type=Number(0), help="Only pipelines that send models at most so many tokens a query.")
@click.option(
    "--max-cost", type=Number(0), help="Only pipelines whose tokens cost at most so much a query, at --price."
)
@click.option(
    "--price", type=Number(0, min_open=True), help="The price of a million tokens, in the currency of --max-cost."
)
@click.option(
    "--scores",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder that keeps the scores, for the next time.",
)
@click.option("--html", type=PageFile(), help="Also write a self-contained HTML report.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="The seed of all samples.")
@ignore_self_option
@as_json_option
def tune_command(
    index: Path | None,
    queries: str | None,
    qrels: str | None,
    split: str | None,
    runs: tuple[str, ...],
    searches: tuple[str, ...],
    rerankers: tuple[str, ...],
    depths: tuple[int, ...],
    default: str,
    measure: str,
    max_ms: float | None,
    max_tokens: float | None,
    max_cost: float | None,
    price: float | None,
    scores: Path | None,
    html: Path | None,
    seed: int,
    ignore_self: bool,
    json_out: bool,
) -> int:
    """Choose a pipeline for INDEX, or a fusion of given runs, by judged queries: fusions and their weights, feedback,
    rerankers at every depth, cascades of two, and none. The report says what the choice is worth on other queries, and
    whether it is more than luck.

    \b
    anyrank tune my.index --queries topics.tsv --qrels qrels.txt --max-ms 80 --html tune.html
    anyrank tune --run bm25.trec --run dense.trec --qrels qrels.txt
    """
    from ..tuning import space as spaces
    from ..tuning.measures import Measure
    from ..tuning.tune import tune

    Measure.of(measure)  # a name that is none is told before the work
    if (max_cost is None) != (price is None):
        raise InputError("--max-cost and --price go together: --max-cost 0.001 --price 0.5 a million tokens")
    if html is not None:  # if a package is missing, fail now rather than after the work
        from ..tuning.page import write_tuning
    if max_cost is not None and price:
        most = max_cost / price * 1e6
        max_tokens = most if max_tokens is None else min(most, max_tokens)
    if runs:
        if index is not None or searches or rerankers or max_ms is not None or max_tokens is not None:
            raise InputError("--run tunes a fusion of given runs: leave out INDEX, --search, --rerank and the budgets")
        if qrels is None:
            raise InputError("--run needs --qrels")
        if len(runs) < 2:
            raise InputError("a fusion takes two runs or more: give --run again")
        table, grades = _of_runs(runs, qrels, split)
        space, costs = spaces.of_runs(list(table.names), default=default), None
    else:
        if index is None or queries is None:
            raise InputError("give an INDEX and --queries, or --run twice")
        table, grades, space, costs = _of_index(
            index, queries, qrels, split, searches, rerankers, depths, default, scores, ignore_self
        )
    with progress("measuring", len(space.texts), "pipelines") as bar:
        result = tune(
            table,
            grades,
            space,
            measure=measure,
            costs=costs,
            max_ms=max_ms,
            max_tokens=max_tokens,
            seed=seed,
            on_progress=lambda done: advance(bar, done),
        )
    click.echo(as_json(result.as_dict()) if json_out else _text(result))
    if html is not None:
        write_tuning(html, result)
        click.echo(f"wrote {html}", err=True)
    return 0


def _of_runs(runs: tuple[str, ...], qrels: str, split: str | None) -> tuple[Any, dict[str, dict[str, int]]]:
    """The table of given runs over the judged queries, and the grades."""
    from ..io.runs import read_run
    from ..tuning.table import ScoreTable

    grades = _grades(qrels, split)
    read = {_word(name): read_run(path) for name, path in zip(run_names(runs), runs)}
    if len(read) < len(runs):
        raise InputError("two runs have the same name: rename one file")
    judged = [
        q for q, docs in grades.items() if any(g > 0 for g in docs.values()) and any(q in r for r in read.values())
    ]
    return ScoreTable.of_runs(read, judged), grades


def _word(name: str) -> str:
    """A run's name as a word that a pipeline can hold.

    >>> _word("dl19.BM25-top100"), _word("bm25")
    ('dl19_BM25_top100', 'bm25_run')
    """
    from ..pipeline.table import names

    word = "".join(c if c.isalnum() else "_" for c in Path(name).name)
    word = word if word[:1].isalpha() else f"run_{word}"
    return f"{word}_run" if word in names() else word


def _grades(qrels: str, split: str | None) -> dict[str, dict[str, int]]:
    from ..evaluate.inputs import Judgements
    from ..io.dataset import Dataset

    judged = Judgements.of(Dataset.open(qrels).qrels(split) if is_dataset(qrels) else qrels)
    return {q: dict(docs) for q, docs in judged.grades.items()}


def _of_index(
    index: Path,
    queries: str,
    qrels: str | None,
    split: str | None,
    searches: tuple[str, ...],
    rerankers: tuple[str, ...],
    depths: tuple[int, ...],
    default: str,
    scores: Path | None,
    ignore_self: bool,
) -> tuple[Any, dict[str, dict[str, int]], Any, Any]:
    """The table of an index, the grades, the pipelines to try, and what their parts cost."""
    from ..index.collection import Collection
    from ..io.corpus import read_queries
    from ..io.dataset import Dataset
    from ..pipeline.explain import plan
    from ..pipeline.parser import Settings
    from ..tuning.space import DEPTHS, space
    from ..tuning.table import ScoreTable
    from ..tuning.tune import FEEDBACK, RERANKERS, judged_queries, measured_costs, parts_of

    collection = Collection.open(index)
    if is_dataset(queries):
        data = Dataset.open(queries)
        split = data.chosen(split)
        grades = _grades(qrels or queries, split)
        topics = list(data.queries(split))
    else:
        if qrels is None:
            raise InputError("--qrels is missing: the judgements of the queries")
        grades, topics = _grades(qrels, split), read_queries(queries)
    topics = judged_queries(topics, grades)
    tried = () if "none" in rerankers else rerankers or RERANKERS
    parts = list(searches) or parts_of(collection)
    if not searches and parts[1:] == [FEEDBACK]:
        default = default or parts[0]
    pipelines = space(parts, list(tried), depths or DEPTHS, default)
    for text in pipelines.texts:  # a stage that is none is told before the searches
        plan(text)
    settings = Settings(collection, None, ignore_self)
    table = ScoreTable(
        topics, collection, scores, settings, on_run=lambda text: click.echo(f"running {text}", err=True)
    )
    pipelines.run(table)
    click.echo("timing the parts of the pipelines", err=True)
    check = [pipelines.texts[pipelines.default], pipelines.texts[-1]]
    return table, grades, pipelines, measured_costs(collection, pipelines, topics, settings, check=check)


def _text(result: Any) -> str:
    c, measure = result.choice, result.measure
    lines = [
        f"{result.tried:,} pipelines by {measure} on {result.queries} judged queries",
        f"default: {result.default}",
        f"verdict: {result.verdict}",
        f"recommended: {result.recommended}",
    ]
    gain = c.gain
    if result.recommended != result.default:
        lines.append(
            f"  its gain: {gain.expected:+.4f} expected on other queries ({gain.low:+.4f} to {gain.high:+.4f}): "
            f"{gain.seen:+.4f} on these less {gain.optimism:.4f} for the choosing"
        )
    best = c.best_gain
    lines.append(f"  the highest mean gains {best.seen:+.4f} on these queries, {best.expected:+.4f} less its optimism")
    lines.append(f"{c.curve[-1][0] - c.curve[-2][0]} more judged queries can be expected to add {c.more:+.4f}")
    lines.append("")
    head = ("pipeline", str(measure), "interval", "ms", f"judged@{measure.depth}", "")
    rows = [
        (
            r.text,
            f"{r.mean:.4f}",
            f"{r.low:.3f} to {r.high:.3f}",
            "" if r.cost is None else f"{r.cost.ms:.3g}",
            f"{r.judged:.2f}",
            ", ".join(r.roles),
        )
        for r in result.rows
    ]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in (head, *rows)]
    lines.append("(means less the optimism of their choice)")
    lines += [f"note: {note}" for note in result.notes]
    lines += [f"warning: {warning}" for warning in result.warnings]
    if result.costs is not None and result.costs.checks:
        lines.append(
            f"times: a model of this machine; whole pipelines timed differ by up to {result.costs.off:.2f} times"
        )
    return "\n".join(lines)
