"""`EncoderModel`: a transformers encoder with a head of ours, in one folder: what models with such a body share."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ...core.types import Candidate
from ..base import declare
from .fresh import fresh_body
from .model_folder import ModelFolder, folder_of, json_of
from .ragged import fits, longest


class EncoderModel(nn.Module, ABC):  # type: ignore[misc,unused-ignore]
    """A transformers encoder ``body`` whose texts are cut to ``max_length`` tokens, under a head. Options of a subclass
    are keyword arguments, kept as attributes of the same names, so that a folder holds them."""

    kind: ClassVar[str]
    file: ClassVar[str] = "head.safetensors"
    """The file with the weights that a folder holds beside its encoder."""

    def __init__(self, body: Any, tokenizer: Any, max_length: int = 256) -> None:
        super().__init__()
        fits(body, max_length)
        self.body = body
        self.tokenizer = tokenizer
        self.max_length = max_length

    @abstractmethod
    def features(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
        """The inputs of `forward` for contents of queries and, for each, its candidates."""

    @abstractmethod
    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """The number of texts of each group, the query counted in, that are longer than the model reads."""

    @property
    def width(self) -> int:
        """The numbers of a token's state."""
        return int(self.body.config.hidden_size)

    def options(self) -> dict[str, Any]:
        """The options of the class with which this model was made."""
        own = inspect.signature(type(self).__init__).parameters
        return {name: getattr(self, name) for name in own if name not in ("self", "body", "tokenizer", "max_length")}

    @classmethod
    def from_folder(cls, name: str | Path, *, max_length: int | None = None, **options: Any) -> Self:
        """A model of one of our folders, or any encoder's folder or hub id, then with a fresh head (set torch's seed
        before). ``options`` are those of the class, and override those of the folder."""
        from safetensors.torch import load_file
        from transformers import AutoModel, AutoTokenizer

        folder = folder_of(name)
        stated = json_of(folder / "anyrank.json")
        own = stated.get("options", {}) if stated.get("kind") == cls.kind else {}
        tokenizer = AutoTokenizer.from_pretrained(folder)
        body = AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
        length = max_length or longest(body, tokenizer, stated.get("max_length") or ModelFolder.of(folder).max_length())
        model = cls(body, tokenizer, length, **(own | options))
        if stated.get("kind") == cls.kind:
            head = load_file(folder / cls.file)
            model.load_state_dict(head | {f"body.{k}": v for k, v in body.state_dict().items()})
        return model

    @classmethod
    def from_config(
        cls, shape: Mapping[str, Any], tokenizer: str | Path | Any, *, max_length: int = 256, **options: Any
    ) -> Self:
        """A fresh model of a shape, by default a BERT, and a tokenizer (or the folder or hub id of one)."""
        return cls(*fresh_body("AutoModel", shape, tokenizer), max_length, **options)

    def save(self, folder: Path) -> None:
        """The encoder as transformers reads it, and beside it the head."""
        from safetensors.torch import save_file

        self.tokenizer.model_max_length = self.max_length
        self.body.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        head = {k: v.detach().cpu().contiguous() for k, v in self.state_dict().items() if not k.startswith("body.")}
        save_file(head, folder / self.file)
        declare(folder, self.kind, pooling="none", max_length=self.max_length, options=self.options())


def cls_states(states: Tensor, mask: Tensor) -> Tensor:
    """The states [texts, width] of the first real token of each text, in single precision; ``mask`` [texts, tokens] is
    1 at real tokens."""
    first = mask.argmax(1)  # padding may be on the left
    return states[torch.arange(len(states), device=states.device), first].float()
