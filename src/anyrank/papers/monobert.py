"""monoBERT: an encoder with a relevance head over query and document.

Nogueira and Cho, "Passage Re-ranking with BERT", 2019, arXiv 1901.04085. ``backend`` is a judge of single documents,
such as a sequence-classification model.
"""

from __future__ import annotations

from ..core.groupings import Pointwise
from ..core.rerank import Judge, Rerank
from .card import Card, Figure, Price

SURVEY = "Pretrained Transformers for Text Ranking"

CARD = Card(
    name="monobert",
    title="Passage Re-ranking with BERT",
    arxiv="1901.04085",
    year=2019,
    summary="pointwise: a sequence-classification head over query and document",
    needs="a judge of single documents (a sequence-classification model)",
    capabilities=("judge",),
    formula="n pairs at once, one forward pass each",
    cost=Price(Pointwise(), fixed=20),
    figures=(Figure(0.368, "MS MARCO passage eval", "MRR@10", "BM25 + BERT", SURVEY),),
)


def build(backend: Judge) -> Rerank:
    """One pass a document."""
    return Rerank(backend, Pointwise(), name=CARD.name)
