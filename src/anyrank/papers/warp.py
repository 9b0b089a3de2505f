"""WARP: late interaction scored from the lists of centroids alone, with imputed scores.

Scheerer, Zaharia, Potts, Alonso and Khattab, "WARP: An Efficient Engine for Multi-Vector Retrieval", SIGIR 2025, arXiv
2501.17788, after XTR (arXiv 2304.01982). It is ``scoring="warp"`` of `index/plaid.py`.
"""

from __future__ import annotations

from .card import Card

CARD = Card(
    name="warp",
    title="WARP: An Efficient Engine for Multi-Vector Retrieval",
    arxiv="2501.17788",
    year=2025,
    summary="the states of the centroids probed, scored straight from their buckets; what a text lacks is imputed",
    needs="an index of compressed states: anyrank index … --encode mini --vector-index plaid --set scoring=warp",
    differences=(
        "an imputed score is at most that of the last centroid probed: the bound of the authors' program is 0 below "
        "125,000 states",
        "means of texts, where a model has them, are added",
    ),
)
