"""Queries for documents: written by a language model after a few examples, or by rules where there is none.

A group is a query and the document's text without it, label 1. Rules take the title, a sentence or key terms, which
people don't ask and which favour lexical matching: they are substitutes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

from ..core.content import text_of
from ..core.errors import InputError
from ..core.language import Generates
from ..core.trace import UNREACHABLE
from ..core.types import Candidate, Query
from ..llm.prompts import Template
from ..train.group import Group
from ..train.query_generation import EXAMPLES
from ..train.synthetic import cloze_queries, keyword_queries, title_queries
from .job import Made

Kind = Literal["title", "sentence", "terms"]
RULES: tuple[Kind, ...] = get_args(Kind)

_META = re.compile(r"\b(?:this|the) (?:document|passage|text|article|paragraph)\b|\bauthors?\b", re.IGNORECASE)
_PREFIX = re.compile(r"^(?:relevant query|query|question|search)\s*:\s*", re.IGNORECASE)


class Writer(Protocol):
    """Writes queries for a batch of documents: for each what was made, in order."""

    def __call__(self, documents: Sequence[Candidate]) -> list[Made]: ...


@dataclass(frozen=True, slots=True)
class RuleWriter:
    """Queries by rules: for each document one of each of ``kinds`` that it allows. ``terms`` are key terms by the
    document frequencies of the whole collection, made by `of`."""

    kinds: tuple[Kind, ...] = RULES
    terms: Mapping[str, Group] = field(default_factory=dict, repr=False)
    seed: int = 0

    @classmethod
    def of(cls, documents: Iterable[Candidate], kinds: Sequence[Kind] = RULES, seed: int = 0) -> RuleWriter:
        """The writer for a collection. Raises InputError on an unknown kind."""
        for kind in kinds:
            if kind not in RULES:
                raise InputError(f"no rule {kind!r}: choose of {', '.join(RULES)}")
        terms = {g.ids[0]: g for g in keyword_queries(documents, seed)} if "terms" in kinds else {}
        return cls(tuple(kinds), terms, seed)

    def __call__(self, documents: Sequence[Candidate]) -> list[Made]:
        return [self._made(d) for d in documents]

    def _made(self, document: Candidate) -> Made:
        groups: list[Group] = []
        for kind in self.kinds:
            if kind == "title":
                groups += title_queries([document])
            elif kind == "sentence":
                groups += cloze_queries([document], self.seed, keep=0.0)
            elif document.id in self.terms:
                groups.append(self.terms[document.id])
        return Made(tuple(groups), {} if groups else {"no rule applies": 1})


def few_shots(examples: Sequence[tuple[str, str]] = EXAMPLES, words: int = 512) -> Template:
    """The prompt for a query after pairs of a document and its query (DUQGen shows three of the domain); documents are
    cut to ``words``."""
    shown = "".join(f"Document: {text}\nRelevant Query: {query}\n\n" for text, query in examples)
    escaped = shown.replace("{", "{{").replace("}", "}}")
    return Template(prefix=f"{escaped}Document: {{doc1}}\nRelevant Query:", chat=False, words=words)


@dataclass(frozen=True, slots=True)
class ModelWriter:
    """Queries by a language model: ``n`` for each document, greedy if it is one (DUQGen's), else drawn at a
    ``temperature``. Of at most ``words`` and at least three words; a query about "the document" itself, one of the
    examples, and one that the document's draw gave before are rejected."""

    backend: Generates
    n: int = 1
    template: Template = field(default_factory=few_shots)
    words: tuple[int, int] = (3, 24)
    max_tokens: int = 64
    temperature: float = 0.7
    seed: int = 0
    examples: Sequence[tuple[str, str]] = EXAMPLES

    def __call__(self, documents: Sequence[Candidate]) -> list[Made]:
        prompts = [self.template.render(Query(d.id, ""), [d]).prompt for d in documents]
        groups: list[list[Group]] = [[] for _ in documents]
        rejected: list[Counter[str]] = [Counter() for _ in documents]
        usages, errors, gone = [Made().usage for _ in documents], [""] * len(documents), [False] * len(documents)
        known = {query.lower() for _, query in self.examples}
        for draw in range(self.n):
            answers = self.backend.generate(
                prompts,
                max_tokens=self.max_tokens,
                stop=("\n\n", "\nDocument:"),
                temperature=self.temperature if self.n > 1 else 0.0,
                seed=self.seed + draw,
            )
            for i, (document, answer) in enumerate(zip(documents, answers, strict=True)):
                usages[i] += answer.usage
                if answer.finish == "error":
                    errors[i] = answer.error
                    gone[i] = gone[i] or bool(answer.usage.repairs.get(UNREACHABLE))  # to be drawn again
                    continue
                query = clean(answer.text)
                before = known | {str(g.query).lower() for g in groups[i]}
                if reason := unfit(query, self.words, before):
                    rejected[i][reason] += 1
                else:
                    id = f"query-{document.id}" + (f"-{draw}" if draw else "")
                    group = Group.from_texts(query, (text_of(document.content),), (1.0,), id, (document.id,))
                    groups[i].append(group)
        return [
            Made(tuple(g), dict(r), u, e if lost or not (g or r) else "")
            for g, r, u, e, lost in zip(groups, rejected, usages, errors, gone)
        ]


def clean(answer: str) -> str:
    """The query in an answer: its first line, up to the first question mark, without a label or quotation marks.

    >>> clean('\\n Query: "why do wings lift? Because …"\\nDocument: …')
    'why do wings lift?'
    """
    line = next((line for line in answer.splitlines() if line.strip()), "").strip()
    line = _PREFIX.sub("", line).strip("\"'“”` ")
    before, mark, _ = line.partition("?")
    return " ".join((before + mark).split())


def unfit(query: str, words: tuple[int, int], before: set[str]) -> str:
    """The reason to reject a query; "" if there is none.

    >>> unfit("what does the document say", (3, 24), set())
    'of the document itself'
    """
    count = len(query.split())
    if not query:
        return "empty"
    if query.lower() in before:
        return "written before"
    if count < words[0]:
        return "too short"
    if count > words[1]:
        return "too long"
    return "of the document itself" if _META.search(query) else ""
