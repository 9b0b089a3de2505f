"""ProRank: is the document relevant, 1 or 0; the difference of the two logits is the score.

"ProRank: Prompt Warmup via Reinforcement Learning for Small Language Models Reranking", 2025, arXiv 2506.03487;
weights: mixedbread-ai/mxbai-rerank-base-v2 and -large-v2. The template is in our own words: for those weights pass
their own.
"""

from __future__ import annotations

from ..core.groupings import Pointwise
from ..core.language import ScoresNext
from ..core.rerank import Rerank
from ..llm.pointwise import YesNo
from ..llm.prompts import Template
from ..llm.templates import RELEVANT
from .card import Card, Figure, Price

README = "mxbai-rerank's README"

CARD = Card(
    name="prorank",
    title="ProRank: Prompt Warmup via Reinforcement Learning for Small Language Models Reranking",
    arxiv="2506.03487",
    year=2025,
    summary="pointwise: the logit of 1 less the logit of 0",
    capabilities=("next_token_logprobs",),
    formula="n calls at once, 1 token each",
    cost=Price(Pointwise(), answer=1),
    figures=(
        Figure(0.5749, "BEIR", "nDCG@10", "large-v2 (1.5B)", README),
        Figure(0.5557, "BEIR", "nDCG@10", "base-v2 (0.5B)", README),
    ),
)


def build(backend: ScoresNext, *, template: Template = RELEVANT) -> Rerank:
    """One prompt a document, 1 against 0."""
    return Rerank(YesNo(backend, template, "1", "0"), Pointwise(), name=CARD.name)
