"""``anyrank calibrate``: what judged queries teach about a pipeline's scores, for its cut-offs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..core.errors import InputError
from ..core.stage import Stage
from .common import (
    IndexType,
    Number,
    OutputFile,
    as_json,
    as_json_option,
    is_dataset,
    judged_of,
    pipeline_option,
    report_status,
)
from .progress import batches


@click.command("calibrate")
@click.argument("index", type=IndexType())
@pipeline_option("bm25 % 100 >> mini", "The pipeline before the cut-off.")
@click.option(
    "--queries", help="A file of queries (JSONL or id<TAB>text), or a collection: demo, a BEIR folder, irds:ID."
)
@click.option("--qrels", help="Judgements of them, TREC or BEIR; not needed if --queries is a collection.")
@click.option("--data", help="The same as --queries, for a collection.")
@click.option("--split", help="The part of the collection, such as dev.")
@click.option("--run", help="A TREC run whose candidates the pipeline reranks, in place of a search.")
@click.option(
    "--method",
    type=click.Choice(["platt", "temperature", "isotonic"]),
    default="platt",
    show_default=True,
    help="How the regression on score, score within the pool and rank becomes a probability.",
)
@click.option(
    "--alpha",
    default=0.1,
    show_default=True,
    type=Number(0.001, 0.5),
    help="The loss that the report is for; the file serves any that so many queries allow.",
)
@click.option("-o", "--out", type=OutputFile(), required=True, help="The file, such as cut.json.")
@click.option("--plot", type=OutputFile(), help="Draw the reliability of the probabilities (SVG).")
@as_json_option
def calibrate_command(
    index: Path | str,
    pipeline: str,
    queries: str | None,
    qrels: str | None,
    data: str | None,
    split: str | None,
    run: str | None,
    method: str,
    alpha: float,
    out: Path,
    plot: Path | None,
    json_out: bool,
) -> int:
    """Calibrate the scores of a pipeline over INDEX on judged queries, for cut-offs that keep a promise.

    \b
    anyrank calibrate my.index -p "bm25 % 100 >> mini" --queries topics.tsv --qrels qrels.txt -o cut.json
    anyrank search my.index "what causes lift" -p 'bm25 % 100 >> mini >> keep(recall=0.9, file="cut.json")'
    anyrank search my.index "what causes lift" -p 'bm25 % 100 >> mini >> keep(any=0.95, file="cut.json")'
    anyrank search my.index "what causes lift" -p 'bm25 % 100 >> mini >> calibrated("cut.json") >= 0.5'
    anyrank calibrate my.index --run bm25.trec -p mini --queries q.tsv --qrels qrels.txt -o mini.json
    """
    from ..core.types import Ranking
    from ..cutoffs.calibration import Calibration
    from ..io.runs import attach, read_run
    from ..pipeline.describe import described
    from ..pipeline.parser import Settings, parse
    from ..retrieve.stages import Attach
    from ..stores.open import open_index

    if data is not None and (queries is not None or qrels is not None):
        raise InputError("--data holds queries and judgements: leave out --queries and --qrels, or --data")
    queries = data or queries
    if queries is None or (qrels is None and not is_dataset(queries)):
        raise InputError("give --queries and --qrels, or a collection as --queries (with --split)")
    if split and not is_dataset(qrels or queries):
        raise InputError("--split goes with a collection, and --qrels is a file")
    collection = open_index(index)
    topics, judged = judged_of(queries, qrels, split)
    stage: Stage = parse(pipeline, Settings(collection), starts=run is None)
    given = [Ranking(q) for q in topics] if run is None else attach(read_run(run), topics, path=run)
    asked = [r for r in given if r.query.id in judged]
    if not asked:
        raise InputError("none of the queries is judged: the ids of --queries and --qrels don't meet")
    running = stage if run is None else Attach(collection) >> stage
    results = list(batches(running, asked, "searching"))
    text, fingerprint = described(stage)
    made = Calibration.of(
        results,
        judged,
        text,
        fingerprint,
        method=method,  # type: ignore[arg-type]
        alpha=alpha,
        documents=len(collection),
    )
    made.save(out)
    if plot is not None:
        from ..disk import whole_file
        from ..pages.charts import reliability_chart
        from ..pages.figures import standalone

        with whole_file(plot) as file:
            file.write(standalone(reliability_chart(made.reliability.bins)).encode())
    report = _report(made, [r.scores for r in results])
    click.echo(as_json(report) if json_out else _text(made, report, out))
    return report_status(results)


def _report(made: Any, pools: list[list[float]]) -> dict[str, Any]:
    """What each promise of 1 - alpha would keep of the calibration's own queries."""
    rows: list[dict[str, Any]] = []
    for kind in ("recall", "any", "precision"):
        try:
            threshold = made.threshold(kind, 1 - made.alpha)
        except InputError as error:
            rows.append({"promise": kind, "refused": str(error)})
            continue
        kept = [int((made.values(kind, scores) >= threshold).sum()) for scores in pools]
        nothing = sum(k == 0 for k in kept) / len(kept)
        mean = sum(kept) / len(kept)
        rows.append({"promise": kind, "threshold": threshold, "kept": mean, "nothing": nothing})
    return {
        "pipeline": made.pipeline,
        "queries": made.queries,
        "pool": sum(map(len, pools)) / len(pools),
        "found": made.found,
        "alpha": made.alpha,
        "ece": made.reliability.ece,
        "promises": rows,
    }


def _text(made: Any, report: dict[str, Any], out: Path) -> str:
    lines = [
        f"{report['pipeline']}: {report['queries']} queries, {report['pool']:.1f} candidates each, which hold "
        f"{report['found']:.1%} of all relevant documents",
        f"calibration error (ECE) of the probabilities on queries unseen: {report['ece']:.4f}",
    ]
    for row in report["promises"]:
        what = f"keep({row['promise']}={1 - report['alpha']:g})"
        if "refused" in row:
            lines.append(f"{what}: {row['refused']}")
        else:
            unit = "score" if row["promise"] == "any" else "probability"
            kept = f"keeps {row['kept']:.1f} of {report['pool']:.1f}, those of {unit} {row['threshold']:.3g} or more"
            lines.append(f"{what}: {kept}; nothing for {row['nothing']:.1%} of the queries")
    return "\n".join([*lines, f"wrote {out}"])
