"""PARADE: the passages of a long document are read with the query one by one, and their [CLS] vectors, not scores, are
joined to one of the document (arXiv 2008.09093).

    s = w . join(p_1 … p_n) + b,  p_i = [CLS] of (query, passage i)
    max     elementwise maximum          attn    sum_i softmax(u . p)_i p_i
    cnn     convolutions of two neighbours, halving the passages until one is left, with ReLU
    transformer    two layers over [CLS; p_1 … p_n] with learned positions; the state of [CLS]

Design choices: windows as in `passages`; the [CLS] of the transformer is the body's embedding of that token, as in
capreolus, or a fresh vector where the tokenizer has none; convolutions see ``most`` passages, missing ones as zeros.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ..core.errors import InputError
from ..core.types import Candidate
from .parts.encoder_model import EncoderModel, cls_states
from .parts.interaction import masked_softmax
from .parts.passages import Unit, Windows, by_document, cut_documents, passage_features
from .parts.ragged import filled, gathered, run_body

AGGREGATES = ("max", "attn", "cnn", "transformer")


class Parade(EncoderModel):
    """Scores [B, n] of groups of documents; see `EncoderModel` and `passages` for the arguments."""

    kind: ClassVar[str] = "parade"

    def __init__(
        self,
        body: Any,
        tokenizer: Any,
        max_length: int = 256,
        *,
        aggregate: Literal["max", "attn", "cnn", "transformer"] = "transformer",
        layers: int = 2,
        window: int = 150,
        stride: int = 100,
        most: int = 16,
        unit: Unit = "words",
        query_length: int = 20,
    ) -> None:
        super().__init__(body, tokenizer, max_length)
        if aggregate not in AGGREGATES:
            raise InputError(f"aggregate={aggregate!r}: choose {', '.join(AGGREGATES)}")
        if aggregate in ("cnn", "transformer") and most < 1:
            raise InputError(f"most={most}: {aggregate} needs a bound on the passages of a document")
        self.aggregate, self.layers = aggregate, layers
        self.window, self.stride, self.most, self.unit, self.query_length = window, stride, most, unit, query_length
        self.windows = Windows(window, stride, most, unit, query_length)
        width = self.width
        if aggregate == "attn":
            self.attend = nn.Linear(width, 1, bias=False)
        elif aggregate == "cnn":
            self.convolve = nn.ModuleList(nn.Conv1d(width, width, 2, 2) for _ in range(self._halvings))
        elif aggregate == "transformer":
            self.first = nn.Parameter(self._cls_embedding())
            self.positions = nn.Embedding(most + 1, width)
            nn.init.normal_(self.positions.weight, std=0.02)
            heads = body.config.num_attention_heads
            layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.1, "gelu", batch_first=True)
            self.over = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.out = nn.Linear(width, 1)

    @property
    def _halvings(self) -> int:
        return math.ceil(math.log2(self.most)) if self.most > 1 else 0

    def _cls_embedding(self) -> Tensor:
        number = self.tokenizer.cls_token_id
        table = self.body.get_input_embeddings().weight.detach()
        if number is None or table.shape[1] != self.width:  # embeddings of some encoders (ALBERT's) are narrower
            return torch.randn(self.width) * 0.02
        row: Tensor = table[number].clone().float()
        return row

    def features(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
        return passage_features(self.tokenizer, queries, candidates, self.max_length, self.windows)

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        return cut_documents(self.tokenizer, queries, candidates, self.max_length, self.windows)

    def forward(self, chunks: Sequence[Mapping[str, Tensor]], counts: Tensor, mask: Tensor) -> Tensor:
        """Scores [B, n], 0 at padding (``mask`` False)."""
        each = [cls_states(run_body(self.body, chunk).last_hidden_state, chunk["attention_mask"]) for chunk in chunks]
        vectors = gathered(each, [chunk["rows"] for chunk in chunks])  # [passages, width]
        with torch.autocast(mask.device.type, enabled=False):  # bfloat16 has too few digits to rank by
            scores = self.out(self.joined(*by_document(vectors, counts)))[:, 0]
        return filled(scores, mask)

    def joined(self, vectors: Tensor, real: Tensor) -> Tensor:
        """One vector a document [documents, width] of those of its passages [documents, passages, width]."""
        if self.aggregate == "max":
            return vectors.masked_fill(~real[..., None], -torch.inf).amax(1)
        if self.aggregate == "attn":
            shares = masked_softmax(self.attend(vectors)[..., 0], real.to(vectors.dtype))
            return (shares[:, None] @ vectors)[:, 0]
        if self.aggregate == "cnn":
            missing = 2**self._halvings - vectors.shape[1]
            states = nn.functional.pad(vectors, (0, 0, 0, missing)).mT
            for layer in self.convolve:
                states = torch.relu(layer(states))
            return states[..., 0]
        states = torch.cat([self.first.expand(len(vectors), 1, -1), vectors], 1)
        padding = nn.functional.pad(~real, (1, 0), value=False)
        out: Tensor = self.over(states + self.positions.weight[: states.shape[1]], src_key_padding_mask=padding)
        return out[:, 0]
