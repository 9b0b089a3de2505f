"""The first numbers of an encoder's vectors, for encoders that put most into them (Matryoshka).

Kusupati et al.: Matryoshka Representation Learning, 2022.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..vectors import Encoded, Encoder


@dataclass(frozen=True, slots=True)
class Truncated:
    """A dense encoder whose vectors are cut to ``dim`` numbers and made of length 1 again."""

    encoder: Encoder
    dim: int

    @property
    def name(self) -> str:
        return f"{self.encoder.name}:{self.dim}"

    def encode(self, contents: Sequence[Any], *, query: bool = False) -> Encoded:
        """Raises InputError if the encoder makes fewer numbers, or no dense vectors."""
        encoded = self.encoder.encode(contents, query=query)
        rows = encoded.vectors.dense()
        if rows.shape[1] < self.dim:
            made = f"{self.encoder.name} makes vectors of {rows.shape[1]} numbers"
            raise InputError(f"{made}, so {self.name} can't keep {self.dim}: choose at most {rows.shape[1]}")
        return Encoded(first(rows, self.dim), encoded.usage)


def first(rows: Any, dim: int) -> Any:
    """The first ``dim`` numbers of each row [n, dim], of length 1 (zeros stay).

    >>> first(np.array([[2.0, 0.0, 12.0], [0.0, 0.0, 1.0]], dtype=np.float32), 2).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    cut = np.asarray(rows[:, :dim], dtype=np.float32)
    return cut / np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), 1e-30)


def split_dim(name: str) -> tuple[str, int]:
    """A model's name, and the numbers of its vectors that are kept; 0 if the name states none.

    >>> split_dim("minilm:128"), split_dim("owner/name"), split_dim("hf:minilm")
    (('minilm', 128), ('owner/name', 0), ('hf:minilm', 0))
    """
    match = re.fullmatch(r"([^:]+):([1-9]\d{0,6})", name)
    return (match[1], int(match[2])) if match and not Path(name).exists() else (name, 0)
