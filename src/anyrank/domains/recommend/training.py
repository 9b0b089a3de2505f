"""EasyRec's training by the common loop: a group a user, whose items and profile versions are drawn anew each epoch."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.errors import InputError
from ...core.types import Candidate
from ...train.group import Group
from ...train.recipe import Recipe
from ...train.run import Trained
from ...train.run import train as run
from .interactions import Interactions


@dataclass(frozen=True)
class Drawn:
    """Draws a user's group of an epoch: a version of the profile, an item of the user's, and one that is none, each by
    a version of its profile. Fixed by seed, user and epoch."""

    train: Interactions
    user_texts: Sequence[Sequence[str]]
    item_texts: Sequence[Sequence[str]]
    seed: int = 0

    def groups(self) -> list[Group]:
        """A group for each user with interactions, as in epoch 0."""
        mine = self.train.by_user()
        return [self.of(u, 0, mine[u]) for u in range(len(self.train.users)) if mine[u]]

    def of(self, user: int, epoch: int, items: Sequence[int]) -> Group:
        """The group of a user, by position."""
        rng = np.random.default_rng([self.seed, epoch, zlib.crc32(self.train.users[user].encode())])
        positive = items[int(rng.integers(len(items)))]
        known, negative = set(items), positive
        if len(known) >= len(self.train.items):
            raise InputError(f"user {self.train.users[user]!r} has every item: leave this user out")
        while negative in known:
            negative = int(rng.integers(len(self.train.items)))
        members = tuple(
            Candidate(self.train.items[i], self._version(self.item_texts, i, rng)) for i in (positive, negative)
        )
        return Group(self._version(self.user_texts, user, rng), members, (1.0, 0.0), self.train.users[user])

    @staticmethod
    def _version(texts: Sequence[Sequence[str]], position: int, rng: np.random.Generator) -> str:
        return texts[int(rng.integers(len(texts)))][position]


def train(recipe: Recipe, drawn: Drawn, *, resume: bool = False, progress: bool = False) -> Trained:
    """The recipe's training (``papers/easyrec.py``) on the drawn groups, into the recipe's folder."""
    position = {user: u for u, user in enumerate(drawn.train.users)}
    mine = drawn.train.by_user()

    def draw(group: Group, epoch: int) -> Group:
        user = position[group.id]
        return drawn.of(user, epoch, mine[user])

    return run(recipe, train=drawn.groups(), draw=draw, resume=resume, progress=progress)
