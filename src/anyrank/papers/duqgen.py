"""DUQGen: rerankers trained for a domain on queries that a model writes for a representative sample of its documents.

Chandradevan et al., "DUQGen: Effective Unsupervised Domain Adaptation of Neural Rankers by Diversifying Synthetic Query
Generation", NAACL 2024, arXiv 2404.02489. `anyrank synth duqgen` makes the groups by `synth/sampling.py` and
`synth/negatives.py`: documents of at least 300 characters, k-means over their vectors, sizes by the clusters', five
seeds, MMR, three examples, greedy answers of at most 64 tokens, the first four of the last eight of a hundred as
negatives. The settings of the training are those of its release.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card

CARD = Card(
    name="duqgen",
    title="DUQGen: Effective Unsupervised Domain Adaptation of Neural Rankers by Diversifying Synthetic Query "
    "Generation",
    arxiv="2404.02489",
    year=2024,
    summary="training: queries written for documents sampled from clusters, hard negatives from the end of a run",
    needs="groups of one positive and negatives (anyrank synth duqgen)",
    differences=(
        "documents are embedded by MiniLM unless --encoder names Contriever, and the knee is the point furthest from "
        "the line between the ends, without kneed's sensitivity",
        "what is left over is spread over the largest clusters one by one; the release adds 1 to all where nothing is",
        "AdamW in place of Adafactor, and a cross-encoder in place of monoT5-3B",
        "examples are ours, or those of --examples; without a model, queries are titles and sentences",
    ),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = "google/electra-base-discriminator") -> Recipe:
    """The reranker's training: one epoch, 128 groups a step."""
    return Recipe(
        out=out,
        model=Model(start=start, max_length=512),
        data=Data(train=tuple(train)),
        losses=(Loss(name="binary_cross_entropy", options={"mean": "pair"}),),
        optimiser=Optimiser(rate=2e-5, batch=8, accumulate=16, decay=5e-5, warmup=0.1),
        export=Export(int8=False),
    )
