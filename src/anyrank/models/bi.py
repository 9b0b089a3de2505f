"""BiEncoder: one transformer embeds queries and texts separately; a score is their cosine or product (Sentence-BERT,
arXiv 1908.10084; DPR, arXiv 2004.04906).

Design choices: one encoder for both sides, or an encoder for each (``separate_documents``); a cosine is divided by
``temperature``, since softmax losses need a wider range than -1 … 1; read and saved as sentence-transformers does:
pooling, projections behind it, prompts, normalisation.
"""

from __future__ import annotations

import copy
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
from .parts.model_folder import ModelFolder, folder_of, pooled
from .parts.ragged import chunks, filled, fits, gathered, longest, member_mask, owners, run_body, texts_of, too_long

MODES = {
    "mean": "pooling_mode_mean_tokens",
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "last": "pooling_mode_lasttoken",
}
"""Poolings, and their names in sentence-transformers' files."""
DOCUMENTS = "document"
"""The folder, in a model's own, of an encoder that reads documents alone."""


class BiEncoder(nn.Module):  # type: ignore[misc,unused-ignore]
    """Scores [B, n] of groups of texts; while training with ``in_batch``, [B, B x n], every query with every text.

    ``pooling``: "mean", "cls" (the first token), "max" or "last"; ``similarity``: "cosine" or "dot". Prefixes are texts
    put before queries and documents; ``projection`` maps pooled vectors to others. With ``frozen_documents`` the texts
    are encoded by a copy of the model as it starts, which no gradient reaches, and only the encoder of queries is
    trained and saved (ANCE-PRF): for indexes whose vectors stay. With ``separate_documents`` such a copy is trained and
    saved too (DPR).
    """

    kind: ClassVar[str] = "bi"

    def __init__(
        self,
        body: Any,
        tokenizer: Any,
        max_length: int = 256,
        pooling: str = "mean",
        similarity: str = "cosine",
        temperature: float = 0.05,
        in_batch: bool = False,
        query_prefix: str = "",
        document_prefix: str = "",
        projection: nn.Sequential | None = None,
        frozen_documents: bool = False,
        separate_documents: bool = False,
    ) -> None:
        super().__init__()
        if frozen_documents and separate_documents:
            raise InputError(
                "frozen_documents and separate_documents: documents have one encoder, choose one of the two"
            )
        for name, value, known in (("pooling", pooling, MODES), ("similarity", similarity, ("cosine", "dot"))):
            if value not in known:
                raise InputError(f"{name}={value!r}: choose {' or '.join(known)}")
        fits(body, max_length)
        self.body = body
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.pooling = pooling
        self.similarity = similarity
        self.temperature = temperature
        self.in_batch = in_batch
        self.prefixes = (document_prefix, query_prefix)
        self.projection = nn.Sequential() if projection is None else projection
        self.documents: BiEncoder | None = None
        self.separate_documents = False
        if frozen_documents or separate_documents:
            self.documents = copy.deepcopy(self).requires_grad_(separate_documents)
        self.separate_documents = separate_documents

    @classmethod
    def from_folder(cls, name: str | Path, *, max_length: int | None = None, **options: Any) -> BiEncoder:
        """A model of a folder or a hub id; ``options`` are those of the class. Pooling and similarity default to what a
        sentence-transformers folder states. Raises ModelError on a pooling or module that isn't known."""
        from transformers import AutoModel, AutoTokenizer

        folder = folder_of(name)
        files = ModelFolder.of(folder)
        options = _options(files, options)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        body = AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
        length = max_length or longest(body, tokenizer, files.max_length())
        documents = folder / DOCUMENTS
        if not (documents / "config.json").is_file() or options.get("frozen_documents"):
            return cls(body, tokenizer, length, projection=files.projections(), **options)
        model = cls(body, tokenizer, length, projection=files.projections(), **options | {"separate_documents": True})
        model.documents = cls.from_folder(documents, max_length=length)
        return model

    @classmethod
    def from_config(
        cls, shape: Mapping[str, Any], tokenizer: str | Path | Any, *, max_length: int = 256, **options: Any
    ) -> BiEncoder:
        """A fresh model of a shape, by default a BERT, and a tokenizer (or the folder or hub id of one)."""
        return cls(*fresh_body("AutoModel", shape, tokenizer), max_length, **options)

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
        return chunks(self.tokenizer, [prefix + t for t in texts], None, self.max_length)

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """The number of texts of each group, the query counted in, that are longer than ``max_length`` tokens."""
        return too_long(self.tokenizer, queries, candidates, self.max_length, self.prefixes)

    def forward(
        self, queries: Sequence[Mapping[str, Tensor]], chunks: Sequence[Mapping[str, Tensor]], mask: Tensor
    ) -> Tensor:
        """Scores [B, n], 0 at padding (``mask`` False); see the class for ``in_batch``."""
        return self.compare(self.embed(queries), self.embed_documents(chunks), mask)

    def compare(self, queries: Tensor, texts: Tensor, mask: Tensor) -> Tensor:
        """Scores of groups by the vectors of their queries [B, width] and texts [members, width]."""
        if self.in_batch and self.training:
            # [B x n, width], zeros for padding, so that a text's column is the same for every query
            wide = texts.new_zeros(mask.numel(), texts.shape[1]).masked_scatter(mask.reshape(-1, 1), texts)
            with torch.autocast(wide.device.type, enabled=False):  # bfloat16 has too few digits to rank by
                return queries @ wide.T / self.scale
        return filled((queries[owners(mask)] * texts).sum(1) / self.scale, mask)

    @property
    def scale(self) -> float:
        """The divisor of products."""
        return self.temperature if self.similarity == "cosine" else 1.0

    def embed(self, chunks: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """Vectors [texts, width] in single precision, of length 1 if scores are cosines."""
        parts = [self.pooled(chunk) for chunk in chunks]
        vectors = gathered(parts, [chunk["rows"] for chunk in chunks])
        return nn.functional.normalize(vectors, dim=1) if self.similarity == "cosine" else vectors

    def embed_documents(self, chunks: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """Vectors [texts, width] of documents, by their own encoder if there is one."""
        if self.documents is None or self.separate_documents:
            return (self.documents or self).embed(chunks)
        with torch.no_grad():
            return self.documents.eval().embed(chunks)  # without dropout, as the index's vectors were made

    def pooled(self, chunk: Mapping[str, Tensor]) -> Tensor:
        """Vectors [texts, width] of a chunk, before they are normalised."""
        states = run_body(self.body, chunk).last_hidden_state.float()
        with torch.autocast(states.device.type, enabled=False):
            vectors: Tensor = self.projection(pooled(states, chunk["attention_mask"], self.pooling))
        return vectors

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Tensor:
        """Vectors [texts, width] of queries or texts."""
        device = next(self.parameters()).device
        read = self.embed if query else self.embed_documents
        return read([{k: v.to(device) for k, v in chunk.items()} for chunk in self.inputs(texts, query=query)])

    def save(self, folder: Path) -> None:
        """A folder for sentence-transformers: the body, its pooling, and normalisation if scores are cosines. A
        separate encoder of documents is such a folder within it."""
        self.tokenizer.model_max_length = self.max_length
        self.body.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        layers: list[Any] = list(self.projection)
        names = ["Transformer", "Pooling", *["Dense"] * len(layers), *["Normalize"] * (self.similarity == "cosine")]
        modules = [
            {"idx": i, "name": str(i), "path": f"{i}_{n}" if i else "", "type": f"sentence_transformers.models.{n}"}
            for i, n in enumerate(names)
        ]
        pooling = {"word_embedding_dimension": self.body.config.hidden_size}
        pooling |= {mode: name == self.pooling for name, mode in MODES.items()}
        for file, content in {
            "modules.json": modules,
            "1_Pooling/config.json": pooling,
            "sentence_bert_config.json": {"max_seq_length": self.max_length, "do_lower_case": False},
            "config_sentence_transformers.json": {
                "similarity_fn_name": self.similarity,
                "prompts": {"query": self.prefixes[1], "document": self.prefixes[0]} if any(self.prefixes) else {},
                "temperature": self.temperature,
            },
        }.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        if self.similarity == "cosine":
            (folder / f"{len(names) - 1}_Normalize").mkdir(exist_ok=True)
        for i, layer in enumerate(layers, 2):
            layer.save(folder / f"{i}_Dense", "sentence_embedding")
        normalise = self.similarity == "cosine"
        declare(folder, "dense", pooling=self.pooling, normalise=normalise, max_length=self.max_length)
        if self.documents is not None and self.separate_documents:
            self.documents.save(folder / DOCUMENTS)


def _options(files: ModelFolder, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the class: those given, else those that the folder states."""
    config = files.config
    query, document = files.prompts()
    stated = {
        "pooling": None if "pooling" in options else files.pooling(),
        "similarity": config.get("similarity_fn_name"),
        "temperature": config.get("temperature"),
        "query_prefix": query,
        "document_prefix": document,
    }
    return {name: value for name, value in stated.items() if value} | dict(options)
