"""EfficientNet-Lite: a small convolutional tower for pictures (Tan and Le, arXiv 1905.11946; the "lite" shapes have
ReLU6 and no squeeze-and-excitation).

Names of parameters are those of the published weights, padding is TensorFlow's "same", which the weights were trained
with: of an odd sum one more pixel at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Blocks = Sequence[Sequence[int]]
"""Rows of (repeats, kernel, stride, expansion, channels)."""
LITE0 = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
EPSILON, MOMENTUM = 1e-3, 0.01


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of a tower: the channels of its first and last layer, and its blocks between; by default Lite0's."""

    stem: int = 32
    head: int = 1280
    blocks: Blocks = LITE0


class Same(nn.Conv2d):  # type: ignore[misc,unused-ignore]
    """A convolution without bias whose output is ceil(input / stride) wide."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inside, outside, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        missing = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size, self.stride):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            missing += [total // 2, total - total // 2]
        out: Tensor = self._conv_forward(F.pad(x, missing) if any(missing) else x, self.weight, None)
        return out


class Block(nn.Module):  # type: ignore[misc,unused-ignore]
    """An inverted bottleneck: channels are expanded, each is filtered by itself, and they are projected back."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inside * expansion
        self.expands = expansion > 1
        if self.expands:
            self._expand_conv = Same(inside, wide, 1)
            self._bn0 = norm(wide)
        self._depthwise_conv = Same(wide, wide, kernel, stride, groups=wide)
        self._bn1 = norm(wide)
        self._project_conv = Same(wide, outside, 1)
        self._bn2 = norm(outside)
        self.adds = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        out: Tensor = self._bn2(self._project_conv(y))
        return x + out if self.adds else out


class EfficientNetLite(nn.Module):  # type: ignore[misc,unused-ignore]
    """Pictures [n, 3, height, width], about -1 to 1, to vectors [n, head]: the mean over the last layer's positions."""

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        shape = Shape() if shape is None else shape
        self._conv_stem = Same(3, shape.stem, 3, 2)
        self._bn0 = norm(shape.stem)
        blocks, inside = [], shape.stem
        for repeats, kernel, stride, expansion, outside in shape.blocks:
            for i in range(repeats):
                blocks.append(Block(inside, outside, kernel, 1 if i else stride, expansion))
                inside = outside
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = Same(inside, shape.head, 1)
        self._bn1 = norm(shape.head)

    def forward(self, pictures: Tensor) -> Tensor:
        pictures = pictures.contiguous(memory_format=torch.channels_last)  # about a third faster on a CPU
        x = F.relu6(self._bn0(self._conv_stem(pictures)))
        for block in self._blocks:
            x = block(x)
        out: Tensor = F.relu6(self._bn1(self._conv_head(x))).mean((2, 3))
        return out


def norm(channels: int) -> nn.BatchNorm2d:
    """A batch normalisation with TensorFlow's settings."""
    return nn.BatchNorm2d(channels, eps=EPSILON, momentum=MOMENTUM)
