"""``anyrank bench``: the benchmarks of the field, and pipelines measured by their protocols."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from ..core.errors import InputError
from ..core.types import Ranking
from ..io.records import write_jsonl
from ..scale.bench import BATCH, bench_record, bench_text, ranking_record
from .common import OutputFile, as_json, as_json_option, overwrite_option, report_status
from .jobs import not_finished, stamp
from .near import Near
from .shards import Piece, shard_options


@click.group("bench", cls=Near)
def bench_command() -> None:
    """Measure pipelines by the protocols of the field's benchmarks, beside the published figures.

    \b
    anyrank bench list
    anyrank bench run rarb -p minilm --data data/rarb
    """


@bench_command.command("list")
@as_json_option
def list_command(json_out: bool) -> None:
    """List every benchmark with its paper and what its data is."""
    from ..benchmarks import load, names

    rows = [load(name) for name in names()]
    if json_out:
        fields = ("name", "title", "arxiv", "summary", "data")
        click.echo(as_json([{f: getattr(b, f) for f in fields} for b in rows]))
        return
    for b in rows:
        click.echo(f"{b.name:15} {b.title}" + (f", arXiv {b.arxiv}" if b.arxiv else ""))
        click.echo(f"{'':15} {b.summary}; data: {b.data}")


def data_folder(name: str, data: Path | None) -> Path:
    """The folder of a benchmark's data: the one given, else NAME in ANYRANK_DATA, else data/NAME."""
    return data or Path(os.environ.get("ANYRANK_DATA", "data")) / name


data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="The folder with the benchmark's data; by default NAME in the folder ANYRANK_DATA, or in data.",
)


@bench_command.command("run")
@click.argument("name")
@click.option("-p", "--pipeline", required=True, help="The pipeline, such as 'bm25 % 100 >> mini'.")
@data_option
@click.option("--task", "chosen", multiple=True, help="A task of the benchmark (repeat); by default all that fit.")
@click.option("--limit", type=click.IntRange(1), help="Only the first N queries of each task.")
@click.option("--encode", multiple=True, metavar="MODEL", help="Store this model's vectors in each index (repeat).")
@click.option(
    "--index", "indexes", type=click.Path(path_type=Path), help="The folder that the tasks' indexes are kept in."
)
@click.option("-o", "--out", type=OutputFile(), help="Write the figures to this file, as JSON; a part its rankings.")
@click.option("--resume", is_flag=True, help="With --shard or --on: parts that are finished are not made again.")
@overwrite_option
@as_json_option
@shard_options(block=BATCH)
def run_command(
    name: str,
    pipeline: str,
    data: Path | None,
    chosen: tuple[str, ...],
    limit: int | None,
    encode: tuple[str, ...],
    indexes: Path | None,
    out: Path | None,
    resume: bool,
    overwrite: bool,
    json_out: bool,
    piece: Piece,
) -> int:
    """Run a pipeline on the tasks of benchmark NAME and print its figures ("ours", with 95% intervals) beside the
    published ones ("paper"). A task that gives candidates takes a pipeline that reranks (mini), one that searches a
    pipeline that begins with a search (bm25 % 100 >> mini); tasks that don't fit the pipeline are left out.

    \b
    anyrank bench run rarb -p bm25
    anyrank bench run beir -p "bm25 + minilm" --task scifact --encode minilm --index indexes
    """
    from ..benchmarks import load
    from ..benchmarks.run import collection, measured, ranked
    from ..evaluate.measures import parse as measure
    from ..pipeline.explain import misfit
    from ..pipeline.table import model

    measure("nDCG@10")  # if a package is missing, fail now rather than after the work
    benchmark = load(name)
    settings: dict[str, Any] = {"benchmark": name, "pipeline": pipeline, "encode": list(encode), "limit": limit}
    if piece.shard is not None:
        folder_of = data_folder(name, data)
        settings |= {"files": stamp(folder_of), "data": str(folder_of), "tasks": list(chosen)}
    if out is not None:
        not_finished(out, overwrite)
        if piece.finished(out, "bench", settings):
            return 0
    results, left_out, code = [], {}, 0
    parts: list[tuple[str, Ranking]] = []
    known: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        for task in benchmark.tasks(data_folder(name, data)):
            known.append(task.name)
            if chosen and task.name not in chosen:
                continue
            task = task.first(limit)
            folder = (indexes or Path(scratch)) / name / "".join(c if c.isalnum() else "_" for c in task.name)
            if (wrong := misfit(pipeline, starts=task.documents is not None)) is not None:
                if task.name in chosen:
                    raise wrong
                left_out[task.name] = str(wrong).splitlines()[0]
                continue
            opened = collection(task, folder, [model(e) for e in encode])
            own = replace(task, rankings=tuple(piece.rows(task.rankings)))
            after = ranked(own, _stage(pipeline, opened, folder), partial(_batched, title=task.name))
            code = max(code, report_status(after))
            if piece.shard is None:
                results.append(measured(task, after, pipeline))
            else:
                parts += [(task.name, ranking) for ranking in after]
    if unknown := [t for t in chosen if t not in known]:
        raise InputError(f"no task {unknown[0]!r} of {name} in the data: there are {', '.join(known)}")
    if len(left_out) == len([t for t in known if not chosen or t in chosen]):
        raise InputError(f"the pipeline fits no task of {name}: {next(iter(left_out.values()))}")
    for task_name, why in left_out.items():
        click.echo(f"note: {task_name} is left out: {why}", err=True)
    if piece.shard is not None and out is not None:
        write_jsonl(out, (ranking_record(task_name, ranking) for task_name, ranking in parts))
        piece.finish(out, "bench", settings, [1] * len(parts))
        return code
    record = bench_record(benchmark, results)
    if out is not None:
        write_jsonl(out, [record])
    click.echo(as_json(record) if json_out else bench_text(benchmark, results))
    return code


