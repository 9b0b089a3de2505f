"""``anyrank monitor``: drift between two periods."""

from __future__ import annotations

import click

from .common import Number, as_json, as_json_option, queries_of


@click.command("monitor", epilog="Exit codes beside the common ones: 0 no drift, 1 drift.")
@click.argument("old")
@click.argument("new")
@click.option("--queries", help="The queries' texts (JSONL or id<TAB>text) of runs, for the share of languages.")
@click.option(
    "--alpha",
    default=0.05,
    show_default=True,
    type=Number(0, 1, min_open=True, max_open=True),
    help="The chance of any false alarm, over all tests together.",
)
@as_json_option
def monitor_command(old: str, new: str, queries: str | None, alpha: float, json_out: bool) -> int:
    """Compare the answers of two periods, OLD and NEW: scores, results, truncation, fallback, cost and language of the
    queries, each with a test, corrected for their number. A period is a file that 'anyrank search --json' or 'anyrank
    rerank' wrote, or a TREC run with its trace beside it (RUN or RUN.trace.jsonl).

    \b
    anyrank monitor october.jsonl november.jsonl
    anyrank monitor old.trec new.trec --queries topics.tsv --json
    """
    from ..core.content import text_of
    from ..evaluate.drift import drift, read_answered

    texts = {q.id: text_of(q.content) for q in queries_of(queries)} if queries else {}
    result = drift(read_answered(old, texts), read_answered(new, texts), alpha)
    click.echo(as_json(result.as_dict()) if json_out else str(result))
    return int(result.drifted)
