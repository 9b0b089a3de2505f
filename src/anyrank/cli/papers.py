"""``anyrank papers``: list the systems of the literature that anyrank has, with their costs and reported figures."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, get_type_hints

import click

from ..core.errors import InputError
from .common import as_json, as_json_option
from .near import Near


@click.group("papers", cls=Near)
def papers_command() -> None:
    """List the ranking methods and training recipes of the literature, with their costs and reported figures."""


@papers_command.command("list")
@click.option(
    "-n", default=100, show_default=True, type=click.IntRange(1), help="Candidates per query, for the number of calls."
)
@as_json_option
def list_command(n: int, json_out: bool) -> None:
    """List every method with its year and its model calls for n candidates, then the papers on training."""
    from ..papers import card, kind, systems

    rows: list[dict[str, Any]] = []
    for name in systems():
        paper = card(name)
        calls = None if paper.cost is None else paper.cost(n).calls
        rows.append({"name": name, "kind": kind(name), "year": paper.year, "title": paper.title, "calls": calls})
    if json_out:
        click.echo(as_json(rows))
        return
    for row in rows:
        calls = row["calls"]
        cost = row["kind"] if calls is None else f"{calls:,} call{'s' * (calls != 1)}"
        click.echo(f"{row['name']:19} {row['year']}  {cost:>13}  {row['title']}")


@papers_command.command("show")
@click.argument("name")
def show_command(name: str) -> None:
    """Print one paper's card (citation, needs, cost and reported figures), or the reproduction card of a system
    ('anyrank papers systems'): claim, commands, what was measured here and what the paper reports."""
    from ..papers import card, systems
    from ..papers.reproduction import system

    whole = system(name)
    if whole is None or name in systems():
        click.echo(card(name))
    if whole is not None:
        click.echo(whole)


@papers_command.command("systems")
@as_json_option
def systems_command(json_out: bool) -> None:
    """List the 36 systems of the literature that anyrank is to have, each with a reproduction card."""
    from ..papers.reproduction import all_systems

    rows = [{"number": s.number, "name": s.name, "title": s.title, "built": s.built} for s in all_systems()]
    if json_out:
        click.echo(as_json(rows))
        return
    for row in rows:
        state = "" if row["built"] else "  (not in anyrank yet)"
        click.echo(f"{row['number']:2}  {row['name']:24} {row['title']}{state}")


@papers_command.command("recipe")
@click.argument("name")
@click.option("-o", "--out", default="runs/NAME", show_default=True, help="The folder that the training writes.")
@click.option(
    "--train",
    "files",
    multiple=True,
    default=["groups.jsonl"],
    show_default=True,
    help="A file of training groups (repeat for several).",
)
@click.option(
    "--option", "choices", multiple=True, metavar="NAME=VALUE", help="An option of the paper's recipe (stage=2)."
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Set a value, with dots between the names."
)
def recipe_command(
    name: str, out: str, files: tuple[str, ...], choices: tuple[str, ...], settings: tuple[str, ...]
) -> None:
    """Print the training recipe of a paper, a YAML file to edit and to train with.

    \b
    anyrank papers recipe margin_mse --train groups.jsonl --set optimiser.batch=16 > recipe.yaml
    anyrank papers recipe prorank --option stage=2 --option loss=infonce > recipe.yaml
    anyrank train recipe.yaml
    """
    from ..papers import card, defining, load, names, trainings
    from ..train.recipe import recipe_text
    from ..train.settings import with_settings

    if name not in trainings():
        if name in defining("plan"):
            raise InputError(f"{name} has no recipe: it is trained on an index, by 'anyrank generative train --help'")
        what = f"{name} is a method without a training recipe" if name in names() else f"no training recipe {name!r}"
        raise InputError(f"{what}: choose one of {', '.join(trainings())}")
    paper = card(name)
    make = load(name).recipe
    recipe = with_settings(make(out.replace("NAME", name), files, **options_of(make, choices)), settings)
    click.echo(f"# {paper.reference}; what it needs: {paper.needs or 'groups'}")
    click.echo(recipe_text(recipe), nl=False)


def options_of(function: Any, choices: Sequence[str]) -> dict[str, Any]:
    """The options NAME=VALUE of a paper's recipe, with values in YAML. Raises InputError on an unknown name, and on a
    value that the option can't have."""
    from ..train.typed_yaml import read_value

    known = get_type_hints(function)
    names = [name for name, p in inspect.signature(function).parameters.items() if p.kind is p.KEYWORD_ONLY]
    out: dict[str, Any] = {}
    for choice in choices:
        name, equals, text = choice.partition("=")
        if not equals or name not in names:
            raise InputError(f"{choice}: expected NAME=VALUE with one of {', '.join(names) or 'no option'}")
        out[name] = read_value(known[name], text, name)
    return out
