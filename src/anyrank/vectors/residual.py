"""Compressed states of tokens: each is the number of its nearest centroid and a few bits a dimension of what remains
(ColBERTv2, arXiv 2112.01488)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .base import Floats, Rows, Vectors, single
from .sparse import joined_indptr, spans
from .tokens import Tokens, maxsim

_BLOCK = 1 << 14  # states that are compared at once
_COMPARED = 1024  # centroids that a state is compared with all of; of more with those of the nearest groups
_PROBED = 8  # these groups
BITS = (1, 2, 4, 8)
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Codec:
    """Unit ``centroids`` [clusters, dim]; the ``cutoffs`` [2^bits - 1] between the buckets of a remainder's numbers;
    and the number ``weights`` [2^bits] that stands for each bucket."""

    centroids: Floats
    cutoffs: Floats
    weights: Floats

    @property
    def bits(self) -> int:
        return len(self.weights).bit_length() - 1

    @property
    def dim(self) -> int:
        return int(self.centroids.shape[1])

    @classmethod
    def fit(cls, states: Floats, clusters: int, bits: int = 2, *, iterations: int = 4, seed: int = 0) -> Codec:
        """A codec for unit states [n, dim]. A twentieth of them (50,000 at most) is held out of the clustering: the
        quantiles of its remainders are the buckets. Raises InputError on other than 1, 2, 4 or 8 bits."""
        if bits not in BITS:
            raise InputError(f"bits={bits}: choose {', '.join(map(str, BITS))}")
        order = np.random.default_rng(seed).permutation(len(states))
        held = states[order[: max(min(len(states) // 20, 50_000), 1)]]
        points = states[order[len(held) :]] if len(states) > 1 else states
        return cls.of(kmeans(points, clusters, iterations, seed), held, bits)

    @classmethod
    def of(cls, centroids: Floats, held: Floats, bits: int) -> Codec:
        """The codec of centroids, whose buckets are quantiles of the remainders of the states ``held``."""
        remainder = held - centroids[nearest(held, centroids)]
        steps = np.arange(2**bits) / 2**bits
        quantiles = np.quantile(remainder, np.concatenate([steps[1:], steps + 0.5 / 2**bits]))
        cutoffs, weights = np.split(quantiles.astype(np.float32), [2**bits - 1])
        return cls(centroids, cutoffs, weights)

    def encode(self, states: Floats, known: NDArray[Any] | None = None) -> tuple[NDArray[np.uint32], Bytes]:
        """The centroids' numbers [n] (that are ``known``, if given) and packed remainders [n, dim * bits / 8] of unit
        states."""
        codes = np.empty(len(states), dtype=np.uint32)
        packed = np.empty((len(states), -(-self.dim * self.bits // 8)), dtype=np.uint8)
        codes[:] = nearest(states, self.centroids) if known is None else known
        for start in range(0, len(states), _BLOCK):
            part, mine = states[start : start + _BLOCK], codes[start : start + _BLOCK]
            remainder = part - self.centroids[mine]
            buckets = np.zeros(remainder.shape, dtype=np.uint8)
            for cutoff in self.cutoffs:
                buckets += remainder > cutoff
            packed[start : start + _BLOCK] = pack(buckets, self.bits)
        return codes, packed

    @cached_property
    def _bytes(self) -> Floats:
        """For each value of a byte the numbers that it stands for: [256, 8 / bits]."""
        return self.weights[unpack(np.arange(256, dtype=np.uint8)[:, None], self.bits, 8 // self.bits)]

    def remainders(self, packed: Bytes) -> Floats:
        """What the packed buckets stand for: [n, dim]."""
        return self._bytes[packed].reshape(len(packed), packed.shape[1] * 8 // self.bits)[:, : self.dim]

    def decode(self, codes: NDArray[Any], packed: Bytes) -> Floats:
        """States of length 1 [n, dim]: centroid and remainder."""
        states = self.remainders(packed)
        states += self.centroids[codes]
        states /= np.maximum(np.sqrt(np.einsum("nd,nd->n", states, states)), 1e-12)[:, None]
        return states


@dataclass(frozen=True, slots=True, eq=False)
class Residual(Vectors):
    """Ragged rows of compressed states: text i holds ``codes[indptr[i]:indptr[i+1]]``, with packed ``residuals`` beside
    them and perhaps a mean. Rows are compared with a query of `Tokens`, as `Tokens` of the reconstructed states are.

    >>> states = np.eye(8, dtype=np.float32)
    >>> rows = Residual.of(Tokens.of([states[:3], states[3:]]), Codec.fit(states, 4, bits=4))
    >>> len(rows), rows.residuals.shape, rows.tokens().states.shape
    (2, (8, 4), (8, 8))
    """

    kind: ClassVar[str] = "residual"
    query_kind: ClassVar[str] = "tokens"
    shared: ClassVar[tuple[str, ...]] = ("centroids", "cutoffs", "weights")
    dtype_on_disk: ClassVar[str] = "float16"
    indptr: NDArray[np.int64]
    codes: NDArray[Any]
    residuals: NDArray[Any]
    codec: Codec
    means: NDArray[Any] | None = None

    @classmethod
    def of(cls, tokens: Tokens, codec: Codec) -> Residual:
        """The compressed form of states of length 1."""
        codes, packed = codec.encode(single(tokens.states))
        return cls(np.asarray(tokens.indptr), codes, packed, codec, tokens.means)

    def tokens(self) -> Tokens:
        """The reconstructed states."""
        means = None if self.means is None else single(self.means)
        return Tokens(np.asarray(self.indptr), self.codec.decode(self.codes, self.residuals), None, means)

    @property
    def dim(self) -> int:
        return self.codec.dim

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def sizes(self) -> NDArray[np.int64]:
        return np.asarray(np.diff(self.indptr) * self.dim, dtype=np.int64)

    def take(self, rows: Rows) -> Residual:
        picked, indptr = spans(self.indptr, rows)
        means = None if self.means is None else single(self.means[np.asarray(rows, dtype=np.int64)])
        return Residual(indptr, self.codes[picked], self.residuals[picked], self.codec, means)

    def part(self, start: int, stop: int) -> Residual:
        indptr = np.asarray(self.indptr[start : stop + 1], dtype=np.int64)
        a, b = int(indptr[0]), int(indptr[-1])
        means = None if self.means is None else single(self.means[start:stop])
        return Residual(indptr - a, self.codes[a:b], self.residuals[a:b], self.codec, means)

    @classmethod
    def join(cls, parts: Sequence[Residual]) -> Residual:
        """The rows of all parts, which must share a codec. Raises InputError if they don't, or some have no means."""
        codec = parts[0].codec
        centroids = codec.centroids
        if any(p.codec.centroids is not centroids and not np.array_equal(p.codec.centroids, centroids) for p in parts):
            raise InputError("compressed states of different codecs can't be joined")
        means = [p.means for p in parts if p.means is not None]
        if means and len(means) < len(parts):
            raise InputError(f"{len(means)} of {len(parts)} parts of compressed states have means: all or none must")
        return cls(
            joined_indptr([p.indptr for p in parts]),
            np.concatenate([p.codes for p in parts]),
            np.concatenate([p.residuals for p in parts]),
            codec,
            np.concatenate(means) if means else None,
        )

    def near(self, query: Vectors) -> Floats:
        return np.asarray(self.products(query.take([0]) if len(query) > 1 else query)[0])

    def products(self, queries: Vectors) -> Floats:
        self._same_kind(queries)

        def states(a: int, b: int) -> Floats:
            return self.codec.decode(self.codes[a:b], self.residuals[a:b])

        return maxsim(queries, self.indptr, states, self.means)

    def arrays(self) -> dict[str, NDArray[Any]]:
        means = {} if self.means is None else {"means": self.means}
        common = {name: getattr(self.codec, name) for name in self.shared}
        return {"indptr": self.indptr, "codes": self.codes, "residuals": self.residuals, **means, **common}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], dim: int) -> Residual:
        codec = Codec(*(single(arrays[name]) for name in cls.shared))
        return cls(arrays["indptr"], arrays["codes"], arrays["residuals"], codec, arrays.get("means"))


