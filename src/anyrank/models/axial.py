"""Axial: a transformer over an alignment of peptide candidates and their spectrum (RankNovo, arXiv 2505.17552).

Design choices: as published where that is known. Ours: the start and the length of the waves where a small model is to
learn from few spectra (``shared``, ``shortest``, ``longest``; see `parts.starts`); no norm before the heads.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..core.errors import InputError, ModelError
from .base import declare
from .parts.axial_attention import AxialLayer
from .parts.spectrum_encoder import SpectrumEncoder, Waves

CONFIG, WEIGHTS = "axial.json", "model.safetensors"


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a model; the defaults are RankNovo's. ``columns``: whether candidates look at each other;
    ``tokens`` and ``pad``: the vocabulary's size and its padding; ``positions``: the longest row, ``charges``: the
    highest charge told apart; ``peaks``: as many of a spectrum are read. ``shortest`` and ``longest`` wave in Da;
    ``shared``: peaks are told by the same waves as masses of candidates, so that one linear map takes the one to the
    other, whatever the width."""

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
        """Features that tell a peak's m/z."""
        return self.width // 4 if self.shared else self.width

    def encoder(self) -> SpectrumEncoder:
        return SpectrumEncoder(
            self.width, self.heads, self.ffn, self.spectrum_layers, self.dropout, self.waves, self.shortest,
            self.longest,
        )  # fmt: skip


class CandidateEmbedding(nn.Module):  # type: ignore[misc,unused-ignore]
    """Rows of tokens as [amino acid (half) | prefix mass (quarter) | suffix mass (quarter)], with their positions.

    The first place of a row, ``<cls>``, also tells the precursor's mass and charge; its masses are 0.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        half, quarter = shape.width // 2, shape.width // 4
        self.pad = shape.pad
        self.tokens = nn.Embedding(shape.tokens, half, padding_idx=shape.pad)
        self.charges = nn.Embedding(shape.charges + 1, half)
        self.positions = nn.Embedding(shape.positions + shape.pad + 1, shape.width, padding_idx=shape.pad)
        with torch.no_grad():
            self.positions.weight.mul_(0.02)  # else they drown the masses
        self.mass = Waves(half, shape.shortest, shape.longest)
        self.part = Waves(quarter, shape.shortest, shape.longest)
        self.norm = nn.LayerNorm(shape.width)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, tokens: Tensor, prefix: Tensor, mass: Tensor, charge: Tensor) -> Tensor:
        first = nn.functional.one_hot(torch.zeros_like(tokens[..., 0]), tokens.shape[-1])
        suffix = (mass[:, None, None] - prefix) * (1 - first)
        whole = self.mass(mass) + self.charges(charge.clamp(max=self.charges.num_embeddings - 1))
        said = self.tokens(tokens) + first[..., None] * whole[:, None, None]
        there = (tokens != self.pad).long()
        places = there.cumsum(-1) * there + self.pad
        x = torch.cat([said, self.part(prefix), self.part(suffix)], dim=-1) + self.positions(places)
        out: Tensor = self.dropout(self.norm(x))
        return out * there[..., None]


class Axial(nn.Module):  # type: ignore[misc,unused-ignore]
    """PMD [B, rows] and RMD [B, rows, columns] of candidates, as predicted from their spectra."""

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

    def forward(
        self, mz: Tensor, intensity: Tensor, mass: Tensor, charge: Tensor, tokens: Tensor, prefix: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Peaks [B, peaks] padded with zeros; the precursors' ``mass`` in Da and ``charge`` [B]; ``tokens`` and their
        ``prefix`` masses [B, rows, columns], padded. Rows of padding alone have a PMD of infinity."""
        memory, nothing = self.encoder(mz, intensity, mass)
        padding = tokens == self.shape.pad
        x = self.embedding(tokens, prefix, mass, charge)
        for layer in self.layers:
            x = layer(x, padding, memory, nothing)
        pmd = self.whole(x[:, :, 0])[..., 0].float()
        return pmd.masked_fill(padding.all(-1), torch.inf), self.local(x)[..., 0].float()

    def save(self, folder: str | Path) -> None:
        """The shape as JSON and the weights as safetensors."""
        save(self, asdict(self.shape), Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Axial:
        """A saved model, ready to judge. Raises ModelError where the folder holds none."""
        found: Axial = load(cls, lambda said: cls(Shape(**said)), Path(folder))
        return found


def save(model: Any, config: dict[str, Any], folder: Path) -> None:
    """A model's configuration and weights in a folder, which is made."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    stated = {"kind": type(model).__name__, **config}
    (folder / CONFIG).write_text(json.dumps(stated, indent=2) + "\n", encoding="utf-8")
    declare(folder, model.kind)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / WEIGHTS)


def load(kind: type[nn.Module], make: Callable[[dict[str, Any]], Any], folder: Path) -> Any:
    """The model that ``make`` gives of a configuration, with the weights of a folder. Raises ModelError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(f"{folder}: no model of peptides: it has no {name} (a folder of 'anyrank peptides train')")
    try:
        said = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if (found := said.pop("kind")) != kind.__name__:
            raise ModelError(f"{folder}: holds a model of kind {found}, not {kind.__name__}")
        model = make(said)
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder}: the model can't be read: {' '.join(str(error).split())[:300]}") from error
    return model.eval()
