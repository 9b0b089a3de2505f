"""``anyrank generative``: train models that answer a query with documents of one index."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..core.errors import InputError
from .common import SEED, Number, is_dataset, judged_of, part_to_learn
from .near import Near

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "over_dense": ("dynamic_retriever", {"rows": "vectors"}),
    "vanilla": ("dynamic_retriever", {"rows": "random"}),
    "dsi": ("dsi", {}),
    "nci": ("nci", {}),
}
"""The paper of each method, and its options there."""


@click.group("generative", cls=Near)
def generative_command() -> None:
    """Train models that answer a query with documents of one index, which they know by heart.

    \b
    anyrank index corpus.jsonl -o my.index --encode minilm
    anyrank generative train my.index -o runs/dr
    anyrank search my.index "what causes lift" -p 'generative("runs/dr")'
    """


@generative_command.command("train")
@click.argument("index", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="The folder to write."
)
@click.option(
    "--method",
    type=click.Choice(list(METHODS)),
    default="over_dense",
    show_default=True,
    help="over_dense, vanilla: an output a document, begun as its vector or at random (DynamicRetriever); dsi: "
    "writes a document's number; nci: writes its path through clusters of the index's vectors.",
)
@click.option(
    "--model",
    default="minilm",
    show_default=True,
    help="The model to start from: an encoder or a T5, by name or folder.",
)
@click.option("--vectors", default="", metavar="MODEL", help="Whose stored vectors to use, if not those of --model.")
@click.option(
    "--queries",
    help="Queries to learn from: a file (JSONL or id<TAB>text) with --qrels, or a collection (a BEIR folder, irds:ID).",
)
@click.option("--qrels", help="The judgements that say which documents the queries mean.")
@click.option("--split", help="The part of the collection to learn from, such as train; needed if it has several.")
@click.option("--document-passes", type=click.IntRange(0), help="Times that documents are learnt.  [default: 3]")
@click.option("--query-passes", type=click.IntRange(0), help="Times that queries are learnt.  [default: 3]")
@click.option("--length", type=click.IntRange(4), help="The tokens that are read of a text, in place of the method's.")
@click.option("--rate", type=Number(), help="The learning rate of the start's weights, in place of the method's.")
@click.option("--fresh-rate", type=Number(), help="The learning rate of rows or decoder, in place of the method's.")
@click.option("--batch", default=32, show_default=True, type=click.IntRange(1), help="Texts in a training step.")
@click.option("--bf16", is_flag=True, help="Compute in bfloat16, which newer processors do faster.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="The seed of the training.")
@click.option("--resume", is_flag=True, help="Resume a training that was stopped, with the same arguments.")
@click.option("--overwrite", is_flag=True, help="Replace the model at --out.")
def train_command(
    index: Path,
    out: Path,
    method: str,
    model: str,
    vectors: str,
    queries: str | None,
    qrels: str | None,
    split: str | None,
    document_passes: int | None,
    query_passes: int | None,
    length: int | None,
    rate: float | None,
    fresh_rate: float | None,
    batch: int,
    bf16: bool,
    seed: int,
    resume: bool,
    overwrite: bool,
) -> int:
    """Train a model on the documents of INDEX, and on queries if there are some; without, titles and first sentences
    take their place. The model then searches this index: -p 'generative("OUT")'.

    \b
    anyrank generative train my.index -o runs/dr --queries train.tsv --qrels qrels.txt
    anyrank generative train my.index -o runs/nci --method nci
    """
    from ..backends.hf.load import torch_module

    if queries is None and (qrels or split):
        raise InputError("--queries is missing: those that were judged")
    if queries is not None and qrels is None and not is_dataset(queries):
        raise InputError("--queries and --qrels go together: the judgements say which documents the queries mean")
    from ..index.collection import Collection

    collection, learnt = Collection.open(index), None if queries is None else _learnt(queries, qrels, split)
    torch_module("train")
    from transformers import utils

    from ..papers import load
    from ..train.generative import train

    logs: Any = utils.logging
    logs.disable_progress_bar()
    logs.set_verbosity_error()
    logging.getLogger("anyrank.train").setLevel(logging.INFO)
    paper, options = METHODS[method]
    settings = {
        "document_passes": document_passes,
        "query_passes": query_passes,
        "max_length": length,
        "rate": rate,
        "fresh_rate": fresh_rate,
    }
    plan = load(paper).plan(**options, **{k: v for k, v in settings.items() if v is not None})
    plan = replace(plan, batch=batch, bf16=bf16, seed=seed)
    shown = sys.stderr.isatty()
    try:
        trained = train(
            plan,
            collection,
            model,
            out,
            vectors=vectors,
            queries=learnt,
            resume=resume,
            overwrite=overwrite,
            progress=shown,
        )
    except KeyboardInterrupt:
        if any((out / "checkpoints").glob("checkpoint-*")):
            click.echo("stopped: the same command with --resume goes on from the last checkpoint", err=True)
        raise
    click.echo(f"{out}: {len(trained.rows):,} documents learnt; search: -p 'generative(\"{out}\")'")
    return 0


def _learnt(queries: str, qrels: str | None, split: str | None) -> dict[str, list[str]]:
    """The relevant documents of each query's text."""
    from ..core.content import required_text

    topics, judged = judged_of(queries, qrels, part_to_learn(qrels or queries, split))
    out: dict[str, list[str]] = {}
    for q in topics:
        relevant = [i for i, grade in judged.get(q.id, {}).items() if grade > 0]
        if relevant:
            out.setdefault(required_text(q.content, f"query {q.id!r}"), []).extend(relevant)
    if not out:
        raise InputError(
            f"no query of {queries} has a relevant document: are these the judgements of other queries?",
            path=qrels or queries,
        )
    return out
