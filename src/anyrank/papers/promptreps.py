"""PromptReps: dense and sparse vectors of any decoder-only language model, by a prompt and without training.

Zhuang et al., "PromptReps: Prompting Large Language Models to Generate Dense and Sparse Representations for Zero-Shot
Document Retrieval", 2024, arXiv 2404.18424. The encoders are in `anyrank.llm.promptreps`; this file joins their two
searches. The prompts are in our own words.

Its alternative representations are settings of an encoder's name: first word "#generate=10", several words
"#generate=10&words=3", and one state a position "promptreps-tokens:MODEL#generate=10&words=3" (with "&group=word", one
a word). Fine-tuning: InfoNCE of the dense and of the sparse vectors, LoRA (``models.promptreps``); its numbers are
ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.fusion import Combine
from ..core.stage import Fuse, Stage, Weighted
from ..train.recipe import Data, Export, Model, Optimiser, Recipe
from ..train.sources import Source
from .card import Card, Figure

CARD = Card(
    name="promptreps",
    title="PromptReps: Prompting Large Language Models to Generate Dense and Sparse Representations for Zero-Shot "
    "Document Retrieval",
    arxiv="2404.18424",
    year=2024,
    summary="search by a language model's own hidden states and logits, dense and sparse, fused",
    needs="a decoder-only language model by transformers, and an index of its vectors: --encode promptreps-dense:MODEL "
    "--encode promptreps-sparse:MODEL",
    figures=(
        Figure(0.2956, "NFCorpus", "nDCG@10", "dense, Llama-3-8B-Instruct", "the authors' README"),
        Figure(0.2818, "NFCorpus", "nDCG@10", "sparse, Llama-3-8B-Instruct", "the authors' README"),
        Figure(0.3298, "NFCorpus", "nDCG@10", "hybrid, Llama-3-8B-Instruct", "the authors' README"),
        Figure(0.2949, "NFCorpus", "nDCG@10", "hybrid, first word, Llama-3-8B-Instruct", "the authors' README"),
        Figure(0.3365, "NFCorpus", "nDCG@10", "hybrid, several words pooled, Llama-3-8B-Instruct", "their README"),
        Figure(0.3095, "NFCorpus", "nDCG@10", "hybrid, a state a position, Llama-3-8B-Instruct", "their README"),
    ),
    differences=(
        "words are split and stop words left out by anyrank's English analysis, not by NLTK, so that no data of NLTK "
        "is fetched",
        "one vector a position is made of dense vectors alone, and a negative similarity counts as it is (theirs are "
        "cut off at 0)",
        "an answer that begins with the closing quote gives its first position (theirs gives none)",
    ),
)


def retriever(dense: Stage, sparse: Stage, alpha: float = 0.5) -> Stage:
    """Both searches fused: scores scaled to 0 … 1 query by query, a document that one lacks counts 0 there, and
    ``alpha`` is the dense part's share."""
    return Fuse((Weighted(dense, alpha), Weighted(sparse, 1 - alpha)), Combine("sum", "minmax", "zero"))


def recipe(
    out: str, train: Sequence[str | Source], *, start: str = "meta-llama/Meta-Llama-3-8B-Instruct", lora: int = 16
) -> Recipe:
    """Fine-tuning on groups of a relevant text and hard negatives; the trained folder is used as
    ``promptreps-dense:hf:FOLDER`` and ``promptreps-sparse:hf:FOLDER``."""
    return Recipe(
        out=out,
        model=Model(kind="promptreps", start=start, max_length=156, options={"lora": lora, "temperature": 0.01}),
        data=Data(train=tuple(train)),
        losses=(),
        optimiser=Optimiser(rate=1e-4, batch=8, accumulate=4),
        export=Export(int8=False),
    )
