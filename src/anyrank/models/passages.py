"""Passages: a cross-encoder reads the passages of a long document one by one, and the document's score is that of the
first, the best, their sum or mean (FirstP, MaxP, SumP, arXiv 1905.09217; AvgP), or a weighted sum of the best sentences
(Birch, arXiv 1903.10972).

    first s_1      max max_i s_i      sum sum_i s_i      mean 1/n sum_i s_i      top sum_j w_j s_(j)
    with prior a:  a * first stage's score + (1 - a) * s

Design choices: any cross-encoder is a start, and the saved folder is one for transformers too; windows of 150 words,
one every 100, at most 16 of them, as in capreolus; the weights w of ``top`` are learned from 1 / k, and a document
of fewer passages has its worst one again, as there. In training all passages are read, or with ``share`` below 1 the
first and each other one with that probability, by a draw that only ``seed``, query, text and position decide; the
document's score is then that of the passages that are read.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ..core.errors import InputError
from ..core.types import Candidate
from .base import declare
from .cross import CrossEncoder
from .parts.model_folder import folder_of, json_of
from .parts.passages import Unit, Windows, by_document, cut_documents, passage_features
from .parts.ragged import filled, gathered

Aggregate = Literal["first", "max", "mean", "sum", "top"]
AGGREGATES = ("first", "max", "mean", "sum", "top")
HEAD = "passages.safetensors"
"""The file with the weights of ``top``."""


class PassageScores(nn.Module):  # type: ignore[misc,unused-ignore]
    """Scores [B, n] of groups of documents by the scores that ``cross`` gives their passages."""

    kind: ClassVar[str] = "passages"

    def __init__(
        self,
        cross: CrossEncoder,
        *,
        aggregate: Aggregate = "max",
        top: int = 3,
        window: int = 150,
        stride: int = 100,
        most: int = 16,
        unit: Unit = "words",
        query_length: int = 20,
        prior: float = 0.0,
        share: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if aggregate not in AGGREGATES:
            raise InputError(f"aggregate={aggregate!r}: choose {', '.join(AGGREGATES)}")
        if top < 1 or not 0 <= prior <= 1 or not 0 <= share <= 1:
            raise InputError(f"top={top}, prior={prior}, share={share}: expected 1 or more, and two shares of 0 to 1")
        self.cross = cross
        self.windows = Windows(window, stride, 1 if aggregate == "first" else most, unit, query_length)
        self.aggregate = aggregate
        self.prior = prior
        self.share = share
        self.seed = seed
        self._options = {
            "aggregate": aggregate,
            "top": top,
            "window": window,
            "stride": stride,
            "most": most,
            "unit": unit,
            "query_length": query_length,
            "prior": prior,
            "share": share,
            "seed": seed,
        }
        self.weights = nn.Parameter(torch.full((top,), 1 / top)) if aggregate == "top" else None

    @property
    def body(self) -> Any:
        return self.cross.body

    @property
    def tokenizer(self) -> Any:
        return self.cross.tokenizer

    @property
    def max_length(self) -> int:
        """The most tokens of a passage with its query."""
        return self.cross.max_length

    @classmethod
    def from_folder(
        cls, name: str | Path, *, max_length: int | None = None, labels: int = 0, **options: Any
    ) -> PassageScores:
        """A model of one of our folders, or of any cross-encoder's or encoder's folder or hub id (see
        `CrossEncoder.from_folder`). ``options`` are those of the class, and override those of the folder."""
        folder = folder_of(name)
        stated = json_of(folder / "anyrank.json")
        own = stated.get("options", {}) if stated.get("kind") == cls.kind else {}
        model = cls(CrossEncoder.from_folder(folder, max_length=max_length, labels=labels), **(own | options))
        if model.weights is not None and (folder / HEAD).is_file():
            from safetensors.torch import load_file

            model.weights.data.copy_(load_file(folder / HEAD)["weights"])
        return model

    @classmethod
    def from_config(
        cls,
        shape: Mapping[str, Any],
        tokenizer: str | Path | Any,
        *,
        max_length: int = 256,
        labels: int = 1,
        **options: Any,
    ) -> PassageScores:
        """A fresh model of a shape, by default a BERT, and a tokenizer (or the folder or hub id of one)."""
        return cls(CrossEncoder.from_config(shape, tokenizer, max_length=max_length, labels=labels), **options)

    def features(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
        """The inputs of `forward`; a candidate's score is the first stage's, which counts with ``prior``."""
        reads = self._drawn if self.training and self.share < 1 else None
        out = passage_features(self.tokenizer, queries, candidates, self.max_length, self.windows, reads)
        if self.prior:
            stage = torch.tensor([c.score for group in candidates for c in group])
            out["prior"] = filled(stage, out["mask"])
        return out

    def _drawn(self, query: str, text: str, i: int) -> bool:
        """Whether training reads a passage: the same whatever else is in the batch and however often it is asked."""
        if i == 0:
            return True
        return zlib.crc32(f"{self.seed}\t{i}\t{query}\t{text}".encode()) < self.share * 2**32

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """The number of documents of each group that have more passages than are read, or passages that are cut."""
        return cut_documents(self.tokenizer, queries, candidates, self.max_length, self.windows)

    def forward(
        self, chunks: Sequence[Mapping[str, Tensor]], counts: Tensor, mask: Tensor, prior: Tensor | None = None
    ) -> Tensor:
        """Scores [B, n], 0 at padding (``mask`` False)."""
        each = gathered([self.cross.score(chunk) for chunk in chunks], [chunk["rows"] for chunk in chunks])
        scores = filled(self.joined(*by_document(each, counts)), mask)
        return scores if prior is None else self.prior * prior + (1 - self.prior) * scores

    def joined(self, scores: Tensor, real: Tensor) -> Tensor:
        """The scores [documents] of those of their passages [documents, passages]."""
        if self.weights is not None:
            worst = scores.masked_fill(~real, torch.inf).amin(1, keepdim=True)
            k = len(self.weights)
            filled_up = torch.cat([torch.where(real, scores, worst), worst.expand(-1, k)], 1)
            return filled_up.topk(k, 1).values @ self.weights
        if self.aggregate in ("first", "max"):
            return scores.masked_fill(~real, -torch.inf).amax(1)
        total = (scores * real).sum(1)
        return total if self.aggregate == "sum" else total / real.sum(1)

    def save(self, folder: Path) -> None:
        """The cross-encoder's folder, with the options and the weights of ``top``."""
        from safetensors.torch import save_file

        self.cross.save(folder)
        if self.weights is not None:
            save_file({"weights": self.weights.detach().cpu()}, folder / HEAD)
        declare(folder, self.kind, pooling="none", max_length=self.max_length, options=self._options)
