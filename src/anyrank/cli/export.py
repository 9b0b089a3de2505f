"""``anyrank export``: write a model as an int8 ONNX graph, which the base install runs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("export")
@click.argument("model")
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write the graph to; by default the model's own.",
)
@click.option(
    "--data",
    default="demo",
    show_default=True,
    help="Queries and texts for its calibration and its check: a file of groups, or a folder in BEIR's layout.",
)
@click.option(
    "--least",
    type=float,
    default=0.98,
    show_default=True,
    help="The lowest agreement with the original to accept: rank correlation of scores, or cosine of vectors.",
)
def export_command(model: str, out: Path | None, data: str, least: float) -> int:
    """Write MODEL (a folder or hub id of a cross-encoder, bi-encoder, late-interaction or sparse model) as an
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

    result = export_folder(model, out, read_sources([data]), Export(least=least))
    verdict = "" if result.accepted else f", under {least:g}: refused and removed"
    click.echo(f"{result.what} {result.agreement:.4f} on {result.texts} texts{verdict}", err=True)
    if result.accepted:
        click.echo(f"wrote {result.path} ({result.bytes / 1e6:.1f} MB)", err=True)
    return int(not result.accepted)
