"""Splits for measuring recommenders: a share of each user's interactions held out, and items unseen in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .interactions import Interactions


@dataclass(frozen=True)
class Split:
    """Interactions to train on; those held out of items that training saw (``warm``); and those of ``cold_items``
    [items], all of whose interactions were taken out."""

    train: Interactions
    warm: Interactions
    cold: Interactions
    cold_items: NDArray[np.bool_]


def split(data: Interactions, test: float = 0.2, cold: float = 0.1, seed: int = 0) -> Split:
    """A share ``cold`` of the items that have interactions is cold; of each user's other interactions a share ``test``
    is held out at random, at least one stays. Held-out pairs of items that training then doesn't see are dropped.
    Raises InputError unless both are below 1 and something is left to train on."""
    if not (0 <= test < 1 and 0 <= cold < 1):
        raise InputError(f"shares of {test:g} held out and {cold:g} cold: expected numbers from 0 to below 1")
    rng = np.random.default_rng(seed)
    seen = np.flatnonzero(data.popularity())
    cold_items = np.zeros(len(data.items), dtype=bool)
    cold_items[rng.permutation(seen)[: round(cold * len(seen))]] = True
    is_cold = cold_items[data.pairs[:, 1]]
    held_out = np.zeros(len(data.pairs), dtype=bool)
    by_user: dict[int, list[int]] = {}
    for position in np.flatnonzero(~is_cold).tolist():
        by_user.setdefault(int(data.pairs[position, 0]), []).append(position)
    for positions in by_user.values():
        count = min(round(test * len(positions)), len(positions) - 1)
        held_out[rng.choice(positions, count, replace=False)] = True
    train = data.only(~is_cold & ~held_out)
    if not len(train.pairs):
        raise InputError("no interaction is left to train on: hold out less")
    known = train.popularity() > 0
    return Split(train, data.only(held_out & known[data.pairs[:, 1]]), data.only(is_cold), cold_items)
