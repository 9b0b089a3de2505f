"""ColBERT: late interaction over contextual states of tokens.

Khattab and Zaharia, "ColBERT: Efficient and Effective Passage Search via Contextualized Late Interaction over BERT",
SIGIR 2020, arXiv 2004.12832. The model is `models/colbert.py`, the score `vectors/tokens.py`; `models/late.py` is
the form of the shipped models, without a projection.
"""

from __future__ import annotations

from .card import Card

CARD = Card(
    name="colbert",
    title="ColBERT: Efficient and Effective Passage Search via Contextualized Late Interaction over BERT",
    arxiv="2004.12832",
    year=2020,
    summary="a state a token, compared by the sum over the query's states of the largest similarity (MaxSim)",
    needs="a late-interaction model: mini, tiny, a folder of ColBERT or PyLate; --encode stores it",
    differences=(
        "padding never counts: a text's own states alone are compared, where ColBERT's program sets padded products to "
        "-9999 and PyLate multiplies them by 0",
        "the shipped models have no projection, weigh the query's states, and add the similarity of the mean states",
    ),
)
