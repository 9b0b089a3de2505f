"""Answers: the texts that language models wrote while a pipeline ran, by the documents that their prompts show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.content import text_of
from ..core.stage import Stage
from ..core.types import Candidate

SHOWN = 60
"""Characters of a document by whose appearance a prompt is known to show it."""
LONGEST = 4_000
"""Characters of an answer that are kept."""


class Answers:
    """Takes the place of a `CallLog` in the settings of a pipeline, and keeps the calls in memory."""

    def __init__(self) -> None:
        self.records: list[Mapping[str, Any]] = []

    def write(self, records: Sequence[Mapping[str, Any]]) -> None:
        self.records.extend(records)

    def about(self, candidate: Candidate, stage: Stage) -> tuple[str, ...]:
        """The texts written in answer to prompts that show the candidate, in their order, each once."""
        start = " ".join(text_of(candidate.content).split())[:SHOWN]
        out: dict[str, None] = {}
        for record in self.records:
            answer = record.get("answer")
            text = answer.get("text") if isinstance(answer, Mapping) else None
            if start and isinstance(text, str) and text.strip() and start in " ".join(_shown(record).split()):
                out[text.strip()[:LONGEST]] = None
        return tuple(out)


def _shown(record: Mapping[str, Any]) -> str:
    """The text of a prompt, also of one in turns."""
    prompt = record.get("prompt")
    if isinstance(prompt, str):
        return prompt
    turns = prompt if isinstance(prompt, list) else []
    return " ".join(str(turn.get("content", "")) if isinstance(turn, Mapping) else str(turn) for turn in turns)
