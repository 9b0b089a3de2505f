"""Training curricula: easy candidates first, with weights that end at 1 (arXiv 2004.14269, MacAvaney et al. 2020).

Three steps, each a few pure functions over numbers and numpy arrays. The easiness h of a candidate is its standing in
the first-stage run (``DIFFICULTIES``: recip, norm, kde; 1 is the run's best). The weight w of a sample is the agreement
of h with the labels: high for easy positives and hard-to-confuse negatives (``pointwise``, ``pairwise``,
``group_weight``). Over the epochs w moves to 1 (``schedule``: W), which multiplies the loss: ``batch_mean``, as in the
paper's code, or ``per_sample``. ``Curriculum`` binds them for a training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError
from .group import Group

Floats = NDArray[np.float64]
Difficulty = Callable[[ArrayLike, ArrayLike | None], Floats]

UNLISTED = 1000
"""The rank of a candidate that the run does not list."""
SMOOTH = 1e-8
"""Added to every weight, so that none is 0."""


def recip(scores: ArrayLike, run: ArrayLike | None = None) -> Floats:
    """1 / rank of each score in the query's run (the scores themselves if None); NaN, for unlisted, is rank 1000.

    >>> recip([9, float("nan")], run=[12, 9, 8.5, 3, 1]).tolist()
    [0.5, 0.001]
    """
    own, listed = _both(scores, run)
    ranks = 1.0 + (listed[None, :] > own[:, None]).sum(1)
    return 1 / np.where(np.isnan(own), UNLISTED, ranks)


def norm(scores: ArrayLike, run: ArrayLike | None = None) -> Floats:
    """(s - min) / (max - min) over the query's run; NaN, for unlisted, is 0; 1/2 if the run does not vary.

    >>> norm([12, 9, 8.5, 3, 1]).round(6).tolist()
    [1.0, 0.727273, 0.681818, 0.181818, 0.0]
    """
    own, listed = _both(scores, run)
    low, high = (listed.min(), listed.max()) if len(listed) else (0.0, 0.0)
    h = np.clip((own - low) / (high - low), 0, 1) if high > low else np.full(own.shape, 0.5)
    return np.where(np.isnan(own), 0.0, h)


def kde(scores: ArrayLike, run: ArrayLike | None = None) -> Floats:
    """Share of the run below each score, smoothed: the CDF of a Gaussian kernel density, of Scott's bandwidth.

    Equal to scipy's ``gaussian_kde(run).integrate_box_1d(-inf, s)``: mean of Phi((s - x) / (std * n^(-1/5))), the
    sample's std. NaN, for unlisted, is 0; 1/2 if the run does not vary. It spreads the many close scores of a
    run's tail, which ``norm`` leaves close.

    >>> kde([12, 9, 8.5, 3, 1]).round(6).tolist()
    [0.834135, 0.639937, 0.604972, 0.262634, 0.158323]
    """
    own, listed = _both(scores, run)
    width = float(np.std(listed, ddof=1)) * len(listed) ** -0.2 if len(listed) > 1 else 0.0
    if not width:
        return np.where(np.isnan(own), 0.0, 0.5)
    steps = (np.nan_to_num(own)[:, None] - listed[None, :]) / (width * math.sqrt(2))
    below = np.array([[math.erf(z) for z in row] for row in steps.tolist()]).reshape(steps.shape)
    return np.where(np.isnan(own), 0.0, (1 + below.mean(1)) / 2)


DIFFICULTIES: dict[str, Difficulty] = {"recip": recip, "norm": norm, "kde": kde}


def pointwise(h: ArrayLike, positive: ArrayLike, *, anti: bool = False) -> Floats:
    """Weights of single candidates: h for positives, 1 - h for negatives; 1 - that for the anti-curriculum.

    >>> pointwise([.5, .25], [True, False]).round(6).tolist()
    [0.5, 0.75]
    """
    h = np.asarray(h, float)
    return _smooth(np.where(np.asarray(positive, bool), h, 1 - h), anti)


def pairwise(h_positive: ArrayLike, h_negative: ArrayLike, *, anti: bool = False) -> Floats:
    """Weights of pairs: (h+ - h- + 1) / 2, from 0 (the run ranks the pair the wrong way round) to 1.

    Against several negatives, [pairs] to [pairs, negatives], the least counts.

    >>> pairwise([1 / 2], [1 / 4]).round(6).tolist(), pairwise([1 / 2], [[1 / 4, 1]]).round(6).tolist()
    ([0.625], [0.25])
    """
    positive, negative = np.asarray(h_positive, float), np.asarray(h_negative, float)
    if negative.ndim > positive.ndim:
        negative = negative.max(-1)
    return _smooth((positive - negative + 1) / 2, anti)


def group_weight(
    labels: Sequence[float],
    priors: Sequence[float],
    *,
    difficulty: Difficulty = norm,
    run: ArrayLike | None = None,
    form: Literal["pairwise", "pointwise"] = "pairwise",
    threshold: float = 0.0,
    anti: bool = False,
) -> float:
    """Weight of a group of candidates with labels and the scores (``priors``) of the run they came from.

    Positives are labelled above ``threshold``. Pairwise: each against the negative that gives it the least weight,
    averaged over the positives (ours, for more than one); pointwise: averaged over the candidates. A group with one
    kind only has no pair and weighs 1. ``run`` is the query's full run, the priors alone if None.

    >>> run = [12, 9, 8.5, 3, 1]
    >>> round(group_weight((1, 0), (9, 3), difficulty=recip, run=run), 6)
    0.625
    """
    h, positive = difficulty(priors, run), np.asarray(labels, float) > threshold
    if form == "pointwise":
        return float(pointwise(h, positive, anti=anti).mean())
    if positive.all() or not positive.any():
        return 1.0
    hardest = h[~positive].max()  # the negative that the run ranks highest makes the least weight
    return float(pairwise(h[positive], np.full(positive.sum(), hardest), anti=anti).mean())


def schedule(weights: ArrayLike, epoch: float, end: int = 20) -> Floats:
    """W = w (1 - p) + p with p = epoch / end, and 1 from epoch ``end`` on; an ``end`` of 0 or less keeps w for ever.

    >>> [schedule(.625, epoch).round(6).item() for epoch in (0, 5, 10, 20, 30)]
    [0.625, 0.71875, 0.8125, 1.0, 1.0]
    """
    w = np.asarray(weights, float)
    p = min(epoch / end, 1.0) if end > 0 else 0.0
    return np.ones_like(w) if p == 1 else w + (1 - w) * p  # in this form rounding can't make it fall


@dataclass(frozen=True, slots=True)
class Curriculum:
    """A curriculum as a value: called with a batch of groups and the epoch (from 0), it gives each group's weight W.

    Easiness is that of the groups' ``priors`` within the query's full run, if ``runs`` has its scores by the group's
    id, else within the group. Raises InputError for a group without priors. ``end=20`` is the paper's, of short epochs
    (512 pairs).

    >>> group = Group.from_texts("hotels", ("a", "b"), (1, 0), priors=(9, 3))
    >>> [Curriculum("norm", end=10)([group], epoch)[0] for epoch in (0, 5, 10)]
    [1.00000001, 1.000000005, 1.0]
    """

    difficulty: Literal["recip", "norm", "kde"] = "norm"
    form: Literal["pairwise", "pointwise"] = "pairwise"
    end: int = 20
    anti: bool = False
    threshold: float = 0.0
    runs: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, known in (("difficulty", DIFFICULTIES), ("form", ("pairwise", "pointwise"))):
            if getattr(self, name) not in known:
                raise InputError(f"curriculum: no {name} {getattr(self, name)!r}; known are {', '.join(known)}")

    def __call__(self, groups: Sequence[Group], epoch: float) -> list[float]:
        weights = [self._weight(group) for group in groups]
        return [float(w) for w in schedule(weights, epoch, self.end)]

    def _weight(self, group: Group) -> float:
        if not group.priors:
            raise InputError(
                f"query {group.id or group.query!r} has no priors: a curriculum needs the scores of the first-stage run"
            )
        return group_weight(
            group.labels,
            group.priors,
            difficulty=DIFFICULTIES[self.difficulty],
            run=self.runs.get(group.id),
            form=self.form,
            threshold=self.threshold,
            anti=self.anti,
        )


def batch_mean(loss: Any, weights: ArrayLike) -> Any:
    """The loss of a batch, a number or a tensor, times the mean of its weights: the form of the released code.

    Easy and hard samples of one batch count alike, only batches differ; ``per_sample`` weighs each.

    >>> batch_mean(2.0, [.5, 1.])
    1.5
    """
    return loss * float(np.mean(np.asarray(weights, float)))


def per_sample(losses: Any, weights: ArrayLike) -> Any:
    """Mean of each sample's loss, numbers or a tensor [batch], times its own weight.

    ``anyrank.train.losses.per_group`` gives the losses. Equal to ``batch_mean`` if all weights are equal.

    >>> per_sample([4.0, 0.0], [.5, 1.])
    1.0
    """
    each = np.asarray(weights, float).tolist()
    if len(losses) != len(each) or not each:
        raise ValueError(f"{len(losses)} losses but {len(each)} weights: one weight a loss, and at least one")
    return sum(loss * weight for loss, weight in zip(losses, each)) / len(each)


def _smooth(weights: Floats, anti: bool) -> Floats:
    return (1 - weights if anti else weights) + SMOOTH


def _both(scores: ArrayLike, run: ArrayLike | None) -> tuple[Floats, Floats]:
    """The given scores, and those of the run that are listed (not NaN), as flat arrays."""
    own = np.asarray(scores, float)
    listed = own if run is None else np.asarray(run, float)
    return own, listed[~np.isnan(listed)]
