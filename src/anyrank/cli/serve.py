"""``anyrank serve``: an HTTP server over a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..core.errors import InputError
from .common import Command, IndexType, Number


def served(command: Command) -> Command:
    """The options that say what is served, over HTTP or to agents."""
    for option in (
        click.option("--search", default="", help="The pipeline of search.  [default: the first -p, after a search]"),
        click.option(
            "--index", type=IndexType(), help="An index, a folder or address, to search and give documents of."
        ),
        click.option(
            "-p",
            "--pipeline",
            "pipelines",
            multiple=True,
            metavar="PIPELINE",
            help="Ranks given documents; repeat as NAME=PIPELINE to offer several.  [default: mini]",
        ),
    ):
        command = option(command)
    return command


@click.command("serve")
@served
@click.option("--embed", default="minilm", show_default=True, help="The model of /v1/embeddings.")
@click.option("--allow", multiple=True, metavar="MODEL", help="A model that requests may name (BAAI/*; repeat).")
@click.option("--keys", type=click.Path(path_type=Path), help="A file of API keys: without one, nobody is asked.")
@click.option("--new-key", metavar="NAME", help="Add a key to --keys, show it once, and end.")
@click.option("--per-minute", default=0, type=click.IntRange(0), help="Requests a minute of the new key; 0: any.")
@click.option("--per-day", default=0, type=click.IntRange(0), help="Requests a day of the new key; 0: any.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at; 0.0.0.0: all.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--deadline", default=30.0, show_default=True, type=Number(0, min_open=True), help="Seconds.")
@click.option("--batch", default=32_768, show_default=True, type=click.IntRange(1), help="Tokens given to a model.")
@click.option("--waiting", default=1_000_000, show_default=True, type=click.IntRange(1), help="Tokens that may wait.")
@click.option("--max-body", default=16.0, show_default=True, type=Number(0.001), help="MB of a request.")
@click.option("--max-documents", default=10_000, show_default=True, type=click.IntRange(1))
@click.option("--origin", "origins", multiple=True, metavar="URL", help="A page that may call it (CORS; repeat).")
@click.option(
    "--host-name", "hosts", multiple=True, metavar="NAME", help="A name it answers under without keys; * any."
)
@click.option("--page/--no-page", default=True, help="Serve the playground at /; it runs shipped and served stages.")
def serve_command(
    pipelines: tuple[str, ...],
    index: Any,
    search: str,
    embed: str,
    allow: tuple[str, ...],
    keys: Path | None,
    new_key: str | None,
    per_minute: int,
    per_day: int,
    host: str,
    port: int,
    workers: int,
    deadline: float,
    batch: int,
    waiting: int,
    max_body: float,
    max_documents: int,
    origins: tuple[str, ...],
    hosts: tuple[str, ...],
    page: bool,
) -> int:
    """Serve reranking, embeddings and search over HTTP.

    It speaks the dialects of Cohere, Jina, Voyage, TEI, vLLM, Infinity, mixedbread, Pinecone and OpenAI (embeddings) at
    once: point their clients at it. /openapi.json describes it, docs/serve.md too.

    \b
    anyrank serve                                            mini, at http://127.0.0.1:8000/v2/rerank
    anyrank serve -p "bm25 % 100 >> mini" --index my.index   and /search
    anyrank serve --keys keys.txt --new-key alice            a key for alice
    """
    from ..serve.run import Options, serve

    if new_key is not None:
        from ..serve.keys import new_key as make_key

        if keys is None:
            raise InputError("--new-key needs --keys: the file to add it to")
        click.echo(make_key(keys, new_key, per_minute, per_day))
        return 0
    options = Options(
        pipelines or ("mini",),
        search,
        str(index or ""),
        embed,
        allow,
        str(keys or ""),
        host,
        port,
        workers,
        deadline,
        batch,
        waiting,
        int(max_body * 2**20),
        max_documents,
        origins,
        hosts,
        page,
    )
    shown = f"[{host}]" if ":" in host else host
    serve(options, lambda port: click.echo(f"anyrank serves at http://{shown}:{port} (stop with Ctrl-C)", err=True))
    return 0
