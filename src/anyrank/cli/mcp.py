"""``anyrank mcp``: the tools of an MCP server, for agents."""

from __future__ import annotations

from pathlib import Path

import click

from .serve import served


@click.command("mcp")
@served
@click.option("--http", "port", type=click.IntRange(0, 65535), help="Serve HTTP at this port, instead of stdio.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address of --http.")
def mcp_command(pipelines: tuple[str, ...], index: Path | None, search: str, port: int | None, host: str) -> int:
    """Offer rerank, search, get_document, compare and explain to an agent, by the Model Context Protocol.

    \b
    anyrank mcp --index my.index              for an agent that starts it (stdio)
    anyrank mcp --index my.index --http 8100  at http://127.0.0.1:8100/mcp
    """
    from ..serve.run import Options, tools

    server = tools(Options(pipelines or ("mini",), search, str(index or "")))
    if port is None:
        server.run("stdio")
    else:
        click.echo(f"anyrank's tools are at http://{host}:{port}/mcp", err=True)
        server.run("streamable-http", host=host, port=port)
    return 0
