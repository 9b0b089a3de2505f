"""Code search pairs from Python sources: a function's docstring as the query, its code without it as the document."""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from textwrap import dedent

from ..io.files import File
from .group import Group

_UNFIT = re.compile(r"https?://|www\.|</?[a-zA-Z][^>]*>|>>>|[^\x00-\x7f]")
"""Text that CoRNStack (arXiv 2412.01007) drops: addresses, tags, characters of other languages; and examples."""


def docstring_pairs(
    root: File,
    words: int = 3,
    lines: int = 3,
    skip: Collection[str] = ("site-packages", "test", "tests"),
    left_out: Counter[str] | None = None,
) -> Iterator[Group]:
    """A group of one text for each documented function under a folder (files by name, functions by line): the
    docstring's first paragraph, and the function's source without the docstring. Left out are docstrings of fewer than
    ``words`` words, with web addresses, tags or other than ASCII characters, and functions of fewer than ``lines``
    lines. Folders named in ``skip`` and files that can't be parsed are passed over. Ids are ``path:line``. A counter
    given as ``left_out`` gets the number of the others by reason.
    """
    folder = Path(root)
    for path in sorted(folder.rglob("*.py")):
        if not set(skip).isdisjoint(path.relative_to(folder).parts[:-1]):
            continue
        try:
            source = path.read_text(encoding="utf-8")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(source)
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):  # the parser's stack may overflow
            if left_out is not None:
                left_out["file that is no Python"] += 1
            continue
        rows = source.split("\n")
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        for node in sorted(functions, key=lambda n: n.lineno):
            query = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
            if not query:
                continue
            code = _without_docstring(rows, node)
            if reason := _unfit(query, code, words, lines):
                if left_out is not None:
                    left_out[reason] += 1
            else:
                id = f"{path.relative_to(folder)}:{node.lineno}"
                yield Group.from_texts(query, (code,), (1.0,), id, (id,))


def _unfit(query: str, code: str, words: int, lines: int) -> str:
    """Why a pair is left out; "" if it isn't."""
    if len(query.split()) < words:
        return "docstring too short"
    if _UNFIT.search(query):
        return "docstring with an address, a tag, an example or other characters than ASCII"
    return "function too short" if code.count("\n") + 1 < lines else ""


def _without_docstring(rows: list[str], node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The function's lines, less those of its docstring, moved to the left margin."""
    first = min((d.lineno for d in node.decorator_list), default=node.lineno)
    doc = node.body[0]
    remaining = rows[first - 1 : doc.lineno - 1] + rows[doc.end_lineno : node.end_lineno]
    return dedent("\n".join(remaining)).strip()
