"""Checks the arguments of a part against its function's signature, and writes its call in one normal form."""

from __future__ import annotations

import difflib
import inspect
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, Signature
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from ..core.errors import InputError, quoted


@dataclass(frozen=True, slots=True)
class Call:
    """A name with its arguments; those given by position have the name "". Its str is the call as a pipeline writes it.

    >>> str(Call("model", (("", "mini"), ("depth", 5))))
    'model("mini", depth=5)'
    """

    name: str
    arguments: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        written = [f"{name}={literal(value)}" if name else literal(value) for name, value in self.arguments]
        return f"{self.name}({', '.join(written)})" if written else self.name

    def __hash__(self) -> int:
        return hash(str(self))  # values may be lists


def literal(value: Any) -> str:
    """A constant as pipelines write it, texts in double quotes.

    >>> literal([1, -0.5, 'a "b"', None])
    '[1, -0.5, "a \\\\"b\\\\"", None]'
    """
    if isinstance(value, str):
        # JSON's escapes are Python's too, except those of unprintable characters (surrogate pairs)
        return json.dumps(value, ensure_ascii=False) if value.isprintable() else repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return repr(value)


def is_constant(value: Any) -> bool:
    """True if a value can be written in a pipeline: None, True, False, a text, a finite number, or a collection of
    these."""
    if isinstance(value, Mapping):
        return all(is_constant(x) for pair in value.items() for x in pair)
    if isinstance(value, list | tuple):
        return all(map(is_constant, value))
    return (
        value is None
        or isinstance(value, str | bool)
        or (_is_number(value) and (isinstance(value, int) or math.isfinite(value)))
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def parameters(make: Callable[..., Any], skip: int = 1) -> tuple[Parameter, ...]:
    """The parameters of a function after the first ``skip``, with their annotations resolved if possible."""
    try:
        signature = inspect.signature(make, eval_str=True)
    except NameError:  # an annotation imported under TYPE_CHECKING only
        signature = inspect.signature(make)
    return tuple(signature.parameters.values())[skip:]


def call(name: str, known: Sequence[Parameter], args: Iterable[Any], kwargs: Mapping[str, Any]) -> Call:
    """The call of ``name`` in its normal form: arguments without a default by position, the others by name, in the
    signature's order, without those that equal their default. Raises InputError on arguments that don't fit.

    >>> def search(settings, name: str, k: int = 1000, loss: str = "kl"): ...
    >>> str(call("search", parameters(search), ["minilm", 1000], {"loss": "ranknet"}))
    'search("minilm", loss="ranknet")'
    """
    try:
        bound = Signature(known).bind(*args, **kwargs).arguments
    except TypeError as error:
        raise InputError(f"{name}: {error}; {_known(known, kwargs)}") from None
    except ValueError as error:  # the parameters are no valid signature
        raise InputError(f"{name}: {error}") from None
    has_varargs = any(p.kind is Parameter.VAR_POSITIONAL and bound.get(p.name) for p in known)
    written: list[tuple[str, Any]] = []
    for p in known:
        if p.name not in bound:
            continue
        value = bound[p.name]
        if p.kind is Parameter.VAR_POSITIONAL:
            written += [("", v) for v in value]
            continue
        if p.kind is Parameter.VAR_KEYWORD:
            written += value.items()
            continue
        if not fits(value, p.annotation):
            raise InputError(f"{name}: {p.name}={quoted(value)}: {expected(p.annotation)}")
        positional = p.kind is Parameter.POSITIONAL_ONLY or (p.kind is Parameter.POSITIONAL_OR_KEYWORD and has_varargs)
        if positional or (p.default is Parameter.empty and p.kind is Parameter.POSITIONAL_OR_KEYWORD):
            written.append(("", value))
        elif not _same(value, p.default):
            written.append((p.name, value))
    return Call(name, tuple(written))


def _same(value: Any, default: Any) -> bool:
    return isinstance(value, bool) == isinstance(default, bool) and bool(value == default)


def _known(known: Sequence[Parameter], kwargs: Iterable[str]) -> str:
    """The known arguments, or the one that was probably meant."""
    names = [p.name for p in known]
    for wrong in kwargs:
        if wrong not in names and (near := difflib.get_close_matches(wrong, names, 1)):
            return f"did you mean {quoted(near[0])}?"
    return f"known are {', '.join(map(_shown, known))}" if names else "it takes none"


def _shown(p: Parameter) -> str:
    if p.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
        return f"{'*' if p.kind is Parameter.VAR_POSITIONAL else '**'}{p.name}"
    return p.name if p.default is Parameter.empty else f"{p.name}={p.default!r}"


_NAMES = {int: "a whole number", float: "a number", str: "a text in quotes", bool: "True or False", NoneType: "None"}


def fits(value: Any, hint: Any) -> bool:
    """True if a constant is of an annotated type; types other than those of constants accept everything."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return any(fits(value, h) for h in get_args(hint))
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in get_args(hint))
    if hint is None or hint is NoneType:
        return value is None
    if hint is bool or hint is str:
        return isinstance(value, hint)
    if hint is float:
        return _is_number(value)
    return _is_number(value) and isinstance(value, int) if hint is int else True


def expected(hint: Any) -> str:
    """The values that an annotated type allows, in words.

    >>> expected(int | None), expected(Literal["heap", "bubble"])
    ('expected a whole number or None', 'choose one of heap, bubble')
    """
    if get_origin(hint) is Literal:
        return f"choose one of {', '.join(map(str, get_args(hint)))}"
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return f"expected {' or '.join(_NAMES.get(m, str(m)) for m in members)}"
