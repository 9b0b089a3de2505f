"""Query likelihood: how likely a language model is to write the query after the document.

Ponte and Croft, "A Language Modeling Approach to Information Retrieval", SIGIR 1998; with large models: Zhuang et al.,
"Open-source Large Language Models are Strong Zero-shot Query Likelihood Models for Document Ranking", EMNLP 2023
findings, arXiv 2310.13243. The sum over the query's tokens (`upr` takes the mean and an instruction). The README of
llm-rankers prints one figure for its pointwise methods and does not say which of them it is.
"""

from __future__ import annotations

from ..core.groupings import Pointwise
from ..core.language import ScoresText
from ..core.rerank import Rerank
from ..llm.pointwise import QueryLikelihood
from ..llm.prompts import Template
from ..llm.templates import QUERY
from .card import Card, Figure, Price

CARD = Card(
    name="query_likelihood",
    title="Open-source Large Language Models are Strong Zero-shot Query Likelihood Models for Document Ranking",
    arxiv="2310.13243",
    year=2023,
    summary="pointwise: log-likelihood of the query, given the document",
    capabilities=("loglikelihood",),
    formula="n calls at once, nothing generated",
    cost=Price(Pointwise()),
    figures=(Figure(0.6544, "TREC DL19", "nDCG@10", "Flan-T5-large, pointwise, BM25 top 100", "llm-rankers' README"),),
)


def build(backend: ScoresText, *, template: Template = QUERY) -> Rerank:
    """One likelihood a document, a sum over the query's tokens."""
    return Rerank(QueryLikelihood(backend, template, mean=False), Pointwise(), name=CARD.name)
