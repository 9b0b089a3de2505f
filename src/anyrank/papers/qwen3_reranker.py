"""Qwen3 reranker: does the document meet the instruction for the query, yes or no; the odds of yes are the score.

Zhang et al., "Qwen3 Embedding: Advancing Text Embedding and Reranking Through Foundation Models", 2025, arXiv
2506.05176; weights: Qwen/Qwen3-Reranker-0.6B, -4B and -8B. ``instruction`` says what counts as relevant; a query's own,
``meta["instruction"]``, wins. The fields and the empty thought are the form of those weights, the sentences are in our
own words: pass the weights' own in a template to get their scores to the digit. Their versions with a classification
head run by `SequenceClassifier` with a template. Figures: none in the sources at hand.
"""

from __future__ import annotations

from dataclasses import replace

from ..core.groupings import Pointwise
from ..core.language import ScoresNext
from ..core.rerank import Rerank
from ..llm.pointwise import YesNo
from ..llm.prompts import Template
from ..llm.templates import INSTRUCTED
from .card import Card, Price

CARD = Card(
    name="qwen3_reranker",
    title="Qwen3 Embedding: Advancing Text Embedding and Reranking Through Foundation Models",
    arxiv="2506.05176",
    year=2025,
    summary="pointwise: odds of yes against no, under an instruction",
    capabilities=("next_token_logprobs",),
    formula="n calls at once, 1 token each",
    cost=Price(Pointwise(), answer=1),
)


def build(backend: ScoresNext, *, instruction: str = "", template: Template = INSTRUCTED) -> Rerank:
    """One prompt a document, yes against no."""
    form = replace(template, instruction=instruction) if instruction else template
    return Rerank(YesNo(backend, form, "yes", "no", "probability"), Pointwise(), name=CARD.name)
