"""``anyrank export``: write a model as an int8 ONNX graph, which the base install runs."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import InputError
from .common import Number

if TYPE_CHECKING:
    from ..train.group import Group

DOCUMENTS, CANDIDATES = 1000, 4
"""Documents of a collection that are read, and texts a group."""


@click.command("export")
@click.argument("model")
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="The graph's folder; by default the model's own, beside its weights.",
)
@click.option(
    "--data",
    default="demo",
    show_default=True,
    help="Queries and texts that its scales are found on and that it is checked on: a file of groups, or a folder in "
    "BEIR's layout ('demo': the bundled one), of which only documents are read, their titles as queries.",
)
@click.option(
    "--least",
    type=Number(),
    default=0.98,
    show_default=True,
    help="The least agreement with the original that is accepted: rank correlation of scores, or cosine of vectors.",
)
def export_command(model: str, out: Path | None, data: str, least: float) -> int:
    """Write MODEL (a folder or hub id of a cross-encoder, bi-encoder, late-interaction or sparse model) as an
    ONNX graph with int8 weights, about a quarter of its size, and check it against the original.

    \b
    anyrank export cross-encoder/ms-marco-MiniLM-L6-v2 -o models/minilm-cross
    anyrank rerank lists.jsonl -p 'model("models/minilm-cross")'
    """
    from ..backends.hf.load import torch_module

    torch_module("train")
    from transformers import utils

    logs: Any = utils.logging
    logs.disable_progress_bar()
    from ..train.export import export_folder
    from ..train.recipe import Export

    done = export_folder(model, out, _groups(data), Export(least=least))
    refused = f", under {least:g}: refused and removed (give --data with texts like yours, or a lower --least)"
    verdict = "" if done.accepted else refused
    click.echo(f"{done.what} {done.agreement:.4f} on {done.texts} texts{verdict}", err=True)
    if done.accepted:
        click.echo(f"wrote {done.path} ({done.bytes / 1e6:.1f} MB)", err=True)
    return int(not done.accepted)


def _groups(data: str) -> list[Group]:
    """The groups of a file; of a collection its titles, each with its own text and the texts of its neighbours. No
    judgement is looked at, so that a graph's scales have seen none."""
    from ..io.dataset import Dataset
    from ..train.group import Group
    from ..train.sources import Source, looks_like, read_source
    from ..train.synthetic import title_queries

    form = looks_like(data) or "groups"
    if form != "judged":
        return list(read_source(Source(format=form, path=data)))
    pairs = list(islice(title_queries(Dataset.open(data).documents()), DOCUMENTS))
    if not pairs:
        raise InputError("its documents have no titles to take as queries: give a file of groups", path=data)
    groups = []
    for i, pair in enumerate(pairs):
        texts = [text for near in pairs[i : i + CANDIDATES] for text in near.texts]
        groups.append(Group.from_texts(pair.query, texts, [1.0, *[0.0] * (len(texts) - 1)]))
    return groups
