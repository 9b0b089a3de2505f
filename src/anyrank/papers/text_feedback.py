"""Text feedback for retrieval: the query with the texts of the candidates, searched again by words or vectors.

Li et al., "Pseudo Relevance Feedback with Deep Language Models and Dense Retrievers: Successes and Pitfalls", TOIS
2023, arXiv 2108.11044, whose text feedback (``text_prf``) is for rerankers: here the same queries are searched. All
candidates that come in are feedback: ``minilm % 3 >> text_feedback(how="aggregate") >> minilm``.
"""

from __future__ import annotations

from ..core.content import text_of
from ..core.stage import Stage
from ..core.types import Query, Ranking
from ..judges.text_feedback import MERGES, Expansion, How, Merge
from ..retrieve import rewritten
from ..retrieve.rewritten import Queries, Rewrite
from .card import Card

CARD = Card(
    name="text_feedback",
    title="Pseudo Relevance Feedback with Deep Language Models and Dense Retrievers: Successes and Pitfalls",
    arxiv="2108.11044",
    year=2021,
    summary="pseudo-relevance feedback: searches the query with the texts of the candidates that came in",
    needs="candidates with texts",
)


def rewriter(
    *, how: How = "truncate", merge: Merge = "average", words: int = 256, window: int = 65, stride: int = 32
) -> Stage:
    """``truncate`` searches one text; ``aggregate`` and ``sliding`` search several, whose results ``merge`` fuses."""
    expansion, fusion = Expansion(how, words, window, stride), MERGES[merge]

    def change(ranking: Ranking) -> tuple[Query, str]:
        texts = [text for c in ranking if (text := text_of(c.content)).strip()]
        if not texts:
            return ranking.query, "no candidate with a text: the query stays as it was"
        made = expansion(text_of(rewritten.searched(ranking.query)), texts)
        note = f"{len(texts)} documents make {len(made)} quer{'y' if len(made) == 1 else 'ies'}: {made[0]:.100}…"
        if len(made) == 1:
            return rewritten.with_rewritten(ranking.query, made[0]), note
        return rewritten.with_queries(ranking.query, Queries(tuple(made), fusion)), note

    return Rewrite(CARD.name, change)
