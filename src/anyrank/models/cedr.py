"""CEDR: the cosines of query and text words in every layer of a transformer, read by KNRM, PACRR or DRMM beside the
[CLS] vector (arXiv 1904.07094).

    M_l = cos(query states, text states) of the embeddings and each layer l      c = mean of [CLS] over the chunks
    knrm   w . [sum_i log(K_k(M_l)_i + 1e-6); c]       K_k: Gaussian kernels with trained means and widths
    pacrr  MLP [the 2 largest of the largest of 32 filters of n x n words, for n of 1 to 3, of each query word; c]
    drmm   sum_i MLP [log(counts of M_l,i in 11 bins + 1e-5); c]

Design choices: a text longer than ``max_length`` with its query is read in the fewest parts of equal length, up to
``text_length`` tokens in all; a part's words are compared with the query as it is read beside them (the authors'
program takes the query's states of the first part); padding adds to no kernel or bin (there a kernel near 0 counts it).
Parts are read one chunk at a time, and only cosines and [CLS] of them stay in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ..core.content import text_of
from ..core.errors import InputError
from ..core.types import Candidate
from .parts.encoder_model import EncoderModel, cls_states
from .parts.interaction import cosines, k_max, kernel_centres, kernel_head
from .parts.pairs import QUERY, TEXT, Pair, equal_parts, read_pairs, row_chunks
from .parts.ragged import filled, gathered, member_mask, run_body, texts_of

Head = Literal["knrm", "pacrr", "drmm"]


class CEDR(EncoderModel):
    """Scores [B, n] of groups of texts; see `EncoderModel` for the arguments. ``query_length`` tokens of a query are
    read."""

    kind: ClassVar[str] = "cedr"

    def __init__(
        self,
        body: Any,
        tokenizer: Any,
        max_length: int = 256,
        *,
        head: Head = "knrm",
        query_length: int = 20,
        text_length: int = 800,
    ) -> None:
        super().__init__(body, tokenizer, max_length)
        heads = {"knrm": Kernels, "pacrr": TopGrams, "drmm": Histograms}
        if head not in heads:
            raise InputError(f"head={head!r}: choose {', '.join(heads)}")
        self.head, self.query_length, self.text_length = head, min(query_length, max_length // 2), text_length
        self.views = body.config.num_hidden_layers + 1
        self.read = heads[head](self.views, self.query_length, self.width)

    def features(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
        first = [q for q, group in zip(queries, candidates, strict=True) for _ in group]
        pairs = self._pairs(first, texts_of(candidates))
        return {
            "chunks": row_chunks([row for pair in pairs for row in pair.rows], self.tokenizer),
            "counts": torch.tensor([len(pair.rows) for pair in pairs]),
            "mask": member_mask(candidates),
        }

    def _pairs(self, queries: Sequence[Any], texts: Sequence[str]) -> list[Pair]:
        first = [text_of(q) for q in queries]
        return read_pairs(self.tokenizer, first, texts, self.max_length, self.query_length, self._parts)

    def _parts(self, n: int, room: int) -> list[tuple[int, int]]:
        return equal_parts(min(n, self.text_length), room)

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        return [
            sum(pair.cut for pair in self._pairs([q] * len(group), texts_of([group]))) if group else 0
            for q, group in zip(queries, candidates, strict=True)
        ]

    def forward(self, chunks: Sequence[Mapping[str, Tensor]], counts: Tensor, mask: Tensor) -> Tensor:
        """Scores [B, n], 0 at padding (``mask`` False)."""
        parts: list[tuple[Tensor, Tensor, Tensor]] = [(torch.empty(0),) * 3] * int(counts.sum())
        first = []
        for chunk in chunks:
            cls, matrices, words = self.compared(chunk)
            first.append(cls)
            for row, *mine in zip(chunk["rows"].tolist(), matrices, words, _text(chunk)):
                parts[row] = _trimmed(*mine)
        cls = gathered(first, [chunk["rows"] for chunk in chunks])
        scores, start = [], 0
        for count in counts.tolist():  # one text at a time: their lengths differ by far
            mine = parts[start : start + count]
            matrix = torch.cat([m for m, _, _ in mine], -1)[None]  # [1, views, query words, text words]
            query, text = mine[0][1][None], torch.cat([t for _, _, t in mine])[None]
            scores.append(self.read(matrix, query, text, cls[start : start + count].mean(0)[None]))
            start += count
        return filled(torch.cat(scores), mask)

    def compared(self, chunk: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """[CLS] of the last layer [pairs, width], cosines [pairs, views, query words, tokens] of all layers, 0 but at
        the text's tokens, and which of the query's words are real [pairs, query words]."""
        out = run_body(self.body, chunk, output_hidden_states=True)
        side = chunk["side"]
        with torch.autocast(side.device.type, enabled=False):
            states = torch.stack(out.hidden_states, 1).float()  # [pairs, views, tokens, width]
            query, real = _first_tokens(states, side == QUERY, self.query_length)
            text = states * (side == TEXT)[:, None, :, None]
            return cls_states(states[:, -1], chunk["attention_mask"]), cosines(query, text), real


def _text(chunk: Mapping[str, Tensor]) -> Tensor:
    return chunk["side"] == TEXT


def _trimmed(matrix: Tensor, query: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The matrix at the text's tokens, which are neighbours; the real words of query and text."""
    return matrix[..., text], query, text[text].float()


