"""The methods of the literature as parts of a pipeline: ``bm25 % 100 >> rankgpt("openai:gpt-4o-mini")``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from inspect import Parameter
from pathlib import Path
from typing import Any, get_args
from urllib.parse import parse_qsl

from ..core.errors import InputError
from ..core.rerank import Rerank
from ..core.stage import Stage
from ..papers.card import Card
from .arguments import parameters
from .context import Settings
from .parts import Part

HOSTED = "https://api.openai.com/v1"
_SERVER = ("key_env", "key_file", "limit_field", "prefill")
"""What may be said of a server after ``#``, as `OpenAI` names it."""


def language_model(name: str) -> Any:
    """The backend that a model's name stands for: ``hf:`` and a hub id or folder (transformers, also without the
    prefix), ``llamacpp:`` and a GGUF file, ``openai:MODEL@URL`` for a server that speaks OpenAI's dialect (without
    ``@URL`` the hosted one, with the key in OPENAI_API_KEY; settings of the server follow as
    ``#prefill=vllm&key_env=NAME``), ``classifier:`` and a sequence-classification model. A name in ``anyrank models
    list`` is fetched first. One process opens a model once. A prompt that doesn't fit a local model loses its middle
    and is counted as truncated, so that one long document doesn't end a long job.

    >>> language_model("openai:qwen3@http://127.0.0.1:8080/v1").base_url
    'http://127.0.0.1:8080/v1'
    """
    if not isinstance(name, str):
        raise InputError(f"a model is named by a text in quotes, not by {name!r}")
    kind, colon, rest = name.partition(":")
    return _opened(kind, rest) if colon and kind in _KINDS else _opened("hf", name)


@cache
def _opened(kind: str, name: str) -> Any:
    if not name:
        raise InputError(f"{kind}: names no model")
    return _KINDS[kind](name)


def _file(name: str) -> str:
    """The place of a model of the table: its folder, or the one GGUF file in it; a local path as an absolute one (so
    that kept answers are one model's); any other name as it is."""
    from ..hub.registry import list_models, resolve

    if name not in {m.name for m in list_models()}:
        return str(Path(name).resolve()) if Path(name).exists() else name
    folder = resolve(name)
    weights = sorted(folder.glob("*.gguf"))
    return str(weights[0] if len(weights) == 1 else folder)


def _hf(name: str) -> Any:
    from ..backends.hf.language_model import HF

    return HF(_file(name), overflow="middle")


def _llamacpp(name: str) -> Any:
    from ..backends.llamacpp import LlamaCpp

    return LlamaCpp(_file(name), overflow="middle")


def _openai(name: str) -> Any:
    from ..backends.openai import OpenAI

    plain, _, settings = name.partition("#")
    model, _, url = plain.partition("@")
    options = dict(parse_qsl(settings, keep_blank_values=True))
    if unknown := sorted(options.keys() - _SERVER):
        raise InputError(f"openai:{name}: unknown settings {', '.join(unknown)}: there are {', '.join(_SERVER)}")
    if options.get("prefill", "") not in ("", "server", "vllm"):
        raise InputError(f"openai:{name}: prefill is server or vllm, not {options['prefill']!r}")
    if not url and not options.keys() & {"key_env", "key_file"}:
        options["key_env"] = "OPENAI_API_KEY"
    return OpenAI(model, url or HOSTED, **options)  # type: ignore[arg-type]


def _classifier(name: str) -> Any:
    from ..backends.hf.classifier import SequenceClassifier

    return SequenceClassifier(name)


_KINDS: dict[str, Callable[[str], Any]] = {
    "hf": _hf,
    "llamacpp": _llamacpp,
    "openai": _openai,
    "classifier": _classifier,
}


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
    `Rerank`; ``template`` a YAML file in rank_llm's fields; other options are the method's own. Raises InputError where
    the model can't do what the paper's card says it needs."""
    from ..judges.consensus import SelfConsistency
    from ..llm.cache import Cached
    from ..papers import load

    system = load(paper)
    card: Card = system.CARD
    if cache is not None and "judge" in card.capabilities:
        raise InputError(f"{paper} scores pairs and keeps no answers: leave cache out")
    backend = _backend(card, model)
    card.check(backend, model)
    if cache is not None:
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
    stage: Stage = system.build(backend, **options)
    if not given:
        return stage
    if isinstance(stage, SelfConsistency):
        return stage.within(**given)
    if not isinstance(stage, Rerank):
        raise InputError(f"{paper} takes no {', '.join(given)}")
    return replace(stage, **given)


def _backend(card: Card, model: str) -> Any:
    """The model that a paper runs on, opened: by the paper's own ``open_model`` where its file has one, else as a
    language model, or as a classifier where the paper needs a judge and no kind is named."""
    from ..papers import defining, load

    if card.name in defining("open_model"):
        return load(card.name).open_model(model)
    return language_model(f"classifier:{model}" if "judge" in card.capabilities and ":" not in model else model)


def part_of(paper: str) -> Part:
    """A paper's method as a part of pipelines."""
    from ..papers import card

    def then(settings: Settings, model: str, **options: Any) -> Stage:
        return build(paper, settings, model, **options)

    # its arguments are known by the paper alone, so the part states them in its signature
    then.__signature__ = inspect.Signature(_signature(paper))  # type: ignore[attr-defined]
    return Part(f'{card(paper).summary}: {paper}("MODEL")', then=then)


def _signature(paper: str) -> list[Parameter]:
    """``settings``, ``model``, what every method takes, and the options of the paper's ``build`` that a constant can
    stand for; a template is given as the name of its file."""
    from ..llm.prompts import Template
    from ..papers import load

    common = [p for p in parameters(build) if p.kind is not Parameter.VAR_KEYWORD]
    known = {p.name for p in common}
    own = [p for p in parameters(load(paper).build) if p.kind is Parameter.KEYWORD_ONLY and p.name not in known]
    file = [
        p.replace(annotation=str | None, default=None) if Template in (p.annotation, *get_args(p.annotation)) else p
        for p in own
        if Stage not in get_args(p.annotation)
    ]
    return [*common, *file]
