"""``anyrank models``: what models there are, and where."""

from __future__ import annotations

import click

from .common import as_json, as_json_option


@click.group("models")
def models_command() -> None:
    """List, fetch and find models. A model is named by the list below, by its hub id, or by a local folder.

    \b
    anyrank models list
    anyrank models get cross-encoder/ms-marco-MiniLM-L6-v2
    """


@models_command.command("list")
@as_json_option
def list_command(json_out: bool) -> None:
    """The models that anyrank knows, with kind, size and whether they are here."""
    from ..hub.registry import list_models

    rows = [m.as_row() for m in list_models()]
    if json_out:
        click.echo(as_json(rows))
        return
    for row in rows:
        click.echo(f"{row['name']:24} {row['kind']:7} {row['mb']:>7.1f} MB  {row['status']:9} {row['about']}")


@models_command.command("get")
@click.argument("name")
def get_command(name: str) -> None:
    """Fetch a model into the cache, verify it, and print its folder."""
    from ..hub.registry import resolve

    click.echo(resolve(name))


@models_command.command("path")
@click.argument("name")
def path_command(name: str) -> None:
    """The same as get: print the folder of a model, fetching it where it isn't here yet."""
    from ..hub.registry import resolve

    click.echo(resolve(name))


@models_command.command("show")
@click.argument("name")
def show_command(name: str) -> None:
    """The card of a model: origin, licence, hash, measured effect."""
    from ..hub.registry import card

    click.echo(card(name))
