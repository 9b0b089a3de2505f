"""ProRank: is the document relevant, 1 or 0; the difference of the two logits is the score.

"ProRank: Prompt Warmup via Reinforcement Learning for Small Language Models Reranking", 2025, arXiv 2506.03487;
weights: mixedbread-ai/mxbai-rerank-base-v2 and -large-v2. The template is in our own words: for those weights pass
their own.

Its training has two stages, each a recipe: GRPO by the form and the truth of the answer (``stage=1``), then the
difference of the logits by a loss of scores (``stage=2``, from the first one's folder). The values of the rewards, the
second loss, samples, rates and batches are not published: ours, settings all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..core.groupings import Pointwise
from ..core.language import ScoresNext
from ..core.rerank import Rerank
from ..llm.pointwise import YesNo
from ..llm.prompts import Template
from ..llm.templates import RELEVANT
from ..train.recipe import Check, Data, Export, Loss, Model, Optimiser, Recipe
from ..train.reinforce import Reinforce
from ..train.sources import Source
from .card import Card, Figure, Price

README = "mxbai-rerank's README"

CARD = Card(
    name="prorank",
    title="ProRank: Prompt Warmup via Reinforcement Learning for Small Language Models Reranking",
    arxiv="2506.03487",
    year=2025,
    summary="pointwise: the logit of 1 less the logit of 0",
    capabilities=("next_token_logprobs",),
    formula="n calls at once, 1 token each",
    cost=Price(Pointwise(), answer=1),
    figures=(
        Figure(0.5749, "BEIR", "nDCG@10", "large-v2 (1.5B)", README),
        Figure(0.5557, "BEIR", "nDCG@10", "base-v2 (0.5B)", README),
    ),
)


def build(backend: ScoresNext, *, template: Template = RELEVANT) -> Rerank:
    """One prompt a document, 1 against 0."""
    return Rerank(YesNo(backend, template, "1", "0"), Pointwise(), name=CARD.name)


def recipe(
    out: str,
    train: Sequence[str | Source],
    *,
    stage: Literal[1, 2] = 1,
    start: str = "",
    loss: Literal["binary_cross_entropy", "infonce", "ranknet"] = "binary_cross_entropy",
) -> Recipe:
    """Stage 1, or stage 2 by BCE, a contrastive softmax over the group, or a preference of each relevant text over each
    other (labels of 0 and 1)."""
    data = Data(train=tuple(train))
    if stage == 1:
        return Recipe(
            out=out,
            model=Model(kind="language", start=start or "Qwen/Qwen2.5-0.5B-Instruct", max_length=2048),
            data=data,
            rl=Reinforce(task="relevant", samples=8, tokens=4, dtype="bfloat16"),
            optimiser=Optimiser(rate=1e-6, batch=8, decay=0.0, warmup=0.0),
            check=Check(every=100),
        )
    return Recipe(
        out=out,
        model=Model(kind="verdict", start=start or "runs/prorank", max_length=2048),
        data=data,
        losses=(Loss(name=loss),),
        optimiser=Optimiser(rate=1e-5, batch=8),
        export=Export(int8=False),
    )
