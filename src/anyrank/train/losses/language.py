"""Losses over the tokens of a language model that writes a ranking, and their sum with a rank loss.

Logits [batch, length, vocabulary] are aligned with the tokens that they predict: for a causal model, ``logits[:, :-1]``
with ``tokens[:, 1:]``. Tokens [batch, length] of ``IGNORED`` (prompt and padding) have no effect.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .shared import LOW, gaps, order, ready

IGNORED = -100
"""The token that is no target, as in transformers."""

RANK_WEIGHTS = {"ranknet_weighted": 10.0, "listnet": 0.1}
"""FIRST's factors of rank losses beside the language-model loss; 1 for all others."""


def language_loss(logits: Tensor, tokens: Tensor, weights: Tensor | None = None, *, smoothing: float = 0.0) -> Tensor:
    """Sum of w_t * -log p(token_t), over the **number** of target tokens in the batch (not over the weights).

    Weights [batch, length] are 1 unless given; with ``importance_weights`` it is the importance-aware loss of full
    ranking (arXiv 2412.14574). ``smoothing`` spreads that share of the target over the vocabulary (BRIO: .1).

    >>> import math
    >>> logits = torch.tensor([[[0., math.log(3)], [0., 0.]]])
    >>> round(float(language_loss(logits, torch.tensor([[1, IGNORED]]), torch.tensor([[2., 9.]]))), 6)
    0.575364
    """
    flat = _wide(logits).flatten(0, 1)
    loss = F.cross_entropy(
        flat, tokens.flatten(), ignore_index=IGNORED, reduction="none", label_smoothing=smoothing
    ).view_as(tokens)
    return _weighted(loss, tokens, weights)


def unlikelihood(logits: Tensor, tokens: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean over target tokens of -log(1 - p(token_t)), for text that the model should not write (arXiv 1908.04319).

    Computed from the logits of all the other tokens, so that it stays exact, and its gradient finite, if p
    rounds to 1. 0 if p is 0; used beside ``language_loss`` of the right text.

    In no recipe: a listwise training has an order that is right, and no text that is wrong throughout (the tokens of a
    worse order are right elsewhere). If there is one, such as a query under a passage that doesn't answer it, a loop of
    one's own can minimise ``language_loss(logits_right, query) + unlikelihood(logits_wrong, query)``.

    >>> import math
    >>> round(float(unlikelihood(torch.tensor([[[0., math.log(3)]]]), torch.tensor([[1]]))), 6)
    1.386294
    """
    logits = _wide(logits)
    others = logits.scatter(2, tokens.clamp(min=0)[:, :, None], LOW)
    loss = torch.logsumexp(logits, 2) - torch.logsumexp(others, 2)
    return _weighted(loss, tokens, weights)


def importance_weights(tokens: Tensor, separator: int) -> Tensor:
    """Weights [batch, length] of the tokens of "[3] > [1] > [2]": 1 + 1 / log2(rank + 1), separators 1.

    All tokens of one identifier, brackets too, share its weight: 2, 1.631, 1.5, … 1.289 (10th),
    … 1.150 (100th); full ranking, arXiv 2412.14574.
    ``separator`` is the id of " >"; ignored tokens get 0.

    >>> prompt, left, right, more = IGNORED, 91, 93, 62
    >>> line = [prompt, left, 3, right, more, left, 1, right, more, left, 2, right]
    >>> [round(w, 3) for w in importance_weights(torch.tensor([line]), more)[0].tolist()]
    [0.0, 2.0, 2.0, 2.0, 1.0, 1.631, 1.631, 1.631, 1.0, 1.5, 1.5, 1.5]
    """
    between = tokens == separator
    rank = 1 + between.cumsum(-1)
    weights = (1 + 1 / torch.log2(1.0 + rank)).masked_fill(between, 1.0)
    return weights.masked_fill(tokens == IGNORED, 0.0)


def own_targets(scores: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
    """FIRST's targets: the model's own scores, reassigned by falling label, as constants (arXiv 2406.15657).
    Candidates of one label share the mean of theirs (ours: the paper has no ties), so that they make no pair.

    Labels for the rank losses that look at the size of labels (``listnet``, ``ranknet_difference``, …) when only the
    gold order is known. 0 in the padding.

    >>> own_targets(torch.tensor([[2, .5, 1, -1]]), torch.tensor([[3, 4, 2, 1]])).tolist()
    [[1.0, 2.0, 0.5, -1.0]]
    """
    s, y, real = ready(scores.detach(), labels, mask)
    falling = s.gather(1, order(s, y, real))  # the highest score goes to the highest label, and so on
    targets = torch.zeros_like(s).scatter(1, order(y, s, real), falling)
    tied = ((gaps(y) == 0) & real[:, None, :]).to(s)
    return ((tied * targets[:, None, :]).sum(2) / tied.sum(2).clamp(min=1)).masked_fill(~real, 0)


def combine(lm: Tensor, rank: Tensor, weight: float = 1.0) -> tuple[Tensor, int]:
    """FIRST's joint loss lm + weight * rank, and 1 if the rank loss was not finite and was left out, else 0.

    The weight of a loss by name is ``RANK_WEIGHTS.get(name, 1.0)``. The caller sums the second number, so that
    skipped losses are seen.

    >>> import math
    >>> combine(torch.tensor(2.), torch.tensor(.5), 10.0)
    (tensor(7.), 0)
    >>> combine(torch.tensor(2.), torch.tensor(math.nan), 10.0)
    (tensor(2.), 1)
    """
    return (lm + weight * rank, 0) if bool(torch.isfinite(rank)) else (lm, 1)


def _wide(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


def _weighted(loss: Tensor, tokens: Tensor, weights: Tensor | None) -> Tensor:
    target = tokens != IGNORED
    loss = loss if weights is None else loss * weights.to(loss)
    return loss.masked_fill(~target, 0).sum() / target.sum().clamp(min=1)
