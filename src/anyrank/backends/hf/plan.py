"""The plan of a batch run: token rows with a common prefix share its computation, the rest are sorted by length and cut
into batches by a token budget. Pure lists, no tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...llm.token_ids import common

Row = Sequence[int]
MIN_SAVED = 48
"""The fewest tokens that a shared prefix must save: about the cost of one more forward pass."""
SHARE = 0.25
"""The least share of its rows' tokens that a prefix must save, since a cache costs copies and a mask. Measured:
prefixes that saved .07 and .18 of the tokens lost time."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows (by index) whose first ``prefix`` tokens are equal, cut into batches."""

    prefix: int
    batches: tuple[tuple[int, ...], ...]


def plan(
    rows: Sequence[Row], budget: int, keep: Sequence[int], reuse: bool = True, max_rows: int = 1 << 30
) -> list[Group]:
    """Groups over all rows. ``keep``: the number of last tokens of each row that must be run outside the prefix, since
    their output is needed. A batch holds at most ``max_rows`` rows, and ``budget`` tokens of cache and padded input, or
    one row.

    >>> plan([[1] * 50 + [2], [9], [1] * 50 + [3]], budget=200, keep=[1, 1, 1])
    [Group(prefix=50, batches=((0, 2),)), Group(prefix=0, batches=((1,),))]
    """
    single: list[int] = []
    groups: list[Group] = []
    for prefix, members in _shared(rows, keep) if reuse else ():
        # a prefix of n rows is run once in place of n times; too small a saving goes back to plain batches
        if (len(members) - 1) * prefix < max(MIN_SAVED, SHARE * sum(len(rows[i]) for i in members)):
            single += members
        else:
            groups.append(Group(prefix, _batches(rows, members, budget, max_rows)))
    single = single if reuse else list(range(len(rows)))
    return groups + ([Group(0, _batches(rows, single, budget, max_rows))] if single else [])


def _shared(rows: Sequence[Row], keep: Sequence[int]) -> list[tuple[int, list[int]]]:
    """Runs of rows in sorted order, each with the prefix that its rows share.

    Sorting puts rows with a common prefix side by side, so one pass is enough. A row joins the run before it if the
    shorter joint prefix over one more row saves at least as many tokens as the run alone; the prefix never reaches
    into the tokens that a row must run on its own.
    """
    out: list[tuple[int, list[int]]] = []
    for i in sorted(range(len(rows)), key=lambda i: list(rows[i])):
        own = len(rows[i]) - keep[i]
        if out:
            prefix, members = out[-1]
            joint = max(min(prefix, own, common(rows[members[-1]], rows[i])), 0)
            if joint and len(members) * joint >= (len(members) - 1) * prefix:
                out[-1] = (joint, [*members, i])
                continue
        out.append((own, [i]))
    return out


def _batches(rows: Sequence[Row], members: list[int], budget: int, max_rows: int) -> tuple[tuple[int, ...], ...]:
    out: list[list[int]] = []
    longest = 0
    for i in sorted(members, key=lambda i: -len(rows[i])):
        if not out or len(out[-1]) >= max_rows or (len(out[-1]) + 1) * longest > budget:
            out.append([])
            longest = len(rows[i])
        out[-1].append(i)
    return tuple(map(tuple, out))
