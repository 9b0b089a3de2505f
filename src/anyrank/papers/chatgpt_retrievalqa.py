"""ChatGPT-RetrievalQA: rerankers trained on answers of people or of a language model, one positive to four negatives.

Askari et al., "Generating Synthetic Documents for Cross-Encoder Re-Rankers: A Comparative Study of ChatGPT and Human
Experts", 2023, arXiv 2305.02320. The settings are those of its repository's notebook.
`anyrank synth answers` writes documents for queries (`synth/answers.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..core.errors import InputError
from ..train.group import Group
from ..train.pointwise_samples import Tokenizer, one_to_four
from ..train.recipe import Check, Data, Loss, Model, Optimiser, Recipe
from ..train.sources import Source, read_source
from .card import Card, Figure

REPOSITORY = "a table commented out in its repository"

CARD = Card(
    name="chatgpt_retrievalqa",
    title="Generating Synthetic Documents for Cross-Encoder Re-Rankers: A Comparative Study of ChatGPT and Human "
    "Experts",
    arxiv="2305.02320",
    year=2023,
    summary="training: pointwise, one positive to four negatives, of human or generated answers",
    needs="groups of one text each, from triples (groups)",
    figures=(
        Figure(0.184, "its test part, human answers", "nDCG@10", "BM25", REPOSITORY),
        Figure(0.396, "its test part, ChatGPT's answers", "nDCG@10", "BM25", REPOSITORY),
        Figure(0.520, "its test part, human answers", "R@1000", "BM25", REPOSITORY),
        Figure(0.898, "its test part, ChatGPT's answers", "R@1000", "BM25", REPOSITORY),
    ),
)


def groups(triples: Source, tokenizer: Tokenizer | None = None) -> Iterator[Group]:
    """Every fifth triple's positive, the other four's negatives; queries cut to 70 tokens, texts to 350."""
    return one_to_four(read_source(triples), tokenizer)


def recipe(
    out: str,
    train: Sequence[str | Source],
    valid: Sequence[str | Source] = (),
    *,
    rows: int = 40_641_772,
    start: str = "microsoft/MiniLM-L12-H384-uncased",
) -> Recipe:
    """The training by the notebook, over ``rows`` groups of one text (the triples of human answers): 5,000 steps of
    warm-up, validation every 5,000 by the sum of three measures (if there are ``valid`` groups). Raises InputError on
    less than one row."""
    if rows < 1:
        raise InputError(f"rows: expected the number of groups, at least 1, found {rows}")
    steps = 5 * rows / 32
    return Recipe(
        out=out,
        model=Model(start=start, max_length=512),
        data=Data(train=tuple(train), valid=tuple(valid)),
        losses=(Loss(name="binary_cross_entropy", options={"mean": "pair"}),),
        optimiser=Optimiser(rate=2e-5, batch=32, epochs=5, warmup=min(1.0, 5000 / steps)),
        check=Check(measure="nDCG@10 + AP@1000 + R@10", every=5000),
    )
