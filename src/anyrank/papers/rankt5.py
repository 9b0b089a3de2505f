"""RankT5: the logit of one reserved token at the first decoder step is the score.

Zhuang et al., "RankT5: Fine-Tuning T5 for Text Ranking with Ranking Losses", SIGIR 2023, arXiv 2210.10634. The raw
logit, not its log-probability, whose normaliser differs from prompt to prompt; so the backend must give logits.
"""

from __future__ import annotations

from ..core.groupings import Pointwise
from ..core.rerank import Rerank
from ..llm.capabilities import GivesLogits
from ..llm.pointwise import TokenLogit
from ..llm.prompts import Template
from ..llm.templates import RANK_T5
from .card import Card, Figure, Price

ZOO = "Lightning IR's model zoo"

CARD = Card(
    name="rankt5",
    title="RankT5: Fine-Tuning T5 for Text Ranking with Ranking Losses",
    arxiv="2210.10634",
    year=2022,
    summary="pointwise: the raw logit of a reserved token of a sequence-to-sequence model",
    needs="next_token_logits of an encoder-decoder",
    capabilities=("next_token_logits",),
    formula="n calls at once, 1 decoder step each",
    cost=Price(Pointwise(), answer=1, fixed=20),
    figures=(
        Figure(0.734, "TREC DL19", "nDCG@10", "base", ZOO),
        Figure(0.737, "TREC DL19", "nDCG@10", "large", ZOO),
        Figure(0.721, "TREC DL19", "nDCG@10", "3B", ZOO),
    ),
)


def build(backend: GivesLogits, *, token: str = "<extra_id_10>", template: Template = RANK_T5) -> Rerank:
    """One input a document."""
    return Rerank(TokenLogit(backend, template, token), Pointwise(), name=CARD.name)
