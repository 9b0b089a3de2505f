"""``anyrank models``: which models there are, what each is, and where."""

from __future__ import annotations

from typing import Any

import click

from .common import as_json, as_json_option


@click.group("models")
def models_command() -> None:
    """List, fetch and find models. A model is named by a short name of the list below, by its hub id, or by a local
    folder.

    \b
    anyrank models list --task rerank --language zh
    anyrank models get cross-encoder/ms-marco-MiniLM-L6-v2
    """


@models_command.command("list")
@click.argument("text", default="")
@click.option("--task", type=click.Choice(["retrieve", "rerank", "train"]), help="Models for a task.")
@click.option("--kind", help="Models of a kind: dense, sparse, late, colbert, cross, language.")
@click.option(
    "--language", metavar="CODE", help="Models that read a language, by its ISO code (zh), or 'multilingual'."
)
@as_json_option
def list_command(text: str, task: str | None, kind: str | None, language: str | None, json_out: bool) -> None:
    """The models known by a short name, with kind, size and whether they are here; TEXT keeps those that mention it.
    Models of the hub are not verified here."""
    from ..hub.registry import list_models

    rows = [m.as_row() for m in list_models(task=task or "", kind=kind or "", language=language or "", text=text)]
    if json_out:
        click.echo(as_json(rows))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        languages = "many" if row["languages"] == ["multilingual"] else " ".join(row["languages"])
        click.echo(
            f"{row['name']:{width}}  {row['kind']:8} {_size(row):>11}  {languages:5}  {row['status']:8}  {row['about']}"
        )
    if not rows:
        click.echo("no model in the list is like that; any hub id (owner/name) or local folder does as well", err=True)


def _size(row: dict[str, Any]) -> str:
    """The size of a model's files where it is known, else its number of parameters."""
    if row["mb"]:
        return f"{row['mb']:.1f} MB"
    millions = row["parameters"] or 0
    if millions >= 1000:
        return f"{millions / 1000:.1f}B params"
    return f"{millions:.0f}M params" if millions else ""


@models_command.command("get")
@click.argument("name")
@click.option("--runtime", help="Fetch the weights that a runtime reads: onnx, torch, hf or llamacpp.")
def get_command(name: str, runtime: str | None) -> None:
    """Fetch a model into the cache and print its folder. Of a hub's model one set of weights is fetched: an ONNX file
    where there is one, else safetensors."""
    from ..hub.registry import resolve

    click.echo(resolve(name, runtime or ""))


@models_command.command("path")
@click.argument("name")
def path_command(name: str) -> None:
    """The same as get: print the folder of a model, fetching it where it isn't here yet."""
    from ..hub.registry import resolve

    click.echo(resolve(name))


@models_command.command("show")
@click.argument("name")
def show_command(name: str) -> None:
    """The card of a model: what it is, licence, origin, hashes, and what its authors or we measured."""
    from ..hub.registry import card

    click.echo(card(name))
