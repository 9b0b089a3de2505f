"""Listwise permutations as JSON lines: a list of documents, and a teacher's order of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..core.errors import InputError
from ..core.types import Ranking
from ..io.candidates import ranking_from_dict
from ..io.files import File
from ..io.records import Record, first_of, id_of, json_lines, parsed, write_jsonl
from ..llm.labels import Labels
from ..llm.parsing import read_order
from .group import Group
from .triples import Texts

_IDS = ("qid", "id", "_id", "query_id")
_MOST = 676
_QUERY = re.compile(r"search query:\s*(.*?)\.?\s*\n", re.IGNORECASE)


def read_permutations(
    path: File, queries: Texts | None = None, documents: Texts | None = None, *, mend: bool = False
) -> Iterator[Group]:
    """A group a line: texts in the order that was shown, labels n for the best down to 1. Each line has one of four
    forms (``queries`` and ``documents``, contents by id, are for the first):

    ``{"qid", "initial_list", "final_list"}`` of ids (the full-ranking release);
    ``{"query", "candidates", "permutation": [2, 1, …]}``, positions from 1, or ``"target": "[2] > [1]"``
    (``papers.distillation``);
    ``{"conversations": [{"from", "value"}, …]}`` whose last two turns are a prompt "[A] passage …" and "[C] > [A]"
    (RankZephyr's and FIRST's); ``{"prompt", "response"}`` (rank_llm's records).

    Raises InputError, with the line, on any other form, an unknown id, a prompt without passages, and an order that is
    no permutation of the list; with ``mend`` the documents that an order leaves out follow in the order shown.
    """
    expected = 'permutations, such as {"qid": "…", "initial_list": ["…"], "final_list": ["…"]}'
    return parsed(path, json_lines(path), lambda r: _group(r, queries, documents, mend), expected)


def write_permutations(path: File, before: Iterable[Ranking], after: Iterable[Ranking]) -> int:
    """Orders in the form ``qid, initial_list, final_list``, the file whole or not at all; returns their number.
    Rankings that the teacher judged only in part are left out."""
    complete = (
        {"qid": new.query.id, "initial_list": old.ids, "final_list": new.ids}
        for old, new in zip(before, after, strict=True)
        if new.status in ("ok", "repaired")
    )
    count = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal count
        for row in complete:
            count += 1
            yield row

    write_jsonl(path, rows())
    return count


def prompt_parts(prompt: str, labels: Labels) -> tuple[str, list[str]]:
    """(query, passages) of a listwise prompt in RankGPT's wording: "… search query: Q.", then a passage after each
    label, in order, up to a second "Search Query:".

    >>> prompt_parts("Rank by the search query: why?.\\n\\n[A] so\\n[B] no\\nSearch Query: why?.", Labels("letters"))
    ('why?', ['so', 'no'])
    """
    head = _QUERY.search(prompt)
    if head is None:
        raise InputError("the prompt has no line with 'search query:'")
    end = prompt.lower().rfind("\nsearch query:")
    body = "\n" + prompt[head.end() : end if end > head.end() else len(prompt)].lstrip()
    marks = labels.marks(26 if labels.style == "letters" else _MOST)
    starts: list[tuple[int, int]] = []
    for mark in marks:
        start = body.find(f"\n{mark} ", starts[-1][1] if starts else 0)
        if start < 0:
            break
        starts.append((start, start + len(mark) + 2))
    if not starts:
        raise InputError(f"the prompt holds no passages: expected lines that begin with {marks[0]}, {marks[1]}, …")
    ends = [at for at, _ in starts[1:]] + [len(body)]
    return head[1].strip(), [body[start:end].strip() for (_, start), end in zip(starts, ends)]


def _group(record: Record, queries: Texts | None, documents: Texts | None, mend: bool) -> Group:
    id = id_of(record, _IDS, "query id")[1] if first_of(record, _IDS) else ""
    order: Sequence[int]
    if "initial_list" in record:
        shown = _ids(record, "initial_list")
        if len(set(shown)) < len(shown):
            raise InputError("initial_list holds an id twice")
        positions = {name: i for i, name in enumerate(shown)}
        final = _ids(record, "final_list")
        if not mend and (unknown := next((name for name in final if name not in positions), None)) is not None:
            raise InputError(f"final_list holds {unknown!r}, which is not in initial_list")
        order = [positions.get(name, len(shown)) for name in final]
        query = _look_up("query", queries, id)
        texts = tuple(_look_up("document", documents, name) for name in shown)
        return Group.from_texts(query, texts, _labels(order, len(shown), mend), id, tuple(shown))
    if "candidates" in record:
        ranking = ranking_from_dict(record)
        n = len(ranking)
        if "permutation" in record:
            order = [p - 1 if type(p) is int and p > 0 else n for p in _list(record, "permutation")]
        else:
            order = _order(record.get("target"), n, mend)
        return replace(Group.of(ranking.query, ranking.candidates, _labels(order, n, mend)), id=id, priors=())
    prompt, answer = _turns(record)
    query, passages = prompt_parts(prompt, _style(answer))
    n = len(passages)
    return Group.from_texts(query, tuple(passages), _labels(_order(answer, n, mend), n, mend), id)


def _turns(record: Record) -> tuple[str, str]:
    if "conversations" in record:
        turns = [t.get("value", t.get("content")) for t in _list(record, "conversations") if isinstance(t, dict)][-2:]
    else:
        turns = [record.get("prompt"), record.get("response")]
    match turns:
        case [str(prompt), str(answer)]:
            return prompt, answer
    known = "initial_list and final_list, candidates and permutation or target, conversations, prompt and response"
    raise InputError(f"expected one of: {known}; found {', '.join(record)}")


def _style(answer: str) -> Labels:
    return Labels("letters" if re.search(r"\[[A-Za-z]\]", answer) else "numbers")


def _order(answer: Any, n: int, mend: bool) -> Sequence[int]:
    if not isinstance(answer, str):
        raise InputError("no order: expected permutation, a list of positions, or target, a text such as '[2] > [1]'")
    reading = read_order(answer, n, _style(answer))
    if reading.repairs and not mend:
        faults = ", ".join(f"{kind} ({count})" for kind, count in reading.repairs.items())
        raise InputError(f"the order {answer[:60]!r} has faults: {faults} (mend: true accepts it)")
    return reading.order


def _labels(order: Sequence[int], n: int, mend: bool) -> tuple[float, ...]:
    """The labels by position shown: n for the first of the order, down to 1."""
    if not mend and sorted(order) != list(range(n)):
        missing = next((i + 1 for i in range(n) if i not in order), None)
        fault = f"number {missing} is missing" if missing else f"it holds {len(order)} numbers"
        raise InputError(f"the order is no permutation of the {n} documents shown: {fault}")
    first = [i for i in dict.fromkeys(order) if 0 <= i < n]
    whole = first + sorted(set(range(n)) - set(first))
    ranks = {position: rank for rank, position in enumerate(whole)}
    return tuple(float(n - ranks[i]) for i in range(n))


def _look_up(what: str, known: Texts | None, id: str) -> str:
    if known is None:
        raise InputError("this file holds ids: give queries and documents, their contents by id")
    if id not in known:
        raise InputError(f"unknown {what} id {id!r}")
    return known[id]


def _ids(record: Record, name: str) -> list[str]:
    return [str(i) for i in _list(record, name)]


def _list(record: Record, name: str) -> list[Any]:
    value = record.get(name)
    if not isinstance(value, list):
        raise InputError(f"{name} is {'missing' if value is None else type(value).__name__}: expected a list")
    return value
