"""The contract suite of ranking losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Grad = Callable[[Any, Any, Any], tuple[float, Any]]


def check_loss(loss: Callable[..., Any], grades: Sequence[float] = (0, 1, 2, 3), seeds: int = 3) -> None:
    """Check a loss (scores, labels, mask) -> scalar: it doesn't depend on the order of candidates or on the padding, is
    the mean over the groups that have something to compare, finite in value and gradient at scores of 1e4, and 0
    without a candidate; a small step down its gradient lowers it, and raises the better of two misplaced candidates.

    ``grades``: labels to draw from, the lowest and the highest in every group. Needs torch; raises AssertionError.
    """
    import torch

    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        groups = []
        for n in (2, 3, 6, 9):
            scores = torch.randn(n, generator=generator, dtype=torch.float64) * 2
            drawn = [float(grades[i]) for i in torch.randint(len(grades), (n - 2,), generator=generator).tolist()]
            labels = torch.tensor([float(min(grades)), *drawn, float(max(grades))], dtype=torch.float64)
            groups.append((scores, labels[torch.randperm(n, generator=generator)]))
            groups.append((scores.round(), labels))
        grad = _grad(loss)
        for scores, labels in groups:
            value_and_slope = grad(scores[None], labels[None], None)
            for shuffle in (torch.arange(len(scores)).flip(0), torch.randperm(len(scores), generator=generator)):
                _shuffled(grad, scores, labels, shuffle, *value_and_slope)
            _padded(grad, scores, labels, *value_and_slope)
            _step(grad, scores, labels, *value_and_slope)
            _extremes(grad, labels)
        _batch(grad, groups)
        _nothing(grad, torch.tensor([grades[0], grades[-1]]).double())
    _lifts(grad, float(min(grades)), float(max(grades)))


def _grad(loss: Callable[..., Any]) -> Grad:
    def call(scores: Any, labels: Any, mask: Any) -> tuple[float, Any]:
        scores = scores.clone().requires_grad_()
        value = loss(scores, labels, mask)
        assert value.shape == (), f"a loss is a scalar, not of shape {list(value.shape)}"
        assert value.requires_grad, "no gradient reaches the scores"
        value.backward()
        assert value.isfinite(), f"the loss is {value.item()} at scores {scores.tolist()}"
        assert scores.grad.isfinite().all(), f"the gradient is {scores.grad.tolist()} at scores {scores.tolist()}"
        return value.item(), scores.grad

    return call


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-9 * max(1.0, abs(one), abs(other))


def _shuffled(grad: Grad, scores: Any, labels: Any, shuffle: Any, value: float, slope: Any) -> None:
    again, moved = grad(scores[None, shuffle], labels[None, shuffle], None)
    assert _close(value, again), f"{value} becomes {again} when the candidates are shuffled"
    if len(scores.unique()) == len(scores):  # of two candidates alike in all, either may be the one that moves
        assert (slope[0, shuffle] - moved[0]).abs().max() < 1e-9, (
            "the gradient changes when the candidates are shuffled"
        )


def _padded(grad: Grad, scores: Any, labels: Any, value: float, slope: Any) -> None:
    real = scores.new_zeros((1, len(scores) + 2)).bool()
    real[0, 1:-1] = True
    for rubbish in (0.0, 1e30, float("nan")):
        wide = [t.new_full((1, len(t) + 2), rubbish).masked_scatter(real, t) for t in (scores, labels)]
        padded, pulled = grad(wide[0], wide[1], real)
        assert _close(value, padded), f"{value} becomes {padded} with {rubbish} in the padding"
        assert not pulled[~real].any(), "the padding has a gradient"
        assert (pulled[real] - slope[0]).abs().max() < 1e-9, f"{rubbish} in the padding changes the gradient"


def _step(grad: Grad, scores: Any, labels: Any, value: float, slope: Any) -> None:
    """A small step down the gradient lowers the loss; equal scores may be at a kink of the loss and are left out."""
    rate = 1e-5
    if len(scores.unique()) == len(scores) and rate * float(slope.square().sum()) > 1e-10:
        after, _ = grad(scores[None] - rate * slope, labels[None], None)
        assert after < value, f"a step down the gradient took the loss from {value} to {after}"


def _extremes(grad: Grad, labels: Any) -> None:
    """Scores of 1e4, right, wrong and all alike, in 32 bits."""
    steps = (labels - labels.min()) / (labels.max() - labels.min()) * 2e4 - 1e4
    for scores in (steps, -steps, steps * 0, steps * 0 + 1e4, steps * 0 - 1e4):
        grad(scores[None].float(), labels[None].float(), None)


def _batch(grad: Grad, groups: Sequence[tuple[Any, Any]]) -> None:
    """Groups of unequal size with an empty one between: the mean of the groups alone."""
    width = max(len(s) for s, _ in groups)
    scores, labels = (groups[0][0].new_zeros((len(groups) + 1, width)) for _ in range(2))
    mask = scores.bool()
    for row, (s, y) in enumerate(groups, start=1):
        scores[row, : len(s)], labels[row, : len(s)], mask[row, : len(s)] = s, y, True
    whole, _ = grad(scores, labels, mask)
    mean = sum(grad(s[None], y[None], None)[0] for s, y in groups) / len(groups)
    assert _close(whole, mean), f"a batch gives {whole}, its groups {mean} on average"


def _nothing(grad: Grad, labels: Any) -> None:
    """Nothing real is 0; one candidate alone is finite."""
    scores = labels.flip(0)[None]
    value, slope = grad(scores, labels[None], scores.isnan())
    assert value == 0, f"a group without candidates has a loss of {value}"
    assert not slope.any(), "a group without candidates has a gradient"
    grad(scores[:, :1], labels[None, :1], None)


def _lifts(grad: Grad, low: float, high: float) -> None:
    """Of two candidates in the wrong order, the step raises the better against the worse."""
    import torch

    labels = torch.tensor([[high, low]], dtype=torch.float64)
    scores = torch.tensor([[-0.5, 0.5]], dtype=torch.float64) + (high + low) / 2
    _, slope = grad(scores, labels, None)
    assert slope[0, 0] < slope[0, 1], f"the step would part a misplaced pair further: gradient {slope[0].tolist()}"
