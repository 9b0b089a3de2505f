"""Dense vectors: one array, compared by dot products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .base import Floats, Rows, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Dense(Vectors):
    """One row of ``dim`` numbers a text, as an array [n, dim]. numpy reads it as that array.

    >>> v = Dense(np.array([[1.0, 0.0], [0.5, 0.5]], dtype=np.float32))
    >>> v.near(v.take([0])).tolist()
    [1.0, 0.5]
    """

    kind: ClassVar[str] = "dense"
    array: NDArray[Any]

    @property
    def dim(self) -> int:
        return int(self.array.shape[-1])

    def __len__(self) -> int:
        return len(self.array)

    def take(self, rows: Rows) -> Dense:
        return Dense(np.asarray(self.array[np.asarray(rows, dtype=np.int64)], dtype=np.float32))

    def part(self, start: int, stop: int) -> Dense:
        return Dense(np.asarray(self.array[start:stop], dtype=np.float32))

    @classmethod
    def join(cls, parts: Sequence[Dense]) -> Dense:
        return cls(np.concatenate([p.array for p in parts]))

    def near(self, query: Vectors) -> Floats:
        self._same_kind(query)
        return np.asarray(self.dense() @ query.dense()[0], dtype=np.float32)

    def products(self, queries: Vectors) -> Floats:
        self._same_kind(queries)
        return np.asarray(queries.dense() @ self.dense().T, dtype=np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"dense": self.array}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], dim: int) -> Dense:
        return cls(arrays["dense"])

    def dense(self) -> Floats:
        return np.asarray(self.array, dtype=np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    def __getitem__(self, rows: Any) -> Any:
        return self.array[rows]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.array, dtype=dtype) if copy else np.asarray(self.array, dtype=dtype)
