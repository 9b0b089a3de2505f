"""duoBERT: an encoder with a preference head over query and two documents, summed over all ordered pairs.

Nogueira et al., "Multi-Stage Document Ranking with BERT", 2019, arXiv 1910.14424. ``backend`` is a
sequence-classification model over query and both documents, or any judge of ordered pairs, whose first member's score
is p(the first is better) and the second's 1 - p. Meant for the best 30 of monoBERT.
"""

from __future__ import annotations

from ..backends.hf.classifier import SequenceClassifier
from ..backends.hf.pairs import OrderedPairs
from ..core.groupings import AllPairs
from ..core.rerank import Judge, Rerank
from .card import Card, Figure, Price

SURVEY = "Pretrained Transformers for Text Ranking"

CARD = Card(
    name="duobert",
    title="Multi-Stage Document Ranking with BERT",
    arxiv="1910.14424",
    year=2019,
    summary="pairwise: p(first is better) of an encoder, summed over all ordered pairs",
    needs="a judge of ordered pairs (a sequence-classification model)",
    capabilities=("judge",),
    formula="m (m - 1) passes at once for the best m = min(n, depth) documents",
    cost=Price(AllPairs("sum"), fixed=20, depth=30),
    figures=(
        Figure(0.3904, "MS MARCO passage dev", "MRR@10", "BM25 + monoBERT + duoBERT + TCP", SURVEY),
        Figure(0.379, "MS MARCO passage eval", "MRR@10", "BM25 + monoBERT + duoBERT + TCP", SURVEY),
    ),
)


def build(backend: Judge, *, depth: int | None = 30) -> Rerank:
    """All ordered pairs of the best ``depth``."""
    judge = OrderedPairs(backend) if isinstance(backend, SequenceClassifier) else backend
    return Rerank(judge, AllPairs("sum"), depth=depth, name=CARD.name)
