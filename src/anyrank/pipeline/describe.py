"""A stage in words, and a fingerprint that knows a pipeline again: for explanations, and for files made for one
pipeline."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

from ..core.fusion import Combine, Interleave
from ..core.rerank import Rerank
from ..core.stage import Above, Branch, Cut, Each, Fuse, Keep, Stage, Then, Weighted
from ..retrieve.stages import BM25, VectorSearch
from .named import Named

_BLOCKS, _BLOCK = 64, 4096


def name_of(stage: Stage) -> str:
    """A short text of a stage: nearly as a pipeline writes it (`text.text` writes what can be read again), for any
    stage.

    >>> from anyrank.pipeline.parser import parse
    >>> name_of(parse("(mini + 2*prior) % 10", starts=False))
    '(mini + 2 * prior) % 10'
    """
    match stage:
        case Named(call, _, _):
            return str(call)
        case Then(first, Cut(k)):
            return f"{_inside(first)} % {k}"
        case Then(first, Above(score)):
            return f"{name_of(first)} >= {score:g}"
        case Then(first, second):
            return f"{_inside(first, Fuse)} >> {_inside(second)}"
        case Weighted(inner, weight):
            return f"{weight:g} * {_inside(inner)}"
        case Fuse(stages, method):
            sign = " + " if method == Combine() else " | " if method == Interleave() else ""
            if sign:
                return sign.join(map(_inside, stages))
            return f"{method!r}({', '.join(map(name_of, stages))})"
        case Branch(_, inner, _):
            return f"branches >> {name_of(inner)}"
        case Cut(k):
            return f"% {k}"
        case Above(score):
            return f">= {score:g}"
        case Keep(name):
            return f'keep("{name}")'
        case BM25():
            return "bm25"
        case VectorSearch():
            return stage.encoder.name
        case Rerank():
            return stage.label
        case Each(function) if isinstance(function, FunctionType):
            return function.__name__.strip("_")
    return type(stage).__name__


def _inside(stage: Stage, *kinds: type[Stage]) -> str:
    """The text as an operand: in parentheses if it has an operator of its own."""
    own = isinstance(stage, kinds or (Then, Fuse)) and not (isinstance(stage, Then) and isinstance(stage.second, Cut))
    return f"({name_of(stage)})" if own else name_of(stage)


def described(stage: Stage) -> tuple[str, str]:
    """The text of a pipeline, and its fingerprint: of the text, and of the files of local models that it names."""
    text = name_of(stage)
    digest = hashlib.sha256(text.encode())
    for path in sorted(set(_local(stage))):
        digest.update(_content(Path(path)))
    return text, digest.hexdigest()[:16]


def _local(stage: Stage) -> Iterator[str]:
    """The arguments of a pipeline that are paths of files or folders."""
    match stage:
        case Named(call, _, _):
            for _, value in call.arguments:
                if (
                    isinstance(value, str)
                    and ("/" in value or Path(value).suffix)
                    and Path(value).expanduser().exists()
                ):
                    yield value
        case Then(first, second):
            yield from _local(first)
            yield from _local(second)
        case Weighted(inner, _) | Branch(_, inner, _):
            yield from _local(inner)
        case Fuse(stages, _):
            for part in stages:
                yield from _local(part)


def _content(path: Path) -> bytes:
    """A hash of a file or folder by names, sizes and blocks of each file, the same on every machine."""
    path = path.expanduser()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(json.dumps([file.name, size]).encode())
        with open(file, "rb") as stream:
            for i in range(_BLOCKS):
                stream.seek(i * max(size - _BLOCK, 0) // (_BLOCKS - 1))
                digest.update(stream.read(_BLOCK))
    return digest.digest()
