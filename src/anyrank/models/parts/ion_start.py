"""Initial weights that look for fragment ions: our own, for training on hundreds of spectra instead of RankNovo's eight
million.

Two heads of the first layer's attention to the spectrum are set to attend, from every prefix, to its b and its y ion,
and to write the difference between the peak and the expected ion. Training may change all of it; the architecture is as
published.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...core.errors import InputError
from ..axial import Shape
from .axial_attention import AxialLayer
from .spectrum_encoder import SpectrumEncoder, Waves

PROTON = 1.00727646688
SHARP, CALM = 3.0, 0.1
"""Factors of the two heads' queries, and of the spectrum encoder's blocks."""


def look_for_ions(shape: Shape, encoder: SpectrumEncoder, layer: AxialLayer) -> None:
    """Set the weights in place. Raises InputError if the shape's heads can't hold the waves.

    Waves of a mass and of the same mass plus a proton differ by a fixed linear map (`wave_shift`), so a query that is
    the shifted prefix mass has its largest product with the peak at the ion's m/z.
    """
    part, head = shape.width // 4, shape.width // shape.heads
    if not shape.shared or not 2 <= shape.heads <= 4 or shape.width % 8:
        raise InputError(f"a start at ions needs shared waves, 2 to 4 heads and a width that 8 divides, not {shape}")
    attention = layer.spectrum.attention
    queries, keys, values = (attention.in_proj_weight[i * shape.width :][: shape.width] for i in range(3))
    with torch.no_grad():
        # The encoder changes little at first, so that the memory still holds the peaks' own waves.
        for block in encoder.layers.layers:
            block.self_attn.out_proj.weight.mul_(CALM)
            block.linear2.weight.mul_(CALM)
        peak = nn.functional.pad(torch.eye(part), (0, shape.width - part))  # reads the waves of a peak's m/z
        for i in range(2):  # head 0 looks for the b ion of the prefix mass, head 1 for the y ion of the suffix mass
            first = (2 + i) * part
            inside, mass = slice(i * head, i * head + part), slice(first, first + part)
            for weights in (queries, keys):
                weights[inside] = 0.0
            keys[inside] = peak
            queries[inside, mass] = SHARP * wave_shift(encoder.waves, PROTON)
            # The peak's waves, shifted back by the proton, are subtracted from those of the mass.
            values[inside] = peak
            attention.out_proj.weight[:, inside] = 0.0
            attention.out_proj.weight[mass, inside] = -0.4 * wave_shift(encoder.waves, -PROTON)


def wave_shift(waves: Waves, by: float) -> Tensor:
    """The matrix that takes the waves of a mass to those of ``by`` Da more."""
    cos, sin = (torch.diag(f(by / waves.sines)) for f in (torch.cos, torch.sin))
    return torch.cat([torch.cat([cos, sin], 1), torch.cat([-sin, cos], 1)], 0).float()
