"""Systems of the literature, one file each: ``CARD`` and any of ``build(backend, **options) -> Stage`` (a method, a
name in pipelines), ``rewriter(…) -> Stage`` (a rewriter of queries, a name in pipelines too), ``recipe(out, train,
**options) -> Recipe`` (a training), ``benchmark``, ``data`` and ``retriever`` (a stage that joins searches). A method
whose models are not opened by their name alone has ``open_model(name)`` too.

A rewriter's first argument is the opened model if its card has ``capabilities`` (None, where it has a rule form, if no
model is named), the lexical index if the card says
``lexical``, else it has no argument but its own options.

The folder is the registry: a new file with these names is a new system. Listing them and reading their cards imports
none of them.

>>> "rankgpt" in names() and card("rankgpt").arxiv
'2304.09542'
>>> "margin_mse" in trainings() and load("margin_mse").CARD == card("margin_mse")
True
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from .card import Card, Cost, Figure, Price
from .source import Source

__all__ = [
    "Card",
    "Cost",
    "Figure",
    "Price",
    "card",
    "defining",
    "kind",
    "load",
    "names",
    "rewriters",
    "systems",
    "trainings",
]


@cache
def _sources() -> dict[str, Source]:
    """The file of each paper; other files of the folder have no card."""
    files = sorted(p for folder in __path__ for p in Path(folder).glob("*.py"))
    return {p.stem: Source(p) for p in files if "\nCARD = " in p.read_text(encoding="utf-8")}


@cache
def defining(function: str) -> tuple[str, ...]:
    """Names of the papers whose file defines a function; no file is imported."""
    return tuple(name for name, source in _sources().items() if function in source.functions)


def names() -> tuple[str, ...]:
    """The names of all methods, each a name in pipelines."""
    return defining("build")


def rewriters() -> tuple[str, ...]:
    """The names of all rewriters of queries, each a name in pipelines."""
    return defining("rewriter")


def trainings() -> tuple[str, ...]:
    """The names of all papers with a recipe."""
    return defining("recipe")


def systems() -> tuple[str, ...]:
    """The names of all papers: methods, then rewriters, then trainings, then the others."""
    return tuple(dict.fromkeys((*names(), *rewriters(), *trainings(), *_sources())))


KINDS = {
    "build": "method",
    "rewriter": "rewriter",
    "retriever": "retriever",
    "recipe": "training",
    "plan": "training",
    "benchmark": "benchmark",
    "data": "data",
}
"""The kind of a paper, by the first of these functions that its file defines."""


def kind(name: str) -> str:
    """The main kind of a paper: method, rewriter, retriever, training, benchmark or data.

    >>> kind("rankgpt"), kind("margin_mse")
    ('method', 'training')
    """
    functions = _sources()[_known(name)].functions
    return next((word for function, word in KINDS.items() if function in functions), "card")


@cache
def card(name: str) -> Card:
    """A paper's card, read from its file. Raises InputError for an unknown name."""
    return _sources()[_known(name)].card()


def load(name: str) -> Any:
    """The module of a paper, imported. Raises InputError for an unknown name."""
    return import_module(f".{_known(name)}", __package__)


def _known(name: str) -> str:
    if name not in _sources():
        raise InputError(f"no paper {name!r}: choose one of {', '.join(systems())}")
    return name
