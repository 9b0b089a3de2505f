"""Pipelines as text: ``"bm25 % 100 >> splade + minilm"`` read into the same stages that Python's operators build.

The text is Python's own expression grammar, parsed but never evaluated: names, calls with constant arguments, numbers,
strings and the operators ``>> + | % * >=``. Names resolve through one table, which plug-ins extend by the entry point
group ``anyrank.stages``: each name is a Part, or a fusion. `text.text` is the inverse: it writes a stage as such a
text.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import re
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import InputError, quoted, short
from ..core.fusion import Fusion
from ..core.stage import Above, Cut, Fuse, Keep, Stage, Weighted
from .arguments import call, is_constant, parameters
from .context import Settings
from .kinds import check_kind
from .named import Context, Named, Position, mover, next_context
from .parts import Part

__all__ = ["Part", "PipelineError", "Settings", "parse"]


_AROUND = 60
"""Characters of a pipeline that an error shows on each side of its place."""
LONGEST_TEXT = 20_000
"""Characters of the longest pipeline that is read."""
MOST_OPERATORS = 200
"""Operators and calls of the largest pipeline that is read; larger ones are built by Python's operators."""


class PipelineError(InputError):
    """A pipeline text that can't be read; the message points at the error, and shows the text around it. ``start`` and
    ``end`` are its characters in ``text``.

    >>> str(PipelineError("no stage is called 'bm26'; did you mean 'bm25'?", "bm26 % 100", 0, 4)).splitlines()
    ["no stage is called 'bm26'; did you mean 'bm25'?", '  bm26 % 100', '  ^^^^']
    """

    def __init__(self, message: str, text: str, start: int, end: int) -> None:
        self.message, self.text, self.start, self.end = short(message, 600), text, start, end
        first, last = max(start - _AROUND, 0), min(max(end, start + 1), start + _AROUND) + _AROUND
        begin, finish = "…" if first else "", "…" if last < len(text) else ""
        mark = "^" * max(min(end, last - _AROUND) - start, 1)
        shown = f"{begin}{text[first:last]}{finish}"
        super().__init__(f"{self.message}\n  {shown}\n  {' ' * (len(begin) + start - first)}{mark}")


def parse(
    text: str,
    settings: Settings | None = None,
    names: Mapping[str, Part | Fusion] | None = None,
    starts: bool = True,
) -> Stage:
    """The stage that ``text`` describes. With ``starts`` it begins with a retriever; without, it continues from given
    candidates. Raises PipelineError, which points at the error.

    Two stages read from the same calls and operators are equal, however they are spelled.

    >>> parse("mini%10", starts=False) == parse("(mini() % 10)", starts=False)
    True
    """
    text, tree = read(text)
    if names is None:
        from .table import names as all_names

        names = all_names()
    if (count := sum(isinstance(node, ast.BinOp | ast.Call) for node in ast.walk(tree))) > MOST_OPERATORS:
        message = f"a pipeline of {count:,} operators and calls: at most {MOST_OPERATORS} are read"
        raise PipelineError(f"{message}; build a larger one by Python's operators", text, 0, 1)
    try:
        return _Reader(text, settings or Settings(), names).stage(tree, "start" if starts else "after")
    except RecursionError:
        raise PipelineError("the pipeline is nested too deeply", text, 0, 1) from None


def read(text: str) -> tuple[str, ast.expr]:
    """A pipeline's text with single spaces, and its tree, of which nothing is looked up. Raises PipelineError on a text
    that is no expression.

    >>> text, tree = read("bm25\\n>>  mini ")
    >>> text, type(tree).__name__
    ('bm25 >> mini', 'BinOp')
    """
    if len(text) > LONGEST_TEXT:
        message = f"a pipeline of {len(text):,} characters: at most {LONGEST_TEXT:,} are read"
        raise PipelineError(message, text[:LONGEST_TEXT], 0, 1)
    text = _SPACE.sub(lambda m: m[1] or " ", text).strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return text, ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _syntax(text, error) from None


