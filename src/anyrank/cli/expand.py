"""``anyrank expand``: write a collection with the text by which its documents are to be found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.content import is_blank
from ..core.errors import InputError
from ..core.trace import Usage
from ..core.types import Candidate
from .common import SEED, Number, OutputFile, is_dataset, overwrite_option
from .jobs import not_finished, resume_hint, stamp
from .progress import progress

if TYPE_CHECKING:
    from ..io.journal import Journal

BATCH = 16
"""Documents that a model reads at once."""
Expand = Callable[[Sequence[Candidate]], list[dict[str, Any]]]
"""Documents -> a record of JSON values for each, with its ``error`` if there is one."""


@click.command("expand")
@click.argument("corpus")
@click.option("-o", "--out", required=True, type=OutputFile(), help="The file to write: JSON lines.")
@click.option(
    "--model",
    "name",
    required=True,
    help="A language model that writes queries (hf:…, llamacpp:…, openai:MODEL@URL, a T5 by its hub id), or the folder "
    "of a trained DeepCT.",
)
@click.option("--queries", "n", default=5, show_default=True, type=click.IntRange(1), help="Queries a document.")
@click.option("--temperature", default=1.0, show_default=True, type=Number(0), help="Of the draws.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the draws.")
@click.option("--plain", is_flag=True, help="Give the passage alone: for models trained to write queries (docT5query).")
@click.option("--filter", "judge", metavar="MODEL", help="A reranker that scores the queries (doc2query--).")
@click.option("--share", default=0.3, show_default=True, type=Number(0, 1), help="Of the queries that stay.")
@click.option("--root", is_flag=True, help="DeepCT: frequencies by the square roots of the weights.")
@click.option("--resume", is_flag=True, help="Resume a job that was stopped, with the same arguments.")
@overwrite_option
def expand_command(
    corpus: str,
    out: Path,
    name: str,
    n: int,
    temperature: float,
    seed: int,
    plain: bool,
    judge: str | None,
    share: float,
    root: bool,
    resume: bool,
    overwrite: bool,
) -> int:
    """Write CORPUS with the field ``search_text``, which the lexical index reads in place of the content: the text and
    queries that a model writes for it (doc2query), or its words repeated as DeepCT weighs them.

    \b
    anyrank expand scifact/ -o expanded.jsonl --model llamacpp:smollm2-135m-instruct --queries 5 --resume
    anyrank expand scifact/ -o expanded.jsonl --model castorini/doc2query-t5-base-msmarco --plain --queries 40
    anyrank expand scifact/ -o weighed.jsonl --model runs/deepct
    anyrank index expanded.jsonl -o expanded.index
    """
    from ..io.journal import Journal
    from ..synth.job import GIVE_UP

    if corpus == "-":
        raise InputError("the collection is read twice: give a file or a folder, not the standard input")
    not_finished(out, overwrite)
    own = _is_deepct(name)
    expand = _frequencies(name, root) if own else _queries(name, n, temperature, seed, plain, judge)
    settings: dict[str, Any] = {"files": stamp(corpus, name, judge), "model": name}
    settings |= {"root": root} if own else {"n": n, "temperature": temperature, "seed": seed, "plain": plain}
    settings |= {"filter": judge} if judge else {}
    total = sum(1 for _ in _documents(corpus))
    with Journal.open(f"{out}.journal", settings, resume=resume) as journal, resume_hint(journal, total):
        if resume and len(journal):
            click.echo(f"resuming: {len(journal)} of {total} documents are done", err=True)
        errors, left = _run(_documents(corpus), expand, journal, total)
        least = _threshold(_documents(corpus), journal, share) if judge else None
        usage, expanded = _write(out, _documents(corpus), journal, least, own)
        if not errors:
            journal.close(remove=True)
    if not own:
        cost = (
            f"{usage.calls:,} calls, {usage.prompt_tokens:,} prompt and {usage.completion_tokens:,} completion tokens"
        )
        click.echo(f"cost: {cost}", err=True)
    if errors:
        what = f"{len(errors)} documents are not expanded ({errors[0]})"
        if left:
            what += f", and {left:,} after them were not tried, since the last {GIVE_UP} failed"
        click.echo(f"warning: {what}: the same command with --resume tries them again", err=True)
    click.echo(f"wrote {out}: {total:,} documents, {expanded:,} with {'weights' if own else 'queries'}", err=True)
    if total and not expanded and not errors:
        click.echo("warning: no document has any, so that the search is as without them", err=True)
    return int(bool(errors))


def _documents(corpus: str) -> Iterator[Candidate]:
    from ..io.corpus import read_documents
    from ..io.dataset import Dataset

    return Dataset.open(corpus).documents() if is_dataset(corpus) else read_documents(corpus)


def _run(documents: Iterator[Candidate], expand: Expand, journal: Journal, total: int) -> tuple[list[str], int]:
    """Put the record of every document into the journal, but for those that failed; returns the errors. Ends after
    `GIVE_UP` failures in a row, and returns how many documents are left then."""
    from ..synth.job import GIVE_UP

    errors, in_a_row = [], 0
    todo = (d for d in documents if d.id not in journal and not is_blank(d.content))
    with progress("expanding", total, "documents") as bar:
        bar.update(len(journal))
        while in_a_row < GIVE_UP and (part := list(islice(todo, BATCH))):
            for document, record in zip(part, expand(part), strict=True):
                error = record.pop("error", "")
                in_a_row = in_a_row + 1 if error else 0
                if error:
                    errors.append(f"{document.id}: {error}")
                else:
                    journal.put(document.id, record)
            bar.update(len(part))
    return errors, sum(1 for _ in todo)


def _threshold(documents: Iterator[Candidate], journal: Journal, share: float) -> float:
    from ..papers.doc2query import threshold

    return threshold((s for d in documents if d.id in journal for s in journal.get(d.id)["scores"]), share)


def _write(
    out: Path, documents: Iterator[Candidate], journal: Journal, least: float | None, own: bool
) -> tuple[Usage, int]:
    """Write every document, with its search text if it has a record; returns the cost and how many have."""
    from ..io.records import write_jsonl
    from ..papers import deepct, doc2query

    usage, count = Usage(), 0

    def rows() -> Iterator[Mapping[str, Any]]:
        nonlocal usage, count
        for document in documents:
            row = _row(document)
            if document.id in journal:
                record = journal.get(document.id)
                text = deepct.repeated(record["counts"]) if own else doc2query.search_text(document, record, least)
                row["search_text"] = text
                usage += Usage(*record.get("usage", ()))
                count += bool(record["counts" if own else "queries"])
            yield row

    write_jsonl(out, rows())
    return usage, count


def _row(document: Candidate) -> dict[str, Any]:
    """A document as a line of JSON that is read as the same document. Raises InputError if it is no text."""
    if not isinstance(document.content, str):
        raise InputError(f"document {document.id!r} is no text: only texts are expanded")
    title = document.meta.get("title")
    text = document.content.removeprefix(title).lstrip() if isinstance(title, str) and title else document.content
    return {"_id": document.id, **document.meta, "text": text}


def _is_deepct(name: str) -> bool:
    from ..hub.open import declare, is_server

    return not is_server(name) and Path(name).expanduser().is_dir() and declare(name).kind == "deepct"


def _frequencies(name: str, root: bool) -> Expand:
    """Term frequencies by a trained DeepCT."""
    import torch

    from ..core.content import text_of
    from ..models.deepct import DeepCT
    from ..papers.deepct import frequencies

    model = DeepCT.from_folder(name).eval().requires_grad_(False)

    def expand(documents: Sequence[Candidate]) -> list[dict[str, Any]]:
        with torch.inference_mode():
            weights = model.weighed([text_of(d.content) for d in documents])
        return [{"counts": frequencies(mine, "root" if root else "linear")} for mine in weights]

    return expand


def _queries(name: str, n: int, temperature: float, seed: int, plain: bool, judge: str | None) -> Expand:
    """Queries by a language model, with scores by a reranker if there is one."""
    from ..core.language import Generates
    from ..llm.capabilities import need
    from ..papers.doc2query import scored, written
    from ..pipeline.methods import language_model
    from ..pipeline.parser import Settings, parse

    backend = language_model(name)
    need(backend, Generates, "expand")
    stage = parse(judge, Settings(None), starts=False) if judge else None

    def expand(documents: Sequence[Candidate]) -> list[dict[str, Any]]:
        done = written(documents, backend, n, plain=plain, temperature=temperature, seed=seed)
        scores = scored(documents, [w.queries for w in done], stage) if stage else [[] for _ in done]
        return [
            {
                "queries": list(w.queries),
                "scores": s,
                "usage": [w.usage.calls, w.usage.prompt_tokens, w.usage.completion_tokens],
                "error": w.error,
            }
            for w, s in zip(done, scores)
        ]

    return expand
