"""BRIO: a summariser as the judge of summaries, by their likelihood over a power of their length.

Liu, Liu, Radev and Neubig, "BRIO: Bringing Order to Abstractive Summarization", ACL 2022, arXiv 2203.16804. The
article is the query, its summaries are the candidates. `build` scores with any model that gives likelihoods, trained
for it or not; `recipe` trains one by the ranking loss (the paper's contrastive model); the loss beside that of writing
the reference is `domains.summaries.brio.Joint`. Candidates by diverse beams: `domains.summaries.beams`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..core.groupings import Pointwise
from ..core.language import ScoresText
from ..core.rerank import Rerank
from ..llm.pointwise import CandidateLikelihood
from ..llm.templates import ARTICLE, SUMMARY
from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card, Figure, Price

CARD = Card(
    name="brio",
    title="BRIO: Bringing Order to Abstractive Summarization",
    arxiv="2203.16804",
    year=2022,
    summary="pointwise: log-likelihood of a summary after its article, over a power of its length",
    capabilities=("loglikelihood",),
    formula="n calls at once, nothing generated",
    cost=Price(Pointwise(), fixed=800),
    figures=(
        Figure(0.4429, "CNN/DM", "ROUGE-1", "BART, its best beam"),
        Figure(0.4728, "CNN/DM", "ROUGE-1", "candidates reranked by the contrastive model"),
        Figure(0.2293, "CNN/DM", "ROUGE-2", "candidates reranked by the contrastive model"),
        Figure(0.4778, "CNN/DM", "ROUGE-1", "written by the model of both losses"),
        Figure(0.4813, "XSum", "ROUGE-1", "candidates reranked by the contrastive model"),
    ),
    differences=(
        "an equal label makes no pair; the authors' order of ties is that of their sort",
        "the schedule is the loop's linear one with warm-up, not Noam's",
    ),
)


def build(backend: ScoresText, *, alpha: float = 2.0, prompt: Literal["summary", "article"] = "summary") -> Rerank:
    """One likelihood a candidate, over its number of tokens to the power ``alpha`` (the paper's: 2 for CNN/DM and NYT,
    .6 for XSum). ``prompt``: "article", the article alone, for encoder-decoders trained to summarise, or "summary",
    with words that ask for one, for all other models."""
    template = ARTICLE if prompt == "article" else SUMMARY
    return Rerank(CandidateLikelihood(backend, template, alpha), Pointwise(), name=CARD.name)


def recipe(out: str, train: Sequence[str | Source], *, start: str = "facebook/bart-large-cnn") -> Recipe:
    """The contrastive training at the paper's settings for CNN/DM: groups are an article, 16 summaries, and the mean of
    three ROUGE figures of each as its label."""
    return Recipe(
        out=out,
        model=Model(kind="likelihood", start=start, max_length=1024, options={"alpha": 2.0}),
        data=Data(train=tuple(train), texts=16),
        losses=(Loss(name="brio", weight=10.0, options={"margin": 0.001}),),
        optimiser=Optimiser(rate=2e-5, batch=1, accumulate=8, decay=0.0, clip=0.0),
        export=Export(int8=False),
    )
