"""`SplitEncoder`: an encoder whose lower layers read two segments apart, and whose upper layers read both together
(PreTTR, Pyramid-ERNIE). A model is a file that says what the segments are."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...core.errors import InputError
from ...core.types import Candidate
from ...hub.positions import first_position
from .encoder_model import EncoderModel
from .pairs import Row
from .ragged import filled, gathered, grouped, in_single_precision, member_mask, padded

FAMILIES = {
    "bert": "encoder.layer",
    "roberta": "encoder.layer",
    "xlm-roberta": "encoder.layer",
    "camembert": "encoder.layer",
    "distilbert": "transformer.layer",
}
"""Families of encoders (``model_type``), and the name of the list of their layers."""
APART = -1e9
"""The logit of attention between tokens that don't see each other; finite, so that bfloat16 has no infinities."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Token ids with special tokens, the position of the first of them, and their token type."""

    ids: list[int]
    start: int = 0
    type: int = 0


def row_of(*segments: Segment, first: int = 0) -> Row:
    """The inputs for segments, one behind the other; ``part`` counts them from ``first``."""
    return {
        "input_ids": [i for s in segments for i in s.ids],
        "attention_mask": [1 for s in segments for _ in s.ids],
        "position_ids": [p for s in segments for p in range(s.start, s.start + len(s.ids))],
        "token_type_ids": [s.type for s in segments for _ in s.ids],
        "part": [n for n, s in enumerate(segments, first) for _ in s.ids],
    }


class SplitEncoder(EncoderModel, ABC):
    """Scores [B, n] of groups of texts by the first token's state. ``join`` layers read the segments apart; -1 is half
    of all, 0 reads all together. Raises InputError for an encoder of another family, and for a ``join`` that leaves
    none to read both."""

    def __init__(self, body: Any, tokenizer: Any, max_length: int = 256, *, join: int = -1, bias: bool = False) -> None:
        super().__init__(body, tokenizer, max_length)
        family = body.config.model_type
        if family not in FAMILIES:
            raise InputError(f"{self.kind} reads encoders of {', '.join(FAMILIES)}, not {family}: choose another start")
        self.depth = len(body.get_submodule(FAMILIES[family]))
        if not -1 <= join < self.depth:
            raise InputError(f"join={join}: expected 0 to {self.depth - 1}, since this encoder has {self.depth} layers")
        self.join = self.depth // 2 if join == -1 else join
        self.first_position = first_position(body.config.to_dict())
        self.out = nn.Linear(self.width, 1, bias=bias)
        in_single_precision(self.out)

    @abstractmethod
    def read(self, queries: Sequence[Any], contents: Sequence[Any]) -> tuple[list[Row], list[bool]]:
        """The inputs for each query with its content, of at most two segments, and whether either lost tokens."""

    def features(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
        first = [q for q, group in zip(queries, candidates, strict=True) for _ in group]
        rows, _ = self.read(first, [c.content for group in candidates for c in group])
        return {"chunks": self.chunked(rows), "mask": member_mask(candidates)}

    def chunked(self, rows: Sequence[Row]) -> list[dict[str, Tensor]]:
        """Rows as padded chunks of similar length."""
        fill = {"input_ids": self.tokenizer.pad_token_id or 0, "part": -1}
        return [padded(rows, part, fill) for part in grouped([len(row["input_ids"]) for row in rows])]

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        return [
            sum(self.read([q] * len(group), [c.content for c in group])[1]) if group else 0
            for q, group in zip(queries, candidates, strict=True)
        ]

    def forward(self, chunks: Sequence[Mapping[str, Tensor]], mask: Tensor) -> Tensor:
        """Scores [B, n], 0 at padding (``mask`` False)."""
        parts = [self.high(self.low(chunk), chunk["attention_mask"]) for chunk in chunks]
        return filled(gathered(parts, [chunk["rows"] for chunk in chunks]), mask)

    def low(self, chunk: Mapping[str, Tensor]) -> Tensor:
        """States [texts, tokens, width] below the join, of tokens that see those of their own segment alone."""
        embeddings = self.body.embeddings
        inputs = {**chunk, "position_ids": chunk["position_ids"] + self.first_position}
        accepted = inspect.signature(embeddings.forward).parameters
        states = embeddings(**{name: values for name, values in inputs.items() if name in accepted})
        part, real = chunk["part"], chunk["attention_mask"].bool()
        seen = (part[:, :, None] == part[:, None, :]) & real[:, None, :]
        return self._run(states, seen, 0, self.join)

    def high(self, states: Tensor, real: Tensor) -> Tensor:
        """The scores [texts] of states at the join; all tokens see all real ones [texts, tokens]."""
        seen = real.bool()[:, None, :].expand(-1, states.shape[1], -1)
        scores: Tensor = self.out(self._run(states, seen, self.join, self.depth)[:, 0])[:, 0]
        return scores

    def _run(self, states: Tensor, seen: Tensor, start: int, end: int) -> Tensor:
        """Layers ``start`` to ``end``; ``seen`` [texts, tokens, tokens] says which tokens a token attends to."""
        bias = torch.zeros(seen.shape, device=states.device, dtype=states.dtype).masked_fill(~seen, APART)[:, None]
        for layer in self.body.get_submodule(FAMILIES[self.body.config.model_type])[start:end]:
            states = layer(states, attention_mask=bias)
        return states
