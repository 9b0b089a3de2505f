"""Maximal marginal relevance: relevant candidates that are unlike those above them.

Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing Summaries",
SIGIR 1998. The stage is `judges/diversify.py`, its name in pipelines ``mmr("minilm", lam=0.7)``. Figures: none in the
sources at hand; measured is a simulation, ``bench/bench_diversity.py``.
"""

from __future__ import annotations

from .card import Card

CARD = Card(
    name="mmr",
    title="The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing Summaries",
    arxiv="",
    year=1998,
    summary="diversity: takes the candidate whose relevance less its likeness to those taken before is highest",
    needs='an encoder: bm25 % 100 >> mmr("minilm")',
    differences=(
        "relevance is the score so far, scaled to 0 to 1 over a query's candidates, not a similarity of its own",
        "likeness is the cosine of an encoder's vectors, not of words",
    ),
)
