"""Reads the addresses of servers, "MODEL@URL#SETTINGS": the model, the base URL, and settings as values of JSON."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from ..core.errors import InputError
from .http import Patience


class Address(NamedTuple):
    """The parts of an address."""

    model: str
    url: str
    settings: dict[str, Any]


def read_address(address: str, prefix: str) -> Address:
    """The parts of an address that follows ``prefix``. A setting is ``name=value``, several are joined by "&"; a name
    with dots is a field of a nested object. A value is JSON if it reads as JSON, else a text; ``none`` is None. "&",
    "+" and "%" in a value are written as %26, %2B and %25. Raises InputError for a setting without a value or given
    twice.

    >>> read_address("qwen3@http://127.0.0.1:8080/v1#temperature=none&chat_template_kwargs.enable_thinking=false", "")
    ... # doctest: +NORMALIZE_WHITESPACE
    Address(model='qwen3', url='http://127.0.0.1:8080/v1',
            settings={'temperature': None, 'chat_template_kwargs': {'enable_thinking': False}})
    """
    name, _, text = address.partition("#")
    model, _, url = name.partition("@")
    settings: dict[str, Any] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True) if text else []
    except ValueError:
        raise InputError(f"{prefix}{name}: settings are written name=value&name=value, not {text[:80]!r}") from None
    for key, value in pairs:
        *outer, last = key.split(".")
        inner = settings
        for part in outer:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise InputError(f"{prefix}{name}: {key!r} and {part!r} are given both")
        if not last or last in inner:
            raise InputError(
                f"{prefix}{name}: the setting {key!r} is given twice" if last else f"{key!r} names no field"
            )
        inner[last] = _value(value)
    return Address(model, url, settings)


def _value(text: str) -> Any:
    if text.lower() in ("none", ""):
        return None if text else ""
    try:
        value = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return {"true": True, "false": False}.get(text.lower(), text)
    return value


def _no_number(text: str) -> Any:
    raise ValueError(text)  # NaN and Infinity are no JSON


_PATIENCE = {"timeout": float, "retries": int, "pause": float}
"""The settings that are fields of `Patience`, with their types."""


def read_settings(
    settings: Mapping[str, Any], own: Mapping[str, type], request: Sequence[str], owner: str, others: str
) -> dict[str, Any]:
    """The arguments of a server's class that an address states: its ``own`` fields, ``patience``, and as ``extra`` the
    fields of each ``request``, by their names or as "extra.NAME". ``owner`` is the address that an error names,
    ``others`` what it says of settings beside its own. Raises InputError for unknown settings."""
    extra = settings.get("extra", {})
    if not isinstance(extra, dict):
        raise InputError(f"{owner}: extra={extra!r:.80}: expected an object of JSON, or extra.NAME=VALUE")
    extra = {**extra, **{name: value for name, value in settings.items() if name in request}}
    known = (*own, *_PATIENCE)
    if unknown := sorted(settings.keys() - {"extra", *request, *known}):
        near = difflib.get_close_matches(unknown[0], [*known, *request], 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        names = ", ".join(unknown)[:200]
        raise InputError(f"{owner}: unknown settings {names}: {hint}There are {', '.join(known)}{others}")
    options = {n: _typed(settings, n, kind, int(kind is int), owner) for n, kind in own.items() if n in settings}
    patience = {n: _typed(settings, n, kind, 0, owner) for n, kind in _PATIENCE.items() if n in settings}
    return {**options, "patience": replace(Patience(), **patience), "extra": extra}


def _typed(settings: Mapping[str, Any], name: str, kind: type, least: float, owner: str) -> Any:
    """A setting as a number above ``least`` (or equal to it, for whole numbers) or a text. Raises InputError."""
    value = settings[name]
    if kind is str:
        return value if isinstance(value, str) else json.dumps(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind is int and whole and value >= least:
        return value
    if kind is float and (whole or isinstance(value, float)) and value > least:
        return float(value)
    expected = f"a whole number of at least {least:g}" if kind is int else f"a number above {least:g}"
    raise InputError(f"{owner}: {name}={value!r}: expected {expected}")


def checked_url(url: str) -> str:
    """The URL itself. Raises InputError, which doesn't quote it, if it is no http address or holds a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise InputError("base_url must be http://… or https://… with a host") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError("base_url must be http://… or https://… with a host")
    if parts.username or parts.password:
        raise InputError("base_url holds a user name or password: use key_env or key_file instead")
    return url
