"""HyDE: the query is searched by passages that a language model writes to answer it.

Gao et al., "Precise Zero-Shot Dense Retrieval without Relevance Labels", 2022, arXiv 2212.10496. Encoders search with
the mean of the vectors of the query and of the passages, which is the paper's form; BM25 searches query and passages as
one text. The prompt is in our own words. Without a model the passage is a rule's: the question as a statement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ..core.content import text_of
from ..core.language import Generates, Prompt, Turn
from ..core.stage import Stage
from ..core.trace import Usage
from ..core.types import Query, Ranking
from ..index.base import Index
from ..retrieve.model_rewrite import ModelRewrite
from ..retrieve.rewritten import Rewrite, with_rewritten, with_rule
from ..vectors import Dense, Encoded, Encoder, Sparse, Vectors, join
from .card import Card, Figure

CARD = Card(
    name="hyde",
    title="Precise Zero-Shot Dense Retrieval without Relevance Labels",
    arxiv="2212.10496",
    year=2022,
    summary="search with hypothetical passages that a language model writes",
    needs="a language model with generate, or none for the rule form",
    capabilities=("generate",),
    starts=True,
    formula="n calls a query",
    figures=(
        Figure(0.613, "TREC DL19", "nDCG@10", "Contriever, InstructGPT"),
        Figure(0.579, "TREC DL20", "nDCG@10", "Contriever, InstructGPT"),
    ),
    differences=("passages are encoded as documents are, with the encoder's own prefix for documents",),
)


def rewriter(
    backend: Generates | None = None, *, n: int = 1, temperature: float = 0.7, max_tokens: int = 256, seed: int = 0
) -> Stage:
    """Queries with ``n`` hypothetical passages each; without a backend with the rule's statement."""
    if backend is None:
        return Rewrite(CARD.name, _by_rule)
    return ModelRewrite(CARD.name, backend, prompt, with_passages, n, max_tokens, temperature, seed)


def prompt(query: Query) -> Prompt:
    """The request for one passage."""
    return (
        Turn(
            "user",
            f"Write one short passage, as a reference work or an article might have it, that answers this question or "
            f"treats this topic:\n\n{text_of(query.content)}\n\nGive the passage alone.",
        ),
    )


def with_passages(query: Query, passages: tuple[str, ...]) -> tuple[Query, str]:
    """The query to be searched by passages: as one text, and by encoders as the mean vector."""
    text = text_of(query.content)
    rule = MeanOfTexts(text, passages)
    words = sum(len(p.split()) for p in passages)
    note = f"{len(passages)} passage{'s' * (len(passages) != 1)} of {words} words"
    return with_rule(with_rewritten(query, "\n".join((text, *passages))), rule), note


@dataclass(frozen=True)
class MeanOfTexts:
    """A rule for encoded queries: the mean of the vectors of a query and of some passages, in place of the vector that
    comes in, which is that of all of it as one text. Vectors of tokens have no mean, and stay."""

    query: str
    passages: tuple[str, ...]

    def __call__(self, vector: Vectors, encoder: Encoder, index: Index) -> Encoded:
        if not isinstance(vector, Dense | Sparse):
            return Encoded(vector, Usage())
        query, passages = encoder.encode([self.query], query=True), encoder.encode(list(self.passages))
        return Encoded(mean(join([query.vectors, passages.vectors])), query.usage + passages.usage)


def mean(vectors: Vectors) -> Vectors:
    """One row, the mean of dense or sparse rows."""
    if isinstance(vectors, Sparse):
        return Sparse.from_weights(vectors.filled().mean(axis=0, keepdims=True))
    return Dense(vectors.dense().mean(axis=0, keepdims=True).astype(np.float32))


_QUESTION = re.compile(
    r"^\s*(?P<ask>(?:in |at |on |to |for |of |by |from )?(?:what|which|who|whom|whose|when|where|why|how)\b(?: (?:much|"
    r"many|long|old|far|often|tall|big))?)\s*(?P<rest>.*?)\s*\?*\s*$",
    re.IGNORECASE | re.DOTALL,
)
_AUXILIARY = re.compile(
    r"^(?P<aux>is|are|was|were|can|could|will|would|should|has|have|had)\s+(?P<rest>.+)$", re.I | re.S
)
_DO = re.compile(r"^(?:do|does|did)\s+(?P<rest>.+)$", re.IGNORECASE | re.DOTALL)
_REASON = {"why": "because", "when": "in", "where": "in", "how": "by"}


def statement(text: str) -> str:
    """A question as the beginning of its answer; other texts unchanged.

    >>> statement("What is the capital of France?"), statement("Why does ice float?")
    ('the capital of France is', 'ice float because')
    """
    match = _QUESTION.match(text)
    if not match or not match["rest"]:
        return text
    ask, rest = match["ask"].split()[0].lower(), match["rest"]
    if auxiliary := _AUXILIARY.match(rest):
        rest = f"{auxiliary['rest']} {auxiliary['aux']}"
    elif do := _DO.match(rest):
        rest = do["rest"]
    return f"{rest} {_REASON[ask]}" if ask in _REASON else rest


def _by_rule(ranking: Ranking) -> tuple[Query, str]:
    text = text_of(ranking.query.content) or ""
    passage = statement(text)
    if passage == text or not passage.strip():
        return ranking.query, "no question that a rule makes a statement of"
    return with_passages(ranking.query, (passage,))[0], f"passage: {passage[:200]}"
