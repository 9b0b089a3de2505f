"""A model in training, or one without an ONNX graph (KNRM), as a judge of pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.errors import InputError
from ..core.rerank import Group as Members
from ..core.trace import Usage
from ..core.types import Judgement
from ..models.base import Model
from .group import Group
from .validation import scores


@dataclass(frozen=True, slots=True, eq=False)
class ModelJudge:
    """The scores of a model of `anyrank.models`, as it is now: ``bm25 % 100 >> Rerank(ModelJudge(model))``. Texts
    longer than its ``max_length`` are counted as truncated.

    Raises InputError if a candidate has no content.
    """

    model: Model
    bf16: bool = False

    def __call__(self, groups: Sequence[Members]) -> list[Judgement]:
        for query, members in groups:
            if empty := next((c for c in members if c.content is None), None):
                raise InputError(
                    f"query {query.id!r}: the candidate {empty.id!r} has no content: load the documents first"
                )
        requests = [Group(q.content, tuple(members), (0.0,) * len(members), q.id) for q, members in groups]
        truncated = self.model.truncated([g.query for g in requests], [g.candidates for g in requests])
        pairs = zip(scores(self.model, requests, self.bf16), truncated, strict=True)
        return [Judgement(values, Usage(len(values), truncated=cut)) for values, cut in pairs]
