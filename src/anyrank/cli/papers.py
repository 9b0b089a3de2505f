"""``anyrank papers``: the systems of the literature that anyrank has, what they report and what they cost."""

from __future__ import annotations

import click

from .common import as_json, as_json_option


@click.group("papers")
def papers_command() -> None:
    """List the methods of the literature, with their cost for n candidates."""


@papers_command.command("list")
@click.option("-n", default=100, show_default=True, type=click.IntRange(1), help="Candidates a query.")
@as_json_option
def list_command(n: int, json_out: bool) -> None:
    """Every method, its year and its model calls for n candidates."""
    from ..papers import load, names

    rows = []
    for name in names():
        card = load(name).CARD
        rows.append({"name": name, "year": card.year, "title": card.title, "calls": card.cost(n).calls})
    if json_out:
        click.echo(as_json(rows))
        return
    for row in rows:
        click.echo(f"{row['name']:18} {row['year']}  {row['calls']:>7,} calls  {row['title']}")


@papers_command.command("show")
@click.argument("name")
def show_command(name: str) -> None:
    """One method's card."""
    from ..papers import load

    click.echo(load(name).CARD)
