"""MM-R5: all candidates in order after a thought about each.

Xu et al., "MM-R5: MultiModal Reasoning-Enhanced ReRanker via Reinforcement Learning for Document Retrieval", 2025,
arXiv 2506.12364. Documents are pages as images there; here they may be images for a model that reads them (by
transformers, or on a server), and texts for any model. Labels out of range are dropped, repeated ones counted once (the
authors leave them in), absent ones follow in the present order. Its training: GRPO by the form of the answer and the
cubed ranks of the relevant (`train.rewards`); of texts, since our training reads texts alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.groupings import Whole
from ..core.language import Generates
from ..core.rerank import Rerank
from ..llm.generation import Generated
from ..llm.prompts import Template
from ..llm.templates import REASONED_ORDER
from ..train.recipe import Check, Data, Model, Optimiser, Recipe
from ..train.reinforce import Reinforce
from ..train.sources import Source
from .card import Card, Figure, Price

CARD = Card(
    name="mm_r5",
    title="MM-R5: MultiModal Reasoning-Enhanced ReRanker via Reinforcement Learning for Document Retrieval",
    arxiv="2506.12364",
    year=2025,
    summary="listwise: all candidates at once, after a thought about each",
    capabilities=("generate",),
    formula="one call of up to 8,192 tokens, whatever n",
    cost=Price(Whole(), answer=500, per_label=45),
    figures=(
        Figure(0.6951, "MMDocIR", "macro Recall@1", "over ColQwen's candidates"),
        Figure(0.8520, "MMDocIR", "macro Recall@3", "over ColQwen's candidates"),
        Figure(0.8842, "MMDocIR", "macro Recall@5", "over ColQwen's candidates"),
        Figure(0.6481, "MMDocIR", "macro Recall@1", "ColQwen alone"),
    ),
    differences=("a repeated label counts once; the authors leave repeated ones in the order",),
)


def build(
    backend: Generates, *, max_tokens: int = 8192, temperature: float = 0.3, template: Template = REASONED_ORDER
) -> Rerank:
    """One answer for the whole list."""
    return Rerank(Generated(backend, template, max_tokens, temperature), Whole(), name=CARD.name)


def recipe(out: str, train: Sequence[str | Source], *, start: str = "Qwen/Qwen2.5-7B-Instruct") -> Recipe:
    """GRPO by the paper's settings: 4 samples, 2 steps on each, LoRA of rank 64; ten texts a prompt and 8 prompts a
    step are ours. The authors train a supervised model of the same answers first."""
    return Recipe(
        out=out,
        model=Model(kind="language", start=start, max_length=8192),
        data=Data(train=tuple(train), texts=10),
        rl=Reinforce(
            task="order",
            samples=4,
            iterations=2,
            tokens=2048,
            lora=64,
            alpha=128,
            dtype="bfloat16",
            checkpointing=True,
        ),
        optimiser=Optimiser(rate=1e-5, batch=1, accumulate=8, decay=0.0, warmup=0.0),
        check=Check(every=50),
    )
