"""``anyrank search``: search an index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..core.errors import InputError
from ..core.stage import Each
from ..core.types import Query, Ranking
from .common import (
    IndexType,
    OutputFile,
    as_json,
    as_json_option,
    call_log,
    ignore_self_option,
    log_option,
    overwrite_option,
    pipeline_option,
    printable,
    queries_of,
    report_status,
    times_option,
)
from .jobs import job, not_finished, other_inputs, stamp
from .progress import batches
from .shards import Piece, shard_options


@click.command("search")
@click.argument("index", type=IndexType())
@click.argument("query", required=False)
@click.option(
    "--queries",
    help="A file of queries (JSONL or id<TAB>text) instead of one QUERY, '-' for standard input; or a collection with "
    "queries: demo, a BEIR folder, irds:ID.",
)
@pipeline_option("bm25", "The pipeline, such as 'bm25 % 100 >> splade + minilm'.")
@click.option(
    "-k", default=None, type=click.IntRange(1), help="Results for each query.  [default: 10; 1000 with --out]"
)
@click.option(
    "--filter",
    "pairs",
    multiple=True,
    metavar="CONDITION",
    help="Only documents with this field: lang=en, lang=en,de (either, as repeated), lang!=en, year=1990..2000, "
    "'year>=1990' (quoted for the shell). All conditions must hold.",
)
@ignore_self_option
@click.option("-o", "--out", type=OutputFile(), help="Write the results to this file, as a TREC run.")
@click.option("--resume", is_flag=True, help="Resume a job that was stopped, with the same arguments.")
@overwrite_option
@as_json_option
@times_option
@log_option
@shard_options()
def search_command(
    index: Any,
    query: str | None,
    queries: str | None,
    pipeline: str,
    k: int | None,
    pairs: tuple[str, ...],
    ignore_self: bool,
    out: Path | None,
    resume: bool,
    overwrite: bool,
    json_out: bool,
    times: bool,
    log_file: Path | None,
    piece: Piece,
) -> int:
    """Search INDEX (made by 'anyrank index', a folder or an address) for one QUERY, or for a file of queries.

    \b
    anyrank search my.index "boundary layer control"
    anyrank search my.index "wing flutter" -p "bm25 % 100 >> splade + minilm" --filter year=1950..
    anyrank search my.index --queries topics.tsv -o run.trec --resume
    anyrank search postgresql://me@db/papers/wings "wing flutter" -p "bm25 % 100 >> mini"
    """
    from ..pipeline.parser import Settings, parse
    from ..retrieve.ignore_self import without_self
    from ..stores.open import open_index

    if (query is None) == (queries is None):
        raise InputError("give one QUERY, or a file of them with --queries")
    if (resume or overwrite) and out is None:
        raise InputError("--resume and --overwrite go with --out")
    if out is not None:
        not_finished(out, overwrite)
    if query is not None and any("\ud800" <= c <= "\udfff" for c in query):
        raise InputError("the QUERY is not UTF-8")
    requests = [Query("q1", query)] if queries is None else queries_of(queries)
    depth = k or (10 if out is None else 1000)
    stage = parse(pipeline, Settings(open_index(index), pairs or None, ignore_self, call_log(log_file, resume)))
    # Every search of the pipeline leaves the query out; a plug-in's search may not, so the end leaves it out as well.
    stage = (stage % (depth + 1) >> Each(without_self)) % depth if ignore_self else stage % depth
    rankings = [Ranking(q) for q in requests]
    if out is not None:
        options = {"query": query, "pipeline": pipeline, "k": depth, "filter": pairs}
        options |= {"ignore_self": True} if ignore_self else {}
        settings = {"files": stamp(index, queries), **options, **other_inputs(rankings, [queries], pipeline)}
        return job(stage, rankings, out, settings, resume, "searching", overwrite, piece)
    results = []
    for r in batches(stage, rankings, "searching"):
        results.append(r)
        click.echo(_json(r, times) if json_out else _text(r, titled=queries is not None))
    return report_status(results)


def _json(r: Ranking, times: bool) -> str:
    from ..io.candidates import ranking_to_dict

    return as_json(ranking_to_dict(r, texts=True, times=times))


def _text(r: Ranking, titled: bool, width: int = 160) -> str:
    lines = [f"{r.query.id}: {r.query.content}"] if titled else []
    for rank, c in enumerate(r, 1):
        text = " ".join(str(c.content or "").split())
        short = text if len(text) <= width else text[: width - 1] + "…"
        lines += [f"{rank:3}. {c.score:8.3f}  {c.id}", f"     {short}"]
    return "\n".join(map(printable, lines if len(r) else [*lines, "no results"]))
