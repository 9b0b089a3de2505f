"""A model in training, or one without an ONNX graph (KNRM), as a judge of pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import InputError
from ..core.rerank import Group as Asked
from ..core.trace import Usage
from ..core.types import Judgement
from .group import Group
from .validation import scores


@dataclass(frozen=True, slots=True, eq=False)
class ModelJudge:
    """The scores of a model of `anyrank.models`, as it is now: ``bm25 % 100 >> Rerank(ModelJudge(model))``. Texts that
    lose tokens to its ``max_length`` are counted as truncated.

    Raises InputError where a query or a candidate is not text.
    """

    model: Any
    bf16: bool = False

    def __call__(self, groups: Sequence[Asked]) -> list[Judgement]:
        asked = []
        for query, members in groups:
            for content in (query.content, *(c.content for c in members)):
                if not isinstance(content, str):
                    raise InputError(f"query {query.id!r}: {type(content).__name__} where the model reads text")
            asked.append(Group(query.content, tuple(str(c.content) for c in members), (0.0,) * len(members), query.id))
        found = scores(self.model, asked, self.bf16)
        cut = self.model.truncated([g.query for g in asked], [g.candidates for g in asked])
        return [Judgement(values, Usage(len(values), truncated=lost)) for values, lost in zip(found, cut, strict=True)]
