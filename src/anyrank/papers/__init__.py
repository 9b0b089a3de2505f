"""Systems of the literature, one file each: ``CARD`` and any of ``build(backend, **options) -> Stage`` (a method),
``recipe(out, train, **options) -> Recipe`` (a training).

The folder is the registry: a new file with these names is a new method, or a new training.

>>> "rankgpt" in names() and load("rankgpt").CARD.arxiv
'2304.09542'
>>> "margin_mse" in trainings() and load("margin_mse").CARD.arxiv
'2010.02666'
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from .card import Card, Cost, Figure

__all__ = ["Card", "Cost", "Figure", "load", "names", "trainings"]


@cache
def _defining(function: str) -> tuple[str, ...]:
    """Names of the papers whose file defines a function; no file is imported."""
    files = sorted(p for p in Path(__file__).parent.glob("*.py") if p.stem not in ("__init__", "card"))
    return tuple(p.stem for p in files if re.search(rf"^def {function}\(", p.read_text(encoding="utf-8"), re.M))


def names() -> tuple[str, ...]:
    """The names of all methods, each a name in pipelines."""
    return _defining("build")


def trainings() -> tuple[str, ...]:
    """The names of all papers with a recipe."""
    return _defining("recipe")


def load(name: str) -> Any:
    """The module of a paper: ``CARD``, and ``build`` or ``recipe``. Raises InputError for a name that isn't here."""
    if name in (*names(), *trainings()):
        return import_module(f".{name}", __package__)
    raise InputError(f"no paper {name!r}: choose one of {', '.join((*names(), *trainings()))}")