def pack(buckets: Bytes, bits: int) -> Bytes:
    """Numbers below 2^bits [n, dim] in bytes [n, dim * bits / 8]: the bits of each, the lowest first, one after
    another, eight to a byte from its highest on.

    >>> pack(np.array([[1, 2, 3, 0]], dtype=np.uint8), 2).tolist() == [[0b10_01_11_00]]
    True
    """
    spread = (buckets[..., None] >> np.arange(bits, dtype=np.uint8)) & 1
    return np.packbits(spread.reshape(len(buckets), -1).astype(np.uint8), axis=1)


def unpack(packed: Bytes, bits: int, dim: int) -> Bytes:
    """The numbers [n, dim] that `pack` packed.

    >>> unpack(np.array([[0b10_01_11_00]], dtype=np.uint8), 2, 4).tolist()
    [[1, 2, 3, 0]]
    """
    spread = np.unpackbits(packed, axis=1, count=dim * bits).reshape(len(packed), dim, bits)
    return np.asarray((spread << np.arange(bits, dtype=np.uint8)).sum(axis=2), dtype=np.uint8)


def centroid_count(texts: int, average: float) -> int:
    """Centroids for a collection of texts of so many states in the mean: the power of 2 below 16 times the square root
    of all states.

    >>> centroid_count(1000, 64.0)
    2048
    """
    return int(2 ** np.floor(np.log2(max(16 * np.sqrt(texts * average), 1))))


