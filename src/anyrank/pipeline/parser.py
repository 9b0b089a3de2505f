"""Pipelines as text: ``"bm25 % 100 >> splade + minilm"`` read into the same stages that Python's operators build.

The text is Python's own expression grammar, parsed but never evaluated: names, calls with constant arguments, numbers,
strings and the operators ``>> + | % *``. Names resolve through one table, which plug-ins extend by the entry point
group ``anyrank.stages``: each name is a Part.
"""

from __future__ import annotations

import ast
import difflib
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import AnyrankError, InputError
from ..core.fusion import Fusion
from ..core.stage import Fuse, Stage


class PipelineError(InputError):
    """A pipeline text that can't be read, with a pointer at the place.

    >>> str(PipelineError("no stage is called 'bm26'; did you mean 'bm25'?", "bm26 % 100", 0, 4)).splitlines()
    ["no stage is called 'bm26'; did you mean 'bm25'?", '  bm26 % 100', '  ^^^^']
    """

    def __init__(self, message: str, text: str, start: int, end: int) -> None:
        super().__init__(f"{message}\n  {text}\n  {' ' * start}{'^' * max(end - start, 1)}")


@dataclass(frozen=True)
class Part:
    """What a name means. ``source(settings, *args, **kwargs)`` builds the stage that starts a pipeline (a retriever);
    ``then(…)`` the one that follows ``>>`` (a reranker, a rewriter). One that is None is not to be had there."""

    about: str
    source: Callable[..., Stage] | None = None
    then: Callable[..., Stage] | None = None


@dataclass(frozen=True)
class Settings:
    """What the names of a pipeline may draw on: the opened collection, if there is one, and a filter on its fields."""

    collection: Any = None
    filter: Mapping[str, Any] | None = None


def parse(
    text: str,
    settings: Settings | None = None,
    names: Mapping[str, Part | Fusion] | None = None,
    starts: bool = True,
) -> Stage:
    """The stage that ``text`` describes. With ``starts`` it begins with a retriever; without, it continues from given
    candidates. Raises PipelineError, which points at the place."""
    if names is None:
        from .table import names as all_names

        names = all_names()
    text = _SPACE.sub(lambda m: m[1] or " ", text).strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = (getattr(error, "offset", 1) or 1) - 1
        message = f"this is not a pipeline: {getattr(error, 'msg', error)}"
        raise PipelineError(message, text, at, at + 1) from None
    return _Reader(text, settings or Settings(), names).stage(tree, starts)


_SPACE = re.compile(r"""("[^"]*"|'[^']*')|\s+""")
"""White space, or a quoted text, in which it is left alone."""

_OPERATORS = (ast.RShift, ast.Add, ast.BitOr, ast.Mod, ast.Mult)


@dataclass(frozen=True)
class _Reader:
    text: str
    settings: Settings
    names: Mapping[str, Part | Fusion]

    def fail(self, node: ast.AST, message: str) -> PipelineError:
        start = getattr(node, "col_offset", 0)
        end = getattr(node, "end_col_offset", start + 1)
        # ast counts bytes; the pointer counts characters
        raw = self.text.encode()
        return PipelineError(message, self.text, len(raw[:start].decode()), len(raw[:end].decode()))

    def stage(self, node: ast.expr, first: bool) -> Stage:
        """``first``: the node starts the pipeline, so names there are retrievers."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, _OPERATORS):
            return self.operation(node, first)
        if isinstance(node, ast.Name):
            return self.call(node, node, [], {}, first)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self.call(node, node.func, list(node.args), {k.arg or "**": k.value for k in node.keywords}, first)
        if isinstance(node, ast.Constant):
            raise self.fail(node, "a stage is expected here, not a value; cut off with '%', weigh with '*'")
        raise self.fail(node, "a pipeline is made of stage names and the operators >> + | % *")

    def operation(self, node: ast.BinOp, first: bool) -> Stage:
        if isinstance(node.op, ast.Mod):
            k = self.value(node.right)
            if not isinstance(k, int) or isinstance(k, bool) or k < 1:
                raise self.fail(node.right, "the cut-off after '%' is a whole number of at least 1")
            return self.stage(node.left, first) % k
        if isinstance(node.op, ast.Mult):
            signed = isinstance(node.left, ast.Constant | ast.UnaryOp)
            weight, part = (node.left, node.right) if signed else (node.right, node.left)
            w = self.value(weight)
            if not isinstance(w, int | float) or isinstance(w, bool) or not abs(w) < float("inf"):
                raise self.fail(weight, "a weight is a finite number: 0.5 * bm25")
            return float(w) * self.stage(part, first)
        left = self.stage(node.left, first)
        if isinstance(node.op, ast.RShift):
            return left >> self.stage(node.right, first=False)
        right = self.stage(node.right, first)
        return left + right if isinstance(node.op, ast.Add) else left | right

    def call(
        self, node: ast.expr, name: ast.Name, args: list[ast.expr], kwargs: dict[str, ast.expr], first: bool
    ) -> Stage:
        part = self.names.get(name.id)
        if part is None:
            near = difflib.get_close_matches(name.id, self.names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(self.names))}"
            raise self.fail(name, f"no stage is called {name.id!r}; {hint}")
        if not isinstance(part, Part):
            if not args or kwargs:
                raise self.fail(node, f"{name.id} fuses stages: {name.id}(bm25, minilm)")
            return Fuse(tuple(self.stage(a, first) for a in args), part)
        make = part.source if first else part.then
        if make is None:
            where = (
                "follows '>>'; start with a retriever such as bm25" if first else "starts a pipeline; it can't follow"
            )
            raise self.fail(name, f"{name.id!r} {where}" + ("" if first else " '>>'"))
        try:
            return make(self.settings, *map(self.value, args), **{k: self.value(v) for k, v in kwargs.items()})
        except PipelineError:
            raise
        except TypeError as error:
            raise self.fail(node, f"{name.id}: {str(error).split('() ', 1)[-1]}") from error
        except InputError as error:
            raise self.fail(node, str(error)) from error
        except AnyrankError:
            raise

    def value(self, node: ast.expr) -> Any:
        """A constant: number, text, True, False, None, a signed number, or a list of these."""
        try:
            return ast.literal_eval(node)
        except ValueError:
            raise self.fail(node, "an argument is a number, a text in quotes, True, False or None") from None
