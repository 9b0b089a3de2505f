"""The text form of a stage, the inverse of `parse`: ``parse(text(stage), settings) == stage``.

Stages built from names print their call in one form (arguments without a default by position, the others by name,
defaults left out), and the operators print themselves with as few parentheses as Python's grammar needs. ``str(stage)``
is not this text but the stage's repr, since it must work for every stage, also for those without a text form.

>>> from anyrank.pipeline.parser import parse
>>> text(parse('(model(name="mini", depth=20) + 2.0*prior) % 10', starts=False))
'(model("mini", depth=20) + 2 * prior) % 10'
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass

from ..core.errors import InputError, quoted
from ..core.fusion import Combine, Fusion, Interleave
from ..core.stage import Above, Cut, Fuse, Keep, Stage, Then, Weighted
from .arguments import Call, is_constant, literal
from .named import Context, Named, next_context
from .parts import Part
from .table import names as all_names

COMPARISON, UNION, THEN, SUM, PRODUCT, ATOM = range(6)
"""How tightly Python binds >= | >> + and (both alike) * and %, and a name or call."""

Written = tuple[str, int]
"""A text, and how tightly its outermost operator binds."""


def text(stage: Stage, names: Mapping[str, Part | Fusion] | None = None) -> str:
    """The pipeline that describes ``stage``. A pipeline that continues from given candidates is read again with
    ``parse(…, starts=False)``. Raises InputError, naming the stage, if no name or operator makes it, as for a
    reranker over a judge of one's own."""
    starts = {s.position for s in _heads(stage) if isinstance(s, Named)} - {"any"}
    if any(isinstance(s, Cut | Keep | Above) for s in _heads(stage)):
        starts.add("after")
    if len(starts) > 1:
        raise InputError("no text form: some parts of a fusion start a pipeline, others follow '>>'")
    return _Writer(all_names() if names is None else names).write(stage, "after" if "after" in starts else "start")[0]


def _heads(stage: Stage) -> Iterator[Stage]:
    """The stages that receive the input of the whole pipeline."""
    match stage:
        case Then(first, _):
            yield from _heads(first)
        case Weighted(inner, _):
            yield from _heads(inner)
        case Fuse(stages, _):
            for s in stages:
                yield from _heads(s)
        case _:
            yield stage


@dataclass(frozen=True)
class _Writer:
    names: Mapping[str, Part | Fusion]

    def write(self, stage: Stage, context: Context) -> Written:
        match stage:
            case Named(call, position, _):
                meant = self.position(call, context)
                if position not in ("any", meant):
                    raise InputError(f"no text form: {_misplaced(call, meant)}")
                return str(call), ATOM
            case Then(Weighted(), Cut(k)):  # "2 * a % k" would cut before the weight is applied
                return f"{self.within(stage.first, THEN, context)} >> {Call('cut', (('', k),))}", THEN
            case Then(first, Cut(k)):
                return f"{self.within(first, PRODUCT, context)} % {k}", PRODUCT
            case Then(first, Above(score)):
                return f"{self.within(first, UNION, context)} >= {repr(score + 0.0).removesuffix('.0')}", COMPARISON
            case Then(first, second):
                after = self.within(second, SUM, next_context(first))
                return f"{self.within(first, THEN, context)} >> {after}", THEN
            case Weighted(Weighted(), _):
                raise InputError(f"no text form: a weight of a weight, {quoted(stage)}; write their product")
            case Weighted(inner, weight):
                return f"{repr(weight + 0.0).removesuffix('.0')} * {self.within(inner, ATOM, context)}", PRODUCT
            case Fuse():
                return self.fused(stage, context)
            case Cut(k):
                return str(Call("cut", (("", k),))), ATOM
            case Keep(name):
                return str(Call("keep", (("", name),))), ATOM
        raise InputError(
            f"no text form: {quoted(stage)} is not built from a name; build it with anyrank.pipeline(…), or give "
            "it a name by a plug-in (entry points of anyrank.stages)"
        )

    def position(self, call: Call, context: Context) -> str:
        """The position of a name in its context, "start" if it means search there (see `parser`)."""
        part = self.names.get(call.name) if context == "rewritten" else None
        searches = isinstance(part, Part) and part.source is not None and not part.rewrites
        return "start" if context == "start" or searches else "after"

    def within(self, stage: Stage, least: int, context: Context) -> str:
        """The text as an operand, in parentheses if its own operator binds less tightly than ``least``."""
        written, binds = self.write(stage, context)
        return written if binds >= least else f"({written})"

    def fused(self, fuse: Fuse, context: Context) -> Written:
        if any(next_context(s) == "rewritten" for s in fuse.stages):
            raise InputError("no text form: a rewriter is a part of a fusion, which loses its query")
        # operators make one fusion of a chain, so a fusion inside one of its own kind is written as a call
        sign = "+" if fuse.method == Combine() else "|" if fuse.method == Interleave() else ""
        nested = any(isinstance(s, Fuse) and s.method == fuse.method for s in fuse.stages)
        if sign and len(fuse.stages) > 1 and not nested:
            binds = SUM if sign == "+" else UNION
            return f" {sign} ".join(self.within(s, binds, context) for s in fuse.stages), binds
        if not fuse.stages:
            raise InputError("no text form: a fusion of no stages")
        name, options = self.fusion(fuse.method)
        written = [self.write(s, context)[0] for s in fuse.stages]
        return f"{name}({', '.join([*written, *options])})", ATOM

    def fusions(self) -> Iterator[tuple[str, Fusion]]:
        for name in self.names:
            value = self.names[name]
            if not isinstance(value, Part):
                yield name, value

    def fusion(self, method: Fusion) -> tuple[str, list[str]]:
        """The name of a fusion and the settings in which it differs from the named one."""
        for name, known in self.fusions():
            if known == method:
                return name, []
        for name, known in self.fusions():
            if type(known) is type(method) and is_dataclass(method):
                options = {f.name: getattr(method, f.name) for f in fields(method)}
                changed = {k: v for k, v in options.items() if v != getattr(known, k)}
                if is_constant(changed):
                    return name, [f"{k}={literal(v)}" for k, v in changed.items()]
        raise InputError(f"no text form: no name means the fusion {quoted(method)}")


def _misplaced(call: Call, meant: str) -> str:
    if meant == "start":
        return f"{call} follows '>>', and here it starts a pipeline"
    return f"{call} starts a pipeline, and here it follows '>>'; search(…) searches in both places"
