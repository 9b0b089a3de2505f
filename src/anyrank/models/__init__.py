"""Models: torch modules that score groups of candidates. A file holds one kind of model and is named after it.

The folder is the registry: `kinds` reads its files' names, `model_class` imports the one file that is wanted. The
parts that several models share are in ``parts/``, the protocol of all models is in ``base``.
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
"""Kinds that anyrank.json names by their output ("dense" vectors), and the kind of model that makes it."""


@cache
def kinds() -> tuple[str, ...]:
    """The kinds of models that there are.

    >>> {"bi", "cross", "knrm", "late"} <= set(kinds())
    True
    """
    files = (m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg)
    return tuple(sorted(name for name in files if name not in SHARED))


def model_class(kind: str) -> Any:
    """The class of a kind, a `base.Model`; only that file is imported. "dense", anyrank.json's name for the output of a
    bi-encoder, is "bi". Raises InputError on an unknown kind."""
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
