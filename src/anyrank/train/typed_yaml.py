"""A reader of YAML into frozen dataclasses by their types: an unknown or repeated key, or a value of another type, is
an error with its line."""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ..core.errors import InputError, MissingExtra, quoted

T = TypeVar("T")


def read(kind: type[T], path: str | Path) -> T:
    """Read a YAML file into the dataclass ``kind``. Raises InputError with file and line."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"not YAML: {error}", path=path) from error
    return read_text(kind, text, path)


def read_text(kind: type[T], text: str, path: str | Path) -> T:
    """Read a YAML text into the dataclass ``kind``; errors name ``path`` as its file."""
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
    except RecursionError:
        raise InputError("not YAML: it is nested too deeply", path=path) from None
    if node is None:
        raise InputError("the file is empty", path=path)
    value: T = _Reader(loader, str(path)).value(node, kind, "")
    return value


def read_value(kind: Any, text: str, name: str) -> Any:
    """Read a YAML text as a value of a type (int, float, bool, str, a Literal). Raises InputError with the ``name``.

    >>> read_value(float, "2e-5", "rate"), read_value(bool, "no", "thinking")
    (2e-05, False)
    """
    import yaml

    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{name}: {quoted(text)} isn't a YAML value") from error
    if node is None:
        raise InputError(f"{name}: expected a value, found an empty text")
    try:
        return _Reader(loader, name).value(node, kind, name)
    except InputError as error:
        raise InputError(str(error).removeprefix(f"{name}:{error.line}: ")) from error


@dataclass(frozen=True, slots=True)
class _Reader:
    """Converts the nodes of one file by the types of dataclasses; ``key`` is the dotted path of a node."""

    loader: Any
    path: str

    def value(self, node: Any, kind: Any, key: str) -> Any:
        if get_origin(kind) in (Union, types.UnionType):
            return self.value(node, self.member(node, get_args(kind)), key)
        origin = get_origin(kind)
        if is_dataclass(kind):
            return self.instance(node, kind, key)
        if origin is tuple:
            if node.id != "sequence":
                raise self.error(node, f"{key}: expected a list")
            return tuple(self.value(item, get_args(kind)[0], f"{key}[{i}]") for i, item in enumerate(node.value))
        try:
            value = self.loader.construct_object(node, deep=True)
        except Exception as error:  # a date of a 13th month, an unknown !tag: PyYAML raises many classes
            raise self.error(node, f"{key}: not a YAML value: {getattr(error, 'problem', error)}") from error
        if origin is Literal:
            if value not in get_args(kind):
                raise self.error(node, f"{key}: {value!r} is none of {', '.join(map(str, get_args(kind)))}")
            return value
        expected = Mapping if origin is not None and issubclass(origin, Mapping) else kind
        if kind is float and isinstance(value, str):  # YAML 1.1 reads 2e-5 as a text
            value = self.number(node, value, key)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, expected) or (isinstance(value, bool) and kind is not bool):
            name = getattr(expected, "__name__", str(expected)).lower()
            raise self.error(node, f"{key}: expected {_NAMES.get(name, name)}, found {value!r}")
        return value

    def member(self, node: Any, kinds: Sequence[Any]) -> Any:
        """The union's member for a node: a dataclass for a mapping, a tuple for a list, the first for all else."""
        for kind in kinds:
            if is_dataclass(kind) if node.id == "mapping" else node.id == "sequence" and get_origin(kind) is tuple:
                return kind
        return kinds[0]

    def number(self, node: Any, text: str, key: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise self.error(node, f"{key}: expected a number, found {text!r}") from None

    def instance(self, node: Any, kind: Any, key: str) -> Any:
        if node.id != "mapping":
            raise self.error(node, f"{key or 'the file'}: expected keys and values")
        hints = get_type_hints(kind)
        known = {f.name: f for f in fields(kind)}
        values: dict[str, Any] = {}
        for name_node, value_node in node.value:
            name = str(name_node.value)
            path = f"{key}.{name}" if key else name
            if name not in known:
                near = difflib.get_close_matches(name, known, 1, 0.5)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
                raise self.error(name_node, f"unknown key {path!r}: {hint}")
            if name in values:
                raise self.error(name_node, f"key {path!r} comes twice")
            values[name] = self.value(value_node, hints[name], path)
        for name, f in known.items():
            if name not in values and f.default is MISSING and f.default_factory is MISSING:
                raise self.error(node, f"{f'{key}: ' if key else ''}the key {name!r} is missing")
        try:
            return kind(**values)
        except InputError as error:
            raise self.error(node, f"{f'{key}: ' if key else ''}{error}") from error

    def error(self, node: Any, message: str) -> InputError:
        return InputError(message, path=self.path, line=node.start_mark.line + 1)


_NAMES = types.MappingProxyType(
    {
        "int": "a whole number",
        "float": "a number",
        "str": "a text",
        "bool": "true or false",
        "mapping": "keys and values",
    }
)
