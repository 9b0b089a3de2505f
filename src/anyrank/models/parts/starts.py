"""A start that knows where ions are: our own, for training on hundreds of spectra where RankNovo had eight million.

At the start two heads of the first layer's attention to the spectrum look, from every prefix, for its b and its y ion,
and write how the peak found differs from what was looked for. All of it is free to change in training; the
architecture is as published.
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


def look_for_ions(shape: Shape, encoder: SpectrumEncoder, layer: AxialLayer) -> None:
    """Set the weights in place. Raises InputError where the shape's heads can't hold the waves."""
    part, head = shape.width // 4, shape.width // shape.heads
    if not shape.shared or not 2 <= shape.heads <= 4 or shape.width % 8:
        raise InputError(f"a start at ions needs shared waves, 2 to 4 heads and a width that 8 divides, not {shape}")
    attention = layer.spectrum.attention
    queries, keys, values = (attention.in_proj_weight[i * shape.width :][: shape.width] for i in range(3))
    with torch.no_grad():
        for calm in encoder.layers.layers:
            calm.self_attn.out_proj.weight.mul_(CALM)
            calm.linear2.weight.mul_(CALM)
        found = nn.functional.pad(torch.eye(part), (0, shape.width - part))
        for at in range(2):
            first = (2 + at) * part  # where a candidate's prefix or suffix mass stands
            place, here = slice(at * head, at * head + part), slice(first, first + part)
            for weights in (queries, keys):
                weights[place] = 0.0
            keys[place] = found
            queries[place, here] = SHARP * turned(encoder.waves, PROTON)
            values[place] = found  # a proton less, it is taken from what was looked for
            attention.out_proj.weight[:, place] = 0.0
            attention.out_proj.weight[here, place] = -0.4 * turned(encoder.waves, -PROTON)


def turned(waves: Waves, by: float) -> Tensor:
    """The matrix that takes the waves of a mass to those of ``by`` Da more."""
    cos, sin = (torch.diag(f(by / waves.sines)) for f in (torch.cos, torch.sin))
    return torch.cat([torch.cat([cos, sin], 1), torch.cat([-sin, cos], 1)], 0).float()
