"""Lint: pipelines that can't do what they seem meant to, such as a cut that leaves the reranker nothing to promote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..core.errors import InputError
from ..core.stage import Cut, Fuse, Stage, Then, Weighted
from .explain import Planned, plan, searches
from .named import Named, next_context
from .text import text as text_of

FEW = 10
"""Results that are usually shown: a reranker of no more candidates can promote none into them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A likely mistake: the part of the pipeline, and what is wrong with the mend."""

    stage: str
    message: str

    def __str__(self) -> str:
        return f"{self.stage}: {self.message}"


def lint(text: str, shown: int = FEW) -> list[Finding]:
    """The likely mistakes of a pipeline, of which ``shown`` results are looked at. Raises PipelineError as `parse`.

    >>> [str(finding) for finding in lint("bm25 % 10 >> mini")]
    ['mini: only 10 candidates come in, so that it has nothing to promote into the first 10: cut later, as % 100']
    >>> lint("bm25 % 100 >> mini")
    []
    """
    stage, _ = plan(text)
    return list(_lint(stage, None, shown))


def _lint(stage: Stage, n: int | None, shown: int) -> Iterator[Finding]:
    """The mistakes of a stage that ``n`` candidates come into; None if that isn't known."""
    match stage:
        case Then(first, second):
            yield from _lint(first, n, shown)
            many = _size(first, n)
            if isinstance(second, Cut) and many is not None and second.k >= many:
                yield Finding(f"% {second.k}", f"no more than {many} candidates come in, so that it cuts none off")
            if next_context(first) == "rewritten" and isinstance(second, Cut):
                yield Finding(f"% {second.k}", "it cuts the candidates before the search, which finds new ones")
            yield from _lint(second, many, shown)
        case Weighted(inner, weight):
            if weight == 0:
                yield Finding(_text(stage), "its weight is 0: leave it out, since it is run all the same")
            yield from _lint(inner, n, shown)
        case Fuse(stages, _):
            names = [_text(s.stage if isinstance(s, Weighted) else s) for s in stages]
            for name in dict.fromkeys(n for n in names if names.count(n) > 1):
                yield Finding(name, "it is fused with itself: give it one weight instead")
            for part in stages:
                yield from _lint(part, n, shown)
        case Named(call=call, stage=Planned() as named) if n is not None and _reranks(stage, named):
            depth = named.arguments.get("depth")
            many = min(n, depth) if isinstance(depth, int) else n
            if many <= shown:
                why = f"only {n} candidates come in" if many == n else f"it reads only the first {many}"
                mend = "cut later, as % 100" if many == n else "give a larger depth"
                yield Finding(str(call), f"{why}, so that it has nothing to promote into the first {shown}: {mend}")


def _size(stage: Stage, n: int | None) -> int | None:
    """The most results of a stage that n candidates come into; None if that isn't known."""
    match stage:
        case Then(first, Cut(k)):
            many = _size(first, n)
            return k if many is None else min(k, many)
        case Then(first, second):
            return _size(second, _size(first, n))
        case Weighted(inner, _):
            return _size(inner, n)
        case Fuse(stages, _):
            sizes = [_size(s, n) for s in stages]
            known = [size for size in sizes if size is not None]
            if len(known) < len(sizes):
                return None
            return sum(known) if n is None else max(known)  # searches bring documents of their own
        case Named(stage=Planned() as named) if searches(stage):
            limit = named.arguments.get("k")
            return limit if isinstance(limit, int) else None
        case Cut(k):
            return k if n is None else min(n, k)
    return n


def _reranks(stage: Named, named: Planned) -> bool:
    """Whether a name scores the candidates that come in."""
    return not stage.rewrites and not searches(stage) and named.name not in ("prior", "keep")


def _text(stage: Stage) -> str:
    try:
        return text_of(stage)
    except InputError:
        return repr(stage)
