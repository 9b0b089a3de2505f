"""``anyrank forecast``: rank dated articles for questions about the future."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..core.errors import InputError
from ..core.groupings import Whole
from ..core.language import Generates
from ..core.rerank import Judge, Rerank
from ..core.stage import Stage
from ..llm.capabilities import offers
from ..vectors import Encoder
from .common import OutputFile, as_json, report_status, times_option
from .near import Near


@click.group("forecast", cls=Near)
def forecast_command() -> None:
    """Rank dated articles for questions about the future, by relevance and by when forecasters learn most.

    \b
    anyrank forecast curve closed-questions.jsonl -o curve.json
    anyrank forecast rank questions.jsonl articles.jsonl --curve curve.json -k 10
    anyrank forecast rank questions.jsonl articles.jsonl --curve curve.json --model openai:MODEL@URL --samples 5
    """


@forecast_command.command("curve")
@click.argument("questions")
@click.option("-o", "--out", type=OutputFile(), required=True, help="The file to write the curve to.")
@click.option("--before", metavar="DATE", help="Learn from questions that closed before this date alone.")
def curve_command(questions: str, out: Path, before: str | None) -> int:
    """Learn recency from closed QUESTIONS with forecasts (JSON lines): when does the crowd's accuracy rise?"""
    from ..domains.forecasting.questions import read_questions, time_of
    from ..domains.forecasting.recency import learned

    known = read_questions(questions)
    if before is not None:
        end = time_of(before, "--before")
        known = [q for q in known if q.closed < end]
    curve = learned(known)
    curve.save(out)
    best = max(range(len(curve.values)), key=curve.values.__getitem__)
    click.echo(
        f"{len(known)} questions; recency from {min(curve.values):.2f} to {max(curve.values):.2f}, greatest when "
        f"{curve.times[best]:.0%} of the time had passed: {out}"
    )
    return 0


@forecast_command.command("rank")
@click.argument("questions")
@click.argument("articles")
@click.option(
    "--curve", type=click.Path(path_type=Path), help="The file of 'anyrank forecast curve'; else all times count alike."
)
@click.option(
    "--model",
    default="minilm",
    show_default=True,
    help="What judges relevance: a language model, which grades each article from 0 to 4, an encoder or a reranker "
    "(scores scaled within each question).",
)
@click.option("--samples", type=click.IntRange(1), default=3, show_default=True, help="Grades an article, averaged.")
@click.option("--until", metavar="DATE", help="Only articles published before this date.")
@click.option("-k", "top", type=click.IntRange(1), help="Write only the best K.")
@click.option("--summaries", metavar="MODEL", help="Also summarise the written articles by a language model.")
@click.option("--texts", is_flag=True, help="Also write the texts.")
@times_option
def rank_command(
    questions: str,
    articles: str,
    curve: Path | None,
    model: str,
    samples: int,
    until: str | None,
    top: int | None,
    summaries: str | None,
    texts: bool,
    times: bool,
) -> int:
    """Rank for each of QUESTIONS those of ARTICLES (JSON lines both) that were published in its time, by relevance
    times recency. An article with a field question is that question's alone."""
    from ..domains.forecasting.digest import Digested
    from ..domains.forecasting.judges import Timely
    from ..domains.forecasting.questions import rankings, read_articles, read_questions, time_of
    from ..domains.forecasting.recency import Recency
    from ..hub.open import open_model
    from ..io.candidates import ranking_to_dict

    recency = Recency((0.0, 1.0), (1.0, 1.0)) if curve is None else Recency.load(curve)
    judge, scale = _relevance(model, samples)
    stage: Stage = Rerank(Timely(judge, recency, scale), Whole(), name="forecast")
    if top:
        stage = stage % top
    if summaries:
        stage = stage >> Digested(open_model(summaries))
    end = None if until is None else time_of(until, "--until")
    before = rankings(read_questions(questions), read_articles(articles), end)
    if none := sum(not len(r) for r in before):
        click.echo(
            f"note: {none} of {len(before)} questions have no article that was published in their time", err=True
        )
    after = stage.batch(before)
    for origin, ranking in zip(before, after):
        click.echo(as_json(ranking_to_dict(ranking, origin, texts=texts, times=times)))
    return report_status(after)


def _relevance(name: str, samples: int) -> tuple[Judge, bool]:
    """The judge of relevance of a model's name, and whether its scores are to be scaled."""
    from ..domains.forecasting.judges import Relevance
    from ..hub.open import open_model
    from ..judges.similarity import Similarity

    model: Any = open_model(name)
    if offers(model, Generates):
        return Relevance(model, samples), False
    if callable(model):
        return model, True
    if isinstance(model, Encoder):
        return Similarity(model), True
    raise InputError(f"{name} judges no relevance: give a language model, an encoder or a reranker")
