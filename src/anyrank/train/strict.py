"""YAML read strictly into frozen dataclasses: an unknown or repeated key, or a value of another type, is an error with
its line."""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ..core.errors import InputError, MissingExtra

T = TypeVar("T")


def read(kind: type[T], path: str | Path) -> T:
    """The value of the dataclass ``kind`` in a YAML file. Raises InputError with file and line."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"not YAML: {error}", path=path) from error
    return read_text(kind, text, path)


def read_text(kind: type[T], text: str, path: str | Path) -> T:
    """The same of a text; ``path`` is what errors call it."""
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra("PyYAML", extra="train") from error
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise InputError(f"not YAML: {error.problem}", path=path, line=line) from error
    except yaml.YAMLError as error:
        raise InputError(f"not YAML: {error}", path=path) from error
    if node is None:
        raise InputError("the file is empty", path=path)
    value: T = _Reader(loader, str(path)).value(node, kind, "")
    return value


@dataclass(frozen=True, slots=True)
class _Reader:
    """One file on its way into values."""

    loader: Any
    path: str

    def value(self, node: Any, kind: Any, key: str) -> Any:
        if get_origin(kind) in (Union, types.UnionType):
            return self.value(node, self.member(node, get_args(kind)), key)
        origin = get_origin(kind)
        if is_dataclass(kind):
            return self.made(node, kind, key)
        if origin is tuple:
            if node.id != "sequence":
                raise self.wrong(node, f"{key}: expected a list")
            return tuple(self.value(item, get_args(kind)[0], f"{key}[{i}]") for i, item in enumerate(node.value))
        try:
            found = self.loader.construct_object(node, deep=True)
        except Exception as error:  # a date of a 13th month, an unknown !tag: PyYAML raises whatever it met
            raise self.wrong(node, f"{key}: not a value of YAML: {getattr(error, 'problem', error)}") from error
        if origin is Literal:
            if found not in get_args(kind):
                raise self.wrong(node, f"{key}: {found!r} is none of {', '.join(map(str, get_args(kind)))}")
            return found
        plain = Mapping if origin is not None and issubclass(origin, Mapping) else kind
        if kind is float and isinstance(found, str):  # YAML 1.1 reads 2e-5 as a text
            found = self.number(node, found, key)
        if kind is float and isinstance(found, int) and not isinstance(found, bool):
            found = float(found)
        if not isinstance(found, plain) or (isinstance(found, bool) and kind is not bool):
            name = getattr(plain, "__name__", str(plain)).lower()
            raise self.wrong(node, f"{key}: expected {_NAMES.get(name, name)}, found {found!r}")
        return found

    def member(self, node: Any, kinds: Sequence[Any]) -> Any:
        """Which kind of a union a node is: keys and values a dataclass, a list a tuple, all else the first."""
        for kind in kinds:
            if is_dataclass(kind) if node.id == "mapping" else node.id == "sequence" and get_origin(kind) is tuple:
                return kind
        return kinds[0]

    def number(self, node: Any, text: str, key: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise self.wrong(node, f"{key}: expected a number, found {text!r}") from None

    def made(self, node: Any, kind: Any, key: str) -> Any:
        if node.id != "mapping":
            raise self.wrong(node, f"{key or 'the file'}: expected keys and values")
        types_of = get_type_hints(kind)
        known = {f.name: f for f in fields(kind)}
        given: dict[str, Any] = {}
        for name_node, value_node in node.value:
            name = str(name_node.value)
            where = f"{key}.{name}" if key else name
            if name not in known:
                near = difflib.get_close_matches(name, known, 1, 0.5)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
                raise self.wrong(name_node, f"unknown key {where!r}: {hint}")
            if name in given:
                raise self.wrong(name_node, f"key {where!r} comes twice")
            given[name] = self.value(value_node, types_of[name], where)
        for name, f in known.items():
            if name not in given and f.default is MISSING and f.default_factory is MISSING:
                raise self.wrong(node, f"{f'{key}: ' if key else ''}the key {name!r} is missing")
        try:
            return kind(**given)
        except InputError as error:
            raise self.wrong(node, f"{f'{key}: ' if key else ''}{error}") from error

    def wrong(self, node: Any, message: str) -> InputError:
        return InputError(message, path=self.path, line=node.start_mark.line + 1)


_NAMES = types.MappingProxyType({"int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false",
                                 "mapping": "keys and values"})  # fmt: skip
