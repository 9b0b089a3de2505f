"""``anyrank explain``: what the scores of a query's results are made of."""

from __future__ import annotations

from typing import Any

import click

from ..core.errors import InputError
from .common import IndexType, as_json, as_json_option, pipeline_option, printable, times_option


@click.command("explain")
@click.argument("index", type=IndexType())
@click.argument("query")
@pipeline_option("bm25", "The pipeline, such as 'bm25 % 100 >> splade + minilm'.")
@click.option("-k", default=3, show_default=True, type=click.IntRange(0), help="Best results to explain.")
@click.option("--id", "ids", multiple=True, help="Explain this document too, also one that was cut off; repeatable.")
@click.option("--why", "pair", nargs=2, metavar="A B", help="Why document A scores above document B.")
@click.option("--sentences", is_flag=True, help="Judge again with one sentence less at a time: what each is worth.")
@click.option(
    "--budget", default=64, show_default=True, type=click.IntRange(2), help="Calls for --sentences, a document."
)
@click.option("--filter", "pairs", multiple=True, metavar="CONDITION", help="As of 'anyrank search'.")
@as_json_option
@times_option
def explain_command(
    index: Any,
    query: str,
    pipeline: str,
    k: int,
    ids: tuple[str, ...],
    pair: tuple[str, str] | None,
    sentences: bool,
    budget: int,
    pairs: tuple[str, ...],
    json_out: bool,
    times: bool,
) -> None:
    """Explain the results of QUERY in INDEX: what every stage, term, token and sentence adds to a score.

    \b
    anyrank explain my.index "what causes lift" -p "bm25 % 100 >> mini + minilm"
    anyrank explain my.index "what causes lift" -p mini --why doc7 doc3
    anyrank explain my.index "what causes lift" -p "bm25 % 100 >> mini" --id doc900 --sentences
    """
    from ..explanations.answers import Answers
    from ..explanations.explain import explain
    from ..pipeline.parser import Settings, parse
    from ..stores.open import open_index

    if any("\ud800" <= c <= "\udfff" for c in query):
        raise InputError("the QUERY is not UTF-8")
    answers = Answers()
    stage = parse(pipeline, Settings(open_index(index), pairs or None, log=answers))
    if pair:
        told = explain(query, stage, top=0, ids=pair, pipeline=pipeline)
        why = told.why(*pair)
        click.echo(as_json(why.as_dict()) if json_out else "\n".join(map(printable, str(why).splitlines())))
        return
    told = explain(query, stage, top=k, ids=ids, pipeline=pipeline, sentences=sentences, budget=budget, answers=answers)
    if json_out:
        click.echo(as_json(told.as_dict(times=times)))
        return
    click.echo("\n".join(map(printable, str(told).splitlines())))
    if not told.documents:
        click.echo("no results")
