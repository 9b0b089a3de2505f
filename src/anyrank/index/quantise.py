"""Precisions in which the nodes of a graph hold dense vectors, and the graph (usearch) of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import MissingExtra
from .base import Unfit

OVERSAMPLING = {"float32": 1.0, "bf16": 1.0, "int8": 2.0, "binary": 20.0}
"""Of each precision, how many times the wanted results are scored again from the stored vectors."""
_TYPES = {"float32": "f32", "bf16": "bf16", "int8": "i8", "binary": "b1"}
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Quantiser:
    """Writes vectors as the nodes of a graph hold them.

    ``radius`` is the greatest length of a document's vector if lengths differ, else 0. A graph needs a metric, which
    the dot product is among vectors of one length only: so each document gets another number, that fills its length up
    to the radius, and a query a 0, which leaves dot products as they are. ``scale`` turns numbers into int8; ``means``
    are subtracted before the signs of "binary" are taken.

    Bachrach et al.: Speeding Up the Xbox Recommender System Using a Euclidean Transformation for Inner-Product Spaces,
    2014.

    >>> Quantiser("float32", 2, radius=5.0).documents(np.array([[0.0, 3.0]], dtype=np.float32)).tolist()
    [[0.0, 3.0, 4.0]]
    """

    precision: str
    dim: int
    radius: float = 0.0
    scale: float = 1.0
    means: tuple[float, ...] = ()

    @classmethod
    def fitted(cls, precision: str, sample: Floats, radius: float) -> Quantiser:
        """For documents like those of the sample [n, dim]. Raises Unfit on lengths that differ, in a precision
        that can't tell them apart."""
        dim = int(sample.shape[1])
        if precision in ("float32", "bf16"):
            return cls(precision, dim, radius)
        if radius:
            raise Unfit(
                f"precision {precision!r} needs vectors of one length, and those of these documents differ: "
                "choose float32 or bf16"
            )
        if precision == "int8":
            # A few numbers far from the rest are cut, so that the others use the whole range.
            most = float(np.quantile(np.abs(sample), 0.9995)) if sample.size else 0.0
            return cls(precision, dim, scale=127 / (most or 1.0))
        means = sample.mean(axis=0) if len(sample) else np.zeros(dim)
        return cls(precision, dim, means=tuple(float(m) for m in means))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Quantiser:
        return cls(**{**values, "means": tuple(values["means"])})

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def oversampling(self) -> float:
        return OVERSAMPLING[self.precision]

    def documents(self, vectors: Floats) -> NDArray[Any]:
        """Vectors of documents [n, dim] as nodes."""
        if self.radius:
            squares = np.einsum("nd,nd->n", vectors, vectors)
            rest = np.sqrt(np.maximum(self.radius**2 - squares, 0))
            return np.column_stack([vectors, rest]).astype(np.float32)
        return self._written(vectors, self.scale)

    def queries(self, vectors: Floats) -> NDArray[Any]:
        """Vectors of queries [n, dim], to be compared with nodes."""
        if self.radius:
            return np.pad(vectors, ((0, 0), (0, 1)))
        if self.precision != "int8":
            return self._written(vectors, 1)
        # A scale of its own changes no order among a query's scores, and uses the whole range, so none is cut.
        most = np.maximum(vectors.max(axis=1, keepdims=True), -vectors.min(axis=1, keepdims=True))
        return np.asarray(np.rint(vectors * (127 / np.maximum(most, 1e-30))), dtype=np.int8)

    def _written(self, vectors: Floats, scale: Any) -> NDArray[Any]:
        if self.precision == "int8":
            return np.asarray(np.clip(np.rint(vectors * scale), -127, 127), dtype=np.int8)
        if self.precision == "binary":
            return np.packbits(vectors > _row(self.means), axis=1)
        return np.ascontiguousarray(vectors, dtype=np.float32)

    def graph(self, connectivity: int, expansion_add: int, expansion_search: int) -> Any:
        """An empty graph of such nodes."""
        return usearch().Index(
            ndim=self.dim + bool(self.radius),
            metric="hamming" if self.precision == "binary" else "ip",
            dtype=_TYPES[self.precision],
            connectivity=connectivity,
            expansion_add=expansion_add,
            expansion_search=expansion_search,
        )


@lru_cache
def _row(means: tuple[float, ...]) -> Floats:
    """The means as an array: to make it takes longer than to use it for one query."""
    return np.asarray(means, dtype=np.float32)


def radius_of(lengths: Floats) -> float:
    """The greatest of these lengths, 0 if they are all about the same.

    >>> radius_of(np.array([1.0, 1.001])), radius_of(np.array([1.0, 2.0]))
    (0.0, 2.0)
    """
    if not len(lengths):
        return 0.0
    least, most = float(lengths.min()), float(lengths.max())
    return most if most - least > 0.01 * most else 0.0


def usearch() -> Any:
    """The module of graphs. Raises MissingExtra without the package.

    Its wheel has a C++ library of its own inside, with which a later import of onnxruntime ends the process
    (usearch 2.26, onnxruntime 1.32); the other order does no harm.
    """
    try:
        import onnxruntime  # noqa: F401
        import usearch.index
    except ImportError as error:
        raise MissingExtra("usearch", "ann", 'exact search works without it: search("…", exact=True)') from error
    return usearch.index
