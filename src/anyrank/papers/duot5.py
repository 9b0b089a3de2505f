"""duoT5: the probability that one document is better than another, summed over all ordered pairs.

Pradeep et al., "The Expando-Mono-Duo Design Pattern for Text Ranking with Pretrained Sequence-to-Sequence Models",
2021, arXiv 2101.05667. For each ordered pair (i, j), p goes to i and 1 - p to j. Quadratic: meant for the best of
another reranker, so ``depth`` is 50 by default.
"""

from __future__ import annotations

from ..core.groupings import AllPairs
from ..core.language import ScoresNext
from ..core.rerank import Rerank
from ..llm.preference import Preferred
from ..llm.prompts import Template
from ..llm.templates import DUO_T5
from .card import Card, Figure, Price

CARD = Card(
    name="duot5",
    title="The Expando-Mono-Duo Design Pattern for Text Ranking with Pretrained Sequence-to-Sequence Models",
    arxiv="2101.05667",
    year=2021,
    summary="pairwise: p(first is better) of a sequence-to-sequence model, summed over all ordered pairs",
    needs="next_token_logprobs of an encoder-decoder",
    capabilities=("next_token_logprobs",),
    formula="m (m - 1) calls at once for the best m = min(n, depth) documents",
    cost=Price(AllPairs("sum"), answer=1, fixed=20, depth=50),
    figures=(
        Figure(0.7302, "TREC DL19", "nDCG@10", "duoT5-3B, BM25 top 100", "rank_llm's reproduction table"),
        Figure(0.6913, "TREC DL20", "nDCG@10", "duoT5-3B, BM25 top 100", "rank_llm's reproduction table"),
    ),
)


def build(
    backend: ScoresNext,
    *,
    depth: int | None = 50,
    yes: str = "true",
    no: str = "false",
    template: Template = DUO_T5,
) -> Rerank:
    """All ordered pairs of the best ``depth``."""
    return Rerank(Preferred(backend, template, yes, no), AllPairs("sum"), depth=depth, name=CARD.name)
