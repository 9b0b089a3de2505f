"""Classification heads over a query and two documents (duoBERT, arXiv 1910.14424)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...core.content import required_text, text_of
from ...core.errors import InputError
from ...core.rerank import Group
from ...core.trace import Usage
from ...core.types import Candidate, Judgement
from .classifier import SequenceClassifier


@dataclass(frozen=True)
class OrderedPairs:
    """A judge of ordered pairs: ``head`` reads the query and both documents with a separator between them, and its
    score's sigmoid p says that the first is better; the pair scores (p, 1 - p).

    Each document gets at most half of the room beside the query; one that is longer is cut, and
    ``usage.truncated`` counts it. Errors: InputError for a group of another size than two.
    """

    head: SequenceClassifier

    def __call__(self, groups: Sequence[Group]) -> list[Judgement]:
        import numpy as np

        groups_of_one, cuts = [], []
        for query, members in groups:
            if len(members) != 2:
                raise InputError(f"a head over pairs got a group of {len(members)}")
            (first, a), (second, b) = (self._fitted(query.content, m) for m in members)
            groups_of_one.append((query, [Candidate("pair", f"{first} {self._tokenizer.sep_token} {second}")]))
            cuts.append(a + b)
        out = []
        for answer, cut in zip(self.head(groups_of_one), cuts):
            p = float(1 / (1 + np.exp(-np.clip(answer.scores[0], -60, 60))))
            usage = replace(answer.usage, truncated=0) + Usage(truncated=max(cut, answer.usage.truncated))
            out.append(Judgement([p, 1 - p], usage))
        return out

    @property
    def _tokenizer(self) -> Any:
        return self.head._loaded[1]

    def _fitted(self, query: Any, member: Candidate) -> tuple[str, int]:
        """A document's text that fits in its half, and 1 if it was cut."""
        text = required_text(member.content, f"candidate {member.id!r}")
        room = max((self.head.limit - len(self._tokenizer(text_of(query), "")["input_ids"]) - 1) // 2, 1)
        spans = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        return (text, 0) if len(spans) <= room else (text[: spans[room - 1][1]], 1)
