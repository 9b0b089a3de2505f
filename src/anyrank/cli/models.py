"""``anyrank models``: list, find and fetch models."""

from __future__ import annotations

from typing import Any

import click

from .common import as_json, as_json_option
from .near import Near


@click.group("models", cls=Near)
def models_command() -> None:
    """List, fetch and find models. A model is named by a short name ('anyrank models list'), a hub id, a local
    folder, or the address of a server:

    \b
    openai:MODEL[@URL][#SETTINGS]     a language model (OpenAI, vLLM, llama.cpp, Ollama …), for methods
    cohere:rerank-v3.5                hosted rerankers: cohere, jina, voyage, mixedbread, pinecone; the key is read
                                      from COHERE_API_KEY, JINA_API_KEY, VOYAGE_API_KEY, MXBAI_API_KEY, PINECONE_API_KEY
    http://HOST:PORT                  the endpoint /rerank of any server; rerank:MODEL@URL names its model
    tei:URL  vllm:MODEL@URL  infinity:MODEL@URL

    \b
    anyrank models list --task rerank --language zh
    anyrank models get cross-encoder/ms-marco-MiniLM-L6-v2
    """


@models_command.command("list")
@click.argument("text", default="")
@click.option("--task", type=click.Choice(["retrieve", "rerank", "train"]), help="Only models for this task.")
@click.option("--kind", help="Only models of this kind: dense, sparse, late, colbert, cross, language.")
@click.option("--language", metavar="CODE", help="Only models for a language, by its ISO code (zh), or 'multilingual'.")
@as_json_option
def list_command(text: str, task: str | None, kind: str | None, language: str | None, json_out: bool) -> None:
    """List the models with a short name: kind, size, and whether they are on this machine. TEXT keeps those that
    mention it. Models of the Hugging Face hub are not tested by anyrank."""
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
        click.echo("no model in the list matches; any hub id (owner/name) or local folder can be used too", err=True)


def _size(row: dict[str, Any]) -> str:
    """The size of a model's files if it is known, else its number of parameters."""
    if row["mb"]:
        return f"{row['mb']:.1f} MB"
    millions = row["parameters"] or 0
    if millions >= 1000:
        return f"{millions / 1000:.1f}B params"
    return f"{millions:.0f}M params" if millions else ""


@models_command.command("get")
@click.argument("name")
@click.option("--runtime", help="Fetch the weights for this runtime: onnx, torch, hf or llamacpp.")
def get_command(name: str, runtime: str | None) -> None:
    """Fetch a model into the cache and print its folder. From the hub one set of weights is fetched: an ONNX file if
    there is one, else safetensors."""
    from ..hub.registry import resolve

    click.echo(resolve(name, runtime or ""))


@models_command.command("path")
@click.argument("name")
def path_command(name: str) -> None:
    """Print the folder of a model, fetching it first if needed. The same as get."""
    from ..hub.registry import resolve

    click.echo(resolve(name))


@models_command.command("show")
@click.argument("name")
def show_command(name: str) -> None:
    """Print the card of a model: kind, licence, origin, hashes, and measurements by its authors or by anyrank."""
    from ..hub.registry import card

    click.echo(card(name))
