"""Reads the answers of reranking endpoints, whatever their vendor: scores, tokens and billed units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..core.trace import Usage
from .http import NoAnswer

_ROOM = 64
"""Tokens that a server may add to a pair."""


class Request(NamedTuple):
    """Documents that are asked about together: their query, their texts, and the (group, member) that each is."""

    query: str
    texts: list[str]
    members: list[tuple[int, int]]


class Scores(NamedTuple):
    """What came of a request: a score a document (NaN if there is none), the cost, and notes."""

    values: list[float]
    usage: Usage
    notes: tuple[str, ...] = ()
    status: int = 0


def read_answer(value: Any, request: Request, sent: int) -> Scores:
    """The scores in an answer of any dialect to ``request``, whose body had ``sent`` bytes. Raises NoAnswer if it has
    no list of results.

    >>> request = Request("q", ["one", "two"], [])
    >>> read_answer([{"index": 1, "score": 0.9}, {"index": 0, "score": 0.1}], request, 100).values
    [0.1, 0.9]
    """
    whole = value if isinstance(value, dict) else {}
    rows = value if isinstance(value, list) else next((whole[name] for name in _RESULTS if name in whole), None)
    if isinstance(rows, dict):  # DashScope's
        rows = rows.get("results")
    if not isinstance(rows, list):
        raise NoAnswer(f"an answer without results: its fields are {sorted(whole)[:9]}"[:200])
    n = len(request.texts)
    if len(rows) == n and not any(isinstance(row, dict) for row in rows):  # a score a document, in their order
        rows = [{"index": i, "score": score} for i, score in enumerate(rows)]
    values: list[float | None] = [None] * n
    repeated = outside = 0
    for row in rows:
        index = row.get("index") if isinstance(row, dict) else None
        if type(index) is not int or not 0 <= index < n:
            outside += 1
        elif values[index] is not None:
            repeated += 1
        else:
            values[index] = _number(row.get("relevance_score", row.get("score")))
    usage, notes = _cost(whole, request, sent)
    repairs = {"repeated index": repeated, "index out of range": outside}
    scores = [math.nan if v is None else v for v in values]
    if unscored := sum(map(math.isnan, scores)):
        notes = [f"{unscored} of {n} documents got no score", *notes]
    return Scores(scores, usage + Usage(repairs={k: v for k, v in repairs.items() if v}), tuple(notes))


_RESULTS = ("results", "data", "scores", "output")
"""Fields that hold the results, the likeliest first."""


def _number(value: Any) -> float:
    """A finite score, or NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value) if math.isfinite(value) else math.nan
    except OverflowError:
        return math.nan


def _cost(answer: Mapping[str, Any], request: Request, sent: int) -> tuple[Usage, list[str]]:
    """One call with its tokens, and notes on these and on what is billed. A server reads the query with every document
    and may cut each, so the tokens it states are between a token in 64 of the first 1,024 bytes of each document and a
    token a byte."""
    n, query = len(request.texts), len(request.query.encode("utf-8", "replace"))
    lengths = [len(text.encode("utf-8", "replace")) for text in request.texts]
    usage, meta = _mapping(answer.get("usage")), _mapping(answer.get("meta"))
    tokens, billed = _mapping(meta.get("tokens")), _mapping(meta.get("billed_units"))
    counts = ((usage, "total_tokens"), (usage, "prompt_tokens"), (tokens, "input_tokens"), (billed, "input_tokens"))
    stated = next((held[name] for held, name in counts if held.get(name) is not None), None)
    if isinstance(stated, float) and stated.is_integer():
        stated = int(stated)
    notes: list[str] = []
    repairs: dict[str, int] = {}
    least, most = sum(min(length, 1024) for length in lengths) // 64, sent + (query + _ROOM) * n + 4096
    if type(stated) is int and max(least, 1) <= stated <= most:
        prompt = stated
    else:
        prompt = (sum(lengths) + (query + 12) * n) // 4 + 1
        reason = "the server states none" if stated is None else "the server's counts can't be"
        notes.append(f"token counts are estimated: {reason}")
        repairs = {} if stated is None else {"token count": 1}
    units = next((u for u in (billed.get("search_units"), usage.get("rerank_units")) if u is not None), None)
    if units is not None:
        amount = _number(units)
        if 0 <= amount <= n + sum(lengths):
            notes.append(f"billed: {amount:g} search unit{'s' * (amount != 1)}")
        else:
            repairs |= {"billed units": 1}
    return Usage(calls=1, prompt_tokens=prompt, repairs=repairs), notes


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
