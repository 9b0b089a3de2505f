"""Kinds of models, as far as they are known by their names, so that a pipeline that can't run is refused when it is
read."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import AnyrankError, InputError
from ..hub.folder import KINDS, read
from ..hub.registry import SHIPPED, get
from .arguments import Call

LATE = ("late", "colbert")
_OWN = ("mini", *SHIPPED)  # models that are names of their own


def known_kind(name: str) -> str:
    """The kind of a model of the registry or of a folder; empty if it would have to be fetched or opened to be known.

    >>> known_kind("tiny"), known_kind("minilm"), known_kind("owner/name")
    ('late', 'dense', '')
    """
    name = SHIPPED.get(name, name)
    path = Path(name).expanduser()
    if path.exists():
        try:
            return read(path).kind
        except AnyrankError:  # the error of opening it says more
            return ""
    row = get(name)
    return "" if row is None else row.kind


def searched_model(name: str, written: Call) -> str:
    """The model whose vectors a call to ``name`` searches; empty if it searches none, or more than one kind.

    >>> searched_model("search", Call("search", (("", "mini"),))), searched_model("mini", Call("mini", ()))
    ('mini', 'mini')
    """
    if name in _OWN:
        return name
    given = next((value for key, value in written.arguments if key in ("", "name")), "")
    return str(given) if name in ("search", "model", "feedback") else ""


def check_kind(name: str, written: Call, mover: str) -> None:
    """Raises InputError on ``feedback`` by a model that makes no single dense vector, and on a search by states of
    tokens after ``mover``, a rewriter that changes the query's vector, if there is one."""
    model = searched_model(name, written)
    kind = known_kind(model) if model and (mover or name == "feedback") else ""
    if name == "feedback" and kind in (*LATE, "sparse"):
        raise InputError(f"feedback moves one dense vector, and {model} is {KINDS[kind]}: take a dense one, as minilm")
    if mover and kind in LATE:
        raise InputError(
            f"{mover} changes a query's vector, and {model} makes one for each token: search with a dense or sparse "
            "model after it, or give feedback in texts, text_feedback"
        )
