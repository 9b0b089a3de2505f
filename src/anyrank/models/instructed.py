"""Instructed: a decoder embeds a query under an instruction, after examples of queries and their texts, at the end
token (LG-ANNA-Embedding, arXiv 2506.07438; in-context examples as bge-en-icl, arXiv 2409.15700).

    Instruct: TASK  Query: an example's query  Passage: its text      (blank line between)      up to ``examples`` times
    Instruct: TASK  Query: the query                                  then the end token, whose state is the vector

Design choices: documents have no instruction (``symmetric``: they have, as in tasks of similar texts); in training each
query's examples are 0 to ``examples`` other pairs of its batch, drawn by the seed (`train.examples`); examples that
don't fit beside the query are left out, the last first. Afterwards a query has the fixed ``shots``, by default none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..core.content import text_of
from ..core.errors import InputError
from ..core.types import Candidate
from .base import declare
from .bi import BiEncoder
from .parts.fresh import fresh_body
from .parts.model_folder import folder_of, json_of, pooled
from .parts.peft_adapters import adapted, merged
from .parts.ragged import grouped, longest, member_mask, padded, texts_of

FILE = "instructed.json"
"""The settings of a saved model."""
TASK = "Find the passages that answer a web search query."
Example = tuple[str, str]


class Instructed(BiEncoder):
    """Scores [B, n] of groups of texts, or [B, B x n] while training with ``in_batch``: cosines / ``temperature``.
    ``example_length`` bounds each text of an example, in tokens; ``lora`` is the rank of an adapter that is trained in
    place of the weights, and merged when the model is saved.

    A query's content may be a mapping with "text" and "examples", a list of (query, text)."""

    kind: ClassVar[str] = "instructed"

    def __init__(
        self,
        body: Any,
        tokenizer: Any,
        max_length: int = 512,
        instruction: str = TASK,
        examples: int = 0,
        example_length: int = 128,
        shots: Sequence[Sequence[str]] = (),
        symmetric: bool = False,
        temperature: float = 0.02,
        in_batch: bool = False,
        lora: int = 0,
        lora_alpha: int = 0,
        lora_dropout: float = 0.0,
    ) -> None:
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        super().__init__(body, tokenizer, max_length, "last", "cosine", temperature, in_batch)
        self.body = adapted(body, lora, lora_alpha, lora_dropout, task=None)
        self.instruction = instruction
        self.examples = examples
        self.example_length = example_length
        self.shots = [(query, text) for query, text in shots]
        self.symmetric = symmetric
        end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.sep_token_id
        if end is None:
            raise InputError("the tokenizer has no end token, whose state is the vector: set its eos_token")
        self.end = int(end)
        self.start = [i for i in tokenizer("")["input_ids"] if i != self.end]
        if len(self._ids(self._asked(""))) + len(self.start) + 2 > max_length:
            raise InputError(f"max_length={max_length}: the instruction alone is longer: raise it")

    @classmethod
    def from_folder(cls, name: str | Path, *, max_length: int | None = None, **options: Any) -> Instructed:
        """A model of a folder or a hub id of a decoder; of one that was saved with its settings."""
        from transformers import AutoModel, AutoTokenizer

        folder = folder_of(name)
        stated = json_of(folder / FILE)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        body = AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
        length = max_length or stated.pop("max_length", None) or longest(body, tokenizer)
        stated.pop("max_length", None)
        return cls(body, tokenizer, length, **{**stated, **options})

    @classmethod
    def from_config(
        cls, shape: Mapping[str, Any], tokenizer: str | Path | Any, *, max_length: int = 512, **options: Any
    ) -> Instructed:
        """A fresh model of a shape, by default a Llama, and a tokenizer (or the folder or hub id of one)."""
        return cls(*fresh_body("AutoModel", {"model_type": "llama", **shape}, tokenizer), max_length, **options)

    def features(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
        """The inputs of `forward` for contents of queries and, for each, its candidates."""
        rows = [self.query_ids(text_of(q), self._shots(q))[0] for q in queries]
        chunks = self._chunks(rows)
        return {"queries": chunks, "chunks": self.inputs(texts_of(candidates)), "mask": member_mask(candidates)}

    def inputs(self, texts: Sequence[str], *, query: bool = False) -> list[dict[str, Any]]:
        """Texts as chunks for `embed`."""
        if query:
            return self._chunks([self.query_ids(t, self.shots)[0] for t in texts])
        return self._chunks([self.document_ids(t)[0] for t in texts])

    def query_ids(self, query: str, examples: Sequence[Example] = ()) -> tuple[list[int], bool]:
        """A query's ids with its instruction and examples, and whether it was cut. Without examples it is the plain
        instruction; those that leave no room for the query are left out."""
        own, cut = self._fitting(self._ids(self._asked(query)))
        blocks = [self._example(*example) for example in examples]
        while blocks and len(self.start) + sum(map(len, blocks)) + len(own) + 1 > self.max_length:
            blocks.pop()
        return [*self.start, *(i for block in blocks for i in block), *own, self.end], cut

    def document_ids(self, text: str) -> tuple[list[int], bool]:
        """A document's ids, and whether it was cut."""
        ids, cut = self._fitting(self._ids(self._asked(text) if self.symmetric else text))
        return [*self.start, *ids, self.end], cut

    def pooled(self, chunk: Mapping[str, Tensor]) -> Tensor:
        """Vectors [texts, width] of a chunk: the states of the end tokens."""
        out = self.body(input_ids=chunk["input_ids"], attention_mask=chunk["attention_mask"])
        return pooled(out.last_hidden_state.float(), chunk["attention_mask"], "last")

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """The number of texts of each group, the query counted in, that are cut."""
        return [
            self.query_ids(text_of(q))[1] + sum(self.document_ids(text_of(c.content))[1] for c in group)
            for q, group in zip(queries, candidates, strict=True)
        ]

    def save(self, folder: Path) -> None:
        """A folder for transformers and anyrank's torch backend, as an encoder."""
        merged(self.body).save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        names = ("instruction", "examples", "example_length", "shots", "symmetric", "temperature", "max_length")
        settings = {name: getattr(self, name) for name in names}
        (folder / FILE).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        declare(folder, self.kind, pooling="last", normalise=True, max_length=self.max_length)

    def _chunks(self, rows: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
        named = [{"input_ids": list(ids), "attention_mask": [1] * len(ids)} for ids in rows]
        fill = {"input_ids": self.tokenizer.pad_token_id}
        return [padded(named, part, fill) for part in grouped([len(ids) for ids in rows])]

    def _shots(self, query: Any) -> Sequence[Example]:
        own = query.get("examples") if isinstance(query, Mapping) else None
        return self.shots if own is None else [(q, t) for q, t in own]

    def _asked(self, text: str) -> str:
        return f"Instruct: {self.instruction}\nQuery: {text}"

    def _example(self, query: str, text: str) -> list[int]:
        most = self.example_length
        asked, passage = self._ids(self._asked(query)), self._ids(f"\nPassage: {text}")
        return [*asked[: most + len(self._ids(self._asked("")))], *passage[:most], *self._ids("\n\n")]

    def _fitting(self, ids: list[int]) -> tuple[list[int], bool]:
        room = self.max_length - len(self.start) - 1
        return ids[:room], len(ids) > room

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return ids
