"""NextResidue: which residue follows a prefix of a peptide, by its spectrum; a base engine's decoder, of our own.

Design choices: every residue that may follow is a token [residue | mass with it | mass left without it], so that the
ions it would give are looked for in the spectrum (as DeepNovo and PointNovo look for the ions of every next residue);
the choices of one place look at each other (column attention); what is known of the prefix is its mass and last
residue. Encoder, attention and waves are `axial`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from .axial import Shape, load, save
from .parts.axial_attention import AxialLayer
from .parts.spectrum_encoder import Waves


class NextResidue(nn.Module):  # type: ignore[misc,unused-ignore]
    """Logits [B, places, choices] of the residues that may follow. ``masses``: the choices' masses in Da."""

    kind: ClassVar[str] = "next_residue"
    masses: Tensor

    def __init__(self, masses: Sequence[float], shape: Shape) -> None:
        super().__init__()
        n = len(masses)
        self.shape = shape
        self.register_buffer("masses", torch.tensor(masses, dtype=torch.float64))
        self.encoder = shape.encoder()
        self.choices = nn.Embedding(n, shape.width // 2)
        self.last = nn.Embedding(n + 1, shape.width // 2)  # choice n: nothing stands before
        self.charges = nn.Embedding(shape.charges + 1, shape.width // 2)
        self.part = Waves(shape.width // 4, shape.shortest, shape.longest)
        self.norm = nn.LayerNorm(shape.width)
        self.dropout = nn.Dropout(shape.dropout)
        self.layers = nn.ModuleList(
            AxialLayer(shape.width, shape.heads, shape.ffn, shape.dropout, shape.columns, rows=False)
            for _ in range(shape.layers)
        )
        self.head = nn.Linear(shape.width, 1)

    def forward(
        self, mz: Tensor, intensity: Tensor, mass: Tensor, charge: Tensor, last: Tensor, prefix: Tensor
    ) -> Tensor:
        """Spectra as `Axial.forward` takes them; ``last`` choice and ``prefix`` mass of every place, [B, places]."""
        memory, nothing = self.encoder(mz, intensity, mass)
        return self.following(memory, nothing, mass, charge, last, prefix)

    def following(
        self, memory: Tensor, nothing: Tensor, mass: Tensor, charge: Tensor, last: Tensor, prefix: Tensor
    ) -> Tensor:
        """The same of spectra that were encoded before."""
        after = prefix[:, None, :] + self.masses[None, :, None]
        said = self.last(last)[:, None] + self.choices.weight[None, :, None]
        said = said + self.charges(charge.clamp(max=self.shape.charges))[:, None, None]
        x = torch.cat([said, self.part(after), self.part(mass[:, None, None] - after)], dim=-1)
        x = self.dropout(self.norm(x))
        padding = torch.zeros(x.shape[:3], dtype=torch.bool, device=x.device)
        for layer in self.layers:
            x = layer(x, padding, memory, nothing)
        logits: Tensor = self.head(x)
        return logits[..., 0].mT.float()

    def save(self, folder: str | Path) -> None:
        """The shape as JSON and the weights as safetensors."""
        save(self, {"masses": self.masses.tolist(), "shape": asdict(self.shape)}, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> NextResidue:
        """A saved model. Raises ModelError where the folder holds none."""
        found: NextResidue = load(cls, lambda said: cls(said["masses"], Shape(**said["shape"])), Path(folder))
        return found
