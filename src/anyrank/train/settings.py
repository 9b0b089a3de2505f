"""Single values of a recipe set anew, as ``--set optimiser.rate=1e-4`` says them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..core.errors import InputError, MissingExtra
from .recipe import Recipe
from .strict import read_text


def with_settings(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """The recipe with other values, set one after the other: each setting is ``name=value``, dots (and the places of
    lists, from 0) on the way to the name, the value as YAML has it. Raises InputError on an unknown name and on a value
    that doesn't fit.

    >>> changed = with_settings(Recipe(out="a"), ["optimiser.rate=1e-4", "losses.0.name=mse"])
    >>> changed.optimiser.rate, changed.losses[0].name
    (0.0001, 'mse')
    """
    for setting in settings:
        try:
            recipe = _changed(recipe, setting)
        except InputError as error:
            raise InputError(f"{setting}: {str(error).removeprefix(f'settings:{error.line}: ')}") from error
    return recipe


def _changed(recipe: Recipe, setting: str) -> Recipe:
    """The recipe with one other value."""
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra("PyYAML", extra="train") from error
    path, equals, text = setting.partition("=")
    if not equals:
        raise InputError("expected NAME=VALUE")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date of a 13th month
        raise InputError(f"{text!r} is no value of YAML") from error
    whole = yaml.safe_load(yaml.safe_dump(recipe.as_dict(), sort_keys=False))
    *above, last = path.strip().split(".")
    inner: Any = whole
    for name in above:
        inner = inner[_key(inner, name)]
    inner[_key(inner, last, new=True)] = value
    return read_text(Recipe, yaml.safe_dump(whole, sort_keys=False), "settings")


def _key(inside: Any, name: str, new: bool = False) -> str | int:
    """The key of a mapping or the place of a list that ``name`` stands for. Raises InputError where there is none."""
    if isinstance(inside, list) and name.isdecimal() and int(name) < len(inside):
        return int(name)
    if isinstance(inside, dict) and (new or name in inside):  # a new one is looked at as the recipe is read
        return name
    known = inside if isinstance(inside, dict) else range(len(inside)) if isinstance(inside, list) else ()
    raise InputError(f"there is no {name!r}; known are {', '.join(map(str, known)) or 'none'}")
