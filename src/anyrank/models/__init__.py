"""Models: torch modules that score groups of candidates. A file holds one kind of model and is named after it.

The folder is the registry: `kinds` reads its files' names, `model_class` imports the one file that is wanted. What
several models share stands in ``parts/``, what all of them promise in ``base``.
"""

from __future__ import annotations

import difflib
import inspect
import pkgutil
from functools import cache
from importlib import import_module
from typing import Any

from ..core.errors import InputError

SHARED = ("base",)
"""Files here that hold no model."""
OUTPUTS = {"dense": "bi"}
"""Kinds as anyrank.json names them by what comes out, where the model is named by how it is built."""


@cache
def kinds() -> tuple[str, ...]:
    """The kinds of models that there are.

    >>> {"bi", "cross", "knrm", "late"} <= set(kinds())
    True
    """
    files = (m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg)
    return tuple(sorted(name for name in files if name not in SHARED))


def model_class(kind: str) -> Any:
    """The class of a kind, a `base.Model`; its file is imported, and no other's. "dense", as anyrank.json calls what a
    bi-encoder gives, is "bi". Raises InputError on an unknown kind."""
    name = OUTPUTS.get(kind, kind)
    if name not in kinds():
        raise InputError(f"no kind of model {kind!r}: {near(kind, kinds())}")
    module = import_module(f".{name}", __name__)
    return next(
        c
        for _, c in inspect.getmembers(module, inspect.isclass)
        if c.__module__ == module.__name__ and getattr(c, "kind", None) == name
    )


def near(name: str, known: tuple[str, ...]) -> str:
    """The hint of an error: the nearest known name, and all of them."""
    close = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known are {', '.join(known)}"
