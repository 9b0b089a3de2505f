"""monoT5: a sequence-to-sequence model says true or false; the log-probability of true, of the two, is the score.

Nogueira et al., "Document Ranking with a Pretrained Sequence-to-Sequence Model", EMNLP 2020 findings, arXiv
2003.06713. ``yes`` and ``no`` are the words a model was trained on (true and false; yes and no for Portuguese-English
ones).
"""

from __future__ import annotations

from ..core.groupings import Pointwise
from ..core.language import ScoresNext
from ..core.rerank import Rerank
from ..llm.pointwise import YesNo
from ..llm.prompts import Template
from ..llm.templates import MONO_T5
from .card import Card, Figure, Price

CARD = Card(
    name="monot5",
    title="Document Ranking with a Pretrained Sequence-to-Sequence Model",
    arxiv="2003.06713",
    year=2020,
    summary="pointwise: log-probability of true against false at the first decoder step",
    needs="next_token_logprobs of an encoder-decoder",
    capabilities=("next_token_logprobs",),
    formula="n calls at once, 1 decoder step each",
    cost=Price(Pointwise(), answer=1, fixed=20),
    figures=(
        Figure(0.7173, "TREC DL19", "nDCG@10", "monoT5-3B, BM25 top 100", "rank_llm's reproduction table"),
        Figure(0.6887, "TREC DL20", "nDCG@10", "monoT5-3B, BM25 top 100", "rank_llm's reproduction table"),
    ),
)


def build(backend: ScoresNext, *, yes: str = "true", no: str = "false", template: Template = MONO_T5) -> Rerank:
    """One input a document."""
    return Rerank(YesNo(backend, template, yes, no, "logprob"), Pointwise(), name=CARD.name)
