"""Answers: what a language model says to a question from the passages of a ranking, sentence by sentence with its
citations; without a model, the passages' own sentences that say most of the question's words.

Basic retrieval-augmented generation; with ``samples`` above 1 self-consistency, the majority of several short answers
(Wang et al., arXiv 2203.11171). Prompts are in our own words.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ...core.budget import Budget
from ...core.content import is_blank, text_of
from ...core.errors import InputError
from ...core.language import Completion, Generates, Prompt, Turn
from ...core.limits import until
from ...core.trace import Step, Usage
from ...core.types import Candidate, Ranking
from ...evaluate.citations import citation_precision, citation_recall
from ...index.analysis import Analyser
from ...llm.capabilities import need
from ...llm.complete import complete
from ...llm.parsing import answer_part
from .citations import Statement, sentences, statements
from .measures import normalised

UNKNOWN = "not in the passages"
"""The answer that a model is asked to give when the passages don't hold one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. ``ranking`` holds the question, the passages read, best first (citation [1] is the first), and the
    trace, whose last step is the answer's. ``text`` is the model's own, empty if there is none (the trace says why);
    ``statements`` its sentences. ``known``: False if the model found no answer in the passages."""

    ranking: Ranking
    text: str
    statements: tuple[Statement, ...] = ()
    known: bool = True

    @property
    def citation_recall(self) -> float:
        """The share of the sentences that cite a passage that was read."""
        return citation_recall([bool(s.citations) for s in self.statements])

    @property
    def citation_precision(self) -> float:
        """The mean share of a citing sentence's terms that its passages hold."""
        return citation_precision([s.support for s in self.statements if s.support is not None])


@dataclass(frozen=True)
class Answerer:
    """Answers questions from the best ``passages`` of their rankings, ``words`` of each (0: whole).

    ``backend`` is a language model; without one the answer is made of at most ``sentences`` of the passages.
    ``short``: a few words without citations, as for exact match and F1; ``samples`` of them are drawn at
    ``temperature`` and the most frequent is taken. A question without passages is not asked. Answers that fail, and
    limits that are spent, leave an empty text and a step that says why. Raises InputError if the model can't
    generate."""

    backend: Generates | None = None
    passages: int = 5
    words: int = 150
    short: bool = False
    samples: int = 1
    temperature: float = field(default=0.0, kw_only=True)
    max_tokens: int = field(default=0, kw_only=True)
    sentences: int = field(default=2, kw_only=True)
    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        if self.backend is not None:
            need(self.backend, Generates, "an answer")
        if not 0 <= self.temperature < float("inf"):
            raise InputError(f"temperature={self.temperature}: expected a number of at least 0")
        if self.samples > 1 and not (self.short and self.temperature > 0):
            raise InputError(
                f"samples={self.samples}: the majority of several answers needs short answers and a temperature above "
                f"0 (here short={self.short}, temperature={self.temperature:g})"
            )

    def __call__(self, rankings: Sequence[Ranking]) -> list[Answer]:
        """One answer a ranking, in order."""
        start = time.perf_counter()
        read = [self._read(r) for r in rankings]
        if self.backend is None:
            answers = [_extracted(r, texts, self.sentences) for r, (_, texts) in zip(rankings, read)]
            usages = [Usage()] * len(rankings)
            notes: list[list[str]] = [[] for _ in rankings]
        else:
            answers, usages, notes = self._generated(rankings, read)
        seconds = (time.perf_counter() - start) / max(len(rankings), 1)
        out = []
        for ranking, (members, texts), text, usage, note in zip(rankings, read, answers, usages, notes):
            known = not text or normalised(UNKNOWN) not in normalised(text)
            parts = tuple(statements(text, texts)) if text and known and not self.short else ()
            if unread := sorted({n for s in parts for n in s.unknown}):
                note.append(f"cites {', '.join(f'[{n}]' for n in unread)}, and {len(texts)} passages were read")
                usage += Usage(repairs={"unknown citation": len(unread)}, mended=1)
            if not members:
                note.append("there are no passages to answer from")
            elif not text and self.backend is None:
                note.append("no sentence of the passages has a word of the question")
            step = Step("answer", seconds, usage, tuple(note), untouched=not text)
            kept = Ranking(ranking.query, members, ranking.trace, ranking.limits).with_step(step)
            out.append(Answer(kept, text, parts, known and bool(text)))
        return out

    def _read(self, ranking: Ranking) -> tuple[tuple[Candidate, ...], list[str]]:
        """The passages that are read and their texts, cut to ``words``."""
        members = tuple(c for c in ranking if not is_blank(c.content))[: self.passages]
        texts = [" ".join((text_of(c.content) or "").split()) for c in members]
        return members, [" ".join(t.split()[: self.words]) if self.words else t for t in texts]

    def _generated(
        self, rankings: Sequence[Ranking], read: Sequence[tuple[tuple[Candidate, ...], list[str]]]
    ) -> tuple[list[str], list[Usage], list[list[str]]]:
        """Texts, usages and notes of the model's answers."""
        assert self.backend is not None
        refused = [self._refusal(r) if texts else "" for r, (_, texts) in zip(rankings, read)]
        live = [i for i, (_, texts) in enumerate(read) if texts and not refused[i]]
        prompts = [prompt(text_of(rankings[i].query.content) or "", read[i][1], self.short) for i in live]
        room = self.max_tokens or (32 if self.short else 256)
        deadlines = [d for i in live if (d := rankings[i].limits.deadline) is not None]
        drawn: list[list[Completion]] = []
        with until(max(deadlines) if deadlines and len(deadlines) == len(live) else float("inf")):
            for sample in range(self.samples):
                drawn.append(
                    complete(
                        self.backend,
                        prompts,
                        max_tokens=room,
                        temperature=self.temperature,
                        seed=self.seed + sample,
                    )
                )
        texts, usages = [""] * len(rankings), [Usage()] * len(rankings)
        notes = [[why] if why else [] for why in refused]
        for j, i in enumerate(live):
            answers = [sample[j] for sample in drawn]
            texts[i], why = _agreed(answers, self.short)
            usages[i] = sum((a.usage for a in answers), Usage(truncated=self._cut(rankings[i])))
            notes[i] += [why] if why else []
            if not texts[i]:
                usages[i] += Usage(fallback=1, repairs={"no answer": 1})
        for i, why in enumerate(refused):
            usages[i] += Usage(fallback=1) if why else Usage()
        return texts, usages, notes

    def _cut(self, ranking: Ranking) -> int:
        members, _ = self._read(ranking)
        return sum(len((text_of(c.content) or "").split()) > self.words for c in members) if self.words else 0

    def _refusal(self, ranking: Ranking) -> str:
        spent = Budget.of_limits(ranking.limits, ranking.cost.usage).exceeded(Usage(), self.samples, time.monotonic())
        return f"budget spent: {spent}" if spent else ""


