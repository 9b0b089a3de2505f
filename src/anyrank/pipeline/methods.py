"""The methods of the literature as parts of a pipeline: ``bm25 % 100 >> rankgpt("openai:gpt-4o-mini")``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from ..core.errors import InputError
from ..core.rerank import Rerank
from ..core.stage import Stage
from ..hub.open import PREFIXES, open_model
from .parser import Part, Settings


def language_model(name: str) -> Any:
    """The language model, or the classifier, that a method is given by name: anything that `open_model` opens, by
    transformers where the name states no other runtime. Loaded when first used.

    >>> language_model("openai:qwen3@http://127.0.0.1:8080/v1").base_url
    'http://127.0.0.1:8080/v1'
    """
    stated = isinstance(name, str) and name.startswith(tuple(f"{p}:" for p in ("openai", *PREFIXES)))
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
    **options: Any,
) -> Stage:
    """A paper's method over a model. ``cache``: a file that keeps the model's answers; ``depth`` and the budgets as in
    `Rerank`; ``template`` a YAML file in rank_llm's fields; other options are the method's own."""
    from ..judges.consensus import SelfConsistency
    from ..llm.cache import Cached
    from ..papers import load

    make = load(paper).build
    backend = getattr(load(paper), "opened", language_model)(model)
    if cache is not None:
        if callable(backend):
            raise InputError(f"{paper} scores pairs and keeps no answers: leave cache out")
        backend = Cached(backend, cache)
    if isinstance(options.get("template"), str):
        from ..llm.template_file import load_template

        options["template"] = load_template(options["template"])
    limits: dict[str, Any] = {
        "depth": depth,
        "max_calls": max_calls,
        "max_tokens": max_tokens,
        "max_seconds": max_seconds,
    }
    given = {k: v for k, v in limits.items() if v is not None}
    try:
        stage: Stage = make(backend, **options)
    except InputError as error:
        if callable(backend):
            raise InputError(
                f"{paper}({model!r}): {error} ({model} scores candidates by itself and is no language model)"
            ) from error
        raise
    if isinstance(stage, Rerank) and not callable(stage.judge):
        raise InputError(f"{paper} needs a model that scores candidates by itself, and {model} is a language model")
    if not given:
        return stage
    if isinstance(stage, SelfConsistency):
        return stage.within(**given)
    if not isinstance(stage, Rerank):
        raise InputError(f"{paper} takes no {', '.join(given)}")
    return replace(stage, **given)


def parts() -> dict[str, Part]:
    """One part a paper."""
    from ..papers import load, names

    return {n: Part(f'{load(n).CARD.summary}: {n}("MODEL")', then=partial(build, n)) for n in names()}
