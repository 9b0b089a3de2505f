"""``anyrank ask``: answer questions from an index, with citations."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.content import is_blank
from ..core.errors import InputError
from ..core.types import Query, Ranking
from .common import (
    SEED,
    Number,
    OutputFile,
    as_json,
    as_json_option,
    call_log,
    log_option,
    pipeline_option,
    printable,
    queries_of,
    report_status,
)

if TYPE_CHECKING:
    from ..domains.answers.answer import Answer

BATCH = 8


@click.command("ask")
@click.argument("index", required=False)
@click.argument("question", required=False)
@click.option(
    "--questions",
    help="A file of questions (JSONL or id<TAB>text) instead of one QUESTION, or a collection with some: demo.",
)
@click.option(
    "--model",
    help="A language model (hf:HUB_ID, llamacpp:FILE.gguf, openai:MODEL@URL). Without one, the answer is made of the "
    "passages' own sentences.",
)
@pipeline_option("decompose >> bm25 % 20 >> mini", "The pipeline that finds the passages.")
@click.option("--passages", default=5, show_default=True, type=click.IntRange(1), help="Passages that are read.")
@click.option(
    "--words", default=150, show_default=True, type=click.IntRange(0), help="Words that are read of each; 0: all."
)
@click.option("--short", is_flag=True, help="An answer of a few words, without citations.")
@click.option(
    "--samples", default=1, show_default=True, type=click.IntRange(1), help="Short answers drawn; most frequent wins."
)
@click.option("--temperature", default=0.0, show_default=True, type=Number(0), help="Of the draws.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the draws.")
@click.option(
    "--cache", type=OutputFile(), help="A file that keeps the model's answers: after a kill they aren't asked again."
)
@as_json_option
@log_option
def ask_command(
    index: str | None,
    question: str | None,
    questions: str | None,
    model: str | None,
    pipeline: str,
    passages: int,
    words: int,
    short: bool,
    samples: int,
    temperature: float,
    seed: int,
    cache: Path | None,
    json_out: bool,
    log_file: Path | None,
) -> int:
    """Answer a QUESTION from INDEX (made by 'anyrank index'): sub-questions, search, reranking, and an answer whose
    citations are checked against the passages that they cite.

    \b
    anyrank ask my.index "which is larger, a wing's lift or its drag?" --model smollm2-135m-instruct
    anyrank ask my.index "who wrote Emma, and when?"
    anyrank ask - "what is lift?" -p 'gym("http://127.0.0.1:8000")' --model openai:gpt-4.1-mini
    """
    from ..domains.answers.answer import Answerer
    from ..hub.open import open_model
    from ..pipeline.parser import Settings, parse
    from ..stores.open import open_index

    if index is None or (question is None) == (questions is None):
        raise InputError("give an INDEX ('-' for none) and one QUESTION, or a file of them with --questions")
    if question is not None and is_blank(question):
        raise InputError("the question is empty")
    if short and model is None:
        raise InputError("--short needs a --model: without one the answer is made of the passages' sentences")
    if cache is not None and model is None:
        raise InputError("--cache keeps a model's answers: give a --model, or leave it out")
    log = call_log(log_file, False)
    collection = open_index(index) if index != "-" else None
    stage = parse(pipeline, Settings(collection, log=log)) % passages
    backend = open_model(model) if model else None
    if backend is not None and log is not None:
        from ..llm.call_log import Logged

        backend = Logged(backend, log, str(model))
    if backend is not None and cache is not None:
        from ..llm.cache import Cached

        backend = Cached(backend, cache, str(model))
    answerer = Answerer(backend, passages, words, short, samples, temperature=temperature, seed=seed)
    queries = [Query("q1", question)] if questions is None else queries_of(questions)
    answers: list[Answer] = []
    for start in range(0, len(queries), BATCH):
        for answer in answerer(stage.batch([Ranking(q) for q in queries[start : start + BATCH]])):
            click.echo(as_json(_record(answer)) if json_out else _shown(answer, titled=questions is not None))
            answers.append(answer)
    return report_status([a.ranking for a in answers])


def _record(answer: Answer) -> dict[str, Any]:
    """An answer as JSON: the text, its sentences with the ids that they cite, and the passages with cost and trace."""
    from ..io.candidates import ranking_to_dict

    ids = answer.ranking.ids
    return {
        "id": answer.ranking.query.id,
        "question": answer.ranking.query.content,
        "answer": answer.text,
        "known": answer.known,
        "statements": [
            {"text": s.text, "citations": [ids[n - 1] for n in s.citations], "support": s.support}
            for s in answer.statements
        ],
        "citation_recall": answer.citation_recall,
        "citation_precision": answer.citation_precision,
        "passages": ranking_to_dict(answer.ranking, texts=True),
    }


def _shown(answer: Answer, titled: bool, width: int = 100) -> str:
    """An answer as text, with the passages that it read under it."""
    lines = [f"{answer.ranking.query.id}: {answer.ranking.query.content}"] if titled else []
    lines += textwrap.wrap(answer.text, width) or ["no answer"]
    if answer.statements:
        lines.append(
            f"\ncitations: {answer.citation_recall:.0%} of {len(answer.statements)} sentences have one, and the "
            f"passages cited hold {answer.citation_precision:.0%} of their words"
        )
    cited = {n for s in answer.statements for n in s.citations}
    for n, c in enumerate(answer.ranking, 1):
        text = " ".join(str(c.content or "").split())
        lines.append(f"{'*' if n in cited else ' '}[{n}] {c.id}: {textwrap.shorten(text, width, placeholder='…')}")
    return "\n".join(printable(line) for text in lines for line in text.split("\n"))
