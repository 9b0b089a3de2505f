"""The numbers of a pipeline's text that sliders move: weights of fusions, and depths."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ...pipeline.parser import PipelineError, read

HEAVIEST = 2.0
"""The highest weight of a slider, unless a pipeline has a higher one."""
LARGEST = 1_000_000
"""The greatest weight and depth that have a slider."""
LABEL = 60
"""Characters of a label."""


@dataclass(frozen=True, slots=True)
class Knob:
    """A number of a pipeline: characters ``start`` to ``end`` of its text hold it (none, if it is a weight of 1 that
    isn't written). ``label`` is the text of what it weighs or cuts; ``most`` the end of its slider. ``before``: a depth
    that says how many candidates the next stage gets."""

    kind: Literal["weight", "depth"]
    label: str
    value: float
    most: float
    start: int
    end: int
    before: bool = False

    def written(self, value: float) -> str:
        """The text of another value, as it stands in the pipeline."""
        if self.kind == "depth":
            return str(int(value))
        return f"{value:.12g}" if self.end > self.start else f"{value:.12g} * "


@dataclass(frozen=True, slots=True)
class Dial:
    """A pipeline's text with its knobs, from left to right."""

    text: str
    knobs: tuple[Knob, ...]

    @classmethod
    def of(cls, text: str, deepest: int = 100) -> Dial:
        """The knobs of a text; depths reach ``deepest`` or, if they are higher, themselves. Raises PipelineError on a
        text that is no expression.

        >>> dial = Dial.of("(0.3 * bm25 + minilm) % 20 >> mini")
        >>> [(k.kind, k.label, k.value, k.most) for k in dial.knobs]
        [('weight', 'bm25', 0.3, 2.0), ('weight', 'minilm', 1.0, 2.0), ('depth', '0.3 * bm25 + minilm', 20.0, 100.0)]
        >>> dial.turned({1: 0.5, 2: 7})
        '(0.3 * bm25 + 0.5 * minilm) % 7 >> mini'
        """
        text, tree = read(text)
        try:
            found = {k.start: k for k in _Reader(text, deepest).knobs(tree)}
        except RecursionError:
            raise PipelineError("the pipeline is nested too deeply", text, 0, 1) from None
        return cls(text, tuple(found[at] for at in sorted(found)))

    def turned(self, values: dict[int, float]) -> str:
        """The text with other values of some knobs, by their positions."""
        out, at = [], 0
        for n, knob in enumerate(self.knobs):
            if n in values:
                out += [self.text[at : knob.start], knob.written(values[n])]
                at = knob.end
        return "".join([*out, self.text[at:]])

    def extremes(self) -> list[str]:
        """The pipeline at its greatest depths, with the weights as they are and with each at both ends: what these
        score is nearly all that others between them need."""
        depths = {n: k.most for n, k in enumerate(self.knobs) if k.kind == "depth"}
        weights = [n for n, k in enumerate(self.knobs) if k.kind == "weight"]
        ends = [{n: end} for n in weights for end in (0.0, self.knobs[n].most)]
        return list(dict.fromkeys(self.turned(depths | change) for change in [{}, *ends]))

    @property
    def depth(self) -> int | None:
        """The position of the knob that turns a reranker's depth, None if there is none: of several the last."""
        return max((n for n, k in enumerate(self.knobs) if k.before), default=None)

    @property
    def first(self) -> str:
        """The pipeline before the cut that `depth` turns, so without its reranker; "" if that is none by itself.

        >>> Dial.of("(bm25 + minilm) % 20 >> mini").first, Dial.of("(bm25 % 20 >> mini) + bm25").first
        ('(bm25 + minilm)', '')
        """
        before = "" if self.depth is None else self.text[: self.knobs[self.depth].start].rstrip()
        whole = before.endswith("%") and before.count("(") == before.count(")")
        return before[:-1].rstrip() if whole else ""

    def as_dict(self) -> dict[str, object]:
        """For the page: ``pieces`` of text around the knobs, one more than these."""
        cuts = [0, *(at for k in self.knobs for at in (k.start, k.end)), len(self.text)]
        pieces = [self.text[a:b] for a, b in zip(cuts[::2], cuts[1::2])]
        knobs = [
            {"kind": k.kind, "label": k.label, "value": k.value, "most": k.most, "written": k.end > k.start}
            for k in self.knobs
        ]
        return {"pieces": pieces, "knobs": knobs}


@dataclass(frozen=True, slots=True)
class _Reader:
    text: str
    deepest: int

    def knobs(self, node: ast.AST, then: bool = False) -> Iterator[Knob]:
        """The knobs of an expression. ``then``: another stage follows."""
        match node:
            case ast.BinOp(ast.expr() as left, ast.Mod(), ast.Constant(int() as k)) if _is_depth(k):
                yield self.depth(node.right, self.span(left), k, then)
                yield from self.knobs(left)
            case ast.BinOp(left, ast.RShift(), right):
                yield from self.knobs(left, then=True)
                yield from self.knobs(right, then)
            case ast.BinOp(_, ast.Add(), _):
                yield from self.fusion(_summands(node))
            case ast.Call(_, arguments, keywords):
                stages = [a for a in arguments if not isinstance(a, ast.Constant | ast.UnaryOp)]
                yield from self.fusion(stages)
                for keyword in keywords:
                    match keyword:
                        case ast.keyword("depth", ast.Constant(int() as k) as value) if _is_depth(k):
                            yield self.depth(value, self.span(node), k, True)
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        yield from self.knobs(child)

    def fusion(self, parts: Sequence[ast.expr]) -> Iterator[Knob]:
        """The weights of a fusion's parts, and the knobs within these."""
        written = [_weight(part) for part in parts]
        values = [1.0 if w is None else float(min(ast.literal_eval(w[0]), 2 * LARGEST)) for w in written]
        most = max([1.0 if sum(values) < 1.01 and len(values) > 1 else HEAVIEST, *values])
        for part, weight, value in zip(parts, written, values):
            if weight is None:
                start, end = self.span(part)
                if not isinstance(part, ast.BinOp | ast.Compare) or self.text[start] == "(" or _cut(part):
                    yield Knob("weight", self.label(start, end), value, most, start, start)
            elif 0 <= value <= LARGEST:
                start, end = self.span(weight[0])
                yield Knob("weight", self.label(*self.span(weight[1])), value, most, start, end)
            yield from self.knobs(part)

    def depth(self, node: ast.expr, of: tuple[int, int], k: int, before: bool) -> Knob:
        start, end = self.span(node)
        return Knob("depth", self.label(*of), float(k), float(max(self.deepest, k)), start, end, before)

    def span(self, node: ast.expr) -> tuple[int, int]:
        """The characters of an expression, with the parentheses around it. (A call's own are not around its argument:
        before them stands a name.)"""
        raw = self.text.encode()  # ast counts bytes
        start, end = len(raw[: node.col_offset].decode()), len(raw[: node.end_col_offset or 0].decode())
        while True:
            before = len(self.text[:start].rstrip()) - 1
            after = len(self.text) - len(self.text[end:].lstrip())
            around = self.text[before : before + 1] == "(" and self.text[after : after + 1] == ")"
            if before < 0 or not around or self.text[:before][-1:].isidentifier():
                return start, end
            start, end = before, after + 1

    def label(self, start: int, end: int) -> str:
        text = self.text[start:end]
        text = text[1:-1] if text.startswith("(") and text.endswith(")") and text.count("(") == 1 else text
        return text if len(text) <= LABEL else f"{text[: LABEL - 1]}…"


def _summands(node: ast.expr) -> list[ast.expr]:
    """The parts of a sum, from left to right."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*_summands(node.left), *_summands(node.right)]
    return [node]


def _weight(node: ast.expr) -> tuple[ast.expr, ast.expr] | None:
    """The weight that is written before or after a part, and the part, None without one. In ``2 * a % 5`` the weight
    is that of the cut search."""
    match node:
        case ast.BinOp(left, ast.Mod(), _):
            return _weight(left)
        case ast.BinOp(ast.Constant(int() | float()) as weight, ast.Mult(), part):
            return weight, part
        case ast.BinOp(part, ast.Mult(), ast.Constant(int() | float()) as weight):
            return weight, part
    return None


def _is_depth(k: int) -> bool:
    return k is not True and 0 < k <= LARGEST


def _cut(node: ast.expr) -> bool:
    """Whether a part is a name or call with a cut, before which a weight can be written as before the name."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Name | ast.Call)
