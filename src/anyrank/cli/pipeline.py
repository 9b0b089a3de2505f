"""``anyrank pipeline``: list the names that a pipeline may use, and explain a pipeline before it is run."""

from __future__ import annotations

from typing import Any

import click

from .common import IndexType, as_json, as_json_option


@click.group("pipeline")
def pipeline_command() -> None:
    """List the names that a pipeline may use, or explain what a pipeline does, costs and needs.

    \b
    anyrank pipeline list
    anyrank pipeline explain "bm25 % 100 >> mini"
    """


@pipeline_command.command("list")
@click.argument("text", default="")
@as_json_option
def list_command(text: str, json_out: bool) -> None:
    """List every name: searches, rerankers, fusions, the methods of the literature, plug-ins, and the models of
    'anyrank models list'. TEXT keeps those that mention it."""
    rows = [row for row in _rows() if text.lower() in f"{row['name']} {row['about']}".lower()]
    if json_out:
        click.echo(as_json(rows))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        click.echo(f"{row['name']:{width}}  {row['kind']:8}  {row['about']}")
    if not rows:
        click.echo(f"no name mentions {text!r}", err=True)


def _rows() -> list[dict[str, Any]]:
    from ..hub.registry import list_models
    from ..papers import card, rewriters
    from ..papers import names as papers
    from ..pipeline.parts import Part
    from ..pipeline.table import FUSIONS, PARTS, names

    rows = []
    for name in names():
        if name in papers():  # from its card, so that no paper is imported
            kind, about = "method", f'{card(name).summary}: {name}("MODEL")'
        elif name in rewriters():
            kind, about = "rewriter", card(name).summary
        elif name in FUSIONS:
            kind, about = "fusion", FUSIONS[name]
        else:
            part = names()[name]
            kind = ("search" if part.source else "stage") if isinstance(part, Part) else "fusion"
            about = part.about if isinstance(part, Part) else repr(part)
        rows.append(
            {
                "name": name,
                "kind": kind,
                "about": about,
                "plugin": name not in PARTS and kind not in ("method", "rewriter"),
            }
        )
    models = [{"name": f'model("{m.name}")', "kind": "model", "about": m.about, "plugin": False} for m in list_models()]
    return [*rows, *models]


@pipeline_command.command("explain")
@click.argument("pipeline")
@click.option("--index", type=IndexType(), help="An index (a folder or an address) whose parts are looked for.")
@click.option(
    "-n",
    default=100,
    show_default=True,
    type=click.IntRange(1),
    help="Candidates per query, where the pipeline doesn't begin with a search.",
)
@as_json_option
def explain_command(pipeline: str, index: Any, n: int, json_out: bool) -> None:
    """Explain each step of PIPELINE: what it does, what it costs per query, what it needs and whether that is there.
    No model is opened and no model's server asked."""
    from ..pipeline.explain import counted, explain
    from ..pipeline.lint import lint
    from ..stores.open import open_index

    steps = explain(pipeline, None if index is None else open_index(index), n)
    findings = lint(pipeline)
    if json_out:
        click.echo(as_json([step.as_dict() for step in steps]))
        return
    for number, step in enumerate(steps, 1):
        click.echo(f"{number}. {step.text}: {step.does}")
        click.echo(f"   candidates: {f'{step.before:,} -> ' if step.before else ''}{step.after:,}")
        click.echo(f"   costs: {_cost(step)}")
        for need in step.needs:
            click.echo(f"   needs: {need.what} ({need.state})")
    total = [step.calls for step in steps]
    known = sum(calls for calls in total if calls is not None)
    most = "at most " if any(step.bound for step in steps) else ""
    more = ", and those whose number depends on the texts" if None in total else ""
    click.echo(f"in all: {most}{counted(known, 'model call')} a query{more}")
    for finding in findings:
        click.echo(f"warning: {finding}", err=True)


def _cost(step: Any) -> str:
    if step.calls == 0:
        return str(step.formula)
    if step.calls is None:
        return f"{step.formula}; the number depends on the texts"
    from ..pipeline.explain import counted

    most = "at most " if step.bound else ""
    counts = f"{counted(step.calls, 'call')}, {counted(step.texts, 'text')} read"
    return f"{most}{counts} ({step.formula})"
