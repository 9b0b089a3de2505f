"""``anyrank summaries``: put summaries of an article in order, and plan what a summary should say."""

from __future__ import annotations

import itertools
from typing import Literal

import click

from ..core.errors import InputError
from ..core.groupings import Whole
from ..core.rerank import Rerank
from ..core.stage import Stage
from .common import Number, as_json, times_option
from .near import Near

By = Literal["consensus", "likelihood", "reference", "model"]


@click.group("summaries", cls=Near)
def summaries_command() -> None:
    """Put summaries of an article in order, best first, and plan what a summary should say.

    \b
    anyrank summaries rerank candidates.jsonl
    anyrank summaries rerank candidates.jsonl --by likelihood --model smollm2-135m-instruct --alpha 2
    anyrank summaries rerank candidates.jsonl --by reference --rouge
    anyrank summaries plan articles.jsonl
    """


@summaries_command.command("rerank")
@click.argument("candidates", default="-")
@click.option(
    "--by",
    type=click.Choice(["consensus", "likelihood", "reference", "model"]),
    default="consensus",
    show_default=True,
    help="consensus: the summary most like the others; likelihood: under --model, a language model; reference: overlap "
    "with the field reference (an upper bound, and labels for training); model: --model, a trained reranker.",
)
@click.option("--model", help="A language model (likelihood) or a reranker (model): a name, hub id, folder or server.")
@click.option(
    "--alpha",
    type=Number(),
    default=1.0,
    show_default=True,
    help="The length exponent of the likelihood: 0 sum, 1 mean.",
)
@click.option(
    "--prompt",
    type=click.Choice(["summary", "article"]),
    default="summary",
    show_default=True,
    help="Of the likelihood: 'article' for encoder-decoders that were trained to summarise.",
)
@click.option("--rouge", is_flag=True, help="Of consensus and reference: ROUGE-1, -2 and -Lsum by rouge-score.")
@click.option("-k", "top", type=click.IntRange(1), help="Write only the best K.")
@click.option("--texts", is_flag=True, help="Also write the texts.")
@times_option
def rerank_command(
    candidates: str,
    by: By,
    model: str | None,
    alpha: float,
    prompt: Literal["summary", "article"],
    rouge: bool,
    top: int | None,
    texts: bool,
    times: bool,
) -> int:
    """Put the summaries of each article in order. CANDIDATES are JSON lines {"query": article, "documents":
    [summaries], "reference": …} (standard input by default), and so is the output; the reference is optional."""
    from .rerank import rerank_lists

    stage = _stage(by, model, alpha, prompt, rouge)
    return rerank_lists(candidates, stage % top if top else stage, None, texts, times)


def _stage(by: By, model: str | None, alpha: float, prompt: Literal["summary", "article"], rouge: bool) -> Stage:
    """The reranker of the options. Raises InputError on options that don't go together."""
    from ..domains.summaries import overlap
    from ..domains.summaries.judges import Consensus, Reference

    if (by in ("likelihood", "model")) != (model is not None):
        raise InputError(f"--by {by}: " + ("give a --model" if model is None else "it uses no --model: leave it out"))
    if rouge and model is not None:
        raise InputError(f"--rouge goes with --by consensus or reference, not with --by {by}")
    if model is None:
        utility = overlap.rouge() if rouge else overlap.similarity
        return Rerank(Consensus(utility) if by == "consensus" else Reference(utility), Whole(), name=by)
    from ..hub.open import open_model

    opened = open_model(model)
    if by == "likelihood":
        from ..papers import brio

        brio.CARD.check(opened, model)
        return brio.build(opened, alpha=alpha, prompt=prompt)
    if not callable(opened):
        raise InputError(f"{model} judges no candidates: --by model needs a reranker, --by likelihood a language model")
    return Rerank(opened, Whole(), name="model")


@summaries_command.command("plan")
@click.argument("articles", default="-")
@click.option(
    "--segmenter", help="A token classifier that finds the units, by folder or hub id, in place of the rules."
)
def plan_command(articles: str, segmenter: str | None) -> int:
    """Split articles into elementary discourse units, and choose those that the reference says (the oracle plan).
    ARTICLES are JSON lines {"query": article, "reference": …}; without a reference there is no plan."""
    from ..core.content import required_text
    from ..domains.summaries.edus import by_model, by_rules
    from ..domains.summaries.judges import reference_of
    from ..domains.summaries.plans import coverage, marked, oracle_plan
    from ..io.candidates import query_from_dict
    from ..io.records import json_lines, parsed

    segment = by_model(segmenter) if segmenter else by_rules
    number = itertools.count(1)
    lines = json_lines(articles)
    for query in parsed(articles, lines, lambda r: query_from_dict(r, f"q{next(number)}"), 'lines {"query": article}'):
        (edus,) = segment([required_text(query.content, f"query {query.id!r}")])
        line: dict[str, object] = {"id": query.id, "edus": edus}
        if query.meta.get("reference"):
            (target,) = segment([reference_of(query)])
            plan = oracle_plan(edus, target)
            line |= {"plan": plan, "coverage": round(coverage(edus, plan, target), 4), "marked": marked(edus, plan)}
        click.echo(as_json(line))
    return 0
