"""AtomicMemory: an encoder's vector of a text against one row a document, as in DynamicRetriever (arXiv 2203.00537).

Design choices: the encoder is a `BiEncoder`, so pooling and normalisation are its own; rows have no bias; while it
learns, products are divided by the encoder's temperature. With stored vectors as rows it ranks, untrained, as search
over these vectors does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...core.errors import InputError
from ...core.trace import Usage
from ...index.nearest import merged, nothing
from ..bi import BiEncoder
from ..parts.ragged import too_long
from .base import Results

ROWS = "rows.safetensors"


class AtomicMemory(nn.Module):  # type: ignore[misc,unused-ignore]
    """Scores [texts, documents]: products of a text's vector with every row of ``rows`` [documents, width]."""

    def __init__(self, encoder: BiEncoder, rows: Tensor) -> None:
        super().__init__()
        self.encoder = encoder
        self.rows = nn.Parameter(rows.detach().clone().float())

    @classmethod
    def over_vectors(cls, encoder: BiEncoder, vectors: NDArray[np.float32]) -> AtomicMemory:
        """Rows that begin as the documents' dense vectors [documents, width] ("OverDense"). Raises InputError if the
        encoder makes vectors of another width."""
        with torch.inference_mode():
            width = encoder.encode([""], query=True).shape[1]
        if vectors.shape[1] != width:
            raise InputError(
                f"stored vectors of {vectors.shape[1]} dimensions, and an encoder of {width}: name the model whose "
                "vectors are stored"
            )
        return cls(encoder, torch.from_numpy(np.array(vectors, dtype=np.float32)))

    @classmethod
    def random(cls, encoder: BiEncoder, documents: int, generator: torch.Generator | None = None) -> AtomicMemory:
        """Rows that begin at random ("Vanilla"), as long as vectors are in the mean."""
        with torch.inference_mode():
            sample = encoder.encode(["a text"], query=True)
        rows = torch.randn(documents, sample.shape[1], generator=generator)
        return cls(encoder, rows * sample.norm() / sample.shape[1] ** 0.5)

    @property
    def documents(self) -> int:
        return len(self.rows)

    def inputs(self, texts: Sequence[str]) -> dict[str, Any]:
        return {"queries": self.encoder.inputs(list(texts), query=True)}

    def forward(self, queries: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """Scores [texts, documents]."""
        return self.encoder.embed(queries) @ self.rows.T

    def loss(self, targets: Tensor, **inputs: Any) -> Tensor:
        scores = self.forward(**inputs)
        return nn.functional.cross_entropy(scores / self.encoder.scale, targets)

    def search(self, texts: Sequence[str], k: int, beam: int, allowed: NDArray[np.bool_]) -> Results:
        inputs = self.inputs(texts)
        device = self.rows.device
        chunks = [{name: x.to(device) for name, x in chunk.items()} for chunk in inputs["queries"]]
        with torch.inference_mode():
            scores = self.forward(chunks).cpu().numpy()
        tokens = np.zeros(len(texts), dtype=np.int64)
        for chunk in inputs["queries"]:
            tokens[chunk["rows"].numpy()] = chunk["attention_mask"].sum(1).numpy()
        cut = too_long(self.encoder.tokenizer, texts, [[]] * len(texts), self.encoder.max_length, self.encoder.prefixes)
        documents = np.flatnonzero(allowed)
        best = [merged(nothing(), documents, row[documents], k) for row in scores]  # as a search over vectors decides
        results = [list(zip(numbers.tolist(), values.tolist())) for numbers, values in best]
        return results, [Usage(1, int(n), truncated=c) for n, c in zip(tokens, cut)]

    def save(self, folder: Path) -> None:
        """The encoder in ``encoder/``, which is a model of its own, and the rows."""
        from safetensors.torch import save_file

        (folder / "encoder").mkdir(parents=True, exist_ok=True)
        self.encoder.save(folder / "encoder")
        save_file({"rows": self.rows.detach().cpu().contiguous()}, folder / ROWS)

    @classmethod
    def from_folder(cls, folder: Path) -> AtomicMemory:
        from safetensors.torch import load_file

        return cls(BiEncoder.from_folder(folder / "encoder"), load_file(folder / ROWS)["rows"])
