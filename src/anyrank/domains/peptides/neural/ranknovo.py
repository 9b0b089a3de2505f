"""RankNovo's reranker as a judge: a model of the whole set of candidates and their spectrum (arXiv 2505.17552)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from ....core.errors import InputError
from ....core.rerank import Group
from ....core.trace import Usage
from ....core.types import Judgement
from ....models.axial import Axial


@dataclass(frozen=True)
class RankNovo:
    """A judge: the negated mass distance from the truth that a model predicts for each candidate of a group, all of
    them seen together; groups of several spectra are computed at once, ``batch`` at a time.

    ``by="rmd"`` ranks by the largest deviation of a residue's prefix mass, for models trained on these alone. Usage
    counts a call a group, tokens as places of the alignment and peaks, and spectra with more peaks than are read as
    truncated. A candidate longer than the model's rows gets NaN.
    """

    model: Axial = field(repr=False)
    batch: int = 32
    by: Literal["pmd", "rmd"] = "pmd"

    def __post_init__(self) -> None:
        if self.batch < 1 or self.by not in ("pmd", "rmd"):
            raise InputError(f"batch={self.batch}, by={self.by!r}: expected at least 1, and pmd or rmd")

    @classmethod
    def load(cls, folder: str | Path, batch: int = 32, by: Literal["pmd", "rmd"] = "pmd") -> RankNovo:
        """The judge of a folder that `training.train` wrote; on a GPU where there is one. Raises ModelError."""
        model = Axial.from_folder(folder)
        return cls(model.to("cuda") if torch.cuda.is_available() else model, batch, by)

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        room = self.model.shape.positions - 1
        fit = [[i for i, c in enumerate(members) if len(c.content.tokens) <= room] for _, members in groups]
        out = [Judgement([math.nan] * len(members), Usage()) for _, members in groups]
        order = sorted((i for i, members in enumerate(fit) if members), key=lambda i: _size(groups[i]))
        for at in range(0, len(order), self.batch):
            part = order[at : at + self.batch]
            chosen = [(groups[i][0], [groups[i][1][j] for j in fit[i]]) for i in part]
            for i, (predicted, usage) in zip(part, self._scores(chosen)):
                scores = [math.nan] * len(groups[i][1])
                for j, score in zip(fit[i], predicted):
                    scores[j] = score
                longer = len(scores) - len(predicted)
                note = f"{longer} candidate(s) longer than {room} tokens" if longer else ""
                out[i] = Judgement(scores, usage, note)
        return out

    def _scores(self, groups: Sequence[Group]) -> list[tuple[list[float], Usage]]:
        device = self.model.whole.weight.device
        spectra = [q.content for q, _ in groups]
        inputs = self.model.features(spectra, [members for _, members in groups])
        del inputs["mask"]
        self.model.eval()
        with torch.inference_mode():
            pmd, rmd = (x.cpu() for x in self.model.predict(**{k: x.to(device) for k, x in inputs.items()}))
        truncated = self.model.truncated(spectra, [])
        if self.by == "rmd":
            pmd = rmd.abs().masked_fill(~is_residue(inputs["tokens"]), 0.0).amax(-1)
        peaks = (inputs["mz"] > 0).sum(1).tolist()
        positions = (inputs["tokens"] != self.model.shape.pad).sum((1, 2)).tolist()
        return [
            (
                (-pmd[i, : len(members)]).tolist(),
                Usage(1, positions[i] + peaks[i], truncated=truncated[i]),
            )
            for i, (_, members) in enumerate(groups)
        ]


def is_residue(tokens: torch.Tensor) -> torch.Tensor:
    """Which places hold a residue: neither ``<cls>`` nor padding nor the ``-`` that fills a row."""
    from ....models.parts.alignment import CLS, GAP, PAD

    return (tokens != CLS) & (tokens != PAD) & (tokens != GAP)


def _size(group: Group) -> int:
    return max(len(c.content.tokens) for c in group[1]) * len(group[1])
