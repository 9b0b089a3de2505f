"""ModelRewrite: a stage that changes queries by what a language model writes about them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core.budget import Budget
from ..core.content import text_of
from ..core.language import Completion, Generates, Prompt
from ..core.limits import until
from ..core.stage import Stage
from ..core.trace import Step, Usage
from ..core.types import Query, Ranking
from ..llm.capabilities import need
from ..llm.complete import complete
from ..llm.parsing import answer_part


@dataclass(frozen=True)
class ModelRewrite(Stage):
    """Asks ``backend`` ``n`` times by each query's ``prompt``, with other seeds, and changes the query by the answers;
    the candidates stay as they are.

    ``change`` gets the query and the answers that have a text, and gives the new query with a note for the trace. A
    query of which no answer came (an error, an empty text, a spent limit), or that has no text, stays as it was; the
    trace says why, and counts what the answers cost. Errors of ours (a missing package or model) are raised.
    """

    name: str
    backend: Generates
    prompt: Callable[[Query], Prompt]
    change: Callable[[Query, tuple[str, ...]], tuple[Query, str]]
    n: int = 1
    max_tokens: int = 256
    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        need(self.backend, Generates, self.name)

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        start = time.perf_counter()
        refused = [self._refusal(r) for r in rankings]
        live = [i for i, why in enumerate(refused) if not why]
        prompts = [self.prompt(rankings[i].query) for i in live]
        deadlines = [d for i in live if (d := rankings[i].limits.deadline) is not None]
        with until(max(deadlines) if deadlines and len(deadlines) == len(live) else math.inf):
            samples = [self._answers(prompts, self.seed + s) for s in range(self.n)] if live else []
        answers = {i: [sample[j] for sample in samples] for j, i in enumerate(live)}
        seconds = (time.perf_counter() - start) / max(len(rankings), 1)
        return [self._changed(r, answers.get(i, []), refused[i], seconds) for i, r in enumerate(rankings)]

    def _refusal(self, ranking: Ranking) -> str:
        """Why a query is not shown to the model; empty if it is."""
        if not (text_of(ranking.query.content) or "").strip():
            return "the query has no text"
        budget = Budget.of_limits(ranking.limits, ranking.cost.usage)
        spent = budget.exceeded(Usage(), self.n, time.monotonic())
        return f"budget spent: {spent}" if spent else ""

    def _answers(self, prompts: Sequence[Prompt], seed: int) -> list[Completion]:
        return complete(self.backend, prompts, max_tokens=self.max_tokens, temperature=self.temperature, seed=seed)

    def _changed(self, ranking: Ranking, answers: Sequence[Completion], refused: str, seconds: float) -> Ranking:
        texts = tuple(text for a in answers if a.finish != "error" and (text := answer_part(a.text)[0].strip()))
        usage = sum((a.usage for a in answers), Usage())
        notes = [refused] if refused else []
        if missing := len(answers) - len(texts):
            usage += Usage(repairs={"no answer": missing})
            errors = [a.error for a in answers if a.error]
            notes.append(f"{missing} of {len(answers)} answers are missing: {errors[0] if errors else 'empty'}")
        query = ranking.query
        if texts:
            query, note = self.change(query, texts)
            notes += [note] if note else []
        elif answers:
            notes.append("the query stays as it was")
        step = Step(self.name, seconds, usage, tuple(notes), untouched=not texts)
        return ranking.with_query(query).with_step(step)
