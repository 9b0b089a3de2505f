"""Verdict: a causal language model is asked whether a document is relevant, and a score is the logit of one answer less
that of the other, s = logit("1") - logit("0") at the prompt's last token (ProRank's second stage, arXiv 2506.03487).

Design choices: the prompt of the `prorank` judge, so that a saved model gives the same scores by ``prorank(hf:FOLDER)``
and by ``model(FOLDER)``; no layer of its own; the query is cut to three quarters of ``max_length``, the document gets
the rest. Any loss of scores trains it: BCE on 0/1 labels, InfoNCE over a group, RankNet as a preference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..core.content import text_of
from ..core.errors import InputError
from ..core.types import Candidate, Query
from ..llm.templates import RELEVANT
from ..llm.token_ids import Tokens
from .base import declare
from .parts.fresh import fresh_body
from .parts.peft_adapters import adapted, merged
from .parts.prompted import causal_folder, encoded, left_padded, shortened
from .parts.ragged import filled, gathered, member_mask

SLACK = 8
"""Tokens that a cut text may take more within the prompt than alone."""


class Verdict(nn.Module):  # type: ignore[misc,unused-ignore]
    """Scores [B, n] of groups of texts. ``yes`` and ``no`` are the two answers, each one token after the prompt;
    ``lora`` is the rank of an adapter that is trained in place of the weights, and merged when the model is saved."""

    kind: ClassVar[str] = "verdict"

    def __init__(
        self, body: Any, tokenizer: Any, max_length: int = 512, yes: str = "1", no: str = "0", lora: int = 0
    ) -> None:
        super().__init__()
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        self.body = adapted(body, lora)
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.answers = (yes, no)
        self.fixed = len(self._ids("", "").ids)
        if self.fixed + SLACK >= max_length:
            raise InputError(f"max_length={max_length}: the prompt alone has {self.fixed} tokens: raise it")

    @classmethod
    def from_folder(cls, name: str | Path, *, max_length: int | None = None, **options: Any) -> Verdict:
        """A model of a folder or a hub id of a causal language model; of one that was saved with its answers."""
        body, tokenizer, length, own = causal_folder(name, max_length, ("yes", "no"))
        return cls(body, tokenizer, length, **{**own, **options})

    @classmethod
    def from_config(
        cls, shape: Mapping[str, Any], tokenizer: str | Path | Any, *, max_length: int = 512, **options: Any
    ) -> Verdict:
        """A fresh model of a shape, by default a Llama, and a tokenizer (or the folder or hub id of one)."""
        shape = {"model_type": "llama", **shape}
        return cls(*fresh_body("AutoModelForCausalLM", shape, tokenizer), max_length, **options)

    def features(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
        """The inputs of `forward`: one prompt for each candidate. Raises InputError if an answer isn't one token."""
        rows = [self._pair(text_of(q), text_of(c.content)) for q, group in zip(queries, candidates) for c in group]
        if wrong := next((o for row in rows for o in row.options if len(o) != 1), None):
            raise InputError(f"the answers {self.answers} aren't one token each: {len(wrong)} tokens")
        answers = torch.tensor([[o[0] for o in row.options] for row in rows])
        if bool((answers[:, 0] == answers[:, 1]).any()):
            raise InputError(f"the tokenizer spells both answers {self.answers} alike")
        parts = left_padded([row.ids for row in rows], self.tokenizer.pad_token_id)
        chunks = [{**part, "answers": answers[part["rows"]]} for part in parts]
        return {"chunks": chunks, "mask": member_mask(candidates)}

    def forward(self, chunks: Sequence[Mapping[str, Tensor]], mask: Tensor) -> Tensor:
        """Scores [B, n], 0 at padding (``mask`` False)."""
        rows = [chunk["rows"] for chunk in chunks]
        return filled(gathered([self.score(chunk) for chunk in chunks], rows), mask)

    def score(self, chunk: Mapping[str, Tensor]) -> Tensor:
        """The difference of the answers' logits for each prompt of a chunk."""
        inputs = {k: chunk[k] for k in ("input_ids", "attention_mask", "position_ids")}
        logits = self.body(**inputs, logits_to_keep=1, use_cache=False).logits[:, -1].float()
        yes, no = logits.gather(1, chunk["answers"]).unbind(1)
        difference: Tensor = yes - no
        return difference

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """The number of texts of each group, the query counted in, that are cut."""
        out = []
        for query, group in zip(queries, candidates, strict=True):
            question = self._question(text_of(query))
            texts = [text_of(c.content) for c in group]
            out.append((question != text_of(query)) + sum(self._document(question, t) != t for t in texts))
        return out

    def save(self, folder: Path) -> None:
        """A folder for transformers and for our backends, by ``model(FOLDER)`` and as a language model by
        ``prorank(hf:FOLDER)``."""
        merged(self.body).save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        yes, no = self.answers
        declare(folder, self.kind, max_length=self.max_length, pooling="none", yes=yes, no=no)

    def _question(self, query: str) -> str:
        return shortened(self.tokenizer, query, min(self.max_length * 3 // 4, self.max_length - self.fixed - SLACK))

    def _document(self, question: str, text: str) -> str:
        used = len(self.tokenizer(question, add_special_tokens=False)["input_ids"])
        return shortened(self.tokenizer, text, self.max_length - self.fixed - SLACK - used)

    def _pair(self, query: str, text: str) -> Tokens:
        question = self._question(query)
        return self._ids(question, self._document(question, text))

    def _ids(self, query: str, text: str) -> Tokens:
        prompt = RELEVANT.render(Query("", query), [Candidate("", text)]).prompt
        return encoded(self.tokenizer, prompt, self.answers)
