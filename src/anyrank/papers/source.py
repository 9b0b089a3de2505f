"""Reads a paper's card from its file without importing it.

A card is made of constants, constants that the file names, and values such as ``Figure(…)`` and ``Sliding(20, 10)``
whose classes the file imports; those classes alone are imported here.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from .card import Card


@dataclass(frozen=True)
class Source:
    """A paper's file."""

    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"))

    @cached_property
    def functions(self) -> frozenset[str]:
        """Names of the functions that the file defines."""
        return frozenset(node.name for node in self.tree.body if isinstance(node, ast.FunctionDef))

    @cached_property
    def constants(self) -> dict[str, ast.expr]:
        """The values of the file's names: ``NAME = value``."""
        simple = [n for n in self.tree.body if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)]
        return {node.targets[0].id: node.value for node in simple if isinstance(node.targets[0], ast.Name)}

    @cached_property
    def imports(self) -> dict[str, str]:
        """The module, relative to this package, of each name that the file imports from ours."""
        ours = [n for n in self.tree.body if isinstance(n, ast.ImportFrom) and n.level]
        return {a.asname or a.name: "." * node.level + (node.module or "") for node in ours for a in node.names}

    def card(self) -> Card:
        """The value of ``CARD``. Raises InputError if it is absent or not made of constants."""
        if "CARD" not in self.constants:
            raise InputError("a paper's file has CARD = Card(…)", path=self.path)
        card = self._value(self.constants["CARD"])
        if not isinstance(card, Card):
            raise InputError("CARD is not a Card(…)", path=self.path)
        return card

    def _value(self, node: ast.expr) -> Any:
        match node:
            case ast.Name(name) if name in self.constants:
                return self._value(self.constants[name])
            case ast.Tuple(elements):
                return tuple(map(self._value, elements))
            case ast.Call(ast.Name(name), args, keywords) if name in self.imports:
                make = getattr(import_module(self.imports[name], __package__), name)
                return make(*map(self._value, args), **{k.arg: self._value(k.value) for k in keywords if k.arg})
        try:
            return ast.literal_eval(node)
        except ValueError:
            raise InputError(
                f"a card is made of constants and of Figure(…), Price(…) and groupings, not {ast.unparse(node)}",
                path=self.path,
                line=node.lineno,
            ) from None
