"""Relevance judgements: TREC's ``query iteration document grade`` or BEIR's tab-separated ``query document grade``."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.errors import InputError, quoted
from .files import File, atomic, decode, empty, label, lines

Qrels = dict[str, dict[str, int]]
"""{query id: {document id: grade}}; a grade above 0 is relevant."""
Subtopics = dict[str, dict[str, dict[str, int]]]
"""{query id: {document id: {subtopic: grade}}}."""

_TREC = "4 columns (query iteration document grade)"
_BEIR = "3 tab-separated columns (query-id, corpus-id, score)"


def read_qrels(path: File) -> Qrels:
    """All judgements of a file; the first line tells which of the two forms it has. BEIR's header row may be missing.
    A document that is judged for several subtopics of a query (TREC's second column) has its highest grade.

    Raises InputError as `read_subtopics` does.
    """
    subtopics = read_subtopics(path)
    return {q: {d: max(grades.values()) for d, grades in docs.items()} for q, docs in subtopics.items()}


def read_subtopics(path: File) -> Subtopics:
    """All judgements of a file by query, document and subtopic: TREC's second column ("0" in BEIR's form).

    Raises InputError on a wrong column count, an empty id, a grade that is no whole number, a document judged twice
    for one query and subtopic, and an empty file.
    """
    qrels: Subtopics = {}
    beir = None
    for n, raw in lines(path):
        if not raw.strip():
            continue
        if first := beir is None:
            beir = raw.count(b"\t") == 2
        columns = raw.rstrip(b"\r\n").split(b"\t") if beir else raw.split()
        expected = 3 if beir else 4
        if len(columns) != expected:
            what = f"expected {_BEIR if beir else f'{_TREC} or {_BEIR}'}, found {len(columns)}"
            raise InputError(what, path=label(path), line=n)
        if first and beir and b"id" in columns[0].lower() and _grade(columns[2]) is None:
            continue
        query, document = decode(columns[0], path, n), decode(columns[-2], path, n)
        if not query or not document:
            what = "query" if not query else "document"
            raise InputError(f"the {what} id is empty", path=label(path), line=n)
        grade = _grade(columns[-1])
        if grade is None:
            text = columns[-1].decode(errors="replace")
            raise InputError(f"expected a whole number as grade, found {quoted(text)}", path=label(path), line=n)
        judged = qrels.setdefault(query, {}).setdefault(document, {})
        subtopic = "0" if beir else decode(columns[1], path, n)
        if subtopic in judged:
            raise InputError(
                f"document {quoted(document)} is judged twice for query {quoted(query)}", path=label(path), line=n
            )
        judged[subtopic] = grade
    if not qrels:
        raise empty(path, f"{_TREC} or {_BEIR}")
    return qrels


def _grade(raw: bytes) -> int | None:
    """A whole number, also one written as 1.0; None for anything else."""
    number, point, zeros = raw.strip().partition(b".")
    if (point and (not zeros or zeros.strip(b"0"))) or b"_" in number:  # int() would read "1_0" as 10
        return None
    try:
        return int(number)
    except ValueError:
        return None


def write_qrels(path: File, qrels: Mapping[str, Mapping[str, int]]) -> None:
    """A qrels file, whole or not at all: BEIR's form with its header if the name ends in ``.tsv``, else TREC's."""
    name = str(path).removesuffix(".gz")
    beir = name.endswith(".tsv")
    with atomic(path) as f:
        if beir:
            f.write("query-id\tcorpus-id\tscore\n")
        for query, judged in qrels.items():
            for document, grade in judged.items():
                for what, id in (("query", query), ("document", document)):
                    if not id or (any(c in id for c in "\t\r\n") if beir else id.encode().split() != [id.encode()]):
                        raise InputError(f"a qrels file can't hold the {what} id {quoted(id)}", path=path)
                f.write(f"{query}\t{document}\t{grade}\n" if beir else f"{query} 0 {document} {grade}\n")
