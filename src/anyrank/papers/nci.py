"""NCI: a decoder that knows its prefix writes a document's path through a hierarchy of clusters.

Wang et al., "A Neural Corpus Indexer for Document Retrieval", NeurIPS 2022, arXiv 2206.02743. Clusters of 30, split
until a set has at most 30 documents; a token is position * 30 + digit + 2; documents (64 tokens) and queries made for
them are learnt; beam search within the trie of all paths.
"""

from __future__ import annotations

from typing import Any

from ..train.generative_plan import Plan
from .card import Card, Figure

CARD = Card(
    name="nci",
    title="A Neural Corpus Indexer for Document Retrieval",
    arxiv="2206.02743",
    year=2022,
    summary="generative retrieval: a prefix-aware decoder writes a path through clusters of documents",
    needs="an index with dense vectors, and a T5 or any encoder; better with queries made for the documents",
    figures=(
        Figure(0.6586, "NQ320k", "R@1", "NCI, base"),
        Figure(0.8520, "NQ320k", "R@10", "NCI, base"),
        Figure(0.9242, "NQ320k", "R@100", "NCI, base"),
        Figure(0.7312, "NQ320k", "MRR@100", "NCI, base"),
        Figure(0.6623, "NQ320k", "R@1", "NCI, large"),
        Figure(0.7337, "NQ320k", "MRR@100", "NCI, large"),
        Figure(0.7046, "NQ320k", "R@1", "NCI, ensemble"),
        Figure(0.7278, "NQ320k", "R@1", "NCI, query generation fine-tuned, ensemble"),
        Figure(0.5993, "NQ320k", "R@1", "SEAL"),
        Figure(0.5263, "NQ320k", "R@1", "ANCE"),
        Figure(0.3543, "NQ320k", "R@1", "BM25 + DocT5Query"),
    ),
    differences=(
        "the output's weights are adapted to the prefix by a diagonal, 1 + a(prefix), in place of a full matrix, and "
        "a(prefix) comes from a decoder of one layer",
        "no R-Drop (the consistency loss of weight .15 between two passes of dropout)",
        "queries made by docT5query are read from a file, not made here; without them titles, first sentences and "
        "runs of words take their place",
    ),
)


def plan(**settings: Any) -> Plan:
    """The published shape of identifiers and lengths. Other settings are the plan's."""
    usual = {"form": "sequence", "ids": "clusters", "prefix_aware": True, "branching": 30, "leaf": 30}
    return Plan(**{**usual, "mixed": True, "max_length": 64, **settings})
