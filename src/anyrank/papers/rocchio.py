"""Rocchio feedback on encoded queries: alpha times the query's vector plus beta times the mean of the first documents'.

Li et al., "Pseudo Relevance Feedback with Deep Language Models and Dense Retrievers: Successes and Pitfalls", TOIS
2023, arXiv 2108.11044, after Rocchio 1971, without the part of the documents that are not relevant. The paper's two
forms are ``alpha=1`` (query + beta * mean) and ``alpha = 1 - beta``; ``alpha=.4, beta=.6`` with 5 documents is the
choice of its tables and of the authors' later program (ANCE-PRF). All candidates that come in are feedback:
``minilm % 5 >> rocchio >> minilm``; the same again after that search is a second round.
"""

from __future__ import annotations

import math

from ..core.errors import InputError
from ..core.stage import Stage
from ..retrieve.vector_feedback import vector_feedback
from .card import Card, Figure

TABLE = "ANCE, reranking BM25+BERT, 5 documents, .4/.6"

CARD = Card(
    name="rocchio",
    title="Pseudo Relevance Feedback with Deep Language Models and Dense Retrievers: Successes and Pitfalls",
    arxiv="2108.11044",
    year=2021,
    summary="pseudo-relevance feedback: moves the query's vector towards the mean of the candidates that came in",
    needs="a dense or sparse encoder's search after it",
    moves=True,
    figures=(
        Figure(0.3493, "MS MARCO dev", "MAP", TABLE),
        Figure(0.4515, "MS MARCO dev", "nDCG@100", TABLE),
        Figure(0.3453, "MS MARCO dev", "MRR@10", TABLE),
    ),
)


def rewriter(*, alpha: float = 0.4, beta: float = 0.6) -> Stage:
    """Both weights are at least 0 and not both 0; with ``beta=0`` the order of the search stays. Vectors of documents
    come from the index if it stores them, else from the encoder."""
    if not (0 <= alpha < math.inf and 0 <= beta < math.inf and alpha + beta > 0):
        raise InputError(f"alpha={alpha}, beta={beta}: expected numbers of at least 0, one of them above 0")
    return vector_feedback(CARD.name, alpha, beta, f"{alpha:g} * query + {beta:g} * mean")
