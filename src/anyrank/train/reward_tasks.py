"""Tasks of a training by rewards: the prompt that a model answers, and the rewards of its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..llm.prompts import Template
from ..llm.templates import LISTWISE, REASONED_ORDER, REASONING, RELEVANT, SETWISE
from . import rewards
from .reinforce import Reinforce
from .rewards import Target

Reward = Callable[[str, Target], float]
"""(answer, what is right) -> reward"""


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked of a model: the prompt, and the rewards of its answer by name, which are summed."""

    template: Template
    rewards: Mapping[str, Reward]


def task_of(spec: Reinforce) -> Task:
    """The task of a recipe.

    >>> list(task_of(Reinforce(task="relevant")).rewards)
    ['form', 'accuracy']
    """
    named: Mapping[str, Reward]
    if spec.task == "best":
        template = REASONING if spec.thinking else SETWISE
        named = {"exact": lambda text, t: rewards.exact_match(text, t.answer, thinking=spec.thinking)}
    elif spec.task == "relevant":
        template = RELEVANT
        named = {
            "form": lambda text, t: rewards.verdict_form(text),
            "accuracy": lambda text, t: rewards.verdict_accuracy(text, t.answer),
        }
    else:
        template = REASONED_ORDER if spec.thinking else LISTWISE
        named = {"rank": lambda text, t: rewards.order_reward(text, t.n, t.relevant)}
        if spec.thinking:
            named = {"form": lambda text, t: rewards.form_reward(text, t.n), **named}
    return Task(replace(template, words=spec.words), named)


def reward_functions(task: Task, targets: Sequence[Target]) -> list[Callable[..., list[float]]]:
    """The rewards as trl calls them: ``completions`` and the position of each one's target in ``row``."""

    def made(name: str, reward: Reward) -> Callable[..., list[float]]:
        def function(*, completions: Sequence[str], row: Sequence[int], **_: Any) -> list[float]:
            start = task.template.assistant
            return [reward(start + text, targets[i]) for text, i in zip(completions, row, strict=True)]

        function.__name__ = name
        return function

    return [made(name, reward) for name, reward in task.rewards.items()]
