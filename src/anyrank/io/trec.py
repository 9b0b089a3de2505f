"""TREC's own files: documents in SGML (``<DOC>``), topics as ``<top>`` without end tags, and topics in XML."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

from ..core.errors import InputError
from .files import File, label, longest, opened, too_long
from .files import texts as text_lines

_BEGIN = re.compile(
    r"\s*(?:<\?xml[^>]*>|<!--.*?-->|<!DOCTYPE[^>]*>|<(?:topics|xml|root)\b[^>]*>|\s)*<(DOC|top|topic)\b", re.I | re.S
)
_OPEN = re.compile(r"<(DOC|top|topic)(?:\s[^>]*)?>", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([A-Za-z][\w.-]*)([^<>]*)>")
_NUMBER = re.compile(r"""\b(?:number|id|qid)\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)
_TITLES = ("title", "headline", "head", "hl", "ttl")
_LABELS = re.compile(r"\s*(?:number|topic|description|narrative)\s*:", re.IGNORECASE)


def looks_trec(path: File) -> bool:
    """Whether a file begins with a document or topic of TREC."""
    try:
        with opened(path) as source:
            return bool(_BEGIN.match(source.peek(1)[:4096].decode("utf-8", "replace")))
    except InputError:
        return False  # the reader of the format says what is wrong


def trec_records(path: File, most: int | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, record) for each document (docno, title, text and the other fields) or topic (qid, query, description,
    narrative) of a file.

    Raises InputError on text outside them, one without an end or without an id, and one of more than ``most`` bytes.
    """
    most = most or longest()
    parts: list[str] = []
    begin = size = 0
    end = ""
    for n, line in text_lines(path, most):
        rest = line
        while rest:
            if not end:
                match = _OPEN.search(rest)
                if match is None:
                    if outside := _TAG.sub("", re.sub(r"<[?!][^>]*>", "", rest)).strip():
                        what = f"{outside[:40]!r} stands outside of <DOC> and <top>"
                        raise InputError(what, path=label(path), line=n)
                    break
                end, begin, parts, size = f"</{match[1].lower()}>", n, [match[0]], 0
                rest = rest[match.end() :]
                continue
            stop = rest.lower().find(end)
            part = rest if stop < 0 else rest[:stop]
            parts.append(part)
            size += len(part)
            if size > most:
                raise too_long(path, begin, most, "record")
            if stop < 0:
                break
            record = _document(parts) if end == "</doc>" else _topic(parts)
            if not record:
                what = f"a {end[2:-1].upper()} without " + ("<DOCNO>" if end == "</doc>" else "<num> or number=")
                raise InputError(what, path=label(path), line=begin)
            yield begin, record
            rest, end = rest[stop + len(end) :], ""
    if end:
        raise InputError(f"the record that begins here has no end {end}", path=label(path), line=begin)


def _document(parts: list[str]) -> dict[str, Any]:
    """A document's fields; empty if it has no number."""
    fields: dict[str, list[str]] = {}
    outside: list[str] = []
    inside: list[str] = []  # the field, and the tags within it that are open
    position, text = 0, "".join(parts[1:])
    for match in _TAG.finditer(text):
        (fields.setdefault(inside[0], []) if inside else outside).append(text[position : match.start()])
        position, name = match.end(), match[2].lower()
        if match[1]:
            if name in inside:
                del inside[inside.index(name) :]
        elif f"</{name}" in text[position:].lower() if len(text) < 10_000 or not inside else False:
            inside.append(name)
    outside.append(text[position:])
    plain = {name: _plain(" ".join(values)) for name, values in fields.items()}
    id = plain.pop("docno", "")
    if not id:
        return {}
    title = next((plain.pop(name) for name in _TITLES if plain.get(name)), "")
    body = plain.pop("text", "")
    if not body:
        rest = [
            plain.pop(n)
            for n in [n for n, v in plain.items() if len(v.split()) > 20 or n in ("body", "lp", "leadpara")]
        ]
        body = " ".join([*rest, _plain(" ".join(outside))]).strip()
    return {"docno": id, **({"title": title} if title else {}), "text": body, **{n: v for n, v in plain.items() if v}}


def _topic(parts: list[str]) -> dict[str, Any]:
    """A topic's fields; empty if it has no number. Tags need no end: a field ends where the next one begins."""
    fields: dict[str, str] = {}
    text, name = "".join(parts[1:]), ""
    position = 0
    for match in [*_TAG.finditer(text), None]:
        piece = text[position : match.start() if match else len(text)]
        fields[name] = f"{fields.get(name, '')} {piece}"
        if match:
            name, position = "" if match[1] else match[2].lower(), match.end()
    plain = {n: _plain(_LABELS.sub("", v, count=1)) for n, v in fields.items()}
    number = _NUMBER.search(parts[0])
    id = plain.pop("num", "") or (number[1] if number else "")
    names = ("query", "title", "question", "", "desc", "description")
    query = next((plain.pop(n) for n in names if plain.get(n)), "")
    if not id:
        return {}
    plain.pop("", None)
    longer = {"desc": "description", "narr": "narrative"}
    return {"qid": id.split()[0], "query": query, **{longer.get(n, n): v for n, v in plain.items() if v}}


def _plain(text: str) -> str:
    return " ".join(html.unescape(text).split())
