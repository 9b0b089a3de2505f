"""`Vectors`: one row of numbers for each content, of any kind; and `Encoder`, the protocol of their makers.

A new kind is one file of this folder that defines a subclass under its own name: ``vectors/binary.py`` holds the class
of the kind "binary". Stores and indexes take the arrays from the class, and need no change.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError
from ..core.trace import Usage

Floats = NDArray[np.float32]
_CONVERTED = 1 << 16  # numbers converted at once, so that they stay in the processor's cache
Rows = Sequence[int] | NDArray[Any]
"""Numbers of rows, from 0."""


class Vectors(ABC):
    """Rows of one kind and dimension, immutable. Stored arrays may be memory-mapped and in half precision: `take`
    and `part` return float32."""

    __slots__ = ()
    kind: ClassVar[str]
    """The kind's name: that of its file, and in stored metadata."""
    needs_overlap: ClassVar[bool] = False
    """Whether a row with the score 0 has no term in common with the query, and so is no search result."""
    query_kind: ClassVar[str] = ""
    """The kind of the queries that rows are compared with, if not their own."""
    shared: ClassVar[tuple[str, ...]] = ()
    """The names of arrays that all rows of a store have in common, such as a codec's."""
    dtype_on_disk: ClassVar[str] = "float32"
    """The number format of stored rows, unless the caller chooses one."""

    if TYPE_CHECKING:  # a plain attribute or a property, as the class prefers

        @property
        def dim(self) -> int:
            """Numbers a row, or a state; of sparse rows the size of the vocabulary."""

    @abstractmethod
    def __len__(self) -> int:
        """Rows."""

    @abstractmethod
    def take(self, rows: Rows) -> Self:
        """The given rows, in the given order."""

    @abstractmethod
    def part(self, start: int, stop: int) -> Self:
        """The rows from ``start`` to before ``stop``, without a copy if that is possible."""

    @classmethod
    @abstractmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """The rows of all parts (at least one; of one dimension), in order."""

    @abstractmethod
    def near(self, query: Vectors) -> Floats:
        """The score of every row for one query (a single row of the same kind): float32 [n]. Raises InputError on
        a query of another kind or dimension."""

    def products(self, queries: Vectors) -> Floats:
        """The scores of all rows for several queries: float32 [queries, n]."""
        scores = [self.near(queries.take([q])) for q in range(len(queries))]
        return np.stack(scores) if scores else np.zeros((0, len(self)), dtype=np.float32)

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays that hold the rows, by the names of their files on disk."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], dim: int) -> Self:
        """Rows over the arrays that `arrays` gave, perhaps memory-mapped and in half precision."""

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Numbers that each row is compared by, int64 [n]: what bounds a block of rows that is compared at once."""
        return np.full(len(self), self.dim, dtype=np.int64)

    def dense(self) -> Floats:
        """The array [n, dim] of dense vectors. Raises InputError if they are of another kind."""
        raise InputError(f"dense vectors are needed here: this encoder makes {self.kind} ones")

    def filled(self) -> Floats:
        """The rows written out as an array [n, dim], zeros included, to compare a few rows number by number. Raises
        InputError if the kind has no such form."""
        return self.dense()

    def _same_kind(self, query: Vectors) -> None:
        """Raises InputError on a query of another kind or dimension."""
        if query.kind != (self.query_kind or self.kind) or query.dim != self.dim:
            raise InputError(
                f"a {query.kind} query of {query.dim} dimensions can't be compared with {self.kind} rows of {self.dim}"
            )


def single(array: NDArray[Any]) -> Floats:
    """An array in single precision. Half precision, which numpy converts one number at a time, is converted by shifts:
    about twice as fast.

    >>> single(np.array([0.1, -2.0, 6e-8], dtype=np.float16)).tolist() == [0.0999755859375, -2.0, 5.960464477539063e-08]
    True
    """
    if array.dtype != np.float16:
        return np.asarray(array, dtype=np.float32)
    halves = np.ascontiguousarray(array).view(np.int16).reshape(-1)
    out = np.empty(halves.shape, dtype=np.float32)
    infinite = False
    for start in range(0, len(halves), _CONVERTED):
        part, floats = halves[start : start + _CONVERTED], out[start : start + _CONVERTED]
        bits = floats.view(np.int32)
        # Exponent and mantissa move to where single precision has them; the shift of a signed number keeps its sign,
        # whose copies are masked out. The exponents' biases differ by 112, which the product puts right, for
        # subnormal numbers too.
        bits[:] = part
        np.left_shift(bits, 13, out=bits)
        np.bitwise_and(bits, np.int32(-0x70000001), out=bits)
        np.multiply(floats, np.float32(2.0**112), out=floats)
        infinite |= bool(floats.max() >= 65536 or floats.min() <= -65536)
    return np.asarray(array, dtype=np.float32) if infinite else out.reshape(array.shape)


def as_vectors(vectors: Vectors | ArrayLike) -> Vectors:
    """Vectors as they are; an array [n, dim] as dense ones."""
    if isinstance(vectors, Vectors):
        return vectors
    array = np.asarray(vectors, dtype=np.float32)
    return vectors_class("dense").from_arrays({"dense": array}, array.shape[-1] if array.ndim else 0)


def kinds() -> tuple[str, ...]:
    """The kinds of vectors: one for each file of this folder."""
    names = (m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return tuple(sorted(n for n in names if n != "base"))


@cache
def vectors_class(kind: str) -> type[Vectors]:
    """The class of a kind. Raises InputError on an unknown one.

    >>> kinds()
    ('coil', 'dense', 'residual', 'sparse', 'tokens')
    >>> vectors_class("sparse").__name__
    'Sparse'
    """
    if kind not in kinds():
        raise InputError(f"vectors of the unknown kind {kind!r}: this anyrank knows {', '.join(kinds())}")
    module = importlib.import_module(f"{__package__}.{kind}")
    return next(c for c in vars(module).values() if isinstance(c, type) and getattr(c, "kind", None) == kind)


def join(parts: Sequence[Vectors]) -> Vectors:
    """The rows of all parts, in order, for callers that don't know the kind. Raises InputError if the parts differ in
    kind or dimension, or there is no part."""
    if len({(p.kind, p.dim) for p in parts}) != 1:
        raise InputError(f"vectors of different kinds or dimensions: {[(p.kind, p.dim) for p in parts]}")
    return type(parts[0]).join(parts)


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Encoded:
    """Vectors and their cost; ``usage.truncated`` counts the texts that were cut. An array [n, dim] counts as dense
    vectors."""

    vectors: Vectors
    usage: Usage

    def __init__(self, vectors: Vectors | ArrayLike, usage: Usage | None = None) -> None:
        object.__setattr__(self, "vectors", as_vectors(vectors))
        object.__setattr__(self, "usage", Usage() if usage is None else usage)


@runtime_checkable
class Encoder(Protocol):
    """Turns contents into vectors, one row a content; queries and documents may be treated differently."""

    name: str

    def encode(self, contents: Sequence[Any], *, query: bool = False) -> Encoded: ...


@runtime_checkable
class NamesTokens(Protocol):
    """An encoder of token states that names the tokens of a text: for each state of `encode`'s row, in order, the
    token and where it stands in the text, (token, start, end); (0, 0) for one that the model added."""

    def tokens(self, content: Any, *, query: bool = False) -> list[tuple[str, int, int]]: ...


@runtime_checkable
class NamesTerms(Protocol):
    """An encoder of sparse vectors that names the terms of its vocabulary."""

    def term_names(self, numbers: Sequence[int]) -> list[str]: ...
