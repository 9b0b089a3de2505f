"""Stages that make a ranking diverse: MMR by the similarity of candidates, xQuAD by the aspects of a query.

Both build the order greedily, each time taking the candidate whose relevance and novelty together are highest.
Relevance is the score so far, scaled to 0 … 1 over a query's candidates. The result is a permutation of the input.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.content import is_blank, text_of
from ..core.errors import AnyrankError, InputError, quoted
from ..core.rerank import Judge
from ..core.stage import Stage
from ..core.trace import Step, Usage
from ..core.types import Query, Ranking, read_together
from ..index.base import Stored
from ..vectors import Encoder, Vectors

Floats = NDArray[np.float64]
ASPECTS = "aspects"
"""The key of ``Query.meta`` with a query's aspects: a list of texts, or a mapping of texts to weights."""


def unit(scores: Sequence[float]) -> Floats:
    """Scores scaled to 0 … 1; all 1 if they are equal, 0 for one that isn't finite.

    >>> unit([3.0, 2.0, 1.0]).tolist(), unit([2.0, 2.0]).tolist()
    ([1.0, 0.5, 0.0], [1.0, 1.0])
    """
    values = np.asarray(scores, dtype=np.float64)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
    scaled = (values - low) / (high - low) if high > low else np.ones_like(values)
    return np.where(np.isfinite(values), scaled, 0.0)


def mmr_order(relevance: Sequence[float] | Floats, similarity: Floats, lam: float) -> dict[int, float]:
    """Maximal marginal relevance (Carbonell and Goldstein, 1998): positions in the order taken, each with its value,
    lam * relevance - (1 - lam) * the highest ``similarity`` [n, n] with one that was taken before.

    >>> same = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> list(mmr_order([1.0, 0.9, 0.5], same, 0.5))
    [0, 2, 1]
    """
    n = len(relevance)
    nearest = np.zeros(n)
    first = np.ones(n)  # before anything is taken there is nothing to be like
    gain = lam * np.asarray(relevance, dtype=np.float64)

    def take(i: int) -> None:
        nonlocal nearest
        nearest = np.where(first > 0, similarity[i], np.maximum(nearest, similarity[i]))
        first[:] = 0

    return _greedy(n, lambda: gain - (1 - lam) * nearest, take)


def xquad_order(
    relevance: Sequence[float] | Floats, aspects: Floats, weights: Sequence[float], lam: float
) -> dict[int, float]:
    """xQuAD (Santos, Macdonald and Ounis, 2010): positions in the order taken, each with its value, (1 - lam) *
    relevance + lam * sum over aspects of weight * the candidate's relevance to it ([aspects, n]) * the product, over
    those taken before, of 1 - their relevance to it.

    >>> covers = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> list(xquad_order([1.0, 0.9, 0.5], covers, [0.5, 0.5], 0.8))
    [0, 2, 1]
    """
    unmet = np.asarray(weights, dtype=np.float64)
    base = (1 - lam) * np.asarray(relevance, dtype=np.float64)

    def take(i: int) -> None:
        nonlocal unmet
        unmet = unmet * (1 - aspects[:, i])

    return _greedy(len(relevance), lambda: base + lam * (unmet @ aspects), take)


def _greedy(n: int, values: Callable[[], Floats], take: Callable[[int], None]) -> dict[int, float]:
    """Positions in the order taken, with the value of each; of equal values the first position."""
    order: dict[int, float] = {}
    left = np.ones(n, dtype=bool)
    for _ in range(n):
        now = np.where(left, values(), -np.inf)
        i = int(np.argmax(now))
        order[i] = float(now[i])
        left[i] = False
        take(i)
    return order


@dataclass(frozen=True)
class Mmr(Stage):
    """Maximal marginal relevance over the cosines of an encoder's vectors, of any kind; those that ``store`` has of all
    candidates of a ranking are taken from there. ``lam`` 1 is the order by relevance, 0 only novelty. The first
    ``depth`` are ordered anew (all: None). Candidates without content come last of these."""

    encoder: Encoder
    lam: float = 0.7
    depth: int | None = 100
    store: Stored | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check(self.lam, self.depth)

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return [_safely("mmr", ranking, self.depth, self._order) for ranking in rankings]

    def _order(self, head: Ranking) -> tuple[Mapping[int, float], Usage, str]:
        vectors, positions, usage = self._vectors(head)
        if vectors is None or not positions:
            return {}, usage, ""
        similarity = cosines(vectors)
        order = mmr_order(unit(head.scores)[positions], similarity, self.lam)
        return {positions[i]: value for i, value in order.items()}, usage, _blank(len(head) - len(positions))

    def _vectors(self, head: Ranking) -> tuple[Vectors | None, list[int], Usage]:
        """The vectors of a ranking's candidates, and their positions."""
        if self.store is not None and not any(c.index is not None for c in head):
            positions, vectors = self.store.vectors(head.ids)
            if len(positions) == len(head):
                return vectors, list(positions), Usage(cached=len(head))
        read_together(head)
        readable = [i for i, c in enumerate(head) if c.content is not None and not is_blank(c.content)]
        if not readable:
            return None, [], Usage()
        encoded = self.encoder.encode([head[i].content for i in readable])
        return encoded.vectors, readable, encoded.usage


