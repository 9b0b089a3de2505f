"""Pipelines as a page writes them: which are allowed, and what their names mean over pasted documents."""

from __future__ import annotations

import ast
import functools
import tempfile
from collections.abc import Collection as Names
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.stage import Stage
from ...core.types import Candidate
from ...hub.open import open_model
from ...hub.registry import SHIPPED
from ...index.build import build
from ...index.collection import Collection
from ...pipeline.context import Settings
from ...pipeline.parser import PipelineError, parse, read

SAFE = frozenset(
    {*SHIPPED, "mini", "bm25", "prior", "rm3", "cut", "mmr"}
    | {"zscore", "minmax", "rrf", "borda", "combsum", "combmnz", "union"}
)
"""Names that open nothing but what ships with the package and the index that is served."""
LONGEST = 2000
"""Characters of a page's pipeline, where not every one may run."""
PASTED = 2000
"""The most pasted documents that are encoded for a search by vectors."""


def check_allowed(text: str, served: Names[str]) -> None:
    """Raises PipelineError on a pipeline that names more than the `SAFE` stages, or has a text (a model, a path, an
    address) in it: a page may write such a one only where its reader started the server (``anyrank play``).

    >>> check_allowed("bm25 % 100 >> mini", ())
    >>> check_allowed('rankgpt("openai:x@http://10.0.0.1")', ())
    Traceback (most recent call last):
    anyrank.pipeline.parser.PipelineError: this server runs ... only: 'rankgpt' isn't one...
    """
    if len(text) >= LONGEST:
        raise PipelineError(f"a pipeline of {len(text):,} characters: a page's has fewer than {LONGEST:,}", text, 0, 1)
    text, tree = read(text)  # as the parser reads it: what is looked at here is what runs
    known = SAFE | set(served)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in known:
            message = f"this server runs its own and shipped stages only: {node.id!r} isn't one"
        elif isinstance(node, ast.Constant) and not isinstance(node.value, int | float | bool | None):
            message = "this server runs pipelines without quoted names only (anyrank play runs any)"
        else:
            continue
        raise PipelineError(message, text, node.col_offset, node.end_col_offset or node.col_offset + 1)


def over_documents(text: str, documents: Sequence[Candidate]) -> tuple[Stage, tuple[Candidate, ...]]:
    """The stage of a pipeline over given documents, and the candidates that it starts with: the documents, or none if
    it begins with a search, of an index that is made of them and forgotten again."""
    try:
        return parse(text, starts=False), tuple(documents)
    except PipelineError as error:
        if "needs an index" not in str(error) or not documents:
            raise
    return _searching(text, tuple((c.id, c.content) for c in documents)), ()


@functools.lru_cache(maxsize=8)
def _searching(text: str, documents: tuple[tuple[str, str], ...]) -> Stage:
    return parse(text, Settings(index_for(text, documents).collection))


@dataclass(frozen=True, slots=True, eq=False)
class Pasted:
    """An index of pasted documents, in a ``folder`` that is removed with it."""

    folder: tempfile.TemporaryDirectory[str]
    collection: Collection


def index_for(text: str, documents: tuple[tuple[str, str], ...]) -> Pasted:
    """The index of ids and texts of documents by which a pipeline can be read: with vectors, if it names a shipped
    encoder and there aren't many documents. Raises PipelineError as `parse`."""
    pasted = index_of(documents)
    try:
        parse(text, Settings(pasted.collection))
        return pasted
    except PipelineError as error:
        if "holds no vectors of" not in str(error) or len(documents) > PASTED:
            raise
    for name, model in SHIPPED.items():
        if name in text and name not in pasted.collection.encoded:
            pasted.collection.encode(open_model(model))
    return Pasted(pasted.folder, Collection.open(pasted.collection.path))


@functools.lru_cache(maxsize=4)
def index_of(documents: tuple[tuple[str, str], ...]) -> Pasted:
    """The index of the ids and texts of documents."""
    folder = tempfile.TemporaryDirectory(prefix="anyrank-play-", ignore_cleanup_errors=True)
    candidates = [Candidate(id, content) for id, content in documents]
    path = Path(folder.name) / "index"
    return Pasted(folder, build(candidates, path, on_warning=lambda text: None))
