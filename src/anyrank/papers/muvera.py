"""MUVERA: late interaction by one vector a text.

Dhulipala, Hadian, Jayaram, Lee and Mirrokni, "MUVERA: Multi-Vector Retrieval via Fixed Dimensional Encodings", NeurIPS
2024, arXiv 2405.19504. The encoder is `backends/fde.py`, its name in pipelines ``fde("mini")``.
"""

from __future__ import annotations

from .card import Card, Figure

CARD = Card(
    name="muvera",
    title="MUVERA: Multi-Vector Retrieval via Fixed Dimensional Encodings",
    arxiv="2405.19504",
    year=2024,
    summary="token states summed by buckets of random planes into one dense vector, whose dot product is near MaxSim",
    needs='a late-interaction model: anyrank index … --encode fde:mini, then fde("mini") % 200 >> mini',
    figures=(Figure(0.64, "NanoFiQA", "Recall@10", "20 repetitions, 128 partitions", "muvera-py"),),
    differences=(
        "weights of a query's states count, and the mean of a text, where a model has one, stands exactly at the end",
        "no final projection: each bucket's block is projected by random signs instead",
    ),
)