def _syntax(text: str, error: Exception) -> PipelineError:
    """The error of a text that is no expression. Python's own position is not one of the text where something is
    missing at its end."""
    if trailing := re.search(r"(>>|[+|%*])$", text):
        return PipelineError(
            f"this is not a pipeline: a stage is missing after {trailing[0]!r}", text, *trailing.span()
        )
    if model := _bare_model(text):
        return _not_quoted(text, model)
    at = (getattr(error, "offset", 0) or len(text)) - 1
    message = f"this is not a pipeline: {getattr(error, 'msg', error) or 'nested too deeply'}"
    return PipelineError(message, text, max(at, 0), at + 1)


_WORDS = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|[\w./-]+""")
"""A quoted text, or a name as models have it, with dots, hyphens and one slash."""


def _bare_model(text: str) -> re.Match[str] | None:
    """The first name of a model of the registry or of the hub that stands in a text without quotes."""
    from ..hub.huggingface import is_hub_id
    from ..hub.registry import SHIPPED, get

    words = (m for m in _WORDS.finditer(text) if not m[1] and m[0] not in (*SHIPPED, "mini"))
    return next((m for m in words if get(m[0]) is not None or is_hub_id(m[0])), None)


def _not_quoted(text: str, model: re.Match[str]) -> PipelineError:
    """The error of a model whose name stands in a pipeline as a stage."""
    return PipelineError(f'{model[0]} is a model, not a stage: write model("{model[0]}")', text, *model.span())


_SPACE = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|\s+""", re.DOTALL)
"""White space, or a quoted text, whose white space is left unchanged."""

_OPERATORS = (ast.RShift, ast.Add, ast.BitOr, ast.Mod, ast.Mult)