def prompt(question: str, passages: Sequence[str], short: bool = False) -> Prompt:
    """The request for an answer from numbered passages. The answer of a few words is begun for the model; it isn't told
    how to say that there is none, which small models would write in place of an answer."""
    listed = "\n".join(f"[{i}] {text}" for i, text in enumerate(passages, 1))
    if short:
        how = "Answer this question from the passages in a few words."
        return (Turn("user", f"Passages:\n{listed}\n\n{how}\n\nQuestion: {question}"), Turn("assistant", "Answer:"))
    how = (
        "Answer this question in a few sentences, from these passages alone. After each sentence, put the numbers of "
        f"the passages that it rests on in brackets, such as [2]. If they don't hold the answer, write: {UNKNOWN}"
    )
    return (Turn("user", f"Passages:\n{listed}\n\n{how}\n\nQuestion: {question}"),)


def _agreed(answers: Sequence[Completion], short: bool) -> tuple[str, str]:
    """The most frequent of some answers (the first of several as frequent), and a note."""
    texts = [t for a in answers if a.finish != "error" and (t := answer_part(a.text)[0].strip())]
    if not texts:
        return "", f"no answer: {next((a.error for a in answers if a.error), 'an empty text')}"
    if short:
        texts = [_first_line(t) for t in texts]
    cut = "the answer was cut at its length" if len(answers) == 1 and answers[0].finish == "length" else ""
    counts = Counter(map(normalised, texts))
    best = max(counts.values())
    text = next(t for t in texts if counts[normalised(t)] == best)
    return text, f"{best} of {len(answers)} answers agree" if len(answers) > 1 else cut


def _first_line(text: str) -> str:
    line = next(line for line in text.splitlines() if line.strip())
    return re.sub(r"^(?:the )?(?:short )?answer(?: is)?\s*:\s*", "", line.strip(), flags=re.IGNORECASE).strip("* ")


def _extracted(ranking: Ranking, texts: Sequence[str], most: int) -> str:
    """The sentences of the passages that hold most of the question's terms, with their citations, in the passages'
    order; a term counts less the more of the passages hold it, and one that a chosen sentence holds counts no more."""
    analyser = Analyser("english")
    terms = set(analyser.terms(text_of(ranking.query.content) or ""))
    rows = [
        (n, k, sentence, terms & set(analyser.terms(sentence)))
        for n, text in enumerate(texts, 1)
        for k, sentence in enumerate(sentences(text))
    ]
    held = Counter(t for n in range(1, len(texts) + 1) for t in set().union(*(r[3] for r in rows if r[0] == n)))
    weight = {t: 1 / count for t, count in held.items()}
    chosen: list[tuple[int, int, str, set[str]]] = []
    while rows and len(chosen) < most:
        best = max(rows, key=lambda r: (sum(weight[t] for t in r[3]), -r[0], -r[1]))
        if not best[3]:
            break
        chosen.append(best)
        rows.remove(best)
        weight.update(dict.fromkeys(best[3], 0.0))
        rows = [r for r in rows if sum(weight[t] for t in r[3]) > 0]
    return " ".join(_cited(sentence.strip(), n) for n, _, sentence, _ in sorted(chosen, key=lambda r: r[:2]))


def _cited(sentence: str, number: int) -> str:
    """A sentence with a citation before its full stop.

    >>> _cited("Lilu is a spirit.", 2)
    'Lilu is a spirit [2].'
    """
    stop = sentence[-1] if sentence[-1] in ".!?" else "."
    return f"{sentence.rstrip('.!? ')} [{number}]{stop}"
