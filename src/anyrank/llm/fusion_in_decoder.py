"""Fused: an encoder-decoder that encodes each document alone and reads all of them in its decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..core.rerank import Group
from ..core.trace import Usage
from ..core.types import Judgement
from .capabilities import FusesSources, need, rendered, unknown
from .generation import judgement_of, tokens_for
from .prompts import Template


@dataclass(frozen=True)
class Fused:
    """A judge of groups by fusion in decoder (LiT5, arXiv 2312.16098). The template's ``body`` is one source, with the
    query in it. ``read="order"``: the order that the decoder writes; ``"attention"``: the attention of its answer to
    each source.
    """

    backend: FusesSources
    template: Template
    read: Literal["order", "attention"] = "order"

    def __post_init__(self) -> None:
        need(self.backend, FusesSources, "Fused")

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        if not groups:
            return []
        requests = rendered(self.template, self.backend, groups)
        sources = [request.bodies for request in requests]
        if self.read == "order":
            max_tokens = max(tokens_for(self.template, len(request.names)) for request in requests)
            answers = self.backend.generate_fused(sources, max_tokens=max_tokens)
            return [judgement_of(self.template, r, answer) for r, answer in zip(requests, answers, strict=True)]
        weights = self.backend.attention_fused(sources)
        return [
            Judgement(list(w.values), w.usage.of_one_answer() + Usage(truncated=request.truncated), unknown(w))
            for request, w in zip(requests, weights, strict=True)
        ]
