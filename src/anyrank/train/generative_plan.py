"""The plan of a generative retriever's training, and the texts that it learns, of documents and queries, each with the
number of its document."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..core.content import text_of

Example = tuple[str, int]
"""A text and the number of its document."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a generative retriever is made and trained.

    ``form``: "atomic" has an output a document, whose ``rows`` begin at "random" or as stored "vectors"; "sequence"
    writes identifiers, the documents' "numbers" or paths through "clusters" of stored vectors (``branching`` of each,
    sets of at most ``leaf``), by a decoder of ``layers``, ``prefix_aware`` or not.

    Documents are passed ``document_passes`` times, each as its beginning, its title, a random passage of ``words``
    words and ``ngrams`` random runs of 3 to 12 words; queries ``query_passes`` times, after the documents or,
    ``mixed``, among them. Without queries, titles and first sentences take their place. Texts are read to
    ``max_length`` tokens. The learning rate is ``rate`` for the encoder that a model starts from and ``fresh_rate`` for
    rows and decoder.
    """

    form: Literal["atomic", "sequence"] = "atomic"
    rows: Literal["random", "vectors"] = "random"
    ids: Literal["numbers", "clusters"] = "numbers"
    prefix_aware: bool = False
    branching: int = 30
    leaf: int = 30
    layers: int = 2
    max_length: int = 64
    words: int = 40
    ngrams: int = 3
    document_passes: int = 3
    query_passes: int = 3
    mixed: bool = False
    rate: float = 5e-5
    fresh_rate: float = 1e-3
    batch: int = 32
    bf16: bool = False
    seed: int = 0

    @property
    def needs_vectors(self) -> bool:
        return self.rows == "vectors" if self.form == "atomic" else self.ids == "clusters"


_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def first_sentence(text: str) -> str:
    """The first sentence, or the first 30 words of a text without one.

    >>> first_sentence("Wings make lift. They also make drag.")
    'Wings make lift.'
    """
    return " ".join(_SENTENCE.split(text.strip(), maxsplit=1)[0].split()[:30])


def texts_of_document(content: Any, plan: Plan, random: np.random.Generator) -> list[str]:
    """The texts by which a document is learnt in one pass: its beginning, its title, and random runs of its words."""
    text, title = text_of(content), _title(content)
    words = text.split()
    sizes = [plan.words] if len(words) > plan.words else []
    sizes += [int(size) for size in random.integers(3, 13, plan.ngrams)]
    starts = [int(random.integers(0, max(len(words) - size, 0) + 1)) for size in sizes]
    return [text, *([title] if title else []), *(" ".join(words[at : at + n]) for at, n in zip(starts, sizes))]


def _title(content: Any) -> str:
    return str(content.get("title") or "").strip() if isinstance(content, Mapping) else ""


def pseudo_queries(content: Any) -> list[str]:
    """A document's title and first sentence, in place of queries."""
    body = {k: v for k, v in content.items() if k != "title"} if isinstance(content, Mapping) else content
    title, sentence = _title(content), first_sentence(text_of(body))
    return [t for t in dict.fromkeys((title, sentence)) if t]


def examples(plan: Plan, contents: Sequence[Any], queries: Sequence[Example] = ()) -> list[Example]:
    """The texts of a training in the order in which they are learnt, each with the number of its document. Batches
    hold texts of similar length, since padding is wasted work."""
    random = np.random.default_rng(plan.seed)
    queries = list(queries) or [(text, i) for i, content in enumerate(contents) for text in pseudo_queries(content)]
    stages: list[list[Example]] = []
    for _ in range(plan.document_passes):
        stages.append([(t, i) for i, content in enumerate(contents) for t in texts_of_document(content, plan, random)])
    stages += [list(queries) for _ in range(plan.query_passes)]
    if plan.mixed:
        stages = [[example for stage in stages for example in stage]]
    return [example for stage in stages for example in _shuffled(stage, plan.batch, random)]


def _shuffled(stage: Sequence[Example], batch: int, random: np.random.Generator) -> list[Example]:
    """Examples in random order, but sorted by length within every 16 batches, whose order is random again."""
    order, out = random.permutation(len(stage)).tolist(), []
    for start in range(0, len(order), 16 * batch):
        block = sorted(order[start : start + 16 * batch], key=lambda i: len(stage[i][0]))
        batches = [block[at : at + batch] for at in range(0, len(block), batch)]
        out += [stage[i] for at in random.permutation(len(batches)) for i in batches[at]]
    return out
