"""INQUIRE: does a picture show what is sought, yes or no; the probability of yes is the score.

Vendrow et al., "INQUIRE: A Natural World Text-to-Image Retrieval Benchmark", 2024, arXiv 2411.02537: the reranker of
its two-stage baselines, over pictures that a CLIP model found. The question is in our own words. Of a server that
reports the likeliest tokens alone, an answer missing among them counts as impossible, as in the authors' program. The
benchmark itself: `anyrank.benchmarks.inquire`.
"""

from __future__ import annotations

from ..core.groupings import Pointwise
from ..core.language import ScoresNext
from ..core.rerank import Rerank
from ..llm.pointwise import YesNo
from ..llm.prompts import Template
from ..llm.templates import PICTURE_YES_NO
from .card import Card, Figure, Price

CARD = Card(
    name="inquire",
    title="INQUIRE: A Natural World Text-to-Image Retrieval Benchmark",
    arxiv="2411.02537",
    year=2024,
    summary="pointwise, of pictures: the probability that a vision-language model says yes",
    capabilities=("next_token_logprobs",),
    formula="n calls at once, 1 token each",
    cost=Price(Pointwise(), answer=1),
    figures=(
        Figure(0.471, "INQUIRE-Fullrank", "AP@50", "GPT-4o over the first 100 of CLIP ViT-H-14-378"),
        Figure(0.356, "INQUIRE-Fullrank", "AP@50", "CLIP ViT-H-14-378 alone"),
        Figure(0.624, "INQUIRE-Rerank", "AP", "GPT-4o"),
        Figure(0.230, "INQUIRE-Rerank", "AP", "in random order"),
    ),
)


def build(backend: ScoresNext, *, template: Template = PICTURE_YES_NO) -> Rerank:
    """One prompt a picture, yes against no."""
    return Rerank(YesNo(backend, template, score="probability"), Pointwise(), name=CARD.name)
