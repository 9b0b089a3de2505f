"""Rank-R1: the best of twenty after thinking, as the comparison of a heap sort of the top ten.

Zhuang et al., "Rank-R1: Enhancing Reasoning in LLM-based Document Rerankers via Reinforcement Learning", 2025, arXiv
2503.06034. Only the text between answer tags is read; the documents of a group are shown in shuffled order; ``votes``
shuffles may vote. Where no answer can be read, the group keeps its order. Its training: GRPO, 1 for the right label in
the right form, else 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.groupings import Heap
from ..core.language import Generates
from ..core.rerank import Judge, Rerank
from ..judges.presentation import Presented
from ..judges.votes import Votes
from ..llm.generation import THINKING, Generated
from ..llm.prompts import Template
from ..llm.templates import REASONING
from ..train.recipe import Check, Data, Model, Optimiser, Recipe
from ..train.reinforce import Reinforce
from ..train.sources import Source
from .card import Card, Figure, Price

CARD = Card(
    name="rank_r1",
    title="Rank-R1: Enhancing Reasoning in LLM-based Document Rerankers via Reinforcement Learning",
    arxiv="2503.06034",
    year=2025,
    summary="setwise: the best of 20 after reasoning, in a heap sort of the top 10",
    capabilities=("generate",),
    formula="heap sort with 19 children, top 10: for n = 100 19 calls (sorted input) to 25 (reversed), each with "
    "up to 2,048 tokens of reasoning",
    cost=Price(Heap(19, 10), answer=500),
    figures=(Figure(0.388, "BRIGHT", "nDCG@10", "ReasonIR with Rank-R1", "the BRIGHT leaderboard"),),
    differences=(
        "in training, what the release leaves to the defaults of trl is: no KL term, one pass over the data; passages "
        "are cut at 150 words",
    ),
)


def build(
    backend: Generates,
    *,
    children: int = 19,
    k: int = 10,
    votes: int = 1,
    seed: int = 929,
    shuffle: bool = True,
    max_tokens: int = THINKING,
    template: Template = REASONING,
) -> Rerank:
    """Heap sort over reasoned choices."""
    judge: Judge = Generated(backend, template, max_tokens)
    if votes > 1:
        judge = Votes(judge, votes, seed)
    elif shuffle:
        judge = Presented(judge, "shuffled", seed)
    return Rerank(judge, Heap(children, k), name=CARD.name)


def recipe(
    out: str,
    train: Sequence[str | Source],
    *,
    start: str = "Qwen/Qwen2.5-3B-Instruct",
    thinking: bool = True,
    samples: int = 8,
) -> Recipe:
    """The training of version 0.1: groups of one relevant text and 19 others drawn at random, LoRA of rank 16, 16
    prompts a GPU on four. ``thinking=False`` asks for the label alone, as the setwise method does."""
    rl = Reinforce(
        task="best",
        thinking=thinking,
        samples=samples,
        tokens=2048 if thinking else 8,
        words=150,
        lora=16,
        alpha=32,
        dropout=0.05,
        targets="attention",
        dtype="bfloat16",
        checkpointing=True,
    )
    return Recipe(
        out=out,
        model=Model(kind="language", start=start, max_length=6144),
        data=Data(train=tuple(train), texts=20),
        rl=rl,
        optimiser=Optimiser(rate=1e-5, batch=2, accumulate=8, decay=0.0, warmup=0.0),
        check=Check(every=50),
    )
