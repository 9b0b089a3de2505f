"""What generative retrievers of every form have in common: they learn (text, document) pairs, and find documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...core.trace import Usage

Results = tuple[list[list[tuple[int, float]]], list[Usage]]
"""For each text the (document, score) pairs, best first, and the cost."""


@runtime_checkable
class Memory(Protocol):
    """A torch module that has learnt which texts belong to documents 0 … ``documents`` - 1."""

    @property
    def documents(self) -> int: ...

    def inputs(self, texts: Sequence[str]) -> dict[str, Any]:
        """The arguments of `loss` for texts, on the CPU: nested dicts and lists of tensors."""
        ...

    def loss(self, targets: Tensor, **inputs: Any) -> Tensor:
        """The mean cross entropy of texts and their documents [batch]."""
        ...

    def search(self, texts: Sequence[str], k: int, beam: int, allowed: NDArray[np.bool_]) -> Results:
        """The k best of the allowed [documents]; ``beam`` is the width of a search by prefixes."""
        ...

    def to(self, device: Any) -> Any:
        """The module, moved to a device."""
        ...

    def save(self, folder: Path) -> None:
        """Write weights, tokenizer and configuration into a folder, which is made."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained model by its name, and the documents that it was trained on: the build of their index
    (`store.manifest.Manifest.build`), the row of each document there, and the path of the index then, for errors."""

    name: str
    memory: Memory
    build: str
    rows: NDArray[np.int64]
    path: str

    def search(self, texts: Sequence[str], k: int, beam: int, allowed: NDArray[np.bool_]) -> Results:
        """As `Memory.search`."""
        return self.memory.search(texts, k, beam, allowed)
