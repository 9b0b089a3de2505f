"""Full ranking: all passages in one prompt, cut at 100 words each; and the labels that such a model is trained on.

Liu et al., "Sliding Windows Are Not the End: Exploring Full Ranking with Long-Context Large Language Models", ACL 2025,
arXiv 2412.14574. `MultiPass` makes a complete order with a short-window teacher: a pass of windows fixes the best
size - stride; the next pass works on the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..core.errors import InputError
from ..core.groupings import Plan, Sliding, best_first
from ..core.language import Generates
from ..core.rerank import Judge, Rerank
from ..llm.generated import Generated
from ..llm.library import LISTWISE
from ..llm.prompts import Template
from .card import Card, Figure, Price

CARD = Card(
    name="fullrank",
    title="Sliding Windows Are Not the End: Exploring Full Ranking with Long-Context Large Language Models",
    arxiv="2412.14574",
    year=2024,
    summary="listwise: 100 passages in one call; a multi-pass teacher for complete labels",
    needs="generate",
    formula="1 call of n passages (ceil(n / 100) windows for more than 100); the label builder 45 calls for 100",
    cost=Price(lambda n: Sliding(100, 100), per_label=6),
    figures=(
        Figure(0.7287, "TREC DL19", "nDCG@1", "RankMistral100, BM25 top 100", "the paper's repository"),
        Figure(0.7419, "TREC DL19", "nDCG@5", "RankMistral100, BM25 top 100", "the paper's repository"),
        Figure(0.7255, "TREC DL19", "nDCG@10", "RankMistral100, BM25 top 100", "the paper's repository"),
        Figure(0.7129, "TREC DL20", "nDCG@10", "RankMistral100, BM25 top 100", "the paper's repository"),
    ),
)


def build(backend: Generates, *, size: int = 100, words: int = 100, template: Template = LISTWISE) -> Rerank:
    """One generated order of up to ``size`` passages."""
    return Rerank(Generated(backend, replace(template, words=words)), Sliding(size, size), name=CARD.name)


def labels(judge: Judge, *, size: int = 20, stride: int = 10) -> Rerank:
    """The label builder: a teacher's judge over `MultiPass` windows."""
    return Rerank(judge, MultiPass(size, stride), name="fullrank-labels")


@dataclass(frozen=True)
class MultiPass:
    """Passes of a sliding window over what is not fixed yet; each fixes the best size - stride. With a teacher that
    sorts windows rightly the whole list comes out sorted: 9 passes and 45 windows for 100."""

    size: int = 20
    stride: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.stride < self.size:
            raise InputError(f"stride={self.stride}: must be at least 1 and less than size={self.size}")

    def __call__(self, n: int) -> Plan:
        fixed, rest = list[int](), list(range(n))
        while len(rest) > 1:
            end, start = len(rest), len(rest)
            while start > 0:
                start = max(0, end - self.size)
                window = rest[start:end]
                (scores,) = yield [window]
                rest[start:end] = [window[i] for i in best_first(scores)]
                end -= self.stride
            sure = len(rest) if len(rest) <= self.size else self.size - self.stride
            fixed, rest = fixed + rest[:sure], rest[sure:]
        return fixed + rest