def cosines(vectors: Vectors) -> Floats:
    """The cosines [n, n] of vectors of any kind; of token states, MaxSim in units of a text's own. 0 where one is
    undefined."""
    n = len(vectors)
    products = np.stack([vectors.near(vectors.take([i])) for i in range(n)]).astype(np.float64)
    own = np.sqrt(np.maximum(np.diag(products), 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled: Floats = products / np.outer(own, own)
    return np.where(np.isfinite(scaled), scaled, 0.0)


@dataclass(frozen=True)
class Xquad(Stage):
    """xQuAD over a judge's scores for each aspect of a query, scaled to 0 … 1: the judge sees the aspect as a query.

    Aspects are ``Query.meta["aspects"]``, else the several queries that a rewriter wrote (``multi_query``), without the
    query itself; a query that has none stays as it is, and a note says so. ``lam`` 0 is the order by relevance."""

    judge: Judge
    lam: float = 0.5
    depth: int | None = 100

    def __post_init__(self) -> None:
        _check(self.lam, self.depth)

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        return [_safely("xquad", ranking, self.depth, self._order) for ranking in rankings]

    def _order(self, head: Ranking) -> tuple[Mapping[int, float], Usage, str]:
        known = aspects_of(head.query)
        if not known:
            return {}, Usage(), "the query has no aspects: give them in its meta, or rewrite it by multi_query"
        read_together(head)
        readable = [i for i, c in enumerate(head) if c.content is not None and not is_blank(c.content)]
        members = [head[i] for i in readable]
        if not members:
            return {}, Usage(), ""
        judgements = self.judge([(Query(head.query.id, text), members) for text in known])
        aspects = np.stack([unit(judgement.scores) for judgement in judgements])
        weights = np.array(list(known.values())) / sum(known.values())
        order = xquad_order(unit(head.scores)[readable], aspects, weights.tolist(), self.lam)
        usage = sum((judgement.usage for judgement in judgements), Usage())
        return {readable[i]: value for i, value in order.items()}, usage, _blank(len(head) - len(readable))


def aspects_of(query: Query) -> dict[str, float]:
    """A query's aspects with their weights; none if it has none, the highest weight 1. Raises InputError on
    aspects that are neither texts nor texts with weights above 0.

    >>> aspects_of(Query("1", "jaguar", {"aspects": ["the car", "the animal"]}))
    {'the car': 1.0, 'the animal': 1.0}
    """
    value: Any = query.meta.get(ASPECTS)
    stated = value is not None
    if not stated:
        value = getattr(query.meta.get("queries"), "texts", query.meta.get("queries"))
    if isinstance(value, Mapping):
        if not all(_is_weight(weight) for weight in value.values()):
            raise InputError(f"query {query.id!r}: the weights of its aspects must be numbers above 0")
        highest = max(value.values(), default=1)  # so that no sum of weights is infinite
        return {str(text): float(weight / highest) for text, weight in value.items() if not is_blank(str(text))}
    if stated and not (isinstance(value, list | tuple) and all(isinstance(text, str) for text in value)):
        raise InputError(
            f"query {query.id!r}: its aspects are {quoted(value)}: expected a list of texts, or texts with weights"
        )
    texts = [text_of(text) for text in value] if isinstance(value, list | tuple) else []
    own = text_of(query.content)
    return {text: 1.0 for text in texts if text and not is_blank(text) and (stated or text != own)}


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < np.inf


def _safely(
    name: str, ranking: Ranking, depth: int | None, order: Callable[[Ranking], tuple[Mapping[int, float], Usage, str]]
) -> Ranking:
    """The ranking in the order that its first ``depth`` get; as it is, with the error as a note, if that fails."""
    start = time.perf_counter()
    try:
        positions, usage, note = order(ranking[:depth])
    except AnyrankError:
        raise
    except Exception as error:  # noqa: BLE001 - a model's error of any kind: the input's order is a ranking too
        what = f"{type(error).__name__}: {error}"
        return ranking.with_step(Step(name, time.perf_counter() - start, Usage(fallback=1), (what,), untouched=True))
    step = Step(name, time.perf_counter() - start, usage, (note,) if note else ())
    if not positions:
        return ranking.with_step(step)
    n = len(ranking[:depth])  # the rest of the head, those without content, before what stands below the head
    rest = [i for i in range(n) if i not in positions]
    full = {**positions, **dict.fromkeys([*rest, *range(n, len(ranking))], float("nan"))}
    return ranking.ordered(full).with_step(step)


def _blank(count: int) -> str:
    return f"{count} candidates without content come last" if count else ""


def _check(lam: float, depth: int | None) -> None:
    if not 0 <= lam <= 1:
        raise InputError(f"lam={lam}: expected a number from 0 to 1")
    if depth is not None and depth < 1:
        raise InputError(f"depth={depth}: expected at least 1, or None for all candidates")
