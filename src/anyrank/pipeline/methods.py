"""Makes the methods of the literature parts of a pipeline: ``bm25 % 100 >> rankgpt("openai:gpt-4o-mini")``."""

from __future__ import annotations

import inspect
from dataclasses import replace
from inspect import Parameter
from typing import Any, get_args

from ..core.errors import InputError
from ..core.rerank import Rerank
from ..core.stage import Stage
from ..hub.open import PREFIXES, is_server, open_model
from ..papers.card import Card
from .arguments import parameters
from .context import Settings
from .parts import Part


def language_model(name: str) -> Any:
    """The language model or classifier of a name: anything that `open_model` opens, by transformers unless the name
    states another runtime. Loaded when first used.

    >>> language_model("openai:qwen3@http://127.0.0.1:8080/v1").base_url
    'http://127.0.0.1:8080/v1'
    """
    stated = isinstance(name, str) and (is_server(name) or name.startswith(tuple(f"{prefix}:" for prefix in PREFIXES)))
    return open_model(name, runtime="" if stated else "hf")


def build(
    paper: str,
    settings: Settings,
    model: str,
    *,
    cache: str | None = None,
    depth: int | None = None,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    max_seconds: float | None = None,
    max_ms: float | None = None,
    answer_tokens: int | None = None,
    **options: Any,
) -> Stage:
    """A paper's method over a model. ``cache``: a file for the model's answers; ``depth`` and the budgets as in
    `Rerank`; ``answer_tokens`` the room for each answer, in place of the method's own; ``template`` a YAML file in
    rank_llm's fields; other options are the method's own. Raises InputError if the model can't do what the paper's
    card says it needs."""
    from ..judges.consensus import SelfConsistency
    from ..papers import load

    system = load(paper)
    backend = _opened(paper, settings, model, cache, answer_tokens)
    if isinstance(options.get("template"), str):
        from ..llm.template_file import load_template

        options["template"] = load_template(options["template"])
    limits: dict[str, Any] = {
        "depth": depth,
        "max_calls": max_calls,
        "max_tokens": max_tokens,
        "max_seconds": max_seconds,
        "max_ms": max_ms,
    }
    stated = {k: v for k, v in limits.items() if v is not None}
    stage: Stage = system.build(backend, **options)
    if not stated:
        return stage
    if isinstance(stage, SelfConsistency):
        return stage.within(**stated)
    if not isinstance(stage, Rerank):
        raise InputError(f"{paper} takes no {', '.join(stated)}")
    return replace(stage, **stated)


def _opened(paper: str, settings: Settings, model: str, cache: str | None, answer_tokens: int | None) -> Any:
    """The model that a paper runs on, with the cache, log and room for answers that the options and settings choose."""
    from ..llm.answer_room import AnswerRoom
    from ..llm.cache import Cached
    from ..papers import card as card_of

    card = card_of(paper)
    if cache is not None and "judge" in card.capabilities:
        raise InputError(f"{paper} scores pairs and generates no answers to cache: leave cache out")
    backend = _backend(card, model)
    card.check(backend, model)
    if answer_tokens is not None:
        if not {"generate", "generate_fused"} & set(card.capabilities):
            raise InputError(f"{paper} generates no answers: leave answer_tokens out")
        backend = AnswerRoom(backend, answer_tokens)
    if cache is not None:
        backend = Cached(backend, cache)
    if settings.log is not None and "judge" not in card.capabilities:
        from ..llm.call_log import Logged

        backend = Logged(backend, settings.log, model)
    return backend


def rewriter(paper: str, settings: Settings, *args: Any, **options: Any) -> Stage:
    """A paper's rewriter of queries: over a model, whose name is the first argument, the lexical index, or neither.
    Without a name it is the paper's rule form.
    Raises InputError if the index or a capability of the model that it needs is missing."""
    from ..papers import card, load

    system = load(paper)
    if card(paper).capabilities:
        model, *args = args if args else (options.pop("model", ""),)  # type: ignore[assignment]
        cache, answer_tokens = options.pop("cache", None), options.pop("answer_tokens", None)
        backend = _opened(paper, settings, str(model), cache, answer_tokens) if model else None
        stage: Stage = system.rewriter(backend, *args, **options)
        return stage
    if card(paper).lexical:
        if settings.collection is None:
            raise InputError(f"{paper} needs an index of words: give one")
        stage = system.rewriter(settings.collection.lexical, *args, **options)
        return stage
    stage = system.rewriter(*args, **options)
    return stage


def _backend(card: Card, model: str) -> Any:
    """The model that a paper runs on, opened: by the paper's own ``open_model`` if its file has one, else as a
    language model, or as a classifier if the paper needs a judge and the name states no kind."""
    from ..papers import defining, load

    if card.name in defining("open_model"):
        return load(card.name).open_model(model)
    return language_model(f"classifier:{model}" if "judge" in card.capabilities and ":" not in model else model)


def part_of(paper: str) -> Part:
    """A paper's method as a part of pipelines."""
    from ..papers import card, rewriters

    if paper in rewriters():
        return _rewriter_part(paper)

    def then(settings: Settings, model: str, **options: Any) -> Stage:
        return build(paper, settings, model, **options)

    # The arguments differ from paper to paper, so they are put into the signature, which the parser checks.
    then.__signature__ = inspect.Signature(_signature(paper))  # type: ignore[attr-defined]
    return Part(f'{card(paper).summary}: {paper}("MODEL")', then=then)


def _rewriter_part(paper: str) -> Part:
    """A paper's rewriter as a part of pipelines."""
    from ..papers import card, load

    def rewrite(settings: Settings, *args: Any, **options: Any) -> Stage:
        return rewriter(paper, settings, *args, **options)

    takes_model, takes_index = bool(card(paper).capabilities), card(paper).lexical
    own = parameters(load(paper).rewriter, skip=int(takes_model or takes_index))
    first = [p for p in parameters(build, skip=0) if p.name == "settings"]
    if takes_model:
        first += [p for p in parameters(build) if p.name in ("model", "cache", "answer_tokens")]
        if parameters(load(paper).rewriter, skip=0)[0].default is None:  # it has a rule form
            first = [p.replace(default="") if p.name == "model" else p for p in first]
    rewrite.__signature__ = inspect.Signature(sorted([*first, *own], key=lambda p: p.kind))  # type: ignore[attr-defined]
    written = f'{paper}("MODEL")' if any(p.name == "model" for p in (*first, *own)) else paper
    about = f"{card(paper).summary}: {written}"
    return Part(about, rewrite if card(paper).starts else None, rewrite, rewrites=True, moves=card(paper).moves)


def _signature(paper: str) -> list[Parameter]:
    """``settings``, ``model``, the options of every method, and those options of the paper's ``build`` that can be
    written as a constant; a template is written as the name of its file."""
    from ..llm.prompts import Template
    from ..papers import load

    common = [p for p in parameters(build) if p.kind is not Parameter.VAR_KEYWORD]
    common_names = {p.name for p in common}
    own = [p for p in parameters(load(paper).build) if p.kind is Parameter.KEYWORD_ONLY and p.name not in common_names]
    writable = [
        p.replace(annotation=str | None, default=None) if Template in (p.annotation, *get_args(p.annotation)) else p
        for p in own
        if Stage not in get_args(p.annotation)
    ]
    return [*common, *writable]
