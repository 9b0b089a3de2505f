"""``anyrank demo``: index a collection, run several pipelines, compare them and write an HTML report."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

import click

from ..core.errors import InputError
from ..core.types import Ranking
from .common import echo_cut, report_status
from .progress import advance, batches, progress

PIPELINES = (
    "bm25",
    "splade",
    "minilm",
    "bm25 + minilm",
    "bm25 + splade + minilm",
    "bm25 % 100 >> splade + minilm",
    "bm25 % 100 >> splade + minilm + 0.5 * prior",
    "bm25 % 100 >> tiny",
    "bm25 % 100 >> mini",
)
ENCODERS = ("splade-tiny", "minilm")
MARK = "demo.json"
"""The file that a demo writes first: by it a later one knows that the folder is its own."""
QUESTION = "what causes flow separation on a wing"


@click.command("demo")
@click.argument("dataset", default="demo")
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="demo-out",
    show_default=True,
    help="The folder to write.",
)
@click.option("-p", "--pipeline", "pipelines", multiple=True, default=PIPELINES, help="Pipelines to compare (repeat).")
@click.option("--split", help="The part of the collection with judgements, such as test.")
def demo_command(dataset: str, out: Path, pipelines: tuple[str, ...], split: str | None) -> int:
    """Index DATASET (the bundled Cranfield collection, or a folder in BEIR's layout), run several pipelines over its
    queries, judge them against each other, and write an HTML report. No network is needed.

    \b
    anyrank demo
    anyrank demo path/to/scifact --split train -p bm25 -p "bm25 % 100 >> splade + minilm"
    """
    from ..evaluate.cost import peak_memory_mb
    from ..evaluate.evaluation import evaluate
    from ..evaluate.measures import parse as measure
    from ..index.build import build
    from ..index.collection import Collection
    from ..io.dataset import Dataset
    from ..io.runs import write_run
    from ..pages import write_report
    from ..pipeline.parser import Settings, parse
    from ..pipeline.table import model

    measure("nDCG@10")  # if a package is missing, or a pipeline is wrong, fail now rather than after the work
    encoders = _encoders(pipelines)
    data = Dataset.open(dataset)
    _begin(out, dataset)
    start = time.perf_counter()
    build(data.documents(), out / "index", overwrite=True)
    collection = Collection.open(out / "index")
    click.echo(f"indexed {len(collection):,} documents of {data.name} in {time.perf_counter() - start:.1f} s")
    for name in encoders:
        start = time.perf_counter()
        with progress(f"encoding with {name}", len(collection), "documents") as bar:
            usage = collection.encode(model(name), on_progress=partial(advance, bar))
        click.echo(f"encoded them with {name} in {time.perf_counter() - start:.1f} s")
        echo_cut(usage.truncated, name)

    queries = data.queries(split)
    runs: dict[str, list[Ranking]] = {}
    memory: dict[str, float] = {}
    code, width = 0, max(map(len, pipelines))
    for pipeline in pipelines:
        stage = parse(pipeline, Settings(collection)) % 100
        start = time.perf_counter()
        rankings = [Ranking(q) for q in queries]
        size = (
            len(rankings) if ">>" in pipeline else 16
        )  # one batch reads each text once; searches need little memory only in small batches
        runs[pipeline] = list(batches(stage, rankings, pipeline, size=max(size, 1)))
        memory[pipeline] = peak_memory_mb()
        click.echo(f"{pipeline:{width}}  {len(queries)} queries in {time.perf_counter() - start:5.1f} s")
        code = max(code, report_status(runs[pipeline]))
    (out / "runs").mkdir(exist_ok=True)
    for n, rankings in enumerate(runs.values(), 1):
        write_run(out / "runs" / f"{n}.trec", rankings, tag=f"pipeline{n}")

    qrels = data.qrels(split)
    result = evaluate(runs, qrels, memory=memory)
    click.echo("\n" + result.table())
    (out / "results.json").write_text(result.table("json"), encoding="utf-8")
    write_report(out / "report.html", result, runs, qrels)
    if dataset == "demo":
        click.echo(f"\n{QUESTION!r}, by {pipelines[-1]!r}:")
        for c in (parse(pipelines[-1], Settings(collection)) % 3)(QUESTION):
            click.echo(f"  {c.score:6.2f}  {c.id:>5}  {c.meta.get('title', '')}")
    click.echo(f"\nreport: {out / 'report.html'}   runs: {out / 'runs'}   index: {out / 'index'}")
    return code


def _begin(out: Path, dataset: str) -> None:
    """Mark the folder as a demo's. Raises InputError if it holds anything that isn't, which would be replaced."""
    from ..io.files import atomic

    finished = all((out / name).exists() for name in ("index", "runs", "report.html"))  # by a version without the mark
    if out.exists() and not (out / MARK).is_file() and not finished and (not out.is_dir() or any(out.iterdir())):
        raise InputError("holds files that are no demo's: give the name of a new folder to --out", path=out)
    out.mkdir(parents=True, exist_ok=True)
    with atomic(out / MARK) as stream:
        stream.write(json.dumps({"dataset": dataset}) + "\n")


def _encoders(pipelines: tuple[str, ...]) -> list[str]:
    """The encoders that ship, of those by which pipelines search or score."""
    from ..pipeline.explain import explain

    needed = {need.what for pipeline in pipelines for step in explain(pipeline) for need in step.needs}
    return [name for name in ENCODERS if {f"the model {name}", f"vectors of {name} in the index"} & needed]
