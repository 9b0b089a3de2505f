"""``anyrank rerank``: put given candidates in a better order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from ..core.errors import InputError
from ..core.stage import Stage
from ..core.types import Ranking
from .common import (
    OutputFile,
    as_json,
    call_log,
    from_run,
    ignore_self_option,
    log_option,
    overwrite_option,
    pipeline_option,
    report_status,
    times_option,
)
from .jobs import job, not_finished, other_inputs, stamp
from .shards import Piece, shard_options

BATCH = 16
DEFAULT = "mini"


@click.command("rerank")
@click.argument("lists", required=False)
@click.option("--run", help="A TREC run to rerank, with --queries, --documents and --out.")
@click.option("--queries", help="The run's queries: JSONL or id<TAB>text, or a collection (demo).")
@click.option("--documents", help="The run's documents: a file, a collection's folder, or an index.")
@click.option("-o", "--out", type=OutputFile(), help="The file to write the reranked TREC run to.")
@click.option("--resume", is_flag=True, help="Resume a job that was stopped, with the same arguments.")
@overwrite_option
@pipeline_option(DEFAULT, "The pipeline that reranks, such as 'splade + minilm + prior' or 'model(\"my/folder\")'.")
@click.option("--method", help="Instead of a pipeline, a method of 'anyrank papers list', with --model.")
@click.option(
    "--model",
    help="A reranker by its name of 'anyrank models list', hub id, folder, or server (cohere:MODEL, http://HOST:PORT); "
    "with --method a language model (hf:HUB_ID, llamacpp:FILE.gguf, openai:MODEL@URL#prefill=vllm&key_env=NAME).",
)
@click.option("--cache", help="With --method: a file in which the model's answers are cached.")
@ignore_self_option
@click.option("--depth", type=click.IntRange(1), help="Take only the first N candidates of each list or query.")
@click.option("-k", "top", type=click.IntRange(1), help="Write only the best K after reranking.")
@click.option("--texts", is_flag=True, help="Also write the documents' texts to the JSON lines.")
@times_option
@log_option
@shard_options()
def rerank_command(
    lists: str | None,
    run: str | None,
    queries: str | None,
    documents: str | None,
    out: Path | None,
    resume: bool,
    overwrite: bool,
    pipeline: str,
    method: str | None,
    model: str | None,
    cache: str | None,
    ignore_self: bool,
    depth: int | None,
    top: int | None,
    texts: bool,
    times: bool,
    log_file: Path | None,
    piece: Piece,
) -> int:
    """Rerank candidates: LISTS of JSON lines in, JSON lines out (standard input and output by default), or a TREC run
    in and out. Every document that goes in comes out (unless -k or --depth cuts), and each line says what it cost and
    what went wrong.

    \b
    echo '{"query": "capital of France", "documents": ["Lyon", "Paris"]}' | anyrank rerank
    anyrank rerank --run bm25.trec --queries q.tsv --documents corpus.jsonl -o better.trec --resume
    anyrank rerank lists.jsonl --method first --model smollm2-135m-instruct --depth 20
    anyrank rerank lists.jsonl --model cohere:rerank-v3.5
    """
    from ..pipeline.parser import Settings, parse
    from ..retrieve.stages import Attach

    if method is not None:
        if model is None:
            raise InputError("--method needs a --model")
        pipeline = f"{method}({model!r}" + (f", cache={cache!r})" if cache else ")")
    elif model is not None:
        if pipeline != DEFAULT:
            raise InputError("--pipeline and --model: give one of them; a pipeline names its models")
        pipeline = f"model({model!r})"
    if cache and method is None:
        raise InputError("--cache goes with --method")
    if run is None:
        if queries or documents or out or resume or overwrite:
            raise InputError("--queries, --documents, --out, --resume and --overwrite go with --run")
        stage = parse(pipeline, Settings(ignore_self=ignore_self, log=call_log(log_file, False)), starts=False)
        return rerank_lists(lists or "-", stage % top if top else stage, depth, texts, times, ignore_self)
    if lists is not None or queries is None or documents is None or out is None:
        raise InputError("a run needs --queries, --documents and --out, and no LISTS")
    not_finished(out, overwrite)
    collection, rankings = from_run(run, queries, documents, depth, ignore_self)
    stage = parse(pipeline, Settings(collection, ignore_self=ignore_self, log=call_log(log_file, resume)), starts=False)
    stage = stage if collection is None else Attach(collection) >> stage
    settings = {"files": stamp(run, queries, documents), "pipeline": pipeline, "depth": depth, "top": top}
    settings |= {"ignore_self": True} if ignore_self else {}
    settings |= other_inputs(rankings, [run, queries, documents], pipeline)
    return job(stage % top if top else stage, rankings, out, settings, resume, "reranking", overwrite, piece)


def rerank_lists(
    lists: str, stage: Stage, depth: int | None, texts: bool, times: bool, ignore_self: bool = False
) -> int:
    """Rerank lists of JSON lines ("-": standard input) and write them to standard output; returns the exit code."""
    from ..io.candidates import ranking_to_dict, read_rankings
    from ..retrieve.ignore_self import without_self

    if lists != "-":  # a line that can't be read is an error before any list is answered
        for _ in read_rankings(lists):
            pass
    code = done = 0
    try:
        for before in _chunks(read_rankings(lists)):
            before = [without_self(r) for r in before] if ignore_self else before
            heads = before if depth is None else [r[:depth] for r in before]
            after = stage.batch(heads)
            for origin, r in zip(before, after):
                click.echo(as_json(ranking_to_dict(r, origin, texts=texts, times=times)))
            done += len(after)
            code = max(code, report_status(after))
    except InputError:
        if done:
            click.echo(f"note: the {done} lists before the error are answered", err=True)
        raise
    return code


def _chunks(rankings: Iterable[Ranking]) -> Iterator[list[Ranking]]:
    """Lists in batches. If a line can't be read, the lists before it are yielded before its error is raised."""
    chunk: list[Ranking] = []
    try:
        for ranking in rankings:
            chunk.append(ranking)
            if len(chunk) == BATCH:
                yield chunk
                chunk = []
    except InputError:
        yield chunk
        raise
    yield chunk
