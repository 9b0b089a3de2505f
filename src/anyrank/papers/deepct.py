"""DeepCT: BM25 over term frequencies that a model predicts from the context of each word.

Dai and Callan, "Context-Aware Sentence/Passage Term Importance Estimation For First Stage Retrieval", 2019, arXiv
1910.10687; documents of several passages as in HDCT (the frequencies of the passages are summed, here unweighted). A
model of kind ``deepct`` is trained by `recipe`; ``anyrank expand CORPUS -o OUT --model FOLDER`` then writes the
collection with the field ``search_text``: each word so often as its frequency says, which the lexical index reads in
place of the content. Search it by ``bm25(k1=10, b=.9, title=1, smoothing=0)``, with roots by k1=18, b=.7.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from ..train.recipe import Data, Export, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card, Figure

CARD = Card(
    name="deepct",
    title="Context-Aware Sentence/Passage Term Importance Estimation For First Stage Retrieval",
    arxiv="1910.10687",
    year=2019,
    summary="training: term frequencies predicted in context, which BM25 searches (anyrank expand)",
    needs="groups of a query and texts that answer it (label above 0)",
    figures=(Figure(0.239, "MS MARCO passage eval", "MRR@10", "DeepCT-Index, BM25 (BM25 alone: .186)"),),
    differences=(
        "a word is weighed at its first position, words of all kinds count (no list of stop words)",
        "the target is learned query by query, not from recalls computed before: the errors differ by a constant",
    ),
)


def frequencies(weights: Sequence[tuple[str, float]], scale: Literal["linear", "root"] = "linear") -> dict[str, int]:
    """Term frequencies of words by their weights: round(100 y), or with "root" round(100 sqrt(y)); words that come
    several times (passages of one document) are summed, those of 0 left out.

    >>> frequencies([("wing", 0.25), ("of", 0.001), ("lift", 0.04)]), frequencies([("wing", 0.25)], "root")
    ({'wing': 25, 'lift': 4}, {'wing': 50})
    """
    out: Counter[str] = Counter()
    for word, weight in weights:
        y = max(weight, 0.0)
        out[word] += round(100 * (math.sqrt(y) if scale == "root" else y))
    return {word: count for word, count in out.items() if count}


def repeated(counts: Mapping[str, int]) -> str:
    """A text in which each word stands as often as its frequency.

    >>> repeated({"wing": 2, "lift": 1})
    'wing wing lift'
    """
    return " ".join(word for word, count in counts.items() for _ in range(count))


def recipe(out: str, train: Sequence[str | Source], *, start: str = "google-bert/bert-base-uncased") -> Recipe:
    """The training by the paper's settings: squared error to query-term recall, the model's own loss."""
    return Recipe(
        out=out,
        model=Model(kind="deepct", start=start, max_length=128),
        data=Data(train=tuple(train)),
        losses=(),
        optimiser=Optimiser(rate=2e-5, batch=16, epochs=3),
        export=Export(int8=False),
    )
