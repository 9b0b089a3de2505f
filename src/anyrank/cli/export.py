"""``anyrank export``: a model as the int8 graph that the base install runs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("export")
@click.argument("model")
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), help="The graph's folder; by default "
              "the model's own, beside its weights.")  # fmt: skip
@click.option("--data", default="demo", show_default=True, help="Queries and texts that its scales are found on "
              "and that it is checked on: a file of groups, or a folder in BEIR's layout.")  # fmt: skip
@click.option("--least", type=float, default=0.98, show_default=True, help="The least agreement with the original "
              "that is accepted: rank correlation of scores, or cosine of vectors.")  # fmt: skip
def export_command(model: str, out: Path | None, data: str, least: float) -> int:
    """Write MODEL (a folder or hub id of a cross-encoder, a bi-encoder, a late interaction or a sparse encoder) as an
    ONNX graph with int8 weights, about a quarter of its size, and check it against the original.

    \b
    anyrank export cross-encoder/ms-marco-MiniLM-L6-v2 -o models/minilm-cross
    anyrank rerank lists.jsonl -p 'model("models/minilm-cross")'
    """
    from ..backends.hf.load import torch_module

    torch_module()
    from ..train.export import export_folder
    from ..train.recipe import Export
    from ..train.sources import read_sources

    done = export_folder(model, out, read_sources([data]), Export(least=least))
    verdict = "" if done.accepted else f", under {least:g}: refused and removed"
    click.echo(f"{done.what} {done.agreement:.4f} on {done.texts} texts{verdict}", err=True)
    if done.accepted:
        click.echo(f"wrote {done.path} ({done.bytes / 1e6:.1f} MB)", err=True)
    return int(not done.accepted)
