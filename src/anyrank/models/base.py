"""Model: what every model of this folder promises, so that one loop trains it and one backend runs it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from torch import Tensor

from ..core.types import Candidate

DECLARATION = "anyrank.json"
"""The file in which a model's folder says its kind and runtime; `hub.folder` reads it."""


@runtime_checkable
class Model(Protocol):
    """A torch module that scores the candidates of groups, each a query's content and its candidates.

    Scores don't depend on padding, on what else is in the batch or, but for kinds that see all candidates together, on
    the other candidates. `testing.check_model` holds a model to this.
    """

    kind: ClassVar[str]
    """The name of the kind, which is also its file's."""

    def features(
        self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]], statistics: Any = None
    ) -> dict[str, Any]:
        """The arguments of `forward` on the CPU: nested dicts and lists of tensors, of which ``mask`` [batch, n] says
        where there is a candidate. Models of texts read contents by `core.content.text_of`. ``statistics`` are those
        of the collection, for models that weigh words by them."""
        ...

    def forward(self, **features: Any) -> Tensor:
        """Scores [batch, n], 0 where there is no candidate."""
        ...

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """How many texts of each group, the query counted in, lose tokens to the model's longest text."""
        ...

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), tokenizer, configuration and anyrank.json into a folder, which is made."""
        ...

    @classmethod
    def from_folder(cls, folder: str | Path, *, max_length: int | None = None, **options: Any) -> Self:
        """The model of a folder; its scores are those that it gave when it was saved, to the last digit."""
        ...


@runtime_checkable
class Encodes(Protocol):
    """A model that reads queries and texts apart (``bi``), so that vectors of texts can be stored and searched."""

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Any:
        """Tensors of texts, on the model's device: [texts, width] of dense vectors."""
        ...


def declare(folder: Path, kind: str, runtime: str = "torch", **fields: Any) -> None:
    """Write anyrank.json: the kind of model that a folder holds, what runs it, and what else is needed to run it."""
    folder.mkdir(parents=True, exist_ok=True)
    stated = {"kind": kind, "runtime": runtime, **fields}
    (folder / DECLARATION).write_text(json.dumps(stated, indent=2) + "\n", encoding="utf-8")