def sample_size(texts: int) -> int:
    """Texts whose states a codec is fitted on.

    >>> sample_size(100), sample_size(1_000_000)
    (100, 175272)
    """
    return int(min(1 + np.floor(16 * np.sqrt(120 * texts)), texts))


def nearest(states: Floats, centroids: Floats) -> NDArray[np.int64]:
    """The number of the centroid with the largest dot product with each state. Of more than a thousand centroids those
    in the nearest of some groups of them are compared alone: for 8,192 at two fifths of the cost, and 94 in 100 states
    get the same one."""
    if len(centroids) <= _COMPARED:
        return _nearest_of_all(states, centroids)
    groups = kmeans(centroids, int(np.sqrt(len(centroids))))
    owner = _nearest_of_all(centroids, groups)
    members = np.argsort(owner, kind="stable")
    bounds = np.searchsorted(owner[members], np.arange(len(groups) + 1))
    out = np.empty(len(states), dtype=np.int64)
    for start in range(0, len(states), _BLOCK):
        part = states[start : start + _BLOCK]
        probed = np.argpartition(-(part @ groups.T), _PROBED, axis=1)[:, :_PROBED].ravel()
        order = np.argsort(probed, kind="stable")  # the states that probe a group, group by group
        ends = np.searchsorted(probed[order], np.arange(len(groups) + 1))
        best, mine = np.full(len(part), -np.inf, dtype=np.float32), np.zeros(len(part), dtype=np.int64)
        for group, (a, b) in enumerate(itertools.pairwise(bounds)):
            rows = order[ends[group] : ends[group + 1]] // _PROBED
            if a == b or not len(rows):
                continue
            products = part[rows] @ centroids[members[a:b]].T
            at = products.argmax(axis=1)
            largest = products[np.arange(len(rows)), at]
            better = largest > best[rows]
            best[rows[better]], mine[rows[better]] = largest[better], members[a + at[better]]
        out[start : start + _BLOCK] = mine
    return out


def _nearest_of_all(states: Floats, centroids: Floats) -> NDArray[np.int64]:
    out = np.empty(len(states), dtype=np.int64)
    for start in range(0, len(states), _BLOCK):
        out[start : start + _BLOCK] = (states[start : start + _BLOCK] @ centroids.T).argmax(axis=1)
    return out


def kmeans(points: Floats, clusters: int, iterations: int = 4, seed: int = 0) -> Floats:
    """Centroids of length 1 [clusters, dim] (as many as points at most) of points of length 1: each is the direction of
    the sum of those nearest to it. One that no point is nearest to takes the place of a random point."""
    rng = np.random.default_rng(seed)
    centroids = points[rng.choice(len(points), min(clusters, len(points)), replace=False)]
    for _ in range(iterations):
        mine = nearest(points, centroids)
        order = np.argsort(mine, kind="stable")
        present, first = np.unique(mine[order], return_index=True)
        centroids = points[rng.choice(len(points), len(centroids))]
        centroids[present] = np.add.reduceat(points[order], first, axis=0)
        centroids /= np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1e-12)
    return np.ascontiguousarray(centroids, dtype=np.float32)