def _first_tokens(states: Tensor, wanted: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The states of the wanted tokens as [pairs, views, n, width], zeros behind them, and which are real [pairs, n]."""
    order = (~wanted).int().argsort(dim=1, stable=True)[:, :n]
    real = wanted.gather(1, order)
    at = order[:, None, :, None].expand(-1, states.shape[1], -1, states.shape[3])
    chosen = states.gather(2, at) * real[:, None, :, None]
    missing = n - chosen.shape[2]
    return nn.functional.pad(chosen, (0, 0, 0, missing)), nn.functional.pad(real, (0, missing)).float()


class Kernels(nn.Module):  # type: ignore[misc,unused-ignore]
    """KNRM's kernels with trained means and widths over all views (11 a view: -.9 … .9 and 1, widths .1 and .001)."""

    def __init__(self, views: int, query_length: int, width: int) -> None:
        super().__init__()
        mu, sigma = kernel_centres(11)
        self.mu, self.sigma = nn.Parameter(torch.tensor(mu)), nn.Parameter(torch.tensor(sigma))
        self.out = kernel_head(views * len(mu) + width)

    def forward(self, matrix: Tensor, query: Tensor, text: Tensor, cls: Tensor) -> Tensor:
        each = [self._kernel(matrix, m, s, text).sum(-1) for m, s in zip(self.mu, self.sigma)]
        sums = torch.stack(each, dim=-1)  # [texts, views, query words, kernels]
        pooled = ((sums + 1e-6).log() * query[:, None, :, None]).sum(2).flatten(1)
        scores: Tensor = self.out(torch.cat([pooled, cls], 1))[:, 0]
        return scores

    @staticmethod
    def _kernel(matrix: Tensor, mean: Tensor, width: Tensor, text: Tensor) -> Tensor:
        return torch.exp(-0.5 * ((matrix - mean) / width) ** 2) * text[:, None, None]


class TopGrams(nn.Module):  # type: ignore[misc,unused-ignore]
    """PACRR: for n x n windows, of the largest of 32 filters the two largest values of each query word."""

    def __init__(
        self, views: int, query_length: int, width: int, grams: int = 3, filters: int = 32, k: int = 2
    ) -> None:
        super().__init__()
        self.k = k
        self.layers = nn.ModuleList(nn.Conv2d(views, 32, n) for n in range(1, grams + 1))
        self.out = nn.Sequential(
            nn.Linear(query_length * grams * k + width, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1)
        )

    def forward(self, matrix: Tensor, query: Tensor, text: Tensor, cls: Tensor) -> Tensor:
        tops = []
        for n, layer in enumerate(self.layers):  # windows that reach beyond the text see zeros
            values = torch.relu(layer(nn.functional.pad(matrix, (0, n, 0, n)))).amax(1)  # [texts, query, words]
            tops.append(k_max(values, text[:, None], self.k) * query[..., None])
        scores: Tensor = self.out(torch.cat([torch.cat(tops, -1).flatten(1), cls], 1))[:, 0]
        return scores


class Histograms(nn.Module):  # type: ignore[misc,unused-ignore]
    """DRMM: logarithms of histograms of 11 bins from -1 to 1 of each query word, with [CLS] into five hidden units."""

    def __init__(self, views: int, query_length: int, width: int, bins: int = 11) -> None:
        super().__init__()
        self.bins = bins
        self.out = nn.Sequential(nn.Linear(views * bins + width, 5), nn.ReLU(), nn.Linear(5, 1))

    def forward(self, matrix: Tensor, query: Tensor, text: Tensor, cls: Tensor) -> Tensor:
        counts = log_counts(matrix, text[:, None, None], self.bins).transpose(1, 2).flatten(2)
        each = self.out(torch.cat([counts, cls[:, None].expand(-1, counts.shape[1], -1)], 2))[..., 0]
        scores: Tensor = (each * query).sum(1)
        return scores


def log_counts(matrix: Tensor, real: Tensor, bins: int) -> Tensor:
    """log(count + 1e-5) of the cosines [..., words] in even bins from -1 to 1, of which the last holds 1 alone.

    >>> log_counts(torch.tensor([[1.0, 0.0, 0.05]]), torch.ones(1, 3), 3).exp().round()
    tensor([[0., 2., 1.]])
    """
    place = ((matrix + 1.00001) / 2 * (bins - 1)).long().clamp(0, bins - 1)
    counts = torch.zeros(*matrix.shape[:-1], bins, device=matrix.device)
    counts = counts.scatter_add(-1, place, real.expand_as(matrix).to(counts.dtype))
    return (counts + 1e-5).log()