@dataclass(frozen=True)
class _Reader:
    text: str
    settings: Settings
    names: Mapping[str, Part | Fusion]
    mover: str = ""
    """The rewriter that changed the query's vector before."""

    def fail(self, node: ast.AST, message: str) -> PipelineError:
        """The error at a node."""
        start = getattr(node, "col_offset", 0)
        end = getattr(node, "end_col_offset", start + 1)
        # ast counts bytes; the pointer counts characters
        raw = self.text.encode()
        return PipelineError(message, self.text, len(raw[:start].decode()), len(raw[:end].decode()))

    def stage(self, node: ast.expr, context: Context) -> Stage:
        """The stage of a node, whose names mean what they mean in this context."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, _OPERATORS):
            return self.operation(node, context)
        if isinstance(node, ast.Name):
            return self.call(node, node, [], [], context)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self.call(node, node.func, node.args, node.keywords, context)
        if isinstance(node, ast.Compare):
            return self.above(node, context)
        if isinstance(node, ast.Constant):
            raise self.fail(node, "a stage is expected here, not a value; cut off with '%', weigh with '*'")
        if model := _bare_model(self.text):
            raise _not_quoted(self.text, model)
        raise self.fail(node, "a pipeline is made of stage names and the operators >> + | % *")

    def operation(self, node: ast.BinOp, context: Context) -> Stage:
        if isinstance(node.op, ast.Mod):
            k = self.value(node.right)
            if not isinstance(k, int) or isinstance(k, bool) or k < 1:
                raise self.fail(node.right, "the cut-off after '%' is a whole number of at least 1")
            return self.stage(node.left, context) % k
        if isinstance(node.op, ast.Mult):
            signed = isinstance(node.left, ast.Constant | ast.UnaryOp)
            weight, part = (node.left, node.right) if signed else (node.right, node.left)
            w = self.value(weight, "a weight is a finite number: 0.5 * bm25")
            if not isinstance(w, int | float) or isinstance(w, bool) or not abs(w) <= sys.float_info.max:
                raise self.fail(weight, "a weight is a finite number: 0.5 * bm25")
            return float(w) * self.stage(part, context)
        left = self.stage(node.left, context)
        if isinstance(node.op, ast.RShift):
            reader = dataclasses.replace(self, mover=mover(left) or self.mover)
            right = reader.stage(node.right, next_context(left))
            try:
                return left >> right
            except InputError as error:  # a cut-off that was calibrated for another pipeline
                raise self.fail(node.right, str(error)) from error
        right = self.stage(node.right, context)
        self.check_result(left, node.left)
        self.check_result(right, node.right)
        return left + right if isinstance(node.op, ast.Add) else left | right

    def above(self, node: ast.Compare, context: Context) -> Stage:
        """``stage >= score``; other comparisons are none of a pipeline."""
        if len(node.ops) != 1 or not isinstance(node.ops[0], ast.GtE):
            raise self.fail(
                node, "of comparisons only one is part of a pipeline: mini >= 0.5 keeps what scores so much"
            )
        least = self.value(node.comparators[0], "after '>=' stands the least score that is kept: mini >= 0.5")
        if not isinstance(least, int | float) or isinstance(least, bool):
            raise self.fail(node.comparators[0], "after '>=' stands the least score that is kept: mini >= 0.5")
        return self.stage(node.left, context) >= float(least)

    def call(
        self, node: ast.expr, name: ast.Name, args: list[ast.expr], keywords: list[ast.keyword], context: Context
    ) -> Stage:
        if name.id not in self.names:
            if (model := _bare_model(self.text)) and model[0] == name.id:
                raise _not_quoted(self.text, model)
            near = difflib.get_close_matches(name.id, self.names, 1)
            hint = f"did you mean {quoted(near[0])}?" if near else f"known are {', '.join(sorted(self.names))}"
            raise self.fail(name, f"no stage is called {quoted(name.id)}; {hint}")
        options: dict[str, Any] = {}
        for keyword in keywords:
            if keyword.arg is None or keyword.arg in options:
                raise self.fail(keyword, f"{name.id}: each argument is given once, as name=value")
            options[keyword.arg] = self.value(keyword.value)
        part = self.names[name.id]
        try:
            if isinstance(part, Part):
                return self.built(name, part, [self.value(a) for a in args], options, context)
            return self.fused(node, name.id, part, args, options, context)
        except PipelineError:
            raise
        except TypeError as error:
            raise self.fail(node, f"{name.id}: {str(error).split('() ', 1)[-1]}") from error
        except InputError as error:
            raise self.fail(node, str(error)) from error

    def built(self, name: ast.Name, part: Part, args: list[Any], options: dict[str, Any], context: Context) -> Stage:
        """The stage that a part builds at this position; it remembers its call."""
        searches = part.source is not None and not part.rewrites
        first = context == "start" or (context == "rewritten" and searches)
        make = part.source if first else part.then
        if make is None:
            rule = "starts a pipeline; it can't follow '>>'"
            if first:
                rule = "follows '>>'; start with a retriever such as bm25"
            raise self.fail(name, f"{quoted(name.id)} {rule}")
        written = call(name.id, parameters(make), args, options)
        check_kind(name.id, written, self.mover if first or make is part.source else "")
        stage = make(self.settings, *args, **options)
        if isinstance(stage, Above | Cut | Keep | Weighted):  # they print themselves, and a fusion looks for `Weighted`
            return stage
        position: Position = "any" if part.source is part.then else "start" if first else "after"
        return Named(written, position, stage, part.rewrites, part.moves)

    def fused(
        self, node: ast.expr, name: str, fusion: Any, args: list[ast.expr], options: dict[str, Any], context: Context
    ) -> Stage:
        """Stages fused by a named fusion, with its settings as keywords: ``rrf(bm25, minilm, k=10)``."""
        if not args:
            raise self.fail(node, f"{name} fuses stages: {name}(bm25, minilm)")
        if options:
            settings = parameters(type(fusion), skip=0) if dataclasses.is_dataclass(fusion) else ()
            call(name, settings, (), options)
            fusion = dataclasses.replace(fusion, **options)
        parts = tuple(self.stage(a, context) for a in args)
        for part, written in zip(parts, args):
            self.check_result(part, written)
        return Fuse(parts, fusion)

    def check_result(self, stage: Stage, node: ast.expr) -> None:
        """Raises PipelineError if a part of a fusion ends in a rewriter, whose new query a fusion would lose."""
        if next_context(stage) == "rewritten":
            message = (
                "a rewriter changes the query and has no result to fuse: write it before the fusion, rm3 >> (a + b)"
            )
            raise self.fail(node, message)

    def value(
        self, node: ast.expr, otherwise: str = "an argument is a number, a text in quotes, True, False or None"
    ) -> Any:
        """A constant: number, text, True, False, None, a signed number, or a list of these."""
        try:
            value = ast.literal_eval(node)
        except (ValueError, TypeError):  # TypeError comes from unhashable keys, {[]: 1}
            raise self.fail(node, "an argument is a number, a text in quotes, True, False or None") from None
        if not is_constant(value):
            raise self.fail(node, otherwise)
        return value
