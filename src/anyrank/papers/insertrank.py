"""InsertRank: the first stage's BM25 score is written under each passage; the whole list in one call.

"InsertRank: LLMs can reason over BM25 scores to Improve Listwise Reranking", 2025, arXiv 2506.14086. ``scale`` and
``shuffle`` are the paper's ablations: scores raw, 0 to 1 or 0 to 100; passages in a shuffled order, each with its own
score. The paper's prompt isn't public; ours is in our own words.
"""

from __future__ import annotations

from dataclasses import replace

from ..core.groupings import Sliding
from ..core.language import Generates
from ..core.rerank import Rerank
from ..judges.presentation import Presented
from ..llm.generation import Generated
from ..llm.prompts import Scale, Template
from ..llm.templates import WITH_SCORES
from .card import Card, Figure, Price

CARD = Card(
    name="insertrank",
    title="InsertRank: LLMs can reason over BM25 scores to Improve Listwise Reranking",
    arxiv="2506.14086",
    year=2025,
    summary="listwise in one call, with the BM25 score of each passage in the prompt",
    capabilities=("generate",),
    formula="1 call of n passages (ceil(n / 100) windows for more than 100), about 6 tokens a label back",
    cost=Price(Sliding(100, 100), per_label=6, document=112),
    figures=(
        Figure(0.375, "BRIGHT, 12 tasks", "nDCG@10", "DeepSeek-R1"),
        Figure(0.511, "R2MED, 8 tasks", "nDCG@10", "DeepSeek-R1"),
    ),
)


def build(
    backend: Generates,
    *,
    scale: Scale = "raw",
    score_from: str = "",
    shuffle: int | None = None,
    size: int = 100,
    template: Template = WITH_SCORES,
) -> Rerank:
    """One generated order with scores in the prompt. ``score_from`` names the meta field of the score (default: the
    candidate's present score); ``shuffle`` is the seed of a shuffled presentation."""
    judge = Generated(backend, replace(template, scale=scale, score_from=score_from))
    shown = judge if shuffle is None else Presented(judge, "shuffled", shuffle)
    return Rerank(shown, Sliding(size, size), name=CARD.name)
