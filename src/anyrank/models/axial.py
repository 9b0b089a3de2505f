"""Axial: a transformer over an alignment of peptide candidates and their spectrum (RankNovo, arXiv 2505.17552).

Design choices: as published as far as that is known. Ours: the start and the length of the waves for a small model that
learns from few spectra (``shared``, ``shortest``, ``longest``; see `parts.ion_start`); no norm before the heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..core.errors import InputError
from ..core.types import Candidate
from .parts.axial_attention import AxialLayer
from .parts.folder import load, save
from .parts.ragged import member_mask
from .parts.spectra import candidate_tensors, crowded, spectra_tensors
from .parts.spectrum_encoder import SpectrumEncoder, Waves


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a model; the defaults are RankNovo's.

    ``columns``: whether candidates attend to each other; ``tokens`` and ``pad``: the vocabulary's size and its padding
    token; ``positions``: the longest row; ``charges``: the highest charge with an embedding of its own; ``peaks``: the
    most peaks read of a spectrum; ``shortest`` and ``longest``: the wavelengths in Da; ``shared``: peaks and masses of
    candidates have the same waves, so that one linear map takes the one to the other, whatever the width.
    """

    width: int = 512
    heads: int = 8
    ffn: int = 1024
    layers: int = 8
    spectrum_layers: int = 8
    dropout: float = 0.3
    columns: bool = True
    tokens: int = 41
    pad: int = 1
    positions: int = 128
    charges: int = 10
    peaks: int = 300
    shortest: float = 0.001
    longest: float = 10000.0
    shared: bool = False

    def __post_init__(self) -> None:
        if self.width % 4 or self.width % self.heads:
            raise InputError(f"width={self.width}: must be a multiple of 4 and of heads={self.heads}")

    @property
    def waves(self) -> int:
        """Features of a peak's m/z."""
        return self.width // 4 if self.shared else self.width

    def encoder(self) -> SpectrumEncoder:
        return SpectrumEncoder(
            self.width,
            self.heads,
            self.ffn,
            self.spectrum_layers,
            self.dropout,
            self.waves,
            self.shortest,
            self.longest,
        )


class CandidateEmbedding(nn.Module):  # type: ignore[misc,unused-ignore]
    """Rows of tokens as [amino acid (half) | prefix mass (quarter) | suffix mass (quarter)], with their positions.

    The first position of a row, ``<cls>``, also holds the precursor's mass and charge; its masses are 0.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        half, quarter = shape.width // 2, shape.width // 4
        self.pad = shape.pad
        self.tokens = nn.Embedding(shape.tokens, half, padding_idx=shape.pad)
        self.charges = nn.Embedding(shape.charges + 1, half)
        self.positions = nn.Embedding(shape.positions + shape.pad + 1, shape.width, padding_idx=shape.pad)
        with torch.no_grad():
            self.positions.weight.mul_(0.02)  # larger ones would drown the masses
        self.mass = Waves(half, shape.shortest, shape.longest)
        self.part = Waves(quarter, shape.shortest, shape.longest)
        self.norm = nn.LayerNorm(shape.width)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, tokens: Tensor, prefix: Tensor, mass: Tensor, charge: Tensor) -> Tensor:
        first = nn.functional.one_hot(torch.zeros_like(tokens[..., 0]), tokens.shape[-1])
        suffix = (mass[:, None, None] - prefix) * (1 - first)
        whole = self.mass(mass) + self.charges(charge.clamp(max=self.charges.num_embeddings - 1))
        names = self.tokens(tokens) + first[..., None] * whole[:, None, None]
        real = (tokens != self.pad).long()
        positions = real.cumsum(-1) * real + self.pad  # from the padding's number on, as in fairseq
        x = torch.cat([names, self.part(prefix), self.part(suffix)], dim=-1) + self.positions(positions)
        out: Tensor = self.dropout(self.norm(x))
        return out * real[..., None]


class Axial(nn.Module):  # type: ignore[misc,unused-ignore]
    """Scores [B, n] of peptides by their spectra, all candidates of a group seen together: the negated mass deviation
    from the truth (PMD) predicted for each; `predict` also gives each residue's (RMD)."""

    kind: ClassVar[str] = "axial"

    def __init__(self, shape: Shape = Shape()) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = shape.encoder()
        self.embedding = CandidateEmbedding(shape)
        self.layers = nn.ModuleList(
            AxialLayer(shape.width, shape.heads, shape.ffn, shape.dropout, shape.columns) for _ in range(shape.layers)
        )
        self.whole = nn.Linear(shape.width, 1)
        self.local = nn.Linear(shape.width, 1)

    def features(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
        """The inputs of `forward` for spectra and, for each, its peptides."""
        peptides = [[c.content for c in group] for group in candidates]
        inputs = spectra_tensors(queries, self.shape.peaks) | candidate_tensors(peptides)
        return inputs | {"mask": member_mask(candidates)}

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """1 for each spectrum that has more peaks than are read."""
        return crowded(queries, self.shape.peaks)

    def forward(
        self, mz: Tensor, intensity: Tensor, mass: Tensor, charge: Tensor, tokens: Tensor, prefix: Tensor, mask: Tensor
    ) -> Tensor:
        """Scores [B, n], 0 at padding (``mask`` False); the rest as `predict` takes it."""
        pmd, _ = self.predict(mz, intensity, mass, charge, tokens, prefix)
        return (-pmd).masked_fill(~mask, 0.0)

    def predict(
        self, mz: Tensor, intensity: Tensor, mass: Tensor, charge: Tensor, tokens: Tensor, prefix: Tensor
    ) -> tuple[Tensor, Tensor]:
        """PMD [B, rows] and RMD [B, rows, columns]. Peaks [B, peaks] are padded with zeros; the precursors have a
        ``mass`` in Da and a ``charge`` [B]; ``tokens`` and their ``prefix`` masses [B, rows, columns] are padded. Rows
        of padding only have a PMD of infinity."""
        memory, memory_padding = self.encoder(mz, intensity, mass)
        padding = tokens == self.shape.pad
        x = self.embedding(tokens, prefix, mass, charge)
        for layer in self.layers:
            x = layer(x, padding, memory, memory_padding)
        pmd = self.whole(x[:, :, 0])[..., 0].float()
        return pmd.masked_fill(padding.all(-1), torch.inf), self.local(x)[..., 0].float()

    def save(self, folder: str | Path) -> None:
        """The shape as JSON and the weights as safetensors."""
        save(self, asdict(self.shape), Path(folder))

    @classmethod
    def from_folder(cls, folder: str | Path, *, max_length: int | None = None) -> Axial:
        """A saved model, ready to judge; ``max_length`` is for models of texts. Raises ModelError if the folder
        holds none."""
        model: Axial = load(cls, lambda config: cls(Shape(**config)), Path(folder))
        return model
