"""RankNovo's reranker as a judge: one model for all candidates of a spectrum together (arXiv 2505.17552)."""

from __future__ import annotations

import json
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
from ..peptide import Peptide

TRAINED_ON = "trained_on.json"
"""The file of a model's folder with the hashes of the peptides it was trained on."""


@dataclass(frozen=True)
class RankNovo:
    """A judge whose scores are the negated mass distances from the true peptide that a model predicts for the
    candidates of a group, all seen together; ``batch`` groups are computed at once.

    ``trained_on`` has the hashes of the peptides that the model was trained on (see `split.fingerprints`).
    ``by="rmd"`` ranks by the largest deviation of a residue's prefix mass, for models trained on these alone. Usage
    counts one call a group, as tokens the positions of the alignment and the peaks, and as truncated the spectra with
    more peaks than the model reads. A candidate longer than the model's rows, or with residues beyond the model's
    table, gets NaN.
    """

    model: Axial = field(repr=False)
    batch: int = 32
    by: Literal["pmd", "rmd"] = "pmd"
    trained_on: Sequence[str] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.batch < 1 or self.by not in ("pmd", "rmd"):
            raise InputError(f"batch={self.batch}, by={self.by!r}: batch must be at least 1, by pmd or rmd")

    @classmethod
    def load(cls, folder: str | Path, batch: int = 32, by: Literal["pmd", "rmd"] = "pmd") -> RankNovo:
        """Load the judge from a folder that `training.train` wrote, on a GPU if there is one. Raises ModelError."""
        model = Axial.from_folder(folder)
        file = Path(folder) / TRAINED_ON
        hashes = json.loads(file.read_text("utf-8")) if file.is_file() else ()
        return cls(model.to("cuda") if torch.cuda.is_available() else model, batch, by, hashes)

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        longest = self.model.shape.positions - 1  # the first position is <cls>
        fitting = [
            [j for j, c in enumerate(members) if len(c.content.tokens) <= longest and c.content.known_to_models]
            for _, members in groups
        ]
        out = [Judgement([math.nan] * len(members), Usage()) for _, members in groups]
        # Groups of about one size share a batch, so that little of it is padding.
        order = sorted((i for i, members in enumerate(fitting) if members), key=lambda i: _size(groups[i]))
        for start in range(0, len(order), self.batch):
            part = order[start : start + self.batch]
            chosen = [(groups[i][0], [groups[i][1][j] for j in fitting[i]]) for i in part]
            for i, (predicted, usage) in zip(part, self._scores(chosen)):
                scores = [math.nan] * len(groups[i][1])
                for j, score in zip(fitting[i], predicted):
                    scores[j] = score
                out[i] = Judgement(scores, usage, _left_out([c.content for c in groups[i][1]], longest))
        return out

    def _scores(self, groups: Sequence[Group]) -> list[tuple[list[float], Usage]]:
        """The scores and the usage of each group, in one batch."""
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


def _left_out(peptides: Sequence[Peptide], longest: int) -> str:
    """The note about candidates that the model can't read, empty if it can read all."""
    strange = sum(not p.known_to_models for p in peptides)
    too_long = sum(len(p.tokens) > longest for p in peptides if p.known_to_models)
    notes = [f"{too_long} candidate(s) longer than {longest} tokens"] if too_long else []
    notes += [f"{strange} candidate(s) with residues beyond the model's table"] if strange else []
    return ", ".join(notes)


def is_residue(tokens: torch.Tensor) -> torch.Tensor:
    """Whether each position holds a residue: neither ``<cls>`` nor padding nor the gap ``-`` at the end of a row."""
    from ....models.parts.alignment import CLS, GAP, PAD

    return (tokens != CLS) & (tokens != PAD) & (tokens != GAP)


def _size(group: Group) -> int:
    """The number of positions in a group's alignment."""
    return max(len(c.content.tokens) for c in group[1]) * len(group[1])
