"""Likelihood: a language model scores a candidate by how likely it is to write it after the query, over a power of its
length, s = sum log p(token) / length^alpha (BRIO, arXiv 2203.16804).

Design choices: a causal model reads the prompt of the ``brio`` judge (`llm.templates.SUMMARY`), an encoder-decoder the
query alone as its source, so that a saved model gives the same scores by ``brio(hf:FOLDER)`` and by ``model(FOLDER)``
for texts that neither cuts; a candidate is cut to half of ``max_length``, the query gets the rest. No layer of its own.
The loss ``brio`` trains it as the paper's contrastive model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..core.content import text_of
from ..core.types import Candidate, Query
from ..llm.templates import SUMMARY
from ..llm.token_ids import Tokens
from .base import DECLARATION, declare
from .parts.fresh import fresh_body
from .parts.model_folder import folder_of
from .parts.prompted import encoded, left_padded, shortened
from .parts.ragged import filled, gathered, grouped, longest, member_mask, padded

IGNORED = -100
"""The label of positions that are no token of the candidate, as in transformers."""
SLACK = 8
"""Tokens that a cut text may take more within the prompt than alone."""


class Likelihood(nn.Module):  # type: ignore[misc,unused-ignore]
    """Scores [B, n] of groups of texts. ``body`` is a causal language model or an encoder-decoder of transformers;
    ``alpha`` the length exponent (0: the sum, 1: the mean)."""

    kind: ClassVar[str] = "likelihood"

    def __init__(self, body: Any, tokenizer: Any, max_length: int = 1024, alpha: float = 1.0) -> None:
        super().__init__()
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        self.body = body
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.alpha = alpha

    @classmethod
    def from_folder(cls, name: str | Path, *, max_length: int | None = None, **options: Any) -> Likelihood:
        """A model of a folder or a hub id of a language model, causal or encoder-decoder."""
        from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

        folder = folder_of(name)
        stated = json.loads((folder / DECLARATION).read_text("utf-8")) if (folder / DECLARATION).is_file() else {}
        own = {k: stated[k] for k in ("alpha",) if k in stated}
        tokenizer = AutoTokenizer.from_pretrained(folder)
        paired = AutoConfig.from_pretrained(folder).is_encoder_decoder
        maker: Any = AutoModelForSeq2SeqLM if paired else AutoModelForCausalLM
        body = maker.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
        length = max_length or stated.get("max_length") or longest(body, tokenizer)
        return cls(body, tokenizer, length, **{**own, **options})

    @classmethod
    def from_config(
        cls, shape: Mapping[str, Any], tokenizer: str | Path | Any, *, max_length: int = 1024, **options: Any
    ) -> Likelihood:
        """A fresh causal model of a shape, by default a Llama, and a tokenizer (or the folder or hub id of one)."""
        shape = {"model_type": "llama", **shape}
        return cls(*fresh_body("AutoModelForCausalLM", shape, tokenizer), max_length, **options)

    def features(
        self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]], statistics: Any = None
    ) -> dict[str, Any]:
        """The inputs of `forward`: one row for each candidate, its tokens as labels."""
        pairs = [(text_of(q), text_of(c.content)) for q, group in zip(queries, candidates) for c in group]
        rows = [self._row(query, text) for query, text in pairs]
        chunks = self._sources(rows) if self.body.config.is_encoder_decoder else self._prompts(rows)
        return {"chunks": chunks, "mask": member_mask(candidates)}

    def forward(self, chunks: Sequence[Mapping[str, Tensor]], mask: Tensor) -> Tensor:
        """Scores [B, n], 0 at padding (``mask`` False)."""
        rows = [chunk["rows"] for chunk in chunks]
        return filled(gathered([self.score(chunk) for chunk in chunks], rows), mask)

    def score(self, chunk: Mapping[str, Tensor]) -> Tensor:
        """The score of each row of a chunk."""
        return self.scored(self.logits(chunk), chunk["labels"])

    def scored(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Scores [rows] of the logits for labels [rows, length]."""
        real = labels != IGNORED
        each = logits.log_softmax(-1).gather(2, labels.clamp(min=0)[:, :, None])[:, :, 0]
        total = each.masked_fill(~real, 0.0).sum(1)
        score: Tensor = total / real.sum(1).clamp(min=1) ** self.alpha
        return score

    def logits(self, chunk: Mapping[str, Tensor]) -> Tensor:
        """float32 [rows, length, vocabulary], each position's for the label at the same position."""
        labels = chunk["labels"]
        if self.body.config.is_encoder_decoder:
            inputs = {k: chunk[k] for k in ("input_ids", "attention_mask")}
            start = torch.full_like(labels[:, :1], self.body.config.decoder_start_token_id)
            shifted = torch.cat([start, labels[:, :-1].clamp(min=0)], 1)
            logits: Tensor = self.body(**inputs, decoder_input_ids=shifted, use_cache=False).logits.float()
            return logits
        inputs = {k: chunk[k] for k in ("input_ids", "attention_mask", "position_ids")}
        keep = labels.shape[1] + 1
        causal: Tensor = self.body(**inputs, logits_to_keep=keep, use_cache=False).logits[:, :-1].float()
        return causal

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """The number of texts of each group, the query counted in, that are cut."""
        out = []
        for query, group in zip(queries, candidates, strict=True):
            whole = " ".join(text_of(query).split())
            texts = [" ".join(text_of(c.content).split()) for c in group]
            cut = [self._candidate(t) for t in texts]
            query_cut = any(self._query(whole, c) != whole for c in cut or [""])
            out.append(query_cut + sum(a != b for a, b in zip(texts, cut)))
        return out

    def save(self, folder: Path) -> None:
        """A folder for transformers and our backends: by ``model(FOLDER)``, and as a language model by
        ``brio(hf:FOLDER)``."""
        self.body.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        declare(folder, self.kind, max_length=self.max_length, pooling="none", alpha=self.alpha)

    def _candidate(self, text: str) -> str:
        return shortened(self.tokenizer, text, self.max_length // 2)

    def _query(self, query: str, candidate: str) -> str:
        used = len(self.tokenizer(candidate, add_special_tokens=False)["input_ids"])
        fixed = len(encoded(self.tokenizer, self._prompt("")).ids) if self._prompt("") else 0
        return shortened(self.tokenizer, query, self.max_length - used - fixed - SLACK)

    def _prompt(self, query: str) -> Any:
        if self.body.config.is_encoder_decoder:
            return query
        return SUMMARY.render(Query("", query), [Candidate("", "")]).prompt

    def _row(self, query: str, text: str) -> Tokens:
        """The prompt's ids, and those of the candidate after it as the only option."""
        candidate = self._candidate(" ".join(text.split()))
        question = self._query(" ".join(query.split()), candidate)
        if self.body.config.is_encoder_decoder:
            source = self.tokenizer(question or " ")["input_ids"]
            target = self.tokenizer(" " + candidate, add_special_tokens=False)["input_ids"]
            return Tokens(tuple(source), (tuple(target),))
        return encoded(self.tokenizer, self._prompt(question), [" " + candidate])

    def _prompts(self, rows: Sequence[Tokens]) -> list[dict[str, Tensor]]:
        parts = left_padded([[*row.ids, *row.options[0]] for row in rows], self.tokenizer.pad_token_id)
        for part in parts:
            own = [rows[i].options[0] for i in part["rows"].tolist()]
            width = max(map(len, own))
            part["labels"] = torch.tensor([[IGNORED] * (width - len(o)) + list(o) for o in own], dtype=torch.long)
        return parts

    def _sources(self, rows: Sequence[Tokens]) -> list[dict[str, Tensor]]:
        sources = [{"input_ids": list(row.ids), "attention_mask": [1] * len(row.ids)} for row in rows]
        fill = {"input_ids": self.tokenizer.pad_token_id}
        parts = [padded(sources, part, fill) for part in grouped([len(row.ids) for row in rows])]
        for part in parts:
            own = [rows[i].options[0] for i in part["rows"].tolist()]
            width = max(map(len, own))
            part["labels"] = torch.tensor([[*o, *[IGNORED] * (width - len(o))] for o in own], dtype=torch.long)
        return parts
