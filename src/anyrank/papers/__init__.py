"""Papers as compositions, one file each: a ``CARD`` and ``build(backend, **options) -> Stage``.

The folder is the registry: a new file with these two names is a new method.

>>> "rankgpt" in names() and load("rankgpt").CARD.arxiv
'2304.09542'
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any

from ..core.errors import InputError
from .card import Card, Cost, Figure

__all__ = ["Card", "Cost", "Figure", "load", "names"]


@cache
def names() -> tuple[str, ...]:
    """The names of all papers here."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in ("card",)))


def load(name: str) -> Any:
    """The module of a paper: ``CARD`` and ``build``. Raises InputError for a name that isn't here."""
    if name not in names():
        raise InputError(f"no paper {name!r}: choose one of {', '.join(names())}")
    return import_module(f".{name}", __package__)
