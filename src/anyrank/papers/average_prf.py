"""Average feedback on encoded queries: the mean of the query's vector and those of the first documents.

Li et al., "Pseudo Relevance Feedback with Deep Language Models and Dense Retrievers: Successes and Pitfalls", TOIS
2023, arXiv 2108.11044. With k documents it is Rocchio's form with beta = k / (k + 1) and alpha = 1 - beta. All
candidates that come in are feedback; the paper's tables have 3: ``minilm % 3 >> average_prf >> minilm``.
"""

from __future__ import annotations

from ..core.stage import Stage
from ..retrieve.vector_feedback import vector_feedback
from .card import Card, Figure

TABLE = "ANCE, reranking BM25+BERT, 3 documents"

CARD = Card(
    name="average_prf",
    title="Pseudo Relevance Feedback with Deep Language Models and Dense Retrievers: Successes and Pitfalls",
    arxiv="2108.11044",
    year=2021,
    summary="pseudo-relevance feedback: searches the mean of the query's vector and those of the candidates",
    needs="a dense or sparse encoder's search after it",
    moves=True,
    figures=(
        Figure(0.3384, "MS MARCO dev", "MAP", TABLE),
        Figure(0.4416, "MS MARCO dev", "nDCG@100", TABLE),
        Figure(0.3343, "MS MARCO dev", "MRR@10", TABLE),
    ),
)


def rewriter() -> Stage:
    """Vectors of documents come from the index if it stores them, else from the encoder."""
    return vector_feedback(CARD.name, 1.0, None, "the mean of the query and")
