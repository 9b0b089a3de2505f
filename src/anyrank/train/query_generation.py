"""Queries that a language model writes for documents, after a few pairs (as InPars, arXiv 2202.05144; own pairs)."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from itertools import islice

from ..core.content import text_of
from ..core.language import Completion, Generates
from ..core.types import Candidate, Query
from ..llm.prompts import Template
from .group import Group

log = logging.getLogger(__name__)

EXAMPLES = (
    (
        "Sourdough rises more slowly than bread made with baker's yeast. At room temperature the first rise takes four "
        "to six hours; in a refrigerator it can take a whole night.",
        "how long does sourdough need to rise",
    ),
    (
        "Nephrons are the units of the kidney that filter blood. Each has a tuft of capillaries and a tubule, which "
        "takes back water and salts.",
        "what is the function of a nephron",
    ),
    (
        "The monthly fee of a safe deposit box depends on its size and the branch. Small boxes cost from 20 to 60 "
        "dollars a year at most banks.",
        "safe deposit box cost per year",
    ),
)
"""Pairs of a passage and a query that it answers, of no domain in particular."""

QUERY_FOR = Template(
    prefix="".join(f"Passage: {text}\nWeb search that it answers: {query}\n\n" for text, query in EXAMPLES)
    + "Passage: {doc1}\nWeb search that it answers:",
    chat=False,
    words=120,
)
"""Three pairs as examples, then the passage, to be followed by a query that it answers."""

_JUNK = re.compile(r"\b(?:passage|web search|paragraph|author)\b", re.IGNORECASE)


def written_queries(
    documents: Iterable[Candidate],
    backend: Generates,
    *,
    template: Template = QUERY_FOR,
    words: tuple[int, int] = (3, 16),
    batch: int = 64,
    temperature: float = 0.0,
    seed: int = 0,
) -> Iterator[Group]:
    """A group a document: the first line that the model writes as the query, the document with label 1.

    Left out, and counted in the log at the end: queries shorter or longer than ``words`` (least, most), that mention
    the passage itself, that are in the examples or were written before, and documents for which the model failed.
    Filter the others by `consistency.findable`: a small model also writes queries that the passage doesn't answer.
    """
    seen, left_out = {query for _, query in EXAMPLES}, Counter[str]()
    stream = iter(documents)
    while part := list(islice(stream, batch)):
        prompts = [template.render(Query(d.id, ""), [d]).prompt for d in part]
        answers = backend.generate(prompts, max_tokens=2 * words[1], stop=("\n",), temperature=temperature, seed=seed)
        for document, answer in zip(part, answers, strict=True):
            if answer.finish == "error":
                log.warning("document %s: no query was written: %s", document.id, answer.error)
            query = " ".join(answer.text.strip().strip("\"'").split())
            if reason := _unfit(answer, query, words, seen):
                left_out[reason] += 1
                continue
            seen.add(query)
            yield Group.from_texts(
                query, (text_of(document.content),), (1.0,), f"written-{document.id}", (document.id,)
            )
    if left_out:
        log.warning("left out: %s", ", ".join(f"{n} {reason}" for reason, n in left_out.most_common()))


def _unfit(answer: Completion, query: str, words: tuple[int, int], seen: Container[str]) -> str:
    """The reason to leave a query out; "" if there is none."""
    if answer.finish == "error":
        return "failed"
    if query in seen:
        return "written before"
    if not words[0] <= len(query.split()) <= words[1]:
        return "too short or too long"
    return "of the passage itself" if _JUNK.search(query) else ""
