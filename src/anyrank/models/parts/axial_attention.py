"""Attention along the rows and the columns of an alignment of candidates (MSA Transformer, bioRxiv 2021.02.12.430858),
and the layer that RankNovo makes of both (arXiv 2505.17552).

Design choices: RankNovo's masks (-10000 added nothing to; keys by the first row's padding), but the tied logits are
divided by the root of the rows that are there, not of those that the batch has room for, so that a set of candidates is
judged the same whatever it is batched with. Without padded rows this is the published attention.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LITTLE = -10000.0


class _Attention(nn.Module):  # type: ignore[misc,unused-ignore]
    """Projections of an attention with ``heads`` heads."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:-1], self.heads, x.shape[-1] // self.heads)


class RowAttention(_Attention):
    """Attention within rows, one map for all of them: x [B, R, C, D] to the same. ``padding`` [B, R, C] is true where
    there is nothing."""

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        there = (~padding).any(-1).sum(-1).clamp(min=1)
        q, k, v = (self.split(p(x)) for p in (self.q_proj, self.k_proj, self.v_proj))
        q = q * ~padding[..., None, None]
        logits = torch.einsum("brihd,brjhd->bhij", q, k) * q.shape[-1] ** -0.5
        logits = logits / there.sqrt()[:, None, None, None]
        logits = logits.masked_fill(padding[:, 0][:, None, None, :], LITTLE)
        shares = self.dropout(logits.softmax(-1))
        out: Tensor = self.out_proj(torch.einsum("bhij,brjhd->brihd", shares, v).flatten(-2))
        return out


class ColumnAttention(_Attention):
    """Attention within columns, candidate by candidate: as `RowAttention` takes and gives them. One row alone looks
    only at itself."""

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        v = self.split(self.v_proj(x))
        out: Tensor
        if x.shape[1] == 1:
            out = self.out_proj(v.flatten(-2))
            return out
        q, k = self.split(self.q_proj(x)), self.split(self.k_proj(x))
        logits = torch.einsum("bichd,bjchd->bchij", q, k) * q.shape[-1] ** -0.5
        logits = logits.masked_fill(padding.mT[:, :, None, None, :], LITTLE)
        shares = self.dropout(logits.softmax(-1))
        out = self.out_proj(torch.einsum("bchij,bjchd->bichd", shares, v).flatten(-2))
        return out


class SpectrumAttention(nn.Module):  # type: ignore[misc,unused-ignore]
    """Every place of every row looks at the spectrum, which all rows share: x [B, R, C, D], memory [B, peaks, D]."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)

    def forward(self, x: Tensor, memory: Tensor, nothing: Tensor) -> Tensor:
        found: Tensor
        found, _ = self.attention(x.flatten(1, 2), memory, memory, key_padding_mask=nothing, need_weights=False)
        return found.view_as(x)


class AxialLayer(nn.Module):  # type: ignore[misc,unused-ignore]
    """Pre-norm blocks, each added to what it gets: tied rows, columns, the spectrum, and a feed-forward net (GELU).
    ``rows`` and ``columns`` leave out the one or the other."""

    def __init__(
        self, width: int, heads: int, ffn: int, dropout: float, columns: bool = True, rows: bool = True
    ) -> None:
        super().__init__()
        self.row = RowAttention(width, heads, dropout) if rows else None
        self.column = ColumnAttention(width, heads, dropout) if columns else None
        self.spectrum = SpectrumAttention(width, heads, dropout)
        self.ffn = nn.Sequential(nn.Linear(width, ffn), nn.GELU(), nn.Dropout(dropout), nn.Linear(ffn, width))
        self.norms = nn.ModuleDict({name: nn.LayerNorm(width) for name in ("row", "column", "spectrum", "ffn")})
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, padding: Tensor, memory: Tensor, nothing: Tensor) -> Tensor:
        for name, block in (("row", self.row), ("column", self.column)):
            if block is not None:
                x = x + self.dropout(block(self.norms[name](x), padding))
        x = x + self.dropout(self.spectrum(self.norms["spectrum"](x), memory, nothing))
        last: Tensor = self.dropout(self.ffn(self.norms["ffn"](x)))
        return x + last
