"""`Model`: the protocol of the models of this folder, by which one loop trains them and one backend runs them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from torch import Tensor

from ..core.types import Candidate

DECLARATION = "anyrank.json"
"""The file in a model's folder with its kind and runtime; `hub.folder` reads it."""


@runtime_checkable
class Model(Protocol):
    """A torch module that scores the candidates of groups, each a query's content and its candidates.

    Scores don't depend on padding, on what else is in the batch or, but for kinds that see all candidates together, on
    the other candidates. `testing.check_model` holds a model to this.
    """

    kind: ClassVar[str]
    """The name of the kind, which is also its file's."""

    def features(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
        """The arguments of `forward` on the CPU: nested dicts and lists of tensors, of which ``mask`` [batch, n] is
        True for a candidate and False for padding. Models of texts read contents by `core.content.text_of`."""
        ...

    def forward(self, **features: Any) -> Tensor:
        """Scores [batch, n], 0 for padding."""
        ...

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """The number of texts of each group, the query counted in, that are longer than the model reads."""
        ...

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), tokenizer, configuration and anyrank.json into a folder, which is made."""
        ...

    @classmethod
    def from_folder(cls, folder: str | Path, *, max_length: int | None = None, **options: Any) -> Self:
        """The model of a folder; it gives the same scores as when it was saved, to the last digit."""
        ...


@runtime_checkable
class Encodes(Protocol):
    """A model that reads queries and texts apart (``bi``), so that vectors of texts can be stored and searched."""

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Any:
        """Tensors of texts, on the model's device: [texts, width] of dense vectors."""
        ...


@runtime_checkable
class OwnLoss(Protocol):
    """A model whose target is no order of candidates, so that it computes its loss itself (``deepct``); a recipe asks
    for it by ``losses: []``."""

    def loss(self, features: dict[str, Any], labels: Tensor) -> Tensor:
        """The loss of a batch, a scalar: the arguments of `Model.forward`, and labels [batch, n]."""
        ...


@runtime_checkable
class CountsWords(Protocol):
    """A model that may weigh words by how many texts hold them, and that a training may start at a table of word
    vectors."""

    def count(self, texts: Iterable[str]) -> None:
        """Count the words of the texts, before training."""
        ...


def declare(folder: Path, kind: str, runtime: str = "torch", **fields: Any) -> None:
    """Write anyrank.json: the kind of a folder's model, its runtime, and other fields that the runtime needs."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"kind": kind, "runtime": runtime, **fields}
    (folder / DECLARATION).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
