"""Attention along the rows and the columns of an alignment of candidates (MSA Transformer, bioRxiv 2021.02.12.430858),
and the layer that RankNovo makes of both (arXiv 2505.17552).

Design choices: RankNovo's masks (logits of -10000; keys masked by the padding of the first row), but the tied logits
are divided by the root of the number of real rows, not of all rows of the batch, so that a set of candidates has the
same scores in any batch. Without padded rows this is the published attention.

Dimensions: B sets, R rows (candidates), C columns (positions), D width, h heads, d width of a head.
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
    """Attention along the rows with one map for all of them (tied): x [B, R, C, D] to the same shape. ``padding``
    [B, R, C] is True at padding."""

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        real_rows = (~padding).any(-1).sum(-1).clamp(min=1)  # [B]
        q, k, v = (self.split(p(x)) for p in (self.q_proj, self.k_proj, self.v_proj))
        # The map is the sum of all rows' logits: padded queries are zeroed first, and the sum is divided by the root of
        # the number of rows, as a row's logits are by the root of the head's width.
        q = q * ~padding[..., None, None]
        logits = torch.einsum("brihd,brjhd->bhij", q, k) * q.shape[-1] ** -0.5
        logits = logits / real_rows.sqrt()[:, None, None, None]
        logits = logits.masked_fill(padding[:, 0][:, None, None, :], LITTLE)
        shares = self.dropout(logits.softmax(-1))
        out: Tensor = self.out_proj(torch.einsum("bhij,brjhd->brihd", shares, v).flatten(-2))
        return out


class ColumnAttention(_Attention):
    """Attention along the columns, between the candidates at one position; shapes as in `RowAttention`. A single row
    attends only to itself."""

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
    """Cross-attention of every position of every row to the spectrum, which all rows share: x [B, R, C, D], memory
    [B, peaks, D] and its ``padding`` [B, peaks]."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)

    def forward(self, x: Tensor, memory: Tensor, padding: Tensor) -> Tensor:
        out: Tensor
        # rows and columns as one long sequence of queries
        out, _ = self.attention(x.flatten(1, 2), memory, memory, key_padding_mask=padding, need_weights=False)
        return out.view_as(x)


class AxialLayer(nn.Module):  # type: ignore[misc,unused-ignore]
    """Pre-norm residual blocks: tied row attention, column attention, attention to the spectrum, and a feed-forward net
    (GELU). Without ``rows`` or ``columns`` that block is left out."""

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

    def forward(self, x: Tensor, padding: Tensor, memory: Tensor, memory_padding: Tensor) -> Tensor:
        for name, block in (("row", self.row), ("column", self.column)):
            if block is not None:
                x = x + self.dropout(block(self.norms[name](x), padding))
        x = x + self.dropout(self.spectrum(self.norms["spectrum"](x), memory, memory_padding))
        last: Tensor = self.dropout(self.ffn(self.norms["ffn"](x)))
        return x + last
