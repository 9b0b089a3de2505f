"""COIL: every word piece of a text has a short vector, which is compared with those of equal pieces alone, and a [CLS]
vector stands for the whole text (arXiv 2104.07186).

    s = cls_q . cls_d + sum over pieces i of q of max(0, max over equal pieces j of d of v_i . v_j)

As in the authors' program a piece whose best product is below 0 adds nothing. ``whole`` 0 leaves the text's
vector out (COIL-tok).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..core.errors import InputError
from ..vectors import Vectors
from ..vectors.coil import Coil
from .parts.ragged import run_body
from .parts.terms import TermModel


class COIL(TermModel):
    """Scores [B, n] of groups of texts. ``dim``: numbers of a piece's vector; ``whole``: of the text's."""

    kind: ClassVar[str] = "coil"

    def __init__(
        self,
        body: Any,
        tokenizer: Any,
        max_length: int = 256,
        dim: int = 32,
        whole: int = 768,
        in_batch: bool = False,
    ) -> None:
        super().__init__(body, tokenizer, max_length, in_batch)
        if dim < 1 or whole < 0:
            raise InputError(f"dim={dim}, whole={whole}: expected 1 or more a piece, 0 (none) or more a text")
        self.sizes = (dim, whole)
        self.token = nn.Linear(body.config.hidden_size, dim)
        self.whole = nn.Linear(body.config.hidden_size, whole) if whole else None

    def options(self) -> dict[str, Any]:
        return {"dim": self.sizes[0], "whole": self.sizes[1]}

    def values(self, states: Tensor) -> Tensor:
        vectors: Tensor = self.token(states)
        return vectors

    def document(self, chunk: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Terms, their vectors and, unless ``whole`` is 0, the vectors [texts, whole] of the first token."""
        states = run_body(self.body, chunk).last_hidden_state
        with torch.autocast(states.device.type, enabled=False):
            states = states.float()
            whole = () if self.whole is None else (self.whole(states[:, 0]),)
            return (chunk["terms"], self.values(states), *whole)

    def compare(self, *parts: Tensor) -> Tensor:
        if self.whole is None:
            return super().compare(*parts)
        query_terms, query, query_whole, terms, values, whole = parts
        return super().compare(query_terms, query, terms, values) + (query_whole * whole).sum(1)

    def vectors(self, chunk: Mapping[str, Any], *, query: bool = False) -> Vectors:
        """Terms and vectors of each text's pieces."""
        terms, values, *whole = (part.cpu().numpy() for part in self.document(chunk))
        rows = [(t[t >= 0], v[t >= 0]) for t, v in zip(terms, values)]
        return Coil.of(rows, whole[0].astype(np.float32) if whole else None)
