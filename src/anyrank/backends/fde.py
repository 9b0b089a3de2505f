"""Fixed-dimensional encodings of token states (MUVERA, arXiv 2405.19504): one dense vector a text, whose dot product
with a query's approximates late interaction, so that an ordinary dense index finds candidates for it.

The space is cut by random hyperplanes into buckets, several times over. A query's block for a bucket is the sum of its
states there, a document's the mean; a bucket without a state of the document holds the state whose bucket differs in
the fewest hyperplanes. With no hyperplane, a score is the sum of the query's states times the mean of the document's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..hub.open import open_model
from ..vectors import Dense, Encoded, Encoder, Tokens
from ..vectors.base import single

Array = NDArray[np.float32]
PREFIX = "fde:"
_DEFAULTS = {"repetitions": 20, "planes": 5, "block": 16, "seed": 0}


@dataclass(frozen=True, slots=True, eq=False)
class FixedEncoder:
    """An encoder of dense vectors over one of token states. ``repetitions`` times, ``planes`` hyperplanes make
    2^planes buckets, and each bucket's block of numbers is projected by random signs to ``block`` numbers (0: it
    stays). Weights of a query's states count, and means of texts, whose part of the score is exact, stand at the end.

    >>> encoder = FixedEncoder(open_model("tiny"), repetitions=2, planes=3, block=8)
    >>> encoder.encode(["a small dog"]).vectors.dim  # 2 * 2^3 * 8, and a mean of 128
    256
    """

    encoder: Encoder
    repetitions: int = _DEFAULTS["repetitions"]
    planes: int = _DEFAULTS["planes"]
    block: int = _DEFAULTS["block"]
    seed: int = _DEFAULTS["seed"]
    name: str = field(default="")

    def __post_init__(self) -> None:
        if not (self.repetitions >= 1 and 0 <= self.planes <= 10 and self.block >= 0):
            raise InputError(
                f"repetitions={self.repetitions}, planes={self.planes}, block={self.block}: at least 1, 0 to 10, and "
                "at least 0"
            )
        if not self.name:
            given = {n: getattr(self, n) for n in _DEFAULTS if getattr(self, n) != _DEFAULTS[n]}
            settings = "#" + ",".join(f"{n}={v}" for n, v in given.items()) if given else ""
            object.__setattr__(self, "name", f"{PREFIX}{self.encoder.name}{settings}")

    def encode(self, contents: Sequence[Any], *, query: bool = False) -> Encoded:
        encoded = self.encoder.encode(contents, query=query)
        if not isinstance(encoded.vectors, Tokens):
            raise InputError(
                f"{self.name} needs states of tokens (late interaction), but {self.encoder.name} makes "
                f"{encoded.vectors.kind} vectors"
            )
        return Encoded(self.fixed(encoded.vectors, query=query), encoded.usage)

    def fixed(self, tokens: Tokens, *, query: bool = False) -> Dense:
        """The dense vectors of texts whose states are known."""
        states, indptr = single(tokens.states), np.asarray(tokens.indptr)
        weights = None if tokens.weights is None or not query else single(tokens.weights)
        scaled = states if weights is None else states * weights[:, None]
        parts = []
        for repetition in range(self.repetitions):
            rng = np.random.default_rng(self.seed + repetition)
            normals = rng.standard_normal((tokens.dim, self.planes), dtype=np.float32)
            signs = rng.choice(np.array([-1, 1], dtype=np.float32), (tokens.dim, self.block))
            buckets = gray(states @ normals > 0)
            projected = scaled @ signs / np.float32(np.sqrt(self.block)) if self.block else scaled
            parts.append(_blocks(projected, buckets, indptr, self.planes, query))
        vectors = np.concatenate(parts, axis=1) / np.float32(self.repetitions)
        if tokens.means is not None:
            vectors = np.concatenate([vectors, single(tokens.means)], axis=1)
        return Dense(vectors)


def gray(bits: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The numbers [n] whose Gray codes have these bits [n, planes], the first the highest: neighbours differ in one.

    >>> gray(np.array([[False, True], [True, True], [True, False]])).tolist()
    [1, 2, 3]
    """
    out = np.zeros(len(bits), dtype=np.int64)
    for column in bits.T:
        out = (out << 1) + (column ^ (out & 1))
    return out


def _blocks(states: Array, buckets: NDArray[np.int64], indptr: NDArray[Any], planes: int, query: bool) -> Array:
    """The blocks of all buckets of each text, one after another: [texts, 2^planes * dim]."""
    count, width, texts = 2**planes, states.shape[1], len(indptr) - 1
    owner = np.repeat(np.arange(texts), np.diff(indptr))
    cell = owner * count + buckets
    order = np.argsort(cell, kind="stable")
    present, first, sizes = np.unique(cell[order], return_index=True, return_counts=True)
    out = np.zeros((texts * count, width), dtype=np.float32)
    if len(present):
        out[present] = np.add.reduceat(states[order], first, axis=0)
    if query:  # a sum, and nothing in a bucket without a state
        return out.reshape(texts, count * width)
    out[present] /= sizes[:, None]
    codes = np.arange(count) ^ (np.arange(count) >> 1)  # a bucket's code from its number
    bits = (codes[:, None] >> np.arange(planes) & 1).astype(np.float32)
    differing = bits @ (1 - bits).T + (1 - bits) @ bits.T  # [buckets, buckets]
    filled = np.zeros(texts * count, dtype=np.bool_)
    filled[present] = True
    for text in range(texts):
        a, b = int(indptr[text]), int(indptr[text + 1])
        empty = np.flatnonzero(~filled[text * count : (text + 1) * count])
        if a < b and len(empty):
            out[text * count + empty] = states[a + differing[empty][:, buckets[a:b]].argmin(axis=1)]
    return out.reshape(texts, count * width)


def open_address(address: str) -> FixedEncoder:
    """The encoder of a name without its prefix: a model's name, perhaps with settings: "mini#repetitions=10,planes=4".
    Raises InputError on a model that makes no vectors, and on wrong settings."""
    model, _, settings = address.partition("#")
    options = {}
    for part in filter(None, settings.split(",")):
        name, _, value = part.partition("=")
        if name not in _DEFAULTS or not re.fullmatch(r"\d+", value):
            raise InputError(
                f"{PREFIX}{address}: {part!r} is no setting: there are {', '.join(_DEFAULTS)}, as planes=5"
            )
        options[name] = int(value)
    encoder = open_model(model)
    if not isinstance(encoder, Encoder):
        raise InputError(f"{PREFIX}{address}: {model} makes no vectors")
    return FixedEncoder(encoder, **options, name=PREFIX + address)
