"""`WordModel`: models that compare the words of a query and a text by a table of word vectors (KNRM, DRMM, PACRR, …).

A model is a file with its own `score`; reading, padding, the table of vectors, statistics of words and folders are the
same for all and stand here. Words are a tokenizer's: word pieces of a model whose table a training starts from, or the
words of a file of vectors (GloVe, word2vec and fastText text files; see `word_vectors`).
"""

from __future__ import annotations

import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ...core.content import text_of
from ...core.errors import InputError
from ...core.types import Candidate
from ..base import declare
from .interaction import masked_softmax
from .ragged import filled, gathered, grouped, longer, member_mask, owners, padded, texts_of
from .trigrams import Trigrams
from .word_vectors import vectors_of

_BATCH = 4096
"""Texts that are tokenised at once for the statistics of words."""


@dataclass(frozen=True, slots=True)
class Side:
    """The queries, or the texts, of a chunk of pairs: ``ids`` [pairs, n] of words, ``real`` [pairs, n], 1.0 at words
    and 0.0 at padding, and ``vectors`` [pairs, n, width], zeros at padding."""

    ids: Tensor
    real: Tensor
    vectors: Tensor


class WordModel(nn.Module, ABC):  # type: ignore[misc,unused-ignore]
    """Scores [B, n] of groups of texts.

    ``max_length`` is the most words of a text, ``query_length`` of a query (0: the same). ``embeddings`` [words, dim]
    start the table, which has ``width`` numbers a word otherwise; ``frozen`` leaves it as it is in training. Options of
    a subclass are keyword arguments, kept as attributes of the same names, so that a folder holds them.
    """

    kind: ClassVar[str]
    special: ClassVar[bool] = False
    """Whether texts get the special tokens of the tokenizer ([CLS], [SEP]). Queries never do."""
    weighs: ClassVar[bool] = False
    """Whether the model weighs words by their inverse document frequency, which training counts."""

    fixed: ClassVar[bool] = False
    """Whether weights belong to positions, so that a trained model reads no longer texts than it was made for."""
    trigrams: ClassVar[bool] = False
    """Whether a word's vector is the sum of its letter trigrams', so that a table of word vectors isn't used."""

    idf: Tensor

    def __init__(
        self,
        tokenizer: Any,
        width: int = 128,
        max_length: int = 256,
        query_length: int = 32,
        frozen: bool = False,
        embeddings: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        embeddings = None if self.trigrams else embeddings
        self.width = width if embeddings is None else embeddings.shape[1]
        self.max_length = max_length
        self.reads = max_length
        self.query_length = query_length
        self.frozen = frozen
        self.words: Any = Trigrams(tokenizer, self.width) if self.trigrams else nn.Embedding(len(tokenizer), self.width)
        if embeddings is not None:
            self.words.weight.data.copy_(embeddings)
        self.words.weight.requires_grad_(not frozen)
        if self.weighs:
            self.register_buffer("idf", torch.ones(len(tokenizer)))

    @abstractmethod
    def score(self, query: Side, text: Side) -> Tensor:
        """The scores [pairs] of a chunk of pairs. Padding must not change them."""

    @classmethod
    def from_folder(cls, name: str | Path, *, max_length: int | None = None, **options: Any) -> Self:
        """A saved model; or a fresh one whose table is that of another model's folder, or of a file of word vectors.
        Raises InputError on options of a saved model, ModelError if there is no table."""
        from safetensors.torch import load_file
        from transformers import AutoTokenizer

        file = Path(name) / f"{cls.kind}.json"
        if not file.is_file():
            tokenizer, table = vectors_of(Path(name))
            if max_length:
                options["max_length"] = max_length
            return cls(tokenizer, embeddings=table, **options)
        if options:
            raise InputError(f"{name} is a trained {cls.kind} model: its options stay as they are: leave options out")
        config = json.loads(file.read_text(encoding="utf-8"))
        if max_length and not cls.fixed:
            config["max_length"] = max_length
        model = cls(AutoTokenizer.from_pretrained(name), **config)
        model.reads = min(max_length or model.max_length, model.max_length)
        model.load_state_dict(load_file(Path(name) / "model.safetensors"))
        return model

    @classmethod
    def from_config(
        cls, shape: Mapping[str, Any], tokenizer: str | Path | Any, *, max_length: int = 256, **options: Any
    ) -> Self:
        """A fresh model with a random table: ``{"width": 128}``, and a tokenizer (or the folder or hub id of one)."""
        from transformers import AutoTokenizer

        if isinstance(tokenizer, str | Path):
            tokenizer = AutoTokenizer.from_pretrained(tokenizer)
        return cls(tokenizer, max_length=max_length, **shape, **options)

    def options(self) -> dict[str, Any]:
        """The arguments that make this model again."""
        classes = [c for c in reversed(type(self).__mro__) if issubclass(c, WordModel)]
        parameters = [p for c in classes for p in inspect.signature(c.__init__).parameters.values()]
        names = {p.name: None for p in parameters if p.kind is not p.VAR_KEYWORD}
        return {name: getattr(self, name) for name in names if name not in ("self", "tokenizer", "embeddings")}

    def save(self, folder: Path) -> None:
        """A folder with the weights, the tokenizer and the options."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        save_file({k: v.contiguous() for k, v in self.state_dict().items()}, folder / "model.safetensors")
        self.tokenizer.save_pretrained(folder)
        (folder / f"{self.kind}.json").write_text(json.dumps(self.options()) + "\n", encoding="utf-8")
        declare(folder, self.kind, max_length=self.max_length)

    def count(self, texts: Iterable[str]) -> None:
        """Count the texts that hold each word, for models that weigh words by their inverse document frequency
        log((n + 1) / (df + 1)). A model that has counted keeps what it has."""
        if not self.weighs or not bool((self.idf == 1).all()):
            return
        frequency, texts = torch.zeros(len(self.tokenizer)), list(dict.fromkeys(texts))
        for start in range(0, len(texts), _BATCH):
            rows = self.tokenizer(texts[start : start + _BATCH], add_special_tokens=False, verbose=False)["input_ids"]
            ids = torch.tensor([i for row in rows for i in set(row)], dtype=torch.long)
            frequency += torch.bincount(ids, minlength=len(frequency))
        self.idf.copy_(torch.log((len(texts) + 1) / (frequency + 1)))

    def features(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
        """The inputs of `forward` for contents of queries and, for each, its candidates."""
        (first,) = self.read([text_of(q) for q in queries], query=True)
        return {
            "queries": {name: values for name, values in first.items() if name != "rows"},
            "chunks": self.read(texts_of(candidates)),
            "mask": member_mask(candidates),
        }

    def read(self, texts: Sequence[str], *, query: bool = False) -> list[dict[str, Tensor]]:
        """Texts as chunks of ``ids`` and ``real`` [texts, words]; texts of similar length share a chunk. Queries are
        one chunk, in their order."""
        rows = [
            {"ids": ids or [0], "real": [1] * len(ids) or [0]}
            for ids in self.tokenizer(
                list(texts),
                add_special_tokens=self.special and not query,
                truncation=True,
                max_length=self._most(query),
            )["input_ids"]
        ]
        parts = [list(range(len(rows)))] if query else grouped([len(row["ids"]) for row in rows])
        return [padded(rows, part, {}) for part in parts]

    def _most(self, query: bool) -> int:
        return (self.query_length or self.max_length) if query else self.reads

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """The number of texts of each group, the query counted in, that are longer than the model reads."""
        first = longer(self.tokenizer, [text_of(q) for q in queries], None, self._most(True), special=False)
        return [
            q + sum(longer(self.tokenizer, texts_of([group]), None, self.reads, special=self.special))
            for q, group in zip(first, candidates, strict=True)
        ]

    def forward(self, queries: Mapping[str, Tensor], chunks: Sequence[Mapping[str, Tensor]], mask: Tensor) -> Tensor:
        """Scores [B, n], 0 at padding (``mask`` False)."""
        owner = owners(mask)
        parts = []
        with torch.autocast(mask.device.type, enabled=False):  # bfloat16 has too few digits to rank by
            query = self.side(queries)
            for chunk in chunks:
                mine = owner[chunk["rows"]]  # the query of each text
                pairs = Side(query.ids[mine], query.real[mine], query.vectors[mine])
                parts.append(self.score(pairs, self.side(chunk)))
        return filled(gathered(parts, [chunk["rows"] for chunk in chunks]), mask)

    def side(self, chunk: Mapping[str, Tensor]) -> Side:
        """The words of a chunk with their vectors."""
        real = chunk["real"].to(self.words.weight.dtype)
        return Side(chunk["ids"], real, self.words(chunk["ids"]) * real[..., None])


class TermGate(nn.Module):  # type: ignore[misc,unused-ignore]
    """Weights [pairs, n] of a query's words, which sum to 1: a softmax of a learnt factor times their inverse document
    frequency ("idf"), or of a learnt product with their ``width`` numbers ("vector"). Raises InputError on another
    name."""

    def __init__(self, by: str, width: int) -> None:
        super().__init__()
        if by not in ("idf", "vector"):
            raise InputError(f"gate={by!r}: expected idf or vector")
        self.by = by
        self.linear = nn.Linear(1 if by == "idf" else width, 1, bias=False)
        if by == "idf":
            nn.init.ones_(self.linear.weight)

    def forward(self, query: Side, idf: Tensor | None = None) -> Tensor:
        read = query.vectors if self.by == "vector" or idf is None else idf[query.ids][..., None]
        return masked_softmax(self.linear(read)[..., 0], query.real)


def cosine_head() -> nn.Linear:
    """a cos + b, with a 10 and b 0 at the start."""
    head = nn.Linear(1, 1)
    nn.init.constant_(head.weight, 10.0)
    nn.init.zeros_(head.bias)
    return head
