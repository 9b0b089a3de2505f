"""Fake language models: one that knows the truth, one that misbehaves, one that reads a script.

Each offers every verb of `core.language` (and raw logits), counts words as tokens, and its answer to a prompt doesn't
depend on the rest of the batch.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.content import Part
from ..core.language import Completion, LogProbs, Prompt, TokenWeights
from ..core.trace import Usage

_LABEL = re.compile(r"(?:\[(\w+)\]|(?i:passage) ?(\w+)[:=]|(?i:passage)(\w+) =)\W*$")


def flat(prompt: Prompt) -> str:
    """A prompt as one text; images are written as their source."""
    if isinstance(prompt, str):
        return prompt
    return "\n".join("".join(map(_shown, (t.content,) if isinstance(t.content, str) else t.content)) for t in prompt)


def _shown(part: Part) -> str:
    return part if isinstance(part, str) else f"<image {part.source!r}>"


def _usage(prompt: Prompt, answer: str = "") -> Usage:
    return Usage(calls=1, prompt_tokens=len(flat(prompt).split()), completion_tokens=len(answer.split()))


@dataclass(frozen=True)
class OracleModel:
    """A model that knows the true score (at least 0) of each document, finds it in the prompt by ``find`` (group 1 is
    the id; the default fits `toy`), and answers in the form that the prompt asks for. ``log`` keeps every prompt. An
    image is written as its source, as in ``<image 'd1.png'>``, for a model that ``reads_images``."""

    truth: Mapping[str, float]
    find: str = r"text of (\S+)"
    log: list[Prompt] = field(default_factory=list, compare=False)
    reads_images: bool = False

    def _documents(self, prompt: Prompt) -> list[tuple[str, float, tuple[int, int]]]:
        """(label, true score, span) of each document, in order."""
        self.log.append(prompt)
        text, out = flat(prompt), []
        for match in re.finditer(self.find, text):
            if match[1] in self.truth:
                label = _LABEL.search(text[max(0, match.start() - 40) : match.start()])
                name = next((g for g in label.groups() if g), "") if label else ""
                out.append((name, self.truth[match[1]], match.span(1)))
        return out

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        max_tokens: int,
        stop: Sequence[str] = (),
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Completion]:
        return [self._answer(p) for p in prompts]

    def _answer(self, prompt: Prompt) -> Completion:
        order = [name for name, _, _ in sorted(self._documents(prompt), key=lambda d: -d[1])]
        prefix = prompt[-1].text if not isinstance(prompt, str) and prompt[-1].role == "assistant" else ""
        text = flat(prompt)
        if "SORTED =" in text:
            answer = f"[{', '.join('PASSAGE' + name for name in order)}]"
        elif "<answer>[2] >" in text:
            chain = " > ".join(f"[{name}]" for name in order)
            answer = f"<think>I compare {len(order)}.</think> <answer>{chain}"
        elif "<answer>" in text:
            answer = f"<think>I compare {len(order)}.</think> <answer>[{order[0]}]"
        elif "Passage A or Passage B" in text:
            answer = f"Passage {order[0]}"
        elif re.search(r"\] > \[", text):
            answer = " > ".join(f"[{name}]" for name in order)
        else:
            answer = f"[{order[0]}]"
        answer = answer.removeprefix(prefix)
        return Completion(answer, _usage(prompt, answer))

    def next_token_logprobs(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[LogProbs]:
        return [LogProbs(tuple(self._chances(p, o)), _usage(p)) for p, o in zip(prompts, options, strict=True)]

    def _chances(self, prompt: Prompt, options: Sequence[str]) -> list[float]:
        documents, top = self._documents(prompt), max(self.truth.values()) + 2
        scores = {name: score for name, score, _ in documents}
        names = [o.split()[-1].strip("[]():") for o in options]
        if all(name in scores for name in names):
            return [scores[name] - top for name in names]
        p = (documents[0][1] + 1) / top
        if len(documents) == 2:  # is the first one better?
            p = 1 / (1 + math.exp(documents[1][1] - documents[0][1]))
        return [math.log(p) if n.lower() in ("yes", "true", "1") else math.log(1 - p + 1e-12) for n in names]

    def next_token_logits(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[LogProbs]:
        return [LogProbs((self._documents(p)[0][1],) * len(o), _usage(p)) for p, o in zip(prompts, options)]

    def loglikelihood(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[LogProbs]:
        """The document is in the prompt, or it is the continuation (a likelihood of candidates)."""
        top = max(self.truth.values()) + 1
        known = [self._documents(p) or self._documents(c) for p, c in zip(prompts, continuations, strict=True)]
        return [
            LogProbs((documents[0][1] - top,), _usage(p, c), (len(c.split()),))
            for documents, p, c in zip(known, prompts, continuations)
        ]

    def attention(self, prompts: Sequence[Prompt], marks: Sequence[str]) -> list[TokenWeights]:
        return [self._attend(flat(p), mark) for p, mark in zip(prompts, marks, strict=True)]

    def _attend(self, text: str, mark: str) -> TokenWeights:
        """The tokens of a document's id get its true score (if the query has content) above the 1 that every token
        gets."""
        scores = {span: score for _, score, span in self._documents(text)}
        blank = "N/A" in text[text.rindex(mark) :]
        spans = tuple(m.span() for m in re.finditer(r"\S+", text))
        weights = tuple(1.0 + (0.0 if blank else scores.get(s, 0.0)) for s in spans)
        return TokenWeights(spans, weights, _usage(text), text)

    def generate_fused(self, groups: Sequence[Sequence[str]], *, max_tokens: int) -> list[Completion]:
        known = [sorted(self._documents("\n".join(g)), key=lambda d: -d[1]) for g in groups]
        orders = [" > ".join(f"[{name}]" for name, _, _ in one) for one in known]
        return [Completion(order, _usage("\n".join(g), order)) for g, order in zip(groups, orders)]

    def attention_fused(self, groups: Sequence[Sequence[str]]) -> list[LogProbs]:
        return [LogProbs(tuple(self._documents(s)[0][1] for s in g), _usage("\n".join(g))) for g in groups]

    def hidden_states(self, prompts: Sequence[Prompt], *, layer: int = -1) -> tuple[Any, Usage]:
        import numpy as np

        scores = [[d[0][1] if (d := self._documents(p)) else 0.0, 1.0] for p in prompts]
        return np.array(scores, dtype=np.float32).reshape(-1, 2), sum(map(_usage, prompts), Usage())


TEXT_FAULTS = (
    "preamble",
    "postscript",
    "repeat",
    "out of range",
    "missing",
    "empty",
    "wrong language",
    "long",
    "open think",
    "no tag",
    "bare",
    "words",
    "error",
    "cut",
    "other script",
    "newlines",
    "raise",
    "fine",
)
NUMBER_FAULTS = ("nan", "one nan", "-inf", "inf", "short", "long", "empty", "huge", "constant", "raise", "fine")


@dataclass(frozen=True)
class HostileModel:
    """A model that misbehaves in a way fixed by the seed and the prompt: answers with preambles, repeats, labels out
    of range or missing, nothing, another language, 100 kB, thinking without an end; probabilities that are NaN,
    infinite, too few or too many; exceptions."""

    seed: int = 0
    text_faults: Sequence[str] = TEXT_FAULTS
    number_faults: Sequence[str] = NUMBER_FAULTS

    def _rng(self, prompt: Prompt) -> random.Random:
        return random.Random(f"{self.seed}/{flat(prompt)}")

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        max_tokens: int,
        stop: Sequence[str] = (),
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Completion]:
        return [self._answer(p) for p in prompts]

    def _answer(self, prompt: Prompt) -> Completion:
        rng, text = self._rng(prompt), flat(prompt)
        fault = rng.choice(self.text_faults)
        names = list(dict.fromkeys(re.findall(r"(?<=\[)\w{1,3}(?=\])|(?<=PASSAGE)\d+|(?<=Passage )[AB](?=:)", text)))
        rng.shuffle(names)
        left, right = ("PASSAGE", "") if "SORTED =" in text else ("Passage ", "") if "Passage A" in text else "[]"
        marks = [left + n + right for n in names] or ["[1]"]
        chain = " > ".join(marks)
        answer = {
            "preamble": f"Of course! Here is my ranking of {len(marks)} texts:\n{chain}",
            "postscript": f"{chain}\nThe first is best because of [7] reasons (1, 2, 3).",
            "repeat": f"{chain} > {chain}",
            "out of range": f"{left}999{right} > {left}0{right} > {chain} > {left}ZZ{right}",
            "missing": " > ".join(marks[: max(1, len(marks) // 2)]),
            "empty": rng.choice(["", " \n ", "[]", ">"]),
            "wrong language": "我认为最相关的是第三个段落。",
            "long": rng.choice(["[1] > ", "\n", "the ", "[", "9", "<answer>", "1\n"]) * 20_000 + chain,
            "open think": f"<think>Perhaps {chain}",
            "no tag": f"<think>hm</think>{chain}",
            "bare": ", ".join(names),
            "words": f"{len(marks)} passages are provided.",
            "cut": chain[: len(chain) // 2],
            "other script": chain.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
            "newlines": "\n\n".join(f"{i}. {m}" for i, m in enumerate(marks, 1)),
            "fine": chain,
        }.get(fault, "")
        if fault == "raise":
            raise RuntimeError("the model fell over")
        if fault == "error":
            return Completion("", _usage(prompt), "error", "overloaded")
        return Completion(answer, _usage(prompt, answer[:1000]), "length" if fault == "cut" else "stop")

    def _numbers(self, prompt: Prompt, n: int) -> tuple[float, ...]:
        rng = self._rng(prompt)
        fault, values = rng.choice(self.number_faults), [-rng.expovariate(0.3) for _ in range(n)]
        if fault == "raise":
            raise RuntimeError("the model fell over")
        spoilt = {"nan": math.nan, "-inf": -math.inf, "inf": math.inf, "huge": -1e308, "constant": -1.0}
        if fault in spoilt:
            values = [spoilt[fault]] * n
        elif fault == "one nan" and n:
            values[rng.randrange(n)] = math.nan
        elif fault in ("short", "long", "empty"):
            values = {"short": values[:-1], "long": [*values, -1.0], "empty": []}[fault]
        return tuple(values)

    def next_token_logprobs(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[LogProbs]:
        return [LogProbs(self._numbers(p, len(o)), _usage(p)) for p, o in zip(prompts, options, strict=True)]

    next_token_logits = next_token_logprobs

    def generate_fused(self, groups: Sequence[Sequence[str]], *, max_tokens: int) -> list[Completion]:
        return [self._answer("\n".join(g)) for g in groups]

    def attention_fused(self, groups: Sequence[Sequence[str]]) -> list[LogProbs]:
        return [LogProbs(self._numbers("\n".join(g), len(g)), _usage("\n".join(g))) for g in groups]

    def loglikelihood(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[LogProbs]:
        return [LogProbs(self._numbers(p, 1), _usage(p, c), (0,)) for p, c in zip(prompts, continuations)]

    def attention(self, prompts: Sequence[Prompt], marks: Sequence[str]) -> list[TokenWeights]:
        spans = [tuple(m.span() for m in re.finditer(r"\S+", flat(p))) for p in prompts]
        return [TokenWeights(s, self._numbers(p, len(s)), _usage(p), flat(p)) for p, s in zip(prompts, spans)]

    def hidden_states(self, prompts: Sequence[Prompt], *, layer: int = -1) -> tuple[Any, Usage]:
        import numpy as np

        return np.array([(*self._numbers(p, 2), 0.0, 0.0)[:2] for p in prompts]).reshape(-1, 2), Usage(len(prompts))


@dataclass(frozen=True)
class ScriptedModel:
    """A model whose answers come from a function of the prompt: a text, or numbers for the other verbs. ``log`` keeps
    (verb, prompt, the verb's other arguments)."""

    script: Callable[[Prompt], Any]
    log: list[tuple[str, Prompt, Any]] = field(default_factory=list, compare=False)

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        max_tokens: int,
        stop: Sequence[str] = (),
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Completion]:
        self.log.extend(("generate", p, (max_tokens, tuple(stop), temperature, seed)) for p in prompts)
        answers = [self.script(p) for p in prompts]
        return [
            a if isinstance(a, Completion) else Completion(str(a), _usage(p, str(a))) for p, a in zip(prompts, answers)
        ]

    def next_token_logprobs(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[LogProbs]:
        self.log.extend(("next", p, tuple(o)) for p, o in zip(prompts, options, strict=True))
        return [LogProbs(tuple(self.script(p)), _usage(p)) for p in prompts]

    def loglikelihood(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[LogProbs]:
        self.log.extend(("text", p, c) for p, c in zip(prompts, continuations, strict=True))
        return [
            LogProbs(tuple(self.script(p)), _usage(p, c), (len(c.split()),)) for p, c in zip(prompts, continuations)
        ]
