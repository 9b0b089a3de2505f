"""NextResidue: predicts the residue that follows a prefix of a peptide from its spectrum: a decoder of our own.

Design choices: every residue that may follow is a token [residue | mass with it | mass left without it], so that the
ions it would give are looked for in the spectrum (as DeepNovo and PointNovo look for the ions of every next residue);
the choices of one position attend to each other (column attention); of the prefix only its mass and last residue are
read. Encoder, attention and waves are `axial`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..core.types import Candidate
from .axial import Shape
from .parts.axial_attention import AxialLayer
from .parts.folder import load, save
from .parts.ragged import member_mask
from .parts.spectra import crowded, spectra_tensors
from .parts.spectrum_encoder import Waves

LIGHTEST = 57.0
"""Less, in Da, than glycine weighs, the lightest residue."""
NONE, NEVER = -100, -1e9
"""The target at the end of a peptide and in padding; the logit of a choice that is impossible."""


class NextResidue(nn.Module):  # type: ignore[misc,unused-ignore]
    """Scores [B, n] of peptides by their spectra: the mean log-probability of their residues, each given those before
    it. ``masses``: those of the choices, in Da."""

    kind: ClassVar[str] = "next_residue"
    masses: Tensor

    def __init__(self, masses: Sequence[float], shape: Shape) -> None:
        super().__init__()
        n = len(masses)
        self.shape = shape
        self.register_buffer("masses", torch.tensor(masses, dtype=torch.float64))
        self.encoder = shape.encoder()
        self.choices = nn.Embedding(n, shape.width // 2)
        self.last = nn.Embedding(n + 1, shape.width // 2)  # choice n: the beginning of the peptide
        self.charges = nn.Embedding(shape.charges + 1, shape.width // 2)
        self.part = Waves(shape.width // 4, shape.shortest, shape.longest)
        self.norm = nn.LayerNorm(shape.width)
        self.dropout = nn.Dropout(shape.dropout)
        self.layers = nn.ModuleList(
            AxialLayer(shape.width, shape.heads, shape.ffn, shape.dropout, shape.columns, rows=False)
            for _ in range(shape.layers)
        )
        self.head = nn.Linear(shape.width, 1)

    @property
    def front(self) -> Tensor:
        """Mask [choices] of the modifications of the N-terminus, possible at the first position only; they are known by
        weighing less than any residue."""
        return self.masses < LIGHTEST

    def features(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
        """The inputs of `forward` for spectra and, for each, its peptides, of which every token is the choice of the
        nearest mass."""
        mask = member_mask(candidates)
        masses, n = self.masses.cpu(), len(self.masses)
        longest = max((len(c.content.tokens) for group in candidates for c in group), default=0)
        size = (*mask.shape, longest)
        last, follows = torch.full(size, n), torch.full(size, NONE)
        prefix = torch.zeros(size, dtype=torch.float64)
        for i, group in enumerate(candidates):
            for j, c in enumerate(group):
                # The inputs at a residue are the mass and the last choice of the residues before it: shifted by one.
                chosen = (torch.from_numpy(c.content.masses)[:, None] - masses).abs().argmin(1)
                follows[i, j, : len(chosen)] = chosen
                last[i, j, 1 : len(chosen)] = chosen[:-1]
                prefix[i, j, 1 : len(chosen)] = masses[chosen[:-1]].cumsum(0)
        inputs = spectra_tensors(queries, self.shape.peaks)
        return inputs | {"last": last, "prefix": prefix, "follows": follows, "mask": mask}

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """1 for each spectrum that has more peaks than are read."""
        return crowded(queries, self.shape.peaks)

    def forward(
        self,
        mz: Tensor,
        intensity: Tensor,
        mass: Tensor,
        charge: Tensor,
        last: Tensor,
        prefix: Tensor,
        follows: Tensor,
        mask: Tensor,
    ) -> Tensor:
        """Scores [B, n], 0 at padding (``mask`` False). ``last``, ``prefix`` and ``follows`` are [B, n, residues]."""
        logits = self.logits(mz, intensity, mass, charge, last.flatten(1), prefix.flatten(1))
        inside = (last.flatten(1) != len(self.masses))[..., None] & self.front
        log_probs = logits.masked_fill(inside, NEVER).log_softmax(-1)
        real = follows != NONE
        each = log_probs.gather(-1, follows.clamp(min=0).flatten(1)[..., None])[..., 0].view_as(last)
        mean = (each * real).sum(-1) / real.sum(-1).clamp(min=1)
        return mean.masked_fill(~mask, 0.0)

    def logits(
        self, mz: Tensor, intensity: Tensor, mass: Tensor, charge: Tensor, last: Tensor, prefix: Tensor
    ) -> Tensor:
        """Logits [B, positions, choices] of the residues that may follow; spectra as `Axial.predict` takes them,
        ``last`` choice and ``prefix`` mass of every position, [B, positions]."""
        memory, memory_padding = self.encoder(mz, intensity, mass)
        return self.following(memory, memory_padding, mass, charge, last, prefix)

    def following(
        self, memory: Tensor, memory_padding: Tensor, mass: Tensor, charge: Tensor, last: Tensor, prefix: Tensor
    ) -> Tensor:
        """The logits for spectra that are encoded already, as beam search reuses them."""
        after = prefix[:, None, :] + self.masses[None, :, None]
        context = self.last(last)[:, None] + self.choices.weight[None, :, None]
        context = context + self.charges(charge.clamp(max=self.shape.charges))[:, None, None]
        # [B, choices, positions, width]: as an alignment, of which choices are the rows and positions the columns
        x = torch.cat([context, self.part(after), self.part(mass[:, None, None] - after)], dim=-1)
        x = self.dropout(self.norm(x))
        padding = torch.zeros(x.shape[:3], dtype=torch.bool, device=x.device)
        for layer in self.layers:
            x = layer(x, padding, memory, memory_padding)
        logits: Tensor = self.head(x)
        return logits[..., 0].mT.float()

    def save(self, folder: str | Path) -> None:
        """The shape as JSON and the weights as safetensors."""
        save(self, {"masses": self.masses.tolist(), "shape": asdict(self.shape)}, Path(folder))

    @classmethod
    def from_folder(cls, folder: str | Path, *, max_length: int | None = None) -> NextResidue:
        """A saved model; ``max_length`` is for models of texts. Raises ModelError if the folder holds none."""
        model: NextResidue = load(cls, lambda config: cls(config["masses"], Shape(**config["shape"])), Path(folder))
        return model
