"""DynamicRetriever: an encoder's vector of the query against one row of weights a document, under a softmax.

Zhou et al., "DynamicRetriever: A Pre-training Model-based IR System with Neither Sparse nor Dense Index", 2022, arXiv
2203.00537. "Vanilla" rows begin at random, "OverDense" rows as the documents' vectors by a trained dense encoder, so
that it begins as dense retrieval. First passages, titles and runs of words are learnt, then queries. Lengths, passes
and rates are ours: of the paper only its first page was at hand.
"""

from __future__ import annotations

from typing import Any, Literal

from ..train.generative_plan import Plan
from .card import Card

CARD = Card(
    name="dynamic_retriever",
    title="DynamicRetriever: A Pre-training Model-based IR System with Neither Sparse nor Dense Index",
    arxiv="2203.00537",
    year=2022,
    summary="generative retrieval: one output a document, rows random or begun as dense vectors",
    needs="an index and an encoder; for OverDense the encoder's vectors in the index",
    differences=(
        "an encoder's own pooling and normalisation in place of [CLS], so that it begins exactly as that encoder's "
        "dense retrieval does; products are divided by its temperature while it learns",
        "without queries to learn from, titles and first sentences take their place",
    ),
)


def plan(*, rows: Literal["random", "vectors"] = "vectors", **settings: Any) -> Plan:
    """OverDense ("vectors"), or Vanilla ("random"), whose rows need a rate of their own. Other settings are the
    plan's."""
    usual = {"fresh_rate": 1e-4 if rows == "vectors" else 2e-3}
    return Plan(**{"form": "atomic", "rows": rows, **usual, **settings})
