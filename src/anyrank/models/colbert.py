"""ColBERT: one transformer reads queries and texts separately, a projection makes each token a short vector, and a
score is the sum over the query's tokens of the cosine with the nearest token of the text (arXiv 2004.12832).

    s = sum_i max_j cos(q_i, d_j)

It reads folders of Stanford's ColBERT (artifact.metadata), of PyLate, and of sentence-transformers' MultiVectorEncoder,
and is saved as the last. Unlike `late`, which has no projection and so starts at an encoder's quality, it has markers,
expanded queries and words that don't count, and every token of a query has the same weight.
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
from .parts.model_folder import Dense, ModelFolder, folder_of, weights_of
from .parts.ragged import filled, fits, gathered, longest, member_mask, owners, run_body, texts_of
from .parts.reading import Reading, colbert

SIMILARITIES = ("maxsim", "meanmaxsim")


class ColBERT(nn.Module):  # type: ignore[misc,unused-ignore]
    """Scores [B, n] of groups of texts. ``projection`` maps states [..., width] to vectors of tokens [..., dim];
    ``similarity``: "maxsim", or "meanmaxsim", which is divided by the query's tokens. While training with
    ``in_batch``, scores are [B, B x n], every query with every text."""

    kind: ClassVar[str] = "colbert"

    def __init__(
        self,
        body: Any,
        tokenizer: Any,
        reading: Reading,
        projection: nn.Sequential,
        similarity: str = "maxsim",
        in_batch: bool = False,
    ) -> None:
        super().__init__()
        if similarity not in SIMILARITIES:
            raise InputError(f"similarity={similarity!r}: choose {' or '.join(SIMILARITIES)}")
        self.max_length = max(reading.length(query=True), reading.length(query=False))
        fits(body, self.max_length)
        self.body = body
        self.tokenizer = tokenizer
        self.reading = reading
        self.projection = projection
        self.similarity = similarity
        self.in_batch = in_batch

    @classmethod
    def from_folder(
        cls,
        name: str | Path,
        *,
        max_length: int | None = None,
        dim: int = 128,
        similarity: str = "",
        in_batch: bool = False,
        **reading: Any,
    ) -> ColBERT:
        """A model of a folder or a hub id. Any encoder is a start, under a fresh projection to ``dim`` numbers (set
        torch's seed before); other options are those of `Reading`, and override those of the folder."""
        from transformers import AutoModel, AutoTokenizer

        folder = folder_of(name)
        files = ModelFolder.of(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        stanford = (folder / "artifact.metadata").is_file()
        body = AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
        most = longest(body, tokenizer, max_length)
        if colbert(folder):
            default = Reading.of(files, most)
        else:
            default = Reading(query_length=min(32, most), document_length=min(180, most))
        config = {k: getattr(default, k) for k in Reading.__dataclass_fields__} | reading
        if max_length:
            config |= {k: min(config[k], max_length) for k in ("query_length", "document_length", "expand")}
        if stanford:
            weight = weights_of(folder, ["linear.weight"])["linear.weight"]
            layer = Dense(weight.shape[1], weight.shape[0])
            layer.linear.weight.data.copy_(weight)
            projection = nn.Sequential(layer)
        elif colbert(folder):
            projection = files.projections()
        else:
            projection = nn.Sequential(Dense(body.config.hidden_size, dim))
        known = files.config.get("similarity_fn_name")
        return cls(
            body,
            tokenizer,
            Reading(**config),
            projection,
            similarity or (known if known in SIMILARITIES else "maxsim"),
            in_batch,
        )

    @classmethod
    def from_config(
        cls,
        shape: Mapping[str, Any],
        tokenizer: str | Path | Any,
        *,
        max_length: int = 256,
        dim: int = 128,
        similarity: str = "maxsim",
        in_batch: bool = False,
        **reading: Any,
    ) -> ColBERT:
        """A fresh model of a shape, by default a BERT, and a tokenizer (or the folder or hub id of one)."""
        body, tokenizer = fresh_body("AutoModel", shape, tokenizer)
        lengths = {"query_length": min(32, max_length), "document_length": max_length} | reading
        projection = nn.Sequential(Dense(body.config.hidden_size, dim))
        return cls(body, tokenizer, Reading(**lengths), projection, similarity, in_batch)

    def features(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
        """The inputs of `forward` for contents of queries and, for each, its candidates."""
        # Queries stay one chunk, in their order, since every text is compared with the one at its group's position.
        (first,) = self.reading.read(self.tokenizer, [text_of(q) for q in queries], query=True, together=True)
        return {
            "queries": {name: values for name, values in first.items() if name != "rows"},
            "chunks": self.inputs(texts_of(candidates)),
            "mask": member_mask(candidates),
        }

    def inputs(self, texts: Sequence[str], *, query: bool = False) -> list[dict[str, Any]]:
        """Texts as chunks for `states`."""
        return self.reading.read(self.tokenizer, texts, query=query)

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """The number of texts of each group, the query counted in, that lose tokens."""
        first = self.reading.cut(self.tokenizer, [text_of(q) for q in queries], query=True)
        return [
            q + sum(self.reading.cut(self.tokenizer, texts_of([group]), query=False))
            for q, group in zip(first, candidates, strict=True)
        ]

    def forward(self, queries: Mapping[str, Tensor], chunks: Sequence[Mapping[str, Tensor]], mask: Tensor) -> Tensor:
        """Scores [B, n], 0 at padding (``mask`` False)."""
        query_states, counted = self.states(queries)
        weights = counted.float()  # [groups, query tokens]
        if self.similarity == "meanmaxsim":
            weights = weights / weights.sum(1, keepdim=True).clamp(min=1)
        owner = owners(mask)
        parts = []
        for chunk in chunks:
            states, real = self.states(chunk)
            if self.in_batch and self.training:
                parts.append(self._with_all(query_states, weights, states, real))
                continue
            query = owner[chunk["rows"]]
            with torch.autocast(states.device.type, enabled=False):  # bfloat16 has too few digits to rank by
                cosines = query_states[query] @ states.mT  # [texts, query tokens, tokens]
            best = cosines.masked_fill(~real[:, None], -torch.inf).amax(2)
            parts.append((best * weights[query]).sum(1))
        scores = gathered(parts, [chunk["rows"] for chunk in chunks])
        if scores.ndim == 1:
            return filled(scores, mask)
        # [B x n, B], zeros for padding, so that a text's column is the same for every query
        return scores.new_zeros(mask.numel(), len(mask)).masked_scatter(mask.reshape(-1, 1), scores).T

    @staticmethod
    def _with_all(queries: Tensor, weights: Tensor, states: Tensor, real: Tensor) -> Tensor:
        """Scores [texts, queries] of the texts of a chunk with all queries [B, query tokens, dim]."""
        with torch.autocast(states.device.type, enabled=False):
            cosines = torch.einsum("bqd,tkd->tbqk", queries, states)
        best = cosines.masked_fill(~real[:, None, None], -torch.inf).amax(3)
        return (best * weights).sum(2)

    def states(self, chunk: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Vectors of tokens [texts, tokens, dim], of length 1 and in single precision, and which of them count."""
        states = run_body(self.body, chunk).last_hidden_state
        with torch.autocast(states.device.type, enabled=False):
            vectors = nn.functional.normalize(self.projection(states.float()), dim=-1)
        return vectors, chunk["counted"].bool()

    def encode(self, texts: Sequence[str], *, query: bool = False) -> list[Tensor]:
        """The vectors [tokens, dim] of the tokens that count, of each query or text."""
        device = next(self.parameters()).device
        out: list[Tensor] = [torch.empty(0)] * len(texts)
        for chunk in self.inputs(texts, query=query):
            vectors, real = self.states({k: v.to(device) for k, v in chunk.items()})
            for row, tokens, counted in zip(chunk["rows"].tolist(), vectors, real):
                out[row] = tokens[counted]
        return out

    def save(self, folder: Path) -> None:
        """A folder for sentence-transformers' MultiVectorEncoder and anyrank's torch backend."""
        reading = self.reading
        folder.mkdir(parents=True, exist_ok=True)
        self.body.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        layers: list[Any] = list(self.projection)
        names = ["Transformer", *["Dense"] * len(layers), "MultiVectorMask", "Normalize"]
        kinds = {
            "Transformer": "base.modules.transformer",
            "Dense": "base.modules.dense",
            "MultiVectorMask": "multi_vector_encoder.modules.multi_vector_mask",
            "Normalize": "base.modules.normalize",
        }
        modules = [
            {"idx": i, "name": str(i), "path": f"{i}_{n}" if i else "", "type": f"sentence_transformers.{kinds[n]}.{n}"}
            for i, n in enumerate(names)
        ]
        for i, layer in enumerate(layers, 1):
            layer.save(folder / f"{i}_Dense", "token_embeddings")
        expansion = {
            "strategy": "min" if reading.wide else "fixed",
            "attend": reading.attend,
            "token": reading.filler or None,
            "length": reading.expand,
        }
        transformer = {
            "transformer_task": "feature-extraction",
            "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
            "module_output_name": "token_embeddings",
            "query_length": reading.length(query=True) if reading.wide or not reading.expand else None,
            "document_length": reading.document_length,
            "query_expansion": expansion if reading.expand else None,
        }
        config: dict[str, Any] = {
            "model_type": "MultiVectorEncoder",
            "similarity_fn_name": self.similarity,
            "prompts": {"query": reading.query_prefix, "document": reading.document_prefix},
            # sentence-transformers reads these two as PyLate's: tokens put after the first one
            "query_prefix": reading.query_marker,
            "document_prefix": reading.document_marker,
            "query_expansion": expansion if reading.expand else None,
            "anyrank": reading.as_dict(),
        }
        tasks = ["query", "document"] if reading.skip_queries else ["document"]
        mask, normalize = names.index("MultiVectorMask"), names.index("Normalize")
        for file, content in {
            "modules.json": modules,
            "sentence_bert_config.json": transformer,
            "config_sentence_transformers.json": config,
            f"{mask}_MultiVectorMask/config.json": {"skiplist_words": list(reading.skip), "skiplist_tasks": tasks},
            f"{normalize}_Normalize/config.json": {"module_input_name": "token_embeddings"},
        }.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        declare(folder, self.kind, pooling="none", max_length=self.max_length)
