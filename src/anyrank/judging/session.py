"""A session of judging: which document is next, what the labels given so far show, and when they are enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..core.errors import InputError
from .bets import Bets
from .pool import Floats, Pool
from .predictions import Predictor

MIXED = 0.05
"""The share of the draws that goes by weight alone, so that a wrong prediction leaves no document out."""


ROUNDING = 1e-12
"""Differences below this are 0: they come of adding the weights in another order."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What is known about the difference ``first - second`` of two runs: an estimate (None before any label) with its
    standard error, and an interval. ``verdict`` is the better run, "" while that is open, or "level" once the
    interval lies within the margin."""

    first: str
    second: str
    estimate: float | None
    error: float | None
    low: float
    high: float
    verdict: str


@dataclass(slots=True, eq=False)
class Session:
    """Judging of a pool, one document at a time. All that it does follows from the pool, the ``seed`` and the labels.

    A document is drawn with a probability that grows with how far it can move the differences that are still open and
    with how uncertain its label is. ``alpha`` is the probability that any interval of any pair is ever wrong; a
    ``margin`` also ends a pair whose difference is shown to be smaller. ``labels`` are another judge's, such as a
    language model's: they serve as a control variate and are never counted as judgements.

    >>> pool = Pool.of({"a": {"q": ["x", "y"]}, "b": {"q": ["z", "w"]}})
    >>> session = Session(pool)
    >>> while (item := session.next()) is not None:
    ...     session.record(3 if item[1] in "xy" else 0)
    >>> session.differences()[0].verdict
    'a'
    """

    pool: Pool
    seed: int = 0
    alpha: float = 0.05
    margin: float = 0.0
    labels: Mapping[tuple[str, str], float] = field(default_factory=dict)
    judged: list[int] = field(default_factory=list)
    given: list[int] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    bets: list[Bets] = field(default_factory=list)
    _predictor: Predictor = field(init=False, repr=False)
    _gains: Floats = field(init=False, repr=False)  # [items], NaN where none is judged
    _draw: _Draw | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha is {self.alpha}: give the probability of an error, between 0 and 1")
        owner = {q: n for n, q in enumerate(self.pool.queries)}
        gain, unknown = self.pool.measure.gain, float("nan")
        other = [gain(self.labels[i]) if i in self.labels else unknown for i in self.pool.items]
        used = np.array(other) if self.labels else None
        self._predictor = Predictor.of(self.pool.votes, [owner[q] for q, _ in self.pool.items], used)
        self._restart()

    def _restart(self) -> None:
        pairs = len(self.pool.pairs)
        self.judged, self.given, self._draw = [], [], None
        self._gains = np.full(len(self.pool.items), np.nan)
        self.verdicts = [""] * pairs
        self.bets = [Bets(self.alpha / pairs) for _ in range(pairs)]

    @property
    def decided(self) -> bool:
        """True if every pair has a verdict."""
        return all(self.verdicts)

    def next(self, *, after: bool = False) -> tuple[str, str] | None:
        """The query and document to judge now; None once all is decided (or, ``after`` that, all is judged)."""
        if (self.decided and not after) or len(self.judged) == len(self.pool.items):
            return None
        self._draw = self._draw or self._drawn()
        return self.pool.items[self._draw.item]

    def record(self, label: int) -> None:
        """The label of the document that `next` gave."""
        if self._draw is None:
            raise InputError("there is no document to judge: call next() first")
        if not 0 <= label <= self.pool.measure.most:
            raise InputError(f"label {label} is not from 0 to {self.pool.measure.most}")
        draw, self._draw = self._draw, None
        weights = self.pool.weights
        gain = self.pool.measure.gain(label)
        moved = weights[:, draw.item] * (gain - draw.means[draw.item]) / draw.chances[draw.item]
        for n, bets in enumerate(self.bets):
            bets.add(draw.expected[n] + moved[n], draw.variance[n], draw.least[n], draw.most[n])
        self._gains[draw.item] = gain
        self.judged.append(draw.item)
        self.given.append(label)
        low, high = self._bounds()
        for n, bets in enumerate(self.bets):
            if not self.verdicts[n]:
                self.verdicts[n] = self._verdict(n, bets, float(low[n]), float(high[n]))

    def undo(self) -> None:
        """Take back the last label; `next` gives its document again."""
        if self.given:
            self.replay(self.given[:-1])

    def replay(self, labels: Sequence[int]) -> None:
        """Begin again with these labels of the documents that `next` gives, as a stopped session is resumed."""
        self._restart()
        for label in labels:
            if self.next(after=True) is None:
                raise InputError(f"{len(labels)} labels for a pool of {len(self.pool.items)} documents")
            self.record(label)

    def differences(self) -> tuple[Difference, ...]:
        """What is known about each pair now."""
        low, high = self._bounds()
        out = []
        for n, ((first, second), bets) in enumerate(zip(self.pool.pairs, self.bets)):
            least, most = bets.interval(float(low[n]), float(high[n]))
            verdict = self.verdicts[n]
            # A value once refuted stays so, though evidence may fall again later.
            least, most = max(least, 0.0) if verdict == first else least, min(most, 0.0) if verdict == second else most
            if verdict == "level":
                least, most = max(least, -self.margin), min(most, self.margin)
            mean, error = (None, None) if not self.judged else self._estimate(bets, least, most)
            out.append(Difference(first, second, mean, error, least, most, verdict))
        return tuple(out)

    def _estimate(self, bets: Bets, low: float, high: float) -> tuple[float, float]:
        mean, error = bets.mean()
        if len(self.judged) == len(self.pool.items):
            return low, 0.0
        return min(max(mean, low), high), error

    def remaining(self) -> int:
        """About how many more judgements will decide all pairs, if the estimates are right."""
        left = len(self.pool.items) - len(self.judged)
        if self.decided or not left:
            return 0
        if not self.judged:
            return left
        draw = self._draw or self._drawn()
        steps = np.arange(1, left + 1)
        shrinking = (1 - (steps - 1) / left) ** 2  # the variance falls as less is left
        most = 1
        for n, bets in enumerate(self.bets):
            if not self.verdicts[n]:
                size = abs(bets.mean()[0])
                growth = np.cumsum(size**2 / (2 * (draw.variance[n] * shrinking + size**2) + 1e-12))
                missing = bets.needed - max(bets.evidence())
                most = max(most, int(np.searchsorted(growth, missing)) + 1)
        return min(most, left)

    def qrels(self) -> dict[str, dict[str, int]]:
        """The labels given, by query and document."""
        out: dict[str, dict[str, int]] = {}
        for item, label in zip(self.judged, self.given):
            query, document = self.pool.items[item]
            out.setdefault(query, {})[document] = label
        return out

    def _verdict(self, n: int, bets: Bets, low: float, high: float) -> str:
        above, below = bets.evidence()
        first, second = self.pool.pairs[n]
        if low > ROUNDING or above >= bets.needed:
            return first
        if high < -ROUNDING or below >= bets.needed:
            return second
        if high - low < ROUNDING:
            return "level"
        if self.margin:
            low, high = bets.interval(low, high)
            if low >= -self.margin and high <= self.margin:
                return "level"
        return ""

    def _bounds(self) -> tuple[Floats, Floats]:
        """The lowest and the highest difference of each pair that what is judged leaves."""
        unknown = np.isnan(self._gains)
        settled = self.pool.weights @ np.where(unknown, 0.0, self._gains)
        free = self.pool.weights[:, unknown]
        return settled + np.minimum(free, 0).sum(axis=1), settled + np.maximum(free, 0).sum(axis=1)

    def _drawn(self) -> _Draw:
        """The next document by chance, and all that has to be known before its label is."""
        gains = self._gains
        unknown = np.isnan(gains)
        means, variances = self._predictor.predict(self.judged, gains[self.judged])
        weights = np.where(unknown, self.pool.weights, 0.0)
        chances = self._chances(weights, variances)
        expected = self.pool.weights @ np.where(unknown, means, gains)
        rng = np.random.default_rng([self.seed, len(self.judged)])
        item = int(rng.choice(len(chances), p=chances))
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = np.where(unknown, weights / chances, 0.0)
        without, full = -scaled * means, scaled * (1 - means)  # what a label of 0 and one of the most add
        least, most = np.minimum(without, full).min(axis=1), np.maximum(without, full).max(axis=1)
        second = (scaled**2 * (chances * variances)).sum(axis=1)
        return _Draw(item, chances, means, expected, second, expected + least, expected + most)

    def _chances(self, weights: Floats, variances: Floats) -> Floats:
        """The probability of each item: by weight and uncertainty for the open pairs, by weight for all."""
        every = _shares(np.sqrt((weights**2).sum(axis=0)))
        wanted = [n for n, v in enumerate(self.verdicts) if not v] or list(range(len(self.verdicts)))
        moves = np.sqrt((weights[wanted] ** 2).sum(axis=0))
        chosen = 0.75 * _shares(moves, every) + 0.25 * every
        return np.asarray((1 - MIXED) * _shares(moves * np.sqrt(variances), every) + MIXED * chosen)


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    """A document drawn, with what was known before its label: the ``chances`` and ``means`` [items]; for every pair the
    difference ``expected`` of a mean label, the ``variance`` of the estimate to come, its ``least`` and ``most``."""

    item: int
    chances: Floats
    means: Floats
    expected: Floats
    variance: Floats
    least: Floats
    most: Floats


def _shares(values: Floats, otherwise: Floats | None = None) -> Floats:
    total = values.sum()
    if total <= 0:
        return values if otherwise is None else otherwise
    return np.asarray(values / total)
