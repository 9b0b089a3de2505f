"""Rewriters that have a name in pipelines: a language model changes the query, or rules do if no model is named."""

from __future__ import annotations

from typing import Any

from ..core.stage import Stage
from .context import Settings
from .parts import Part


def _hyde(
    settings: Settings,
    model: str = "",
    *,
    n: int = 1,
    temperature: float = 0.7,
    max_tokens: int = 256,
    seed: int = 0,
    cache: str | None = None,
    answer_tokens: int | None = None,
) -> Stage:
    """Search with hypothetical passages."""
    options = {"n": n, "temperature": temperature, "max_tokens": max_tokens, "seed": seed}
    return _rewriter("hyde", settings, model, cache, answer_tokens, options)


def _decompose(
    settings: Settings,
    model: str = "",
    *,
    most: int = 5,
    temperature: float = 0.8,
    max_tokens: int = 256,
    seed: int = 0,
    cache: str | None = None,
    answer_tokens: int | None = None,
) -> Stage:
    """Search the question and its sub-questions."""
    options = {"most": most, "temperature": temperature, "max_tokens": max_tokens, "seed": seed}
    return _rewriter("decompose", settings, model, cache, answer_tokens, options)


def _rewrite(
    settings: Settings,
    model: str = "",
    *,
    temperature: float = 0.0,
    max_tokens: int = 96,
    seed: int = 0,
    cache: str | None = None,
    answer_tokens: int | None = None,
) -> Stage:
    """Search with the query rewritten."""
    options = {"temperature": temperature, "max_tokens": max_tokens, "seed": seed}
    return _rewriter("rewrite", settings, model, cache, answer_tokens, options)


def _multi_query(
    settings: Settings,
    model: str = "",
    *,
    n: int = 4,
    temperature: float = 0.7,
    max_tokens: int = 192,
    seed: int = 0,
    cache: str | None = None,
    answer_tokens: int | None = None,
) -> Stage:
    """Search several queries, fused."""
    options = {"n": n, "temperature": temperature, "max_tokens": max_tokens, "seed": seed}
    return _rewriter("multi_query", settings, model, cache, answer_tokens, options)


def _rewriter(
    paper: str, settings: Settings, model: str, cache: str | None, answer_tokens: int | None, options: dict[str, Any]
) -> Stage:
    """A paper's rewriter over a model; without one, its rule form."""
    from ..papers import load
    from .methods import wrapped

    system = load(paper)
    backend = wrapped(system.CARD, settings, model, cache, answer_tokens) if model else None
    stage: Stage = system.rewriter(backend, **options)
    return stage


QUERIES = {
    "hyde": Part(
        'search with passages that a model writes, or by a rule: hyde("MODEL", n=4) >> minilm', _hyde, _hyde, True
    ),
    "decompose": Part(
        'search a question and its sub-questions, pooled: decompose("MODEL") >> bm25 % 20 >> mini',
        _decompose,
        _decompose,
        True,
    ),
    "rewrite": Part(
        'search with the query as a model rewrites it, or by rules: rewrite("MODEL") >> bm25', _rewrite, _rewrite, True
    ),
    "multi_query": Part(
        'search several queries for one, fused by RRF: multi_query("MODEL", n=4) >> bm25',
        _multi_query,
        _multi_query,
        True,
    ),
}
