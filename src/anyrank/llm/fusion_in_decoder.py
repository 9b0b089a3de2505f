"""Fused: an encoder-decoder that encodes each document alone and reads all of them in its decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..core.rerank import Group
from ..core.trace import Usage
from ..core.types import Judgement
from .capabilities import FusesSources, need, unknown
from .generation import judged, room
from .prompts import Template


@dataclass(frozen=True)
class Fused:
    """A judge of groups by fusion in decoder (LiT5, arXiv 2312.16098). The template's ``body`` is one source, with the
    query in it. ``read="order"``: the order that the decoder writes; ``"attention"``: what its answer attends to.
    """

    backend: FusesSources
    template: Template
    read: Literal["order", "attention"] = "order"

    def __post_init__(self) -> None:
        need(self.backend, FusesSources, "Fused")

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        if not groups:
            return []
        asked = [self.template.render(query, members) for query, members in groups]
        sources = [a.bodies for a in asked]
        if self.read == "order":
            most = max(room(self.template, len(a.names)) for a in asked)
            said = self.backend.generate_fused(sources, max_tokens=most)
            return [judged(self.template, a, s) for a, s in zip(asked, said, strict=True)]
        paid = self.backend.attention_fused(sources)
        return [
            Judgement(list(p.values), p.usage + Usage(truncated=a.truncated), unknown(p))
            for a, p in zip(asked, paid, strict=True)
        ]
