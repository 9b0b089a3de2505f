"""doc2query: documents are indexed with queries that a model writes for them, so that words that people ask by find a
document that doesn't use them (arXiv 1904.08375; docTTTTTquery: a T5, 40 sampled queries a passage).

`anyrank expand CORPUS -o OUT --model MODEL` writes the collection with the field ``search_text``, which the lexical
index reads in place of the content: the document's own text and the queries. What searches return stays the document.
With a judge of queries (doc2query--, arXiv 2301.03266) only the share of all queries that scores best is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..core.content import text_of
from ..core.language import Generates
from ..core.stage import Stage
from ..core.trace import UNREACHABLE, Usage
from ..core.types import Candidate, Query, Ranking
from ..llm.prompts import Template
from .card import Card, Figure

CARD = Card(
    name="doc2query",
    title="Document Expansion by Query Prediction",
    arxiv="1904.08375",
    year=2019,
    summary="indexing: BM25 over documents with queries that a model writes for them (docTTTTTquery, doc2query--)",
    needs="a model that writes queries (anyrank expand --model), before the index is built",
    figures=(
        Figure(0.218, "MS MARCO passage eval", "MRR@10", "doc2query, BM25 (BM25 alone: .186)"),
        Figure(0.277, "MS MARCO passage dev", "MRR@10", "docTTTTTquery, BM25, 40 queries", "its repository"),
        Figure(0.272, "MS MARCO passage eval", "MRR@10", "docTTTTTquery, BM25, 40 queries", "its repository"),
    ),
    differences=(
        "queries are drawn at a temperature from all tokens, the authors' from the ten likeliest",
        "models that were not trained for it are asked by a prompt of ours (without --plain)",
    ),
)

PROMPT = Template(
    prefix="Passage: {doc1}\n\nWrite one short web search that a person would type to find this passage. "
    "Answer with the words of the search alone.",
    words=220,
)
"""The prompt for models that follow instructions."""
PLAIN = Template(prefix="{doc1}", chat=False, words=350)
"""The passage alone, for a model that was trained to write queries, such as docT5query."""


@dataclass(frozen=True, slots=True)
class Written:
    """The distinct queries for a document, in the order in which they were written, and their cost; ``error`` says why
    the model gave no answer, if it gave none at all, or if its server was gone for some of them."""

    queries: tuple[str, ...]
    usage: Usage = Usage()
    error: str = ""


def written(
    documents: Sequence[Candidate],
    backend: Generates,
    n: int = 5,
    *,
    plain: bool = False,
    temperature: float = 1.0,
    max_tokens: int = 32,
    seed: int = 0,
) -> list[Written]:
    """``n`` queries drawn for each document, the first line of each answer. ``plain``: give the passage alone, for a
    model that was trained to write queries, in place of a prompt that asks for one."""
    template = PLAIN if plain else PROMPT
    prompts = [template.render(Query(d.id, ""), [d]).prompt for d in documents]
    distinct: list[dict[str, None]] = [{} for _ in documents]
    usages, errors, gone = [Usage()] * len(documents), [""] * len(documents), [""] * len(documents)
    for draw in range(n):
        answers = backend.generate(
            prompts, max_tokens=max_tokens, temperature=temperature if n > 1 else 0.0, seed=seed + draw
        )
        for i, answer in enumerate(answers):
            usages[i] += answer.usage
            if answer.finish == "error":
                errors[i] = answer.error
                gone[i] = gone[i] or (answer.error if answer.usage.repairs.get(UNREACHABLE) else "")
            elif query := first_line(answer.text):
                distinct[i][query] = None
    return [Written(tuple(q), u, g if q else e) for q, u, e, g in zip(distinct, usages, errors, gone)]


def first_line(text: str) -> str:
    """The first line of an answer that isn't empty, without quotation marks around it.

    >>> first_line('\\n "how wings lift" \\nThis search …')
    'how wings lift'
    """
    line = next((line for line in text.splitlines() if line.strip()), "")
    return " ".join(line.strip().strip("\"'“”`").split())


def scored(documents: Sequence[Candidate], queries: Sequence[Sequence[str]], judge: Stage) -> list[list[float | None]]:
    """The score that a reranker gives each document for each of its queries; None if it couldn't judge."""
    rankings = [
        Ranking(Query(f"{i}/{j}", query), (document,))
        for i, (document, mine) in enumerate(zip(documents, queries, strict=True))
        for j, query in enumerate(mine)
    ]
    results = iter(judge.batch(rankings))
    return [[_score(next(results)) for _ in mine] for mine in queries]


def _score(ranking: Ranking) -> float | None:
    return ranking[0].score if ranking.status == "ok" and len(ranking) else None


def threshold(scores: Iterable[float | None], share: float) -> float:
    """The score at which the best ``share`` of the queries of a collection begins.

    >>> threshold([1.0, 4.0, None, 2.0, 3.0], 0.5)
    3.0
    """
    known = sorted((s for s in scores if s is not None), reverse=True)
    return known[max(int(np.ceil(share * len(known))) - 1, 0)] if known else -np.inf


def search_text(document: Candidate, record: Mapping[str, Sequence[object]], least: float | None = None) -> str:
    """The text that the lexical index reads: the document's own, and its queries, of which only those whose score is at
    least ``least``, if that is given."""
    queries = [str(q) for q in record["queries"]]
    if least is not None:
        queries = [q for q, s in zip(queries, record["scores"]) if isinstance(s, int | float) and s >= least]
    return " ".join([text_of(document.content), *queries])
