"""Sparse: a masked-language model whose logits become weights of all words of its vocabulary; a score is the dot
product of the query's and the text's weights (SPLADE, arXiv 2107.05720; SPLADE v2, arXiv 2109.10086).

    w_j = max over tokens i of log(1 + relu(logit_ij))      s = w(query) . w(text)

Design choices: one model for both sides; the maximum over tokens (or their sum, as in the first paper, if a folder
states it); saved as sentence-transformers' SparseEncoder reads it. Nothing here makes vectors sparse: a loss for that
(FLOPS, arXiv 2004.05665) is not in the table of losses yet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..core.content import text_of
from ..core.errors import InputError
from ..core.types import Candidate
from .base import declare
from .parts.fresh import fresh_body
from .parts.model_folder import ModelFolder, folder_of
from .parts.ragged import chunks, filled, fits, gathered, longest, member_mask, owners, run_body, texts_of, too_long

TOKENS = 8192
"""The most tokens of a chunk: each has a logit for every word of the vocabulary."""
POOLING, ACTIVATION = ("max", "sum"), ("relu", "log1p_relu")


class Sparse(nn.Module):  # type: ignore[misc,unused-ignore]
    """Scores [B, n] of groups of texts. ``body`` is a transformers masked-language model.

    ``pooling`` over tokens: "max" or "sum"; ``activation``: "relu" (log(1 + relu)) or "log1p_relu", its logarithm once
    more (arXiv 2504.14839). Prefixes are texts put before queries and documents.
    """

    kind: ClassVar[str] = "sparse"

    def __init__(
        self,
        body: Any,
        tokenizer: Any,
        max_length: int = 256,
        pooling: str = "max",
        activation: str = "relu",
        query_prefix: str = "",
        document_prefix: str = "",
    ) -> None:
        super().__init__()
        for name, value, known in (("pooling", pooling, POOLING), ("activation", activation, ACTIVATION)):
            if value not in known:
                raise InputError(f"{name}={value!r}: choose {' or '.join(known)}")
        fits(body, max_length)
        self.body = body
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.pooling = pooling
        self.activation = activation
        self.prefixes = (document_prefix, query_prefix)

    @classmethod
    def from_folder(cls, name: str | Path, *, max_length: int | None = None, **options: Any) -> Sparse:
        """A model of a folder or a hub id: of sentence-transformers' SparseEncoder, or any masked-language model.
        ``options`` are those of the class, and override those of the folder."""
        from transformers import AutoModelForMaskedLM, AutoTokenizer

        folder = folder_of(name)
        files = ModelFolder.of(folder)
        config_of = files.module("SpladePooling") or {}
        query, document = files.prompts()
        options = {
            "pooling": config_of.get("pooling_strategy", "max"),
            "activation": config_of.get("activation_function", "relu"),
            "query_prefix": query,
            "document_prefix": document,
        } | options
        tokenizer = AutoTokenizer.from_pretrained(folder)
        body = AutoModelForMaskedLM.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
        return cls(body, tokenizer, max_length or longest(body, tokenizer, files.max_length()), **options)

    @classmethod
    def from_config(
        cls, shape: Mapping[str, Any], tokenizer: str | Path | Any, *, max_length: int = 256, **options: Any
    ) -> Sparse:
        """A fresh model of a shape, by default a BERT, and a tokenizer (or the folder or hub id of one)."""
        return cls(*fresh_body("AutoModelForMaskedLM", shape, tokenizer), max_length, **options)

    def features(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
        """The inputs of `forward` for contents of queries and, for each, its candidates."""
        return {
            "queries": self.inputs([text_of(q) for q in queries], query=True),
            "chunks": self.inputs(texts_of(candidates)),
            "mask": member_mask(candidates),
        }

    def inputs(self, texts: Sequence[str], *, query: bool = False) -> list[dict[str, Any]]:
        """Texts as chunks for `embed`."""
        prefix = self.prefixes[query]
        return chunks(self.tokenizer, [prefix + t for t in texts], None, self.max_length, most=TOKENS)

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """The number of texts of each group, the query counted in, that are longer than ``max_length`` tokens."""
        return too_long(self.tokenizer, queries, candidates, self.max_length, self.prefixes)

    def forward(
        self, queries: Sequence[Mapping[str, Tensor]], chunks: Sequence[Mapping[str, Tensor]], mask: Tensor
    ) -> Tensor:
        """Scores [B, n], 0 at padding (``mask`` False)."""
        return filled((self.embed(queries)[owners(mask)] * self.embed(chunks)).sum(1), mask)

    def embed(self, chunks: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """Weights [texts, vocabulary] in single precision, none below 0."""
        parts = [self.weights(chunk) for chunk in chunks]
        return gathered(parts, [chunk["rows"] for chunk in chunks])

    def weights(self, chunk: Mapping[str, Tensor]) -> Tensor:
        """Weights [texts, vocabulary] of a chunk."""
        logits = run_body(self.body, chunk).logits  # [texts, tokens, vocabulary]
        padding = chunk["attention_mask"][..., None] == 0
        # log(1 + relu) grows with its argument, so that the maximum may be taken first, in the numbers as they are: it
        # leaves far fewer of them. Of equal ones max() takes one, which learns faster than sharing the gradient.
        if self.pooling == "max":
            return self._activated(logits.masked_fill(padding, -torch.inf).max(1).values)
        return self._activated(logits.masked_fill(padding, 0.0)).sum(1)

    def _activated(self, logits: Tensor) -> Tensor:
        values = logits.float().relu().log1p()
        return values if self.activation == "relu" else values.log1p()

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Tensor:
        """Weights [texts, vocabulary] of queries or texts."""
        device = next(self.parameters()).device
        parts = self.inputs(texts, query=query)
        return self.embed([{k: v.to(device) for k, v in chunk.items()} for chunk in parts])

    def save(self, folder: Path) -> None:
        """A folder for sentence-transformers' SparseEncoder and anyrank's torch backend."""
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer.model_max_length = self.max_length
        self.body.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        names = ("MLMTransformer", "SpladePooling")
        modules = [
            {
                "idx": i,
                "name": str(i),
                "path": f"{i}_{n}" if i else "",
                "type": f"sentence_transformers.sparse_encoder.models.{n}",
            }
            for i, n in enumerate(names)
        ]
        document, query = self.prefixes
        for file, content in {
            "modules.json": modules,
            "1_SpladePooling/config.json": {
                "pooling_strategy": self.pooling,
                "activation_function": self.activation,
                "word_embedding_dimension": None,
            },
            "sentence_bert_config.json": {"max_seq_length": self.max_length, "do_lower_case": False},
            "config_sentence_transformers.json": {
                "model_type": "SparseEncoder",
                "similarity_fn_name": "dot",
                "prompts": {"query": query, "document": document},
            },
        }.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        declare(
            folder, self.kind, pooling="none", max_length=self.max_length, query_prefix=query, document_prefix=document
        )
