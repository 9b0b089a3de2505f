"""UPR: the mean log-likelihood of the question after the passage and an instruction to write a question.

Sachan et al., "Improving Passage Retrieval with Zero-Shot Question Generation", EMNLP 2022, arXiv 2204.07496.
Figures: none in the sources at hand.
"""

from __future__ import annotations

from ..core.groupings import Pointwise
from ..core.language import ScoresText
from ..core.rerank import Rerank
from ..llm.pointwise import QueryLikelihood
from ..llm.prompts import Template
from ..llm.templates import QUESTION
from .card import Card, Price

CARD = Card(
    name="upr",
    title="Improving Passage Retrieval with Zero-Shot Question Generation",
    arxiv="2204.07496",
    year=2022,
    summary="pointwise: mean log-likelihood of the question, given the passage",
    capabilities=("loglikelihood",),
    formula="n calls at once, nothing generated",
    cost=Price(Pointwise()),
)


def build(backend: ScoresText, *, template: Template = QUESTION) -> Rerank:
    """One likelihood a document, a mean over the question's tokens."""
    return Rerank(QueryLikelihood(backend, template), Pointwise(), name=CARD.name)
