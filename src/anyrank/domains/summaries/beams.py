"""Beam search over any model of next symbols, plain or diverse (groups that avoid each other's choices)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError

Step = Callable[[Sequence[tuple[int, ...]]], NDArray[Any]]
"""Prefixes of equal length -> log-probabilities of the next symbol [prefixes, symbols]; -inf forbids one."""


@dataclass(frozen=True, slots=True)
class Beam:
    """A finished sequence without its end symbol, and the sum of its log-probabilities (the end's counted)."""

    symbols: tuple[int, ...]
    logprob: float


def beam_search(
    step: Step,
    width: int,
    end: int,
    *,
    groups: int = 1,
    penalty: float = 0.0,
    least: int = 0,
    most: int = 20,
    alpha: float = 0.0,
) -> list[Beam]:
    """The ``width`` best sequences of ``least`` to ``most`` symbols, best first by logprob / length^alpha, each once.

    With ``groups`` the beams are searched in so many groups of equal size, one after the other at each step; a symbol
    costs a group ``penalty`` for every beam of an earlier group that chose it at this step (diverse beam search, arXiv
    1610.02424). The penalty steers the choice and isn't part of the sum. A sequence that reaches ``most`` ends there.
    Fewer come back if there are not so many.

    >>> table = np.log([0.6, 0.3, 0.1])  # two symbols and the end
    >>> [b.symbols for b in beam_search(lambda p: np.tile(table, (len(p), 1)), 2, 2, most=2)]
    [(0, 0), (0, 1)]
    >>> [b.symbols for b in beam_search(lambda p: np.tile(table, (len(p), 1)), 2, 2, most=2, groups=2, penalty=9.0)]
    [(0, 0), (1, 1)]
    """
    if width < 1 or groups < 1 or width % groups:
        raise InputError(f"{width} beams in {groups} groups: expected a number of beams that the groups divide")
    size = width // groups
    alive: list[list[Beam]] = [[Beam((), 0.0)] for _ in range(groups)]
    done: list[list[Beam]] = [[] for _ in range(groups)]
    for length in range(most + 1):
        everyone = [b for group in alive for b in group]
        if not everyone:
            break
        table = np.asarray(step([b.symbols for b in everyone]), dtype=np.float64)
        chosen = np.zeros(table.shape[1])
        at = 0
        for g, group in enumerate(alive):
            rows = table[at : at + len(group)].copy()
            at += len(group)
            if length < least:
                rows[:, end] = -np.inf
            if length == most:  # only the end is left; a model that can't end here ends without its consent
                done[g] += [Beam(b.symbols, b.logprob + _finite(rows[i, end])) for i, b in enumerate(group)]
                alive[g] = []
                continue
            alive[g], ended, taken = _extend(group, rows, rows - penalty * chosen, size, end)
            chosen += np.bincount(taken, minlength=table.shape[1])
            done[g] += ended
    best = {b.symbols: b for group in done for b in _best(group, size, alpha)}
    return _best(list(best.values()), width, alpha)


def _extend(
    group: Sequence[Beam], rows: NDArray[Any], steered: NDArray[Any], size: int, end: int
) -> tuple[list[Beam], list[Beam], list[int]]:
    """The next ``size`` beams of a group, those that ended on the way, and the symbols that were chosen."""
    sums = steered + np.array([b.logprob for b in group])[:, None]
    alive: list[Beam] = []
    ended: list[Beam] = []
    taken: list[int] = []
    for flat in np.argsort(-sums, axis=None, kind="stable"):
        i, symbol = divmod(int(flat), rows.shape[1])
        if len(alive) == size or not np.isfinite(sums[i, symbol]):
            break
        total = group[i].logprob + float(rows[i, symbol])
        taken.append(symbol)
        if symbol == end:
            ended.append(Beam(group[i].symbols, total))
        else:
            alive.append(Beam((*group[i].symbols, symbol), total))
    return alive, ended, taken


def _best(beams: Sequence[Beam], n: int, alpha: float) -> list[Beam]:
    return sorted(beams, key=lambda b: -b.logprob / max(len(b.symbols), 1) ** alpha)[:n]


def _finite(value: float) -> float:
    return float(value) if np.isfinite(value) else 0.0
