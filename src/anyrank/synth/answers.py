"""Documents written for queries, as training data in place of people's (ChatGPT-RetrievalQA, arXiv 2305.02320).

The relevant document is what a language model answers, or, without one, sentences out of what a search finds. Others
are the answers to other queries. With people's answers to the same queries, both sources make groups that differ
in their texts alone, so that trainings on them can be compared.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.content import text_of
from ..core.errors import InputError
from ..core.language import Generates
from ..core.stage import Stage
from ..core.types import Candidate, Query, Ranking
from ..llm.prompts import Template
from ..train.group import Group
from .job import Made
from .rewriting import content_words

PROMPT = Template(
    prefix="{query}\n\nAnswer in one paragraph of plain sentences, as an encyclopedia would. Write the answer alone."
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True)
class Answers:
    """Writes an answer of ``words`` (least, most) to each query: by a language model, or by the best sentences of the
    first ``depth`` results of a search. Raises InputError without either."""

    backend: Generates | None = None
    search: Stage | None = None
    words: tuple[int, int] = (8, 350)
    depth: int = 3
    max_tokens: int = 256

    def __post_init__(self) -> None:
        if self.backend is None and self.search is None:
            raise InputError("answers are written by a model or taken from an index: give one of the two")

    def __call__(self, queries: Sequence[Query]) -> list[Made]:
        if self.backend is None:
            assert self.search is not None
            results = (self.search % self.depth).batch([Ranking(q) for q in queries])
            return [self._made(q, extracted(text_of(q.content), list(r)), Made()) for q, r in zip(queries, results)]
        prompts = [PROMPT.render(q, []).prompt for q in queries]
        answers = self.backend.generate(prompts, max_tokens=self.max_tokens)
        return [
            Made(usage=a.usage, error=a.error)
            if a.finish == "error"
            else self._made(q, " ".join(a.text.split()), Made(usage=a.usage))
            for q, a in zip(queries, answers, strict=True)
        ]

    def _made(self, query: Query, answer: str, cost: Made) -> Made:
        count = len(answer.split())
        if count < self.words[0]:
            return Made((), {"empty" if not count else "too short": 1}, cost.usage)
        text = " ".join(answer.split()[: self.words[1]])
        group = Group.from_texts(query.content, (text,), (1.0,), query.id, (f"answer-{query.id}",))
        return Made((group,), {}, cost.usage)


def extracted(query: str, documents: Sequence[Candidate], sentences: int = 4) -> str:
    """The sentences of some documents that share most content words with a query, in the order of the documents.

    >>> extracted("wing lift", [Candidate("a", "Wings fly. A wing gives lift. Heat is felt.")], 1)
    'A wing gives lift.'
    """
    wanted = set(content_words(query))
    each = [s for d in documents for s in _SENTENCE.split(" ".join(text_of(d.content).split())) if s]
    best = sorted(range(len(each)), key=lambda i: -len(wanted & set(content_words(each[i]))))[:sentences]
    return " ".join(each[i] for i in sorted(best))


def with_others(groups: Sequence[Group], negatives: int, seed: int = 0) -> list[Group]:
    """Groups of one text, each with the texts of ``negatives`` other ones, drawn by seed and position alone: of two
    sources of the same queries the same ones.

    >>> a = [Group.from_texts(q, (f"{q}!",), (1.0,), q, (q,)) for q in "xyz"]
    >>> [g.ids for g in with_others(a, 1)] == [g.ids for g in with_others([*a], 1)]
    True
    """
    out = []
    for i, group in enumerate(groups):
        drawn = random.Random(f"{seed}/{i}").sample(range(len(groups) - 1), min(negatives, len(groups) - 1))
        others = [groups[j + (j >= i)].candidates[0] for j in drawn]
        members = (*group.candidates[:1], *others)
        out.append(Group(group.query, members, (1.0, *[0.0] * len(others)), group.id))
    return out


def two_sources(one: Sequence[Group], other: Sequence[Group]) -> tuple[list[Group], list[Group]]:
    """The groups of the queries that both sources have, in the order of the first: same queries, other texts."""
    first, second = ({g.id: g for g in groups} for groups in (one, other))
    both = [id for id in first if id in second]
    return [first[id] for id in both], [second[id] for id in both]
