"""DSI: a sequence-to-sequence model reads a document or a query and writes the document's identifier.

Tay et al., "Transformer Memory as a Differentiable Search Index", NeurIPS 2022, arXiv 2202.06991. Documents (their
first 32 tokens) and queries are learnt together; identifiers are numbers written in digits ("naive string"), or paths
through clusters. The weights of a T5 start it; over another encoder its decoder is fresh.
"""

from __future__ import annotations

from typing import Any, Literal

from ..train.generative_plan import Plan
from .card import Card, Figure

NCI = "the paper of NCI"
REPRODUCTION = "the target that DSI-transformers states"

CARD = Card(
    name="dsi",
    title="Transformer Memory as a Differentiable Search Index",
    arxiv="2202.06991",
    year=2022,
    summary="generative retrieval: a decoder writes the digits of a document's number",
    needs="an index, and a T5 or any encoder",
    figures=(
        Figure(0.274, "NQ320k", "Hits@1", "DSI, T5-base", NCI),
        Figure(0.566, "NQ320k", "Hits@10", "DSI, T5-base", NCI),
        Figure(0.356, "NQ320k", "Hits@1", "DSI, T5-large", NCI),
        Figure(0.626, "NQ320k", "Hits@10", "DSI, T5-large", NCI),
        Figure(0.347, "NQ10k", "Hits@1", "T5-large, naive string identifiers", REPRODUCTION),
        Figure(0.605, "NQ10k", "Hits@10", "T5-large, naive string identifiers", REPRODUCTION),
    ),
    differences=(
        "digits are the decoder's only words, with embeddings of their own, not those of T5's vocabulary",
        "beam search keeps to the identifiers of the index, where the paper's decoder is free",
    ),
)


def plan(*, ids: Literal["numbers", "clusters"] = "numbers", **settings: Any) -> Plan:
    """The naive string identifiers, or the paths through clusters of ten. Other settings are the plan's."""
    usual = {"mixed": True, "max_length": 32, "branching": 10, "leaf": 10}
    return Plan(**{"form": "sequence", "ids": ids, **usual, **settings})
