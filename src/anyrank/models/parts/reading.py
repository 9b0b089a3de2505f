"""The tokens of late-interaction models: markers, longest texts, queries padded with [MASK], words that don't count
(ColBERT, arXiv 2004.12832)."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ...core.errors import InputError, ModelError
from .model_folder import ModelFolder, json_of
from .ragged import grouped, longer, padded

PUNCTUATION = tuple(string.punctuation)


@dataclass(frozen=True, slots=True)
class Reading:
    """The settings by which queries and documents become tokens.

    Markers are single tokens put after the first token of every text ("[unused0]"); prefixes are texts put before it.
    Lengths are in tokens, the marker counted in. ``expand``: queries shorter than this are padded to it with
    ``filler`` ("": the mask token, else the end token), which count in scores, and are attended to by the encoder if
    ``attend``; with ``wide``, longer queries stay, else they are cut to it. ``skip``: tokens of documents
    that don't count in scores, of queries neither if ``skip_queries``.
    """

    query_marker: str = ""
    document_marker: str = ""
    query_prefix: str = ""
    document_prefix: str = ""
    query_length: int = 32
    document_length: int = 180
    expand: int = 0
    filler: str = ""
    attend: bool = False
    wide: bool = False
    skip: tuple[str, ...] = ()
    skip_queries: bool = False

    def __post_init__(self) -> None:
        for name, length in (("query_length", self.query_length), ("document_length", self.document_length)):
            if length < 3:
                raise InputError(f"{name}={length}: at least 3 tokens")
        object.__setattr__(self, "skip", tuple(self.skip))

    @classmethod
    def of(cls, files: ModelFolder, longest: int) -> Reading:
        """The settings of a folder: of Stanford's ColBERT (artifact.metadata), of PyLate, or of sentence-transformers'
        MultiVectorEncoder; ``longest`` bounds all lengths and is their default."""
        metadata = json_of(files.folder / "artifact.metadata")
        if metadata:
            return cls(
                query_marker=metadata.get("query_token_id") or "[unused0]",
                document_marker=metadata.get("doc_token_id") or "[unused1]",
                query_length=min(metadata.get("query_maxlen") or 32, longest),
                document_length=min(metadata.get("doc_maxlen") or 180, longest),
                expand=min(metadata.get("query_maxlen") or 32, longest),
                attend=bool(metadata.get("attend_to_mask_tokens")),
                skip=PUNCTUATION if metadata.get("mask_punctuation", True) else (),
            )
        config = files.config
        if "anyrank" in config:  # our own folders have all fields
            return cls(**config["anyrank"])
        if "query_prefix" in config or "document_prefix" in config:  # PyLate: its prefixes are tokens
            expand = config.get("do_query_expansion") is not False
            attend = bool(config.get("attend_to_expansion_tokens"))
            length = min(config.get("query_length") or 32, longest)
            words = config.get("skiplist_words")
            return cls(
                query_marker=config.get("query_prefix") or "",
                document_marker=config.get("document_prefix") or "",
                query_length=length,
                document_length=min(config.get("document_length") or 180, longest),
                expand=length if expand else 0,
                attend=attend and expand,
                skip=PUNCTUATION if words is None else tuple(words),
            )
        query_prefix, document_prefix = files.prompts()
        transformer, mask = files.transformer, files.module("MultiVectorMask") or {}
        if mask.get("keep_only_token_ids"):
            raise ModelError(f"{files.folder}: keep_only_token_ids is for images, which no model here reads")
        expansion = transformer.get("query_expansion") or {}
        tasks = mask.get("skiplist_tasks") or ["document"]
        longest = min(longest, transformer.get("max_seq_length") or longest)
        return cls(
            query_prefix=query_prefix,
            document_prefix=document_prefix,
            query_length=min(transformer.get("query_length") or longest, longest),
            document_length=min(transformer.get("document_length") or longest, longest),
            expand=min(int(expansion.get("length") or 0), longest),
            filler=expansion.get("token") or "",
            attend=bool(expansion.get("attend")),
            wide=expansion.get("strategy") == "min",
            skip=tuple(mask.get("skiplist_words") or ()),
            skip_queries="query" in tasks,
        )

    def as_dict(self) -> dict[str, Any]:
        """The fields that differ from their defaults, JSON-ready."""
        defaults = {f.name: f.default for f in fields(self)}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items() if v != defaults[k]}

    def read(
        self, tokenizer: Any, texts: Sequence[str], *, query: bool, together: bool = False
    ) -> list[dict[str, Any]]:
        """Texts as chunks of a transformers body, each with ``counted`` [texts, tokens]: which tokens count in
        scores. Texts of similar length share a chunk (see `ragged`); with ``together`` all are one chunk, in their
        order."""
        marker = self._id(tokenizer, self.query_marker if query else self.document_marker)
        prefix = self.query_prefix if query else self.document_prefix
        length = self.length(query=query)
        encoded = tokenizer([prefix + t for t in texts], truncation=True, max_length=length - (marker is not None))
        rows = [dict(zip(encoded, values)) for values in zip(*encoded.values())]
        skipped = self._skipped(tokenizer) if not query or self.skip_queries else frozenset()
        fill = self._filler(tokenizer) if query and self.expand else None
        for row in rows:
            if marker is not None:
                _insert(row, marker)
            row["counted"] = [int(i not in skipped) for i in row["input_ids"]]
            if fill is not None:
                missing = max(self.expand - len(row["input_ids"]), 0)
                values = {"input_ids": fill, "attention_mask": int(self.attend), "counted": int(fill not in skipped)}
                for name in row:
                    row[name] = [*row[name], *[values.get(name, 0)] * missing]
        parts = [list(range(len(rows)))] if together else grouped([len(row["input_ids"]) for row in rows])
        return [padded(rows, part, {"input_ids": tokenizer.pad_token_id or 0}) for part in parts]

    def length(self, *, query: bool) -> int:
        """The most tokens of a query, or of a document."""
        if not query:
            return self.document_length
        if not self.expand:
            return self.query_length
        return max(self.query_length, self.expand) if self.wide else self.expand

    def cut(self, tokenizer: Any, texts: Sequence[str], *, query: bool) -> list[bool]:
        """Whether each text loses tokens."""
        marker, prefix = (
            (self.query_marker, self.query_prefix) if query else (self.document_marker, self.document_prefix)
        )
        return longer(tokenizer, [prefix + t for t in texts], None, self.length(query=query) - bool(marker))

    @staticmethod
    def _id(tokenizer: Any, token: str) -> int | None:
        if not token:
            return None
        number = tokenizer.convert_tokens_to_ids(token)
        if number is None or (number == tokenizer.unk_token_id and token != tokenizer.unk_token):
            raise ModelError(
                f"the marker {token!r} isn't one token of this tokenizer: add it there, or leave the marker empty"
            )
        return int(number)

    def _filler(self, tokenizer: Any) -> int:
        if self.filler:
            number = self._id(tokenizer, self.filler)
        else:
            number = tokenizer.mask_token_id if tokenizer.mask_token_id is not None else tokenizer.eos_token_id
        if number is None:
            raise ModelError(
                "queries can't be expanded: this tokenizer has neither a mask nor an end token: set filler, or expand=0"
            )
        return int(number)

    def _skipped(self, tokenizer: Any) -> frozenset[int]:
        """The ids of ``skip``; words that are not one token are ignored, since their id is that of all unknown
        words."""
        ids = {tokenizer.convert_tokens_to_ids(word) for word in self.skip}
        return frozenset(ids - {None} - ({tokenizer.unk_token_id} if tokenizer.unk_token not in self.skip else set()))


def _insert(row: dict[str, list[int]], marker: int) -> None:
    """The marker after the first token."""
    values = {"input_ids": marker, "attention_mask": 1}
    for name in row:
        row[name] = [*row[name][:1], values.get(name, 0), *row[name][1:]]


def colbert(folder: Path) -> bool:
    """Whether a folder is of a ColBERT: Stanford's, PyLate's or sentence-transformers' files."""
    return (folder / "artifact.metadata").is_file() or json_of(folder / "config_sentence_transformers.json").get(
        "model_type"
    ) in ("ColBERT", "MultiVectorEncoder")
