"""Negatives drawn anew in each epoch from a group's candidates: any of them at first, hard ones later (CoRNStack, arXiv
2412.01007). The groups hold all possible negatives (``mining.mined`` with a large n, or a judged run), with their
scores as priors."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..core.content import text_of
from ..core.errors import InputError
from .group import Group
from .mining import Rules
from .ranges import check_settings
from .same_text import unlike_relevant
from .sampling import Decay, Softmax

DrawFn = Callable[[Group, int], Group]
"""(group, epoch from 0) -> the group to train on in that epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """The relevant texts (judged so by ``grades`` if a group has them, else by labels above 0), and ``negatives`` of
    the others (0: all), each in proportion to exp(prior / tau) among those left; tau falls from ``start`` to ``end``
    over ``epochs`` and stays there (see ``sampling.Decay``; the values are ours, CoRNStack gives none). It is on the
    scale of the priors.

    Others whose prior is within a margin of the lowest of a relevant text are likely relevant and never drawn: at least
    ``relative`` times it (.95 is usual), at most ``absolute`` below it, or at most ``adaptive`` standard deviations of
    the group's priors below it (0: no such limit; see `mining.Rules`). Nor are copies of a relevant text. The draw is
    fixed by seed, epoch and the group's id (or query).

    Raises InputError for a group without priors.

    >>> group = Group.from_texts("q", ("a", "b", "c", "d"), (0.0, 1.0, 0.0, 0.0), priors=(9.7, 10.0, 5.0, 1.0))
    >>> Draw(negatives=1, start=0.01, end=0.01, relative=0.95)(group, epoch=0).texts
    ('b', 'c')
    """

    negatives: int = 0
    start: float = 1.0
    end: float = 0.05
    epochs: int = 10
    how: Literal["exponential", "linear"] = "exponential"
    relative: float = 0.0
    absolute: float = 0.0
    adaptive: float = 0.0

    def __post_init__(self) -> None:
        check_settings(self)
        Decay(self.start, self.end, self.epochs, self.how)
        _ = self.rules

    @property
    def rules(self) -> Rules:
        """The margins below the positive."""
        return Rules(relative=self.relative or None, absolute=self.absolute or None, adaptive=self.adaptive or None)

    def __call__(self, group: Group, epoch: int, seed: int = 0) -> Group:
        if not self.negatives:
            return group
        if not group.priors:
            raise InputError(f"{group.name} has no priors: data.draw needs the scores of the candidates")
        judged = group.grades or group.labels
        positives = [i for i, label in enumerate(judged) if label > 0]
        unlike = unlike_relevant(group.candidates, judged)
        rest = sorted(set(unlike) - set(positives), key=lambda i: -group.priors[i])
        lowest = min((group.priors[i] for i in positives), default=np.inf)
        passing = self.rules.passing([group.priors[i] for i in rest], lowest, float(np.std(group.priors)))
        allowed = [i for i, passes in zip(rest, passing.tolist()) if passes]
        rng = np.random.default_rng([seed, epoch, zlib.crc32((group.id or text_of(group.query)).encode())])
        tau = Decay(self.start, self.end, self.epochs, self.how)(epoch)
        drawn = Softmax(tau)([group.priors[i] for i in allowed], self.negatives, rng)
        return group.take([*positives, *(allowed[i] for i in drawn)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """Negatives from a bi-encoder's own results in a ``corpus`` (a file of documents or a collection), in place of
    those of the groups (ANCE; see ``refresh``): ``negatives`` a group, drawn from the best ``depth``. The documents are
    encoded again every ``steps`` steps beside the training, by weights that are used ``steps`` steps later; with 0
    steps at the beginning of every ``every`` epochs, while the training waits."""

    corpus: str = ""
    negatives: int = 1
    depth: int = 200
    steps: int = 0
    every: int = 1

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.corpus and (self.negatives, self.depth, self.steps, self.every) != (1, 200, 0, 1):
            raise InputError("corpus: expected the file of the documents to search, found an empty text")
