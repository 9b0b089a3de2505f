"""``anyrank merge``: join the shards of a job."""

from __future__ import annotations

from pathlib import Path

import click

from .common import overwrite_option


@click.command("merge")
@click.argument("shards", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SHARD…")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The file or folder of the whole.")
@click.option(
    "--link",
    is_flag=True,
    help="Of indexes: leave the parts where they are; OUT names them, and they are searched as one.",
)
@overwrite_option
def merge_command(shards: tuple[Path, ...], out: Path, link: bool, overwrite: bool) -> int:
    """Join the parts that commands with --shard wrote: runs, groups, benchmark results, or indexes. Parts that are
    missing, doubled, unfinished or of another job are refused.

    \b
    anyrank merge run.trec.*-of-16 -o run.trec
    anyrank merge my.index.*-of-4 -o my.index
    anyrank merge my.index.*-of-4 -o my.index --link
    """
    from ..scale.indexes import link as link_indexes
    from ..scale.joins import merge

    # A pattern may name the manifests beside the shards too.
    given = list(dict.fromkeys(Path(str(path).removesuffix(".shard.json")) for path in shards))
    if link:
        link_indexes(given, out, overwrite)
    elif text := merge(given, out, overwrite):
        click.echo(text)
    click.echo(f"wrote {out}: {len(given)} shards", err=True)
    return 0
