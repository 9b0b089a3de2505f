"""Papers as compositions, one file each: ``CARD`` and ``build(backend, **options) -> Stage``; those on training, in the
folder ``training``, ``CARD`` and ``recipe(out, train, **options) -> Recipe``.

The folders are the registry: a new file with these two names is a new method, or a new training.

>>> "rankgpt" in names() and load("rankgpt").CARD.arxiv
'2304.09542'
>>> "margin_mse" in trainings() and load("margin_mse").CARD.arxiv
'2010.02666'
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any

from ..core.errors import InputError
from . import training
from .card import Card, Cost, Figure

__all__ = ["Card", "Cost", "Figure", "load", "names", "trainings"]


@cache
def names() -> tuple[str, ...]:
    """The names of all papers on ranking: methods, each a name in pipelines."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg and m.name != "card"))


@cache
def trainings() -> tuple[str, ...]:
    """The names of all papers on training."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(training.__path__)))


def load(name: str) -> Any:
    """The module of a paper: ``CARD``, and ``build`` or ``recipe``. Raises InputError for a name that isn't here."""
    if name in names():
        return import_module(f".{name}", __package__)
    if name in trainings():
        return import_module(f".training.{name}", __package__)
    raise InputError(f"no paper {name!r}: choose one of {', '.join((*names(), *trainings()))}")
