"""CrossEncoder: one transformer reads query and text together and gives one logit (monoBERT, arXiv 1910.14424).

Design choices: any Hugging Face body with a sequence-classification head of one logit, or of two, whose difference is
the score (the second says "relevant"); a query and its text share ``max_length`` tokens and the longer of them is cut;
saved as transformers and sentence-transformers read it, with an identity for the activation, so that scores are logits
in all three.
"""

from __future__ import annotations

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
from .parts.ragged import (
    chunks,
    filled,
    fits,
    gathered,
    in_single_precision,
    longer,
    longest,
    member_mask,
    run_body,
    texts_of,
)


class CrossEncoder(nn.Module):  # type: ignore[misc,unused-ignore]
    """Scores [B, n] of groups of texts. ``body`` is a transformers model for sequence classification with one
    or two labels.

    A body without a head (an encoder such as MiniLM) gets one with random weights: set torch's seed before.
    """

    kind: ClassVar[str] = "cross"

    def __init__(self, body: Any, tokenizer: Any, max_length: int = 256) -> None:
        super().__init__()
        fits(body, max_length)
        self.body = body
        self.tokenizer = tokenizer
        self.max_length = max_length
        in_single_precision([m for m in body.modules() if isinstance(m, nn.Linear)][-1])

    @classmethod
    def from_folder(
        cls, name: str | Path, *, max_length: int | None = None, labels: int = 0, **config: Any
    ) -> CrossEncoder:
        """A model of a folder or a hub id with its head, of one or two outputs; on a body without one a fresh head of
        ``labels`` outputs (1 or 2; by default 1). ``max_length`` defaults to that of the folder; ``config`` overrides
        the configuration (``hidden_dropout_prob=0.0``). Raises InputError on a head of another size."""
        from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

        folder = folder_of(name)
        own = AutoConfig.from_pretrained(folder)
        trained = any("ForSequenceClassification" in a for a in own.architectures or ())
        if trained and labels not in (0, own.num_labels):
            raise InputError(f"labels={labels}: the head of {name} has {own.num_labels} outputs: leave labels out")
        labels = own.num_labels if trained else labels or 1
        if labels not in (1, 2):
            raise InputError(f"{name}: its head has {labels} outputs, expected 1 or 2: it is no ranking head")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        body = AutoModelForSequenceClassification.from_pretrained(
            folder, num_labels=labels, use_safetensors=True, dtype=torch.float32, **config
        )
        return cls(body, tokenizer, max_length or longest(body, tokenizer, ModelFolder.of(folder).max_length()))

    @classmethod
    def from_config(
        cls, shape: Mapping[str, Any], tokenizer: str | Path | Any, *, max_length: int = 256, labels: int = 1
    ) -> CrossEncoder:
        """A fresh model of a shape: ``{"model_type": "bert", "hidden_size": 128, …}``, by default a BERT, and a
        tokenizer (or the folder or hub id of one), which gives the vocabulary's size."""
        body, tokenizer = fresh_body("AutoModelForSequenceClassification", shape, tokenizer, num_labels=labels)
        return cls(body, tokenizer, max_length)

    def features(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
        """The inputs of `forward` for contents of queries and, for each, its candidates."""
        first = [text_of(q) for q, group in zip(queries, candidates, strict=True) for _ in group]
        parts = chunks(self.tokenizer, first, texts_of(candidates), self.max_length)
        return {"chunks": parts, "mask": member_mask(candidates)}

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """The number of pairs of each group that are longer than ``max_length`` tokens: their text or query is cut."""
        return [
            sum(longer(self.tokenizer, [text_of(q)] * len(group), texts_of([group]), self.max_length))
            for q, group in zip(queries, candidates, strict=True)
        ]

    def forward(self, chunks: Sequence[Mapping[str, Tensor]], mask: Tensor) -> Tensor:
        """Scores [B, n], 0 at padding (``mask`` False)."""
        rows = [chunk["rows"] for chunk in chunks]
        return filled(gathered([self.score(chunk) for chunk in chunks], rows), mask)

    def score(self, chunk: Mapping[str, Tensor]) -> Tensor:
        """The logit of each pair of a chunk; of two logits the second less the first."""
        logits = run_body(self.body, chunk).logits.float()  # [pairs, labels]
        score: Tensor = logits[:, -1] - logits[:, 0] if logits.shape[1] == 2 else logits[:, 0]
        return score

    def save(self, folder: Path) -> None:
        """A folder for transformers, sentence-transformers' CrossEncoder and anyrank's torch backend."""
        self.body.config.sentence_transformers = {"activation_fn": "torch.nn.modules.linear.Identity"}
        names = ("score",) if self.body.config.num_labels == 1 else ("other", "relevant")
        self.body.config.id2label = dict(enumerate(names))
        self.body.config.label2id = {name: i for i, name in enumerate(names)}
        self.tokenizer.model_max_length = self.max_length
        self.body.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        declare(folder, self.kind, pooling="none", max_length=self.max_length)
