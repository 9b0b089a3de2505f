"""Replacing single values of a recipe, as with ``--set optimiser.rate=1e-4``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..core.errors import InputError, MissingExtra, quoted
from .recipe import Recipe
from .typed_yaml import read_text


def with_settings(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """The recipe with some values replaced, one after the other. A setting is ``path=value``: keys (and positions in
    lists, from 0) joined by dots, and the value in YAML. Raises InputError on an unknown key and on a value of another
    type.

    >>> changed = with_settings(Recipe(out="a"), ["optimiser.rate=1e-4", "losses.0.name=mse"])
    >>> changed.optimiser.rate, changed.losses[0].name
    (0.0001, 'mse')
    """
    for setting in settings:
        try:
            recipe = _replaced(recipe, setting)
        except InputError as error:
            raise InputError(f"{setting}: {str(error).removeprefix(f'settings:{error.line}: ')}") from error
    return recipe


def _replaced(recipe: Recipe, setting: str) -> Recipe:
    """The recipe with one value replaced."""
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra("PyYAML", extra="train") from error
    path, equals, text = setting.partition("=")
    if not equals:
        raise InputError("expected NAME=VALUE")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, ArithmeticError, TypeError, RecursionError) as error:  # a date of a 13th month
        raise InputError(f"{quoted(text)} isn't a YAML value") from error
    whole = yaml.safe_load(yaml.safe_dump(recipe.as_dict(), sort_keys=False))
    *above, last = path.strip().split(".")
    inner: Any = whole
    for name in above:
        inner = inner[_key(inner, name)]
    inner[_key(inner, last, new=True)] = value
    return read_text(Recipe, yaml.safe_dump(whole, sort_keys=False), "settings")


def _key(container: Any, name: str, new: bool = False) -> str | int:
    """``name`` as a key of a mapping or a position in a list. Raises InputError if there is none."""
    if isinstance(container, list) and name.isdecimal() and int(name) < len(container):
        return int(name)
    if isinstance(container, dict) and (new or name in container):  # a new key is checked when the recipe is read
        return name
    known = container if isinstance(container, dict) else range(len(container)) if isinstance(container, list) else ()
    raise InputError(f"there is no {name!r} here: there are {', '.join(map(str, known)) or 'none'}")
