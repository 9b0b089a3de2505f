"""Digested: articles replaced by a language model's summaries, made for the question."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...core.content import text_of
from ...core.language import Generates, Turn
from ...core.stage import Stage
from ...core.trace import Step, Usage
from ...core.types import Ranking
from ...llm.capabilities import need


@dataclass(frozen=True)
class Digested(Stage):
    """Each candidate with a summary of it in ``meta["summary"]``, as far as it bears on the question; the order stays.
    An article that the model gives no summary of keeps its first ``words`` words, counted as mended; the step's note
    has the first error of a call."""

    backend: Generates
    words: int = 100
    max_tokens: int = 160

    def __post_init__(self) -> None:
        need(self.backend, Generates, "Digested")

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        prompts = [self._prompt(text_of(r.query.content), text_of(c.content)) for r in rankings for c in r]
        start = time.perf_counter()
        answers = iter(self.backend.generate(prompts, max_tokens=self.max_tokens) if prompts else [])
        seconds = (time.perf_counter() - start) / max(len(rankings), 1)
        out = []
        for ranking in rankings:
            usage, members, errors = Usage(), [], []
            for candidate in ranking:
                answer = next(answers)
                text = answer.text.strip()
                usage += answer.usage if text else answer.usage + Usage(repairs={"no summary": 1}, mended=1)
                beginning = " ".join(text_of(candidate.content).split()[: self.words])
                errors += [answer.error] if answer.error else []
                members.append(candidate.noted({"summary": text or beginning}))
            notes = (f"{len(errors)} articles have no summary: {errors[0]}",) if errors else ()
            step = Step("digested", seconds, usage, notes)
            out.append(replace(ranking, candidates=tuple(members)).with_step(step))
        return out

    def _prompt(self, question: str, article: str) -> tuple[Turn, ...]:
        text = (
            f"Question about the future: {question}\n\nNews article: {article}\n\nSummarise in at most {self.words} "
            "words what the article says that bears on the question. Write the summary only."
        )
        return (Turn("user", text),)
