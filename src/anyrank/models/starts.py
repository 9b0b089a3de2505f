"""A start that knows where ions are: our own, for training on hundreds of spectra where RankNovo had eight million.

At the start the first layer's attention to the spectrum looks, from every prefix, for the b ion (head 0), the y ion
(head 1) and, where waves double in length, both doubly charged (heads 2 and 3); heads 0 and 1 write how the peak found
differs from what was looked for. All is free to change in training; the architecture is as published.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.errors import InputError
from .axial import Shape
from .axial_attention import AxialLayer
from .spectrum_encoder import SpectrumEncoder, Waves

PROTON = 1.00727646688
SHARP, CALM = 3.0, 0.1


def look_for_ions(shape: Shape, encoder: SpectrumEncoder, layer: AxialLayer) -> None:
    """Set the weights in place. Raises InputError where the shape's heads can't hold the waves."""
    part, head = shape.width // 4, shape.width // shape.heads
    if not shape.shared or head < part:
        raise InputError(f"a start at ions needs shared waves and at most 4 heads, not {shape.heads}")
    attention = layer.spectrum.attention
    queries, keys, values = (attention.in_proj_weight[i * shape.width :][: shape.width] for i in range(3))
    with torch.no_grad():
        for calm in encoder.layers.layers:
            calm.self_attn.out_proj.weight.mul_(CALM)
            calm.linear2.weight.mul_(CALM)
        found = nn.functional.pad(torch.eye(part), (0, shape.width - part))
        twice = bool(turned(encoder.waves, PROTON, doubled=True).any())
        for at in range(shape.heads if twice else min(shape.heads, 2)):
            first = (2 + at % 2) * part  # where a candidate's prefix or suffix mass stands
            place, here = slice(at * head, at * head + part), slice(first, first + part)
            for weights in (queries, keys):
                weights[place] = 0.0
            keys[place] = found
            queries[place, here] = SHARP * turned(encoder.waves, PROTON, doubled=at > 1)
            if at < 2:  # what was found, a proton less, is taken from what was looked for
                values[place] = found
                attention.out_proj.weight[:, place] = 0.0
                attention.out_proj.weight[here, place] = -0.4 * turned(encoder.waves, -PROTON)


def turned(waves: Waves, by: float, doubled: bool = False) -> Tensor:
    """The matrix that takes the waves of a mass to those of ``by`` Da more; with ``doubled``, to those of half the mass
    and ``by`` more, as far as some wave is twice as long as another."""
    n = len(waves.sines)
    phases = by / waves.sines
    shift = torch.eye(n, dtype=torch.float64)
    if doubled:
        lengths = waves.sines
        shift = ((lengths[None, :] / lengths[:, None] - 2).abs() < 1e-6).double()
    cos, sin = phases.cos()[:, None] * shift, phases.sin()[:, None] * shift
    return torch.cat([torch.cat([cos, sin], 1), torch.cat([-sin, cos], 1)], 0).float()
