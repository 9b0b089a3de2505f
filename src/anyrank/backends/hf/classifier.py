"""Rerankers with a classification head, by transformers: bge, mxbai, jina, monoBERT, Qwen3-style heads, by hub id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...core.content import required_text
from ...core.errors import InputError, ModelError
from ...core.rerank import Group, each
from ...core.trace import Usage
from ...core.types import Judgement
from ...hub.positions import most_tokens
from .load import device_of, load, torch_module
from .plan import plan


@dataclass(frozen=True)
class SequenceClassifier:
    """A judge that reads query and document together and scores them by its head: one logit unchanged, two as the
    second minus the first (the log-odds of "relevant").

    A document that doesn't fit is cut, and ``usage.truncated`` counts it; a query that leaves no room is cut too.
    ``template``: one text with {query} and {document} for heads on decoders, in place of a pair of texts.
    ``context``: tokens that fit; the model's own number by default.

    Errors: MissingExtra without torch and transformers; ModelError if the model can't be loaded or has other heads;
    InputError for a candidate without text.
    """

    path: str
    dtype: str = "auto"
    revision: str | None = None
    template: str = ""
    context: int | None = None
    threads: int | None = None
    device: str = ""
    batch_tokens: int = 8192

    def __post_init__(self) -> None:
        if self.template and not ("{query}" in self.template and "{document}" in self.template):
            raise InputError("the template needs the placeholders {query} and {document}")

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        if self.threads:
            torch_module().set_num_threads(self.threads)
        model, tokenizer = load(
            "classifier",
            self.path,
            dtype=self.dtype,
            device=device_of(self.device),
            revision=self.revision,
            gguf_file=None,
        )
        if model.config.num_labels not in (1, 2):
            raise ModelError(f"{self.path}: its head has {model.config.num_labels} outputs; a reranker has 1 or 2")
        if model.config.pad_token_id is None:
            model.config.pad_token_id = tokenizer.pad_token_id
        return model, tokenizer

    @cached_property
    def limit(self) -> int:
        """Tokens that fit."""
        model, tokenizer = self._loaded
        own = most_tokens(model.config.to_dict())
        return min(n for n in (self.context, own, tokenizer.model_max_length, 1 << 20) if n)

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        pairs = [
            (required_text(q.content, f"query {q.id!r}"), required_text(c.content, f"candidate {c.id!r}"))
            for q, c in each(groups)
        ]
        rows = [self._row(*pair) for pair in pairs]
        scores = iter(self._scores([row for row, _ in rows]))
        usages = iter(Usage(calls=1, prompt_tokens=len(row["input_ids"]), truncated=int(cut)) for row, cut in rows)
        return [
            Judgement([next(scores) for _ in members], sum((next(usages) for _ in members), Usage()))
            for _, members in groups
        ]

    def _row(self, query: str, document: str) -> tuple[Mapping[str, list[int]], bool]:
        """A pair as the tokenizer's inputs, and whether it was cut."""
        tokenizer = self._loaded[1]
        if self.template:
            return self._filled(query, document)
        row = tokenizer(query, document)
        if len(row["input_ids"]) <= self.limit:
            return row, False
        alone = len(tokenizer(query, "")["input_ids"])
        truncation = "only_second" if alone < self.limit else "longest_first"
        return tokenizer(query, document, truncation=truncation, max_length=self.limit), True

    def _filled(self, query: str, document: str) -> tuple[Mapping[str, list[int]], bool]:
        tokenizer = self._loaded[1]

        def form(text: str) -> Mapping[str, list[int]]:
            parts = self.template.split("{document}")
            row: Mapping[str, list[int]] = tokenizer(text.join(p.replace("{query}", query) for p in parts))
            return row

        row, text = form(document), document
        over = len(row["input_ids"]) - self.limit
        while over > 0 and text:  # tokens may merge differently after a cut, so one cut may not be enough
            spans = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
            text = text[: spans[-over - 1][1]] if over < len(spans) else ""
            row = form(text)
            over = len(row["input_ids"]) - self.limit
        if over > 0:
            raise InputError(f"query and template take {len(row['input_ids'])} tokens, but only {self.limit} fit")
        return row, text != document

    def _scores(self, rows: Sequence[Mapping[str, list[int]]]) -> list[float]:
        torch, (model, tokenizer) = torch_module(), self._loaded
        ids = [row["input_ids"] for row in rows]
        out = [0.0] * len(rows)
        with torch.inference_mode():
            for group in plan(ids, self.batch_tokens, [1] * len(ids), reuse=False):
                for batch in group.batches:
                    padded = tokenizer.pad([dict(rows[i]) for i in batch], return_tensors="pt").to(model.device)
                    logits = model(**padded).logits.double()
                    values = logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
                    for i, value in zip(batch, values.tolist()):
                        out[i] = value
        return out
