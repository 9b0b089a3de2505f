"""AutoCast++: news for questions about the future, ranked by relevance times recency, read by a T5.

Yan et al., "AutoCast++: Enhancing World Event Prediction with Zero-shot Ranking-based Context Retrieval", ICLR 2024,
arXiv 2310.01880. Everything is in `domains.forecasting`: relevance as the mean of several grades by a language model,
recency as the slope of forecasters' accuracy, summaries, and the reader with the loss that aligns its view of each
moment with the crowd's. From files: ``anyrank forecast curve`` and ``anyrank forecast rank``.
"""

from __future__ import annotations

from .card import Card, Figure

CARD = Card(
    name="autocast",
    title="AutoCast++: Enhancing World Event Prediction with Zero-shot Ranking-based Context Retrieval",
    arxiv="2310.01880",
    year=2023,
    summary="dated news for a question, by relevance (grades of a language model) times recency (forecasters' slope)",
    needs="questions with forecasts, dated articles, a language model: anyrank forecast rank",
    capabilities=("generate",),
    formula="samples times n calls at once, a digit each",
    figures=(
        Figure(0.48, "Autocast", "relative gain in accuracy", "multiple choice", "the abstract"),
        Figure(0.08, "Autocast", "relative gain in accuracy", "true or false, at most", "the abstract"),
    ),
    differences=(
        "prompts for relevance and summaries are our own: the authors' are not published",
        "an article's place in time is its rank; the authors' program takes argsort's indices (Reader faithful=True)",
        "articles without a forecast have no loss; the authors' weight of 0 leaves one (Reader faithful=True)",
        "a falling accuracy counts 0, and slopes above 1 are scaled by the greatest",
    ),
)
