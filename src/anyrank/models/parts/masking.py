"""Masked tokens for training by masked language modelling (BERT, arXiv 1810.04805)."""

from __future__ import annotations

import torch
from torch import Tensor

SHARE = 0.15
"""The share of the tokens that are predicted: 80% of them masked, 10% replaced by another, 10% left."""


def mask(ids: Tensor, special: Tensor, mask_id: int, words: int, share: float = SHARE) -> tuple[Tensor, Tensor]:
    """Token ids [texts, tokens] with some masked or replaced, and which are to be predicted."""
    chosen = (torch.rand(ids.shape, device=ids.device) < share) & ~special.bool()
    how = torch.rand(ids.shape, device=ids.device)
    other = torch.randint(words, ids.shape, device=ids.device)
    out = torch.where(chosen & (how < 0.8), torch.full_like(ids, mask_id), ids)
    return torch.where(chosen & (how >= 0.8) & (how < 0.9), other, out), chosen
