"""Masses as waves, and the transformer that reads a spectrum (RankNovo, arXiv 2505.17552; the waves are depthcharge's).

Design choices: phases are computed in double precision, since the shortest wave is a thousandth of a dalton, of which
single precision loses a twentieth at 500 Da (RankNovo computes in single: ``exact=False``); post-norm layers, as torch
has them; two tokens beside the peaks, of mass 0 and of the precursor's mass, with learned intensities.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Waves(nn.Module):  # type: ignore[misc,unused-ignore]
    """Sines and cosines [..., width] of masses in Da, of wavelengths that grow geometrically.

    >>> Waves(4, 4.0, 400.0)(torch.tensor([1.0])).round(decimals=3)
    tensor([[1.0000, 0.0160, 0.0000, 1.0000]])
    """

    sines: Tensor
    cosines: Tensor

    def __init__(self, width: int, shortest: float = 0.001, longest: float = 10000.0, exact: bool = True) -> None:
        super().__init__()
        self.exact = exact
        for name, n in (("sines", width // 2), ("cosines", width - width // 2)):
            steps = torch.arange(n, dtype=torch.float64) / max(n - 1, 1)
            lengths = shortest / (2 * math.pi) * (longest / shortest) ** steps
            self.register_buffer(name, lengths, persistent=False)

    def forward(self, masses: Tensor) -> Tensor:
        kind = torch.float64 if self.exact else torch.float32
        x = masses.to(kind)[..., None]
        return torch.cat([torch.sin(x / self.sines.to(kind)), torch.cos(x / self.cosines.to(kind))], dim=-1).float()


class SpectrumEncoder(nn.Module):  # type: ignore[misc,unused-ignore]
    """Memory [B, 2 + peaks, width] of spectra, and its padding mask [B, 2 + peaks], True at padding.

    ``waves``: the features of an m/z, at most ``width``; the rest of the width is zeros.
    """

    def __init__(
        self, width: int, heads: int, ffn: int, layers: int, dropout: float, waves: int, shortest: float, longest: float
    ) -> None:
        super().__init__()
        self.fill = width - waves
        self.waves = Waves(waves, shortest, longest)
        self.intensity = nn.Linear(1, width, bias=False)
        self.extra = nn.Parameter(torch.ones(2))
        layer = nn.TransformerEncoderLayer(width, heads, ffn, dropout, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    def forward(self, mz: Tensor, intensity: Tensor, mass: Tensor) -> tuple[Tensor, Tensor]:
        """``mz`` and ``intensity`` [B, peaks], padded with zeros; ``mass`` [B], the precursors' in Da."""
        padding = nn.functional.pad(mz + intensity == 0, (2, 0), value=False)
        masses = torch.cat([torch.zeros_like(mass)[:, None], mass[:, None], mz], dim=1)
        heights = torch.cat([self.extra.expand(len(mz), 2), intensity.float()], dim=1)
        peaks = nn.functional.pad(self.waves(masses), (0, self.fill)) + self.intensity(heights[..., None])
        return self.layers(peaks, src_key_padding_mask=padding), padding
