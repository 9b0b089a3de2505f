"""Text feedback with rerankers: the passages ranked first are added to the query, and all candidates are scored again.

Li et al., "Pseudo Relevance Feedback with Deep Language Models and Dense Retrievers: Successes and Pitfalls", TOIS
2023, arXiv 2108.11044: concatenate and truncate, concatenate and aggregate, sliding windows (65 words, one every 32 on
MS MARCO; 69/34 on CAsT, 75/37 on WebAP, 134/67 on WikiPassageQA), with the average, the maximum or Borda. The name in
pipelines is ``text_prf``; for retrieval after feedback see ``text_feedback``.
"""

from __future__ import annotations

from ..core.groupings import Whole
from ..core.rerank import Judge, Rerank
from ..judges.text_feedback import Expansion, Merge, TextFeedback
from .card import Card, Figure

CARD = Card(
    name="text_prf",
    title="Pseudo Relevance Feedback with Deep Language Models and Dense Retrievers: Successes and Pitfalls",
    arxiv="2108.11044",
    year=2021,
    summary="pseudo-relevance feedback for rerankers: the first passages expand the query, which scores all again",
    needs="a model that scores candidates",
    formula="n pairs for 'truncate', k n for 'aggregate', n for each window for 'sliding'",
    figures=(
        Figure(0.3551, "MS MARCO dev", "MAP", "BM25+BERT without feedback"),
        Figure(0.4577, "MS MARCO dev", "nDCG@100", "BM25+BERT without feedback"),
    ),
    differences=("lengths are in words between blanks, the authors' in tokens of nltk",),
)


def reranker(
    judge: Judge,
    expansion: Expansion | None = None,
    *,
    k: int = 3,
    merge: Merge = "average",
    depth: int | None = None,
) -> Rerank:
    """All candidates (or the first ``depth``) scored again by the queries that the first ``k`` make."""
    return Rerank(TextFeedback(judge, k, expansion or Expansion(), merge), Whole(), depth=depth, name=CARD.name)
