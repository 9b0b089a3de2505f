"""Permutation distillation: a teacher's orders written as training examples for a small listwise model.

Sun et al. (RankGPT), arXiv 2304.09542; Pradeep et al., "RankVicuna: Zero-Shot Listwise Document Reranking with
Open-Source Large Language Models", 2023, arXiv 2309.15088. `build` is the teacher; `export` writes its answers, one
JSON object a line: query, candidates in the order that the student will see, and the permutation of their positions
(from 1, best first), also as the text that the student shall write.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable, Iterator
from typing import Any

from ..core.content import text_of
from ..core.groupings import Sliding
from ..core.language import Generates, messages
from ..core.rerank import Rerank
from ..core.types import Ranking
from ..io.files import atomic
from ..llm.prompts import Template
from ..llm.templates import LISTWISE
from . import rankgpt
from .card import Card, Figure, Price

CARD = Card(
    name="distillation",
    title="RankVicuna: Zero-Shot Listwise Document Reranking with Open-Source Large Language Models",
    arxiv="2309.15088",
    year=2023,
    summary="a teacher's permutations as training examples (JSON lines) for a student",
    capabilities=("generate",),
    formula="the teacher's: RankGPT's windows",
    cost=Price(Sliding(20, 10), per_label=6),
    figures=(
        Figure(0.6682, "TREC DL19", "nDCG@10", "RankVicuna, BM25 top 100", "its repository's recorded run"),
        Figure(0.6790, "TREC DL19", "nDCG@10", "RankVicuna, BM25 top 100", "rank_llm's reproduction table"),
        Figure(0.6582, "TREC DL20", "nDCG@10", "RankVicuna, BM25 top 100", "rank_llm's reproduction table"),
    ),
)


def build(
    backend: Generates, *, size: int = 20, stride: int = 10, passes: int = 1, template: Template = LISTWISE
) -> Rerank:
    """The teacher: RankGPT's windows."""
    return rankgpt.build(backend, size=size, stride=stride, passes=passes, template=template)


def examples(
    before: Iterable[Ranking],
    after: Iterable[Ranking],
    *,
    size: int = 20,
    shuffle: int | None = None,
    template: Template = LISTWISE,
) -> Iterator[dict[str, Any]]:
    """One example a query: its first ``size`` candidates before reranking (in a shuffled order with a seed), and their
    order after it. Rankings that the teacher only passed through are left out."""
    for old, new in zip(before, after, strict=True):
        if len(old) < 2 or (new.cost.usage.fallback and new.ids == old.ids):
            continue
        shown = list(old.candidates[:size])
        if shuffle is not None:
            random.Random(f"{shuffle}/{old.query.id}").shuffle(shown)
        rank = {id: i for i, id in enumerate(new.ids)}
        permutation = sorted(range(len(shown)), key=lambda i: rank[shown[i].id])
        marks = template.labels.marks(len(shown))
        turns = template.render(old.query, shown).prompt
        yield {
            "qid": old.query.id,
            "query": text_of(old.query.content),
            "candidates": [{"docid": c.id, "text": text_of(c.content)} for c in shown],
            "permutation": [i + 1 for i in permutation],
            "prompt": turns if isinstance(turns, str) else messages(turns),
            "target": " > ".join(marks[i] for i in permutation),
        }


def export(path: str | os.PathLike[str], before: Iterable[Ranking], after: Iterable[Ranking], **options: Any) -> int:
    """Write `examples` to a JSON-lines file, whole or not at all; returns how many."""
    count = 0
    with atomic(path) as file:
        for example in examples(before, after, **options):
            file.write(json.dumps(example, ensure_ascii=False) + "\n")
            count += 1
    return count
