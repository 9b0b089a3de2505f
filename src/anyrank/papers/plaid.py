"""PLAID: late interaction searched in stages over compressed states.

Santhanam, Khattab, Potts and Zaharia, "PLAID: An Efficient Engine for Late Interaction Retrieval", CIKM 2022, arXiv
2205.09707, over the compression of ColBERTv2 (arXiv 2112.01488). The compression is `vectors/residual.py`, the search
`index/plaid.py`.
"""

from __future__ import annotations

from .card import Card, Figure

_README = "fast-plaid's README, one H100"

CARD = Card(
    name="plaid",
    title="PLAID: An Efficient Engine for Late Interaction Retrieval",
    arxiv="2205.09707",
    year=2022,
    summary="states as a centroid and a few bits a dimension; texts found by centroids, pruned twice, then scored",
    needs="an index whose states are compressed: anyrank index … --encode mini --vector-index plaid --set bits=2",
    figures=(
        Figure(0.74, "SciFact", "nDCG@10", "PLAID, 68 queries a second", _README),
        Figure(0.41, "FiQA", "nDCG@10", "PLAID, 48 queries a second", _README),
    ),
    differences=(
        "clustering keeps centroids at length 1 in every iteration, and is fitted on at most 8 states a centroid",
        "means of texts, where a model has them, count in both stages of pruning",
        "if a filter passes few texts, or the centroids find fewer than k, all that pass are scored",
    ),
)
