"""What models of words share: matrices of similarities, Gaussian kernels, k-max pooling, convolution and pooling that
padding doesn't change. Shapes: pairs are the first axis; ``real`` is 1 at words and 0 at padding."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAST = 1e-10
"""Where logarithms are clamped."""


def kernel_centres(count: int) -> tuple[list[float], list[float]]:
    """The means and widths of ``count`` kernels: one of exact matches (mean 1, width .001), the others evenly from
    the best match down, of width .1.

    >>> [round(m, 2) for m in kernel_centres(11)[0]]
    [1.0, 0.9, 0.7, 0.5, 0.3, 0.1, -0.1, -0.3, -0.5, -0.7, -0.9]
    """
    step = 2 / (count - 1)
    return [1.0, *(1 - step / 2 - step * i for i in range(count - 1))], [0.001, *[0.1] * (count - 1)]


def cosines(query: Tensor, text: Tensor) -> Tensor:
    """The cosines [pairs, n, m] of vectors [pairs, n, dim] and [pairs, m, dim]; 0 where a vector is 0."""
    return functional.normalize(query, dim=-1) @ functional.normalize(text, dim=-1).mT


def kernel_sums(matrix: Tensor, real: Tensor, mu: Sequence[float], sigma: Sequence[float]) -> Tensor:
    """Sums over the text of Gaussian kernels of similarities: [pairs, n, kernels] of a matrix [pairs, n, m]; ``real``
    [pairs, m] is that of the text.

    >>> kernel_sums(torch.tensor([[[1.0, 0.5, 0.5]]]), torch.tensor([[1.0, 1.0, 0.0]]), [0.5], [0.1]).round(decimals=4)
    tensor([[[1.]]])
    """
    out = []  # one kernel at a time: all together take eleven times the memory of the matrix
    for m, s in zip(mu, sigma):
        out.append((torch.exp(-((matrix - m) ** 2) / (2 * s**2)) * real[:, None]).sum(-1))
    return torch.stack(out, dim=-1)


def kernel_head(inputs: int) -> nn.Linear:
    """The weights of logarithms of kernels, and of what stands beside them. They begin within .014 of 0: the logarithms
    are up to 23 a query word, and the usual beginning would set scores so far apart that a loss sees one text alone."""
    head = nn.Linear(inputs, 1)
    nn.init.uniform_(head.weight, -0.014, 0.014)
    return head


def k_max(values: Tensor, real: Tensor, k: int) -> Tensor:
    """The k largest values of the last axis, the largest first, 0 where there are fewer; ``real`` has the shape of
    ``values``, or broadcasts to it.

    >>> k_max(torch.tensor([[0.2, -0.5, 0.9]]), torch.tensor([[1.0, 1.0, 0.0]]), 3)
    tensor([[ 0.2000, -0.5000,  0.0000]])
    """
    masked = values.masked_fill(real.expand_as(values) == 0, -torch.inf)
    if masked.shape[-1] < k:
        masked = functional.pad(masked, (0, k - masked.shape[-1]), value=-torch.inf)
    top = masked.topk(k, dim=-1).values
    return top.masked_fill(top == -torch.inf, 0.0)


def largest(values: Tensor, real: Tensor, dim: int) -> Tensor:
    """The maximum along an axis of what is no padding; 0 if all is."""
    top = values.masked_fill(real.expand_as(values) == 0, -torch.inf).amax(dim)
    return top.masked_fill(top == -torch.inf, 0.0)


def ngrams(layer: Any, vectors: Tensor, real: Tensor) -> Tensor:
    """A convolution over words, padded with zeros on the right: [pairs, n, filters] of [pairs, n, dim]. Padding is 0 in
    the result too."""
    size = layer.kernel_size[0]
    out: Tensor = layer(functional.pad(vectors.mT, (0, size - 1))).mT
    return torch.relu(out) * real[..., None]


def even_shares(real: Tensor, parts: int) -> Tensor:
    """Averages of ``parts`` even ranges of the words as a matrix [pairs, parts, n], by which a matrix of any length is
    pooled to a fixed size; a range without words takes the nearest one before it.

    >>> even_shares(torch.tensor([[1.0, 1.0, 1.0, 1.0, 0.0]]), 2)
    tensor([[[0.5000, 0.5000, 0.0000, 0.0000, 0.0000],
             [0.0000, 0.0000, 0.5000, 0.5000, 0.0000]]])
    """
    length = real.sum(-1, keepdim=True)[..., None]  # [pairs, 1, 1]
    part = torch.arange(parts, device=real.device)[None, :, None]
    start, stop = (part * length / parts).floor(), ((part + 1) * length / parts).ceil()
    at = torch.arange(real.shape[-1], device=real.device)
    inside = ((at >= start) & (at < stop)).to(real.dtype) * real[:, None]
    return inside / inside.sum(-1, keepdim=True).clamp(min=1.0)


def masked_softmax(logits: Tensor, real: Tensor) -> Tensor:
    """Softmax over the last axis of what is no padding; zeros if all is."""
    weights = torch.softmax(logits.masked_fill(real == 0, -1e9), dim=-1) * real
    return weights / weights.sum(-1, keepdim=True).clamp(min=1e-9)


def perceptron(*sizes: int) -> nn.Sequential:
    """Linear layers with ReLU between them: ``perceptron(10, 32, 1)`` has two."""
    layers: list[nn.Module] = []
    for n, m in pairwise(sizes):
        layers += [nn.Linear(n, m), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
