"""KNRM: kernel pooling over the cosines of query and text words (arXiv 1706.06613).

    M_ij = cos(q_i, d_j)      K_k(q_i) = sum_j exp(-(M_ij - mu_k)^2 / (2 sigma_k^2))      s = w . sum_i log K(q_i) + b

Design choices: the words are a tokenizer's, its vocabulary the embedding table (start it from any table of vectors
by ``embeddings``); 11 kernels: one for exact matches (mu 1, sigma .001) and ten of sigma .1 at .9, .7, … -.9;
logarithms are clamped at 1e-10 and scaled by .01, as in the paper's code; no tanh, so that scores may grow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..core.content import text_of
from ..core.types import Candidate
from .base import declare
from .parts.ragged import chunks, filled, gathered, longer, member_mask, owners, texts_of

MU = (1.0, 0.9, 0.7, 0.5, 0.3, 0.1, -0.1, -0.3, -0.5, -0.7, -0.9)
SIGMA = (0.001, *[0.1] * 10)
FILE = "knrm.json"


class KNRM(nn.Module):  # type: ignore[misc,unused-ignore]
    """Scores [B, n] of groups of texts. ``max_length``: the most tokens of a query, and of a text."""

    kind: ClassVar[str] = "knrm"

    def __init__(
        self, tokenizer: Any, width: int = 128, max_length: int = 256, embeddings: Tensor | None = None
    ) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.words = nn.Embedding(len(tokenizer), width if embeddings is None else embeddings.shape[1])
        if embeddings is not None:
            self.words.weight.data.copy_(embeddings)
        self.out = nn.Linear(len(MU), 1)

    @classmethod
    def from_folder(cls, name: str | Path, *, max_length: int | None = None) -> KNRM:
        """A saved model."""
        from safetensors.torch import load_file
        from transformers import AutoTokenizer

        config = json.loads((Path(name) / FILE).read_text(encoding="utf-8"))
        model = cls(AutoTokenizer.from_pretrained(name), config["width"], max_length or config["max_length"])
        model.load_state_dict(load_file(Path(name) / "model.safetensors"))
        return model

    @classmethod
    def from_config(cls, shape: Mapping[str, Any], tokenizer: str | Path | Any, *, max_length: int = 256) -> KNRM:
        """A fresh model: ``{"width": 128}``, and a tokenizer (or the folder or hub id of one)."""
        from transformers import AutoTokenizer

        if isinstance(tokenizer, str | Path):
            tokenizer = AutoTokenizer.from_pretrained(tokenizer)
        return cls(tokenizer, max_length=max_length, **shape)

    def features(
        self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]], statistics: Any = None
    ) -> dict[str, Any]:
        """The inputs of `forward` for contents of queries and, for each, its candidates."""
        words = self.tokenizer(
            [text_of(q) for q in queries],
            add_special_tokens=False,
            truncation=True,
            max_length=self.max_length,
            padding=True,
            return_tensors="pt",
        )
        return {
            "queries": {"ids": words["input_ids"].long(), "real": words["attention_mask"]},
            "chunks": chunks(self.tokenizer, texts_of(candidates), None, self.max_length),
            "mask": member_mask(candidates),
        }

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """The number of texts of each group, the query counted in, that are longer than ``max_length`` tokens."""
        first = longer(self.tokenizer, [text_of(q) for q in queries], None, self.max_length, special=False)
        return [
            q + sum(longer(self.tokenizer, texts_of([group]), None, self.max_length))
            for q, group in zip(first, candidates, strict=True)
        ]

    def forward(self, queries: Mapping[str, Tensor], chunks: Sequence[Mapping[str, Tensor]], mask: Tensor) -> Tensor:
        """Scores [B, n], 0 at padding (``mask`` False)."""
        owner = owners(mask)
        parts = []
        with torch.autocast(mask.device.type, enabled=False):  # the exact kernel needs cosines to three digits
            query_words = nn.functional.normalize(self.words(queries["ids"]), dim=-1)
            for chunk in chunks:
                query = owner[chunk["rows"]]
                texts = nn.functional.normalize(self.words(chunk["input_ids"]), dim=-1)
                pooled = self.kernels(query_words[query] @ texts.mT, chunk["attention_mask"])
                parts.append(self.out((pooled * queries["real"][query][..., None]).sum(1))[:, 0])
        return filled(gathered(parts, [chunk["rows"] for chunk in chunks]), mask)

    def kernels(self, cosines: Tensor, real: Tensor) -> Tensor:
        """.01 log K [pairs, query words, kernels] of cosines [pairs, query words, text words]; ``real`` [pairs, text
        words] is 0 at the padding of texts."""
        out = []  # one kernel at a time: all together take eleven times the memory of the cosines
        for mu, sigma in zip(MU, SIGMA):
            kernel = torch.exp(-((cosines - mu) ** 2) / (2 * sigma**2)) * real[:, None]
            out.append(torch.log(kernel.sum(-1).clamp(min=1e-10)) * 0.01)
        return torch.stack(out, dim=-1)

    def save(self, folder: Path) -> None:
        """A folder with the weights, the tokenizer and the shape."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.state_dict(), folder / "model.safetensors")
        self.tokenizer.save_pretrained(folder)
        config = {"width": self.words.embedding_dim, "max_length": self.max_length}
        (folder / FILE).write_text(json.dumps(config) + "\n", encoding="utf-8")
        declare(folder, self.kind, max_length=self.max_length)