def _batched(stage: Any, rankings: Any, *, title: str) -> list[Any]:
    from .progress import batches

    return list(batches(stage, list(rankings), title, size=BATCH))


def _stage(pipeline: str, collection: Any, folder: Path) -> Any:
    """The pipeline over a task's index. What the index lacks is to be added by this command, since the index may be
    gone after it."""
    from ..pipeline.parser import Settings, parse

    try:
        return parse(pipeline, Settings(collection, remember=True), starts=collection is not None)
    except InputError as error:
        own = f"anyrank index {shlex.quote(str(folder))} --encode"
        if own not in (message := str(error)):
            raise
        raise InputError(message.replace(own, "anyrank bench run … --encode")) from None


@bench_command.command("reports")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--model", required=True, help="The language model that judges, such as openai:gpt-4.1-mini.")
@click.option("--key-points", type=click.Path(path_type=Path), required=True, help="The folder of ID_aggregated.json.")
@click.option("--sources", help="The cited pages: documents whose id or field url is the URL.")
@click.option("--cache", type=OutputFile(), help="A file that keeps the model's answers, for replay.")
@as_json_option
def reports_command(
    folder: Path, model: str, key_points: Path, sources: str | None, cache: Path | None, json_out: bool
) -> int:
    """Judge the written reports of FOLDER (ID.q with the question, ID.a with the report) by a language model: key
    points, citation recall and precision, quality.

    \b
    anyrank bench reports runs/mine --key-points key_point --model openai:gpt-4.1-mini --cache judge.db
    """
    from ..benchmarks import load
    from ..benchmarks.report_judge import ReportJudge
    from ..benchmarks.researchy import judge, read_key_points, read_reports
    from ..core.content import text_of
    from ..core.language import Generates
    from ..hub.open import open_model
    from ..io.corpus import read_documents
    from ..llm.cache import Cached
    from ..llm.capabilities import offers

    reports = read_reports(folder)
    points = read_key_points(key_points, [r.id for r in reports])
    pages: dict[str, str] = {}
    for page in read_documents(sources) if sources else ():
        pages[str(page.meta.get("url") or page.id)] = text_of(page.content)
    backend = open_model(model)
    if not offers(backend, Generates):
        raise InputError(f"{model} generates no text: a judge is a language model, such as openai:MODEL@URL")
    result = judge(reports, ReportJudge(Cached(backend, cache, model) if cache else backend), points, pages)
    code = _judge_answers(result.answers)
    if json_out:
        rows = [asdict(row) for row in load("researchy").published()]
        ours = {"reports": result.reports, "ours": dict(result.figures), "answers": dict(result.answers)}
        click.echo(as_json(ours | {"paper": rows}))
        return code
    click.echo(f"{result.reports} reports, {result.without} of them without key points")
    for name, value in result.figures.items():
        click.echo(f"  ours   {folder.name:38}  {name:24} {value:.4f}")
    for row in load("researchy").published():
        click.echo(f"  paper  {row.system:38}  {row.measure:24} {row.value:.4f}  ({row.source})")
    return code


def _judge_answers(answers: Mapping[str, int]) -> int:
    """Say how many answers of a judge are missing or can't be read, which count against the reports; the exit code, 1
    if some are missing or none can be read."""
    total = sum(answers.values())
    for kind, what in (("failed", "are missing"), ("unreadable", "are no JSON object")):
        if count := answers.get(kind, 0):
            click.echo(
                f"warning: {count} of the judge's {total} answers {what}: they count against the reports", err=True
            )
    return int(answers.get("failed", 0) > 0 or answers.get("unreadable", 0) == total > 0)


@bench_command.command("mteb")
@click.argument("tasks", nargs=-1, required=True)
@click.option("-p", "--pipeline", required=True, help="An encoder (minilm), or a pipeline that reranks (mini).")
def mteb_command(tasks: tuple[str, ...], pipeline: str) -> None:
    """Run TASKS of MTEB (NFCorpus, NanoSciFactRetrieval, T2Reranking, …) by its own package, which fetches its data
    from the Hugging Face hub.

    \b
    anyrank bench mteb NanoSciFactRetrieval -p minilm
    """
    from ..integrations.mteb import scores

    for task, value in scores(pipeline, tasks).items():
        click.echo(f"  ours   {pipeline:38}  {task:24} {value:.4f}")
