"""RAG-Fusion: a language model writes several queries for one need; all are searched, and the results fused by RRF.

Rackauckas, "RAG-Fusion: a New Take on Retrieval-Augmented Generation", 2024, arXiv 2402.03367. The prompt is in our own
words. Without a model the variants are the query's content words, and these in overlapping pairs.
"""

from __future__ import annotations

from itertools import pairwise

from ..core.content import text_of
from ..core.fusion import RRF
from ..core.language import Generates, Prompt, Turn
from ..core.stage import Stage
from ..core.types import Query
from ..index.analysis import Analyser
from ..llm.lines import listed_texts
from ..retrieve.model_rewrite import ModelRewrite
from ..retrieve.rewritten import Queries, Rewrite, with_queries
from .card import Card

CARD = Card(
    name="multi_query",
    title="RAG-Fusion: a New Take on Retrieval-Augmented Generation",
    arxiv="2402.03367",
    year=2024,
    summary="search several queries that a language model writes for one, and fuse the results by RRF",
    needs="a language model with generate, or none for the rule form",
    capabilities=("generate",),
    starts=True,
    formula="1 call a query; n + 1 searches",
)


def rewriter(
    backend: Generates | None = None, *, n: int = 4, temperature: float = 0.7, max_tokens: int = 192, seed: int = 0
) -> Stage:
    """Queries with at most ``n`` variants each, searched beside the query itself; without a backend those of rules."""
    if backend is None:
        return Rewrite(CARD.name, lambda r: fused(r.query, variants(text_of(r.query.content) or "")[:n]))

    def read(query: Query, answers: tuple[str, ...]) -> tuple[Query, str]:
        return fused(query, listed_texts(answers[0], most=n, but=text_of(query.content)))

    return ModelRewrite(CARD.name, backend, lambda q: prompt(q, n), read, 1, max_tokens, temperature, seed)


def prompt(query: Query, n: int) -> Prompt:
    """The request for n variants."""
    return (
        Turn(
            "user",
            f"Someone looks for documents with the query below. Write {n} other search queries for the same need, in "
            f"other words or from other sides, one a line and nothing else.\n\nQuery: {text_of(query.content)}",
        ),
    )


def fused(query: Query, texts: list[str]) -> tuple[Query, str]:
    """The query with its variants, their results to be fused; unchanged if there are none."""
    if not texts:
        return query, "no variants"
    queries = Queries((text_of(query.content), *texts), RRF())
    return with_queries(query, queries), f"{len(texts)} variants: {' | '.join(t[:120] for t in texts)}"


def variants(text: str) -> list[str]:
    """A query's content words, and the same in overlapping pairs, which count the inner words twice; none of a query
    of one word.

    >>> variants("what is the lift of a swept wing")
    ['lift swept wing', 'lift swept swept wing']
    """
    english = Analyser("english")
    words = [w for w in english.words(text) if not english.is_stop_word(w)]
    if len(words) < 2:
        return []
    bigrams = " ".join(f"{a} {b}" for a, b in pairwise(words))
    return listed_texts("\n".join((" ".join(words), bigrams)), most=2, but=text)
