"""xQuAD: rankings that cover the aspects of a query early.

Santos, Macdonald and Ounis, "Exploiting Query Reformulations for Web Search Result Diversification", WWW 2010. The
stage is `judges/diversify.py`, its name in pipelines ``xquad("minilm", lam=0.5)``; aspects are the query's own field
``aspects``, or the queries of a rewriter before the search (``multi_query``).
Figures: none in the sources at hand; measured is a simulation, ``bench/bench_diversity.py``.
"""

from __future__ import annotations

from .card import Card

CARD = Card(
    name="xquad",
    title="Exploiting Query Reformulations for Web Search Result Diversification",
    arxiv="",
    year=2010,
    summary="diversity: an aspect of the query that a candidate above covers counts less for those below",
    needs='an encoder or a reranker, and aspects: multi_query >> bm25 % 100 >> xquad("minilm")',
    differences=(
        "relevance to an aspect is a model's score, scaled to 0 to 1 over the candidates, not a probability",
        "aspects weigh the same unless the query says otherwise",
    ),
)
