"""Rewards of answers, as pure functions of an answer's text and what is right.

exact_match   Rank-R1 (arXiv 2503.06034): 1 if the answer is the label of the relevant text, exactly
verdict_*     ProRank's first stage (arXiv 2506.03487): form, and agreement with the judgement
rank_reward   MM-R5 (arXiv 2506.12364): ranks of the relevant, cubed
form_reward   MM-R5: as many labels as documents, all of them known, after a thought

A group of samples of one prompt becomes advantages by `advantages`, and these the loss of a token by `token_loss`: the
formulas by which trl trains, here for tests and for reading.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..llm.labels import Labels
from ..llm.parsing import read_order

_THOUGHT = re.compile(r"<think>.*?</think>\s*<answer>(.*?)</answer>", re.DOTALL)
_LABEL = re.compile(r"\d+")
_NUMBERS = Labels()


@dataclass(frozen=True, slots=True)
class Target:
    """What is right for a prompt: the ``answer`` to be given ("[2]", "1"), the number of documents ``n``, and the
    positions of the ``relevant`` ones, from 0."""

    answer: str = ""
    n: int = 1
    relevant: tuple[int, ...] = ()


def exact_match(text: str, gold: str, *, thinking: bool = True) -> float:
    """1 if the answer between its tags, after a thought between its own, is ``gold`` to the letter, else 0; nothing is
    given for the form alone. Case doesn't count. Without ``thinking`` the whole text is the answer.

    >>> exact_match("<think>[1] or [2]?</think> <answer>[2]</answer>", "[2]")
    1.0
    >>> [exact_match(t, "[2]") for t in ("<answer>[2]</answer>", "<think></think><answer>2</answer>", "[2]")]
    [0.0, 0.0, 0.0]
    >>> exact_match("[2]", "[2]", thinking=False)
    1.0
    """
    if not thinking:
        return float(text.strip().lower() == gold.lower())
    match = _THOUGHT.search(text.lower())
    return float(match is not None and match[1] == gold.lower())


def verdict_form(text: str) -> float:
    """1 if the answer is "0" or "1" and nothing else, but for spaces around it. **The value is ours**: the paper names
    a reward for the form and gives none.

    >>> [verdict_form(t) for t in ("1", " 0", "1.", "yes")]
    [1.0, 1.0, 0.0, 0.0]
    """
    return float(text.strip() in ("0", "1"))


def verdict_accuracy(text: str, gold: str) -> float:
    """1 if the answer is the judgement, "0" or "1"; the value is ours, as that of `verdict_form`."""
    return float(text.strip() == gold)


def rank_reward(order: Sequence[int], relevant: Collection[int]) -> float:
    """Sum over the relevant of 1 / rank^3, divided by the largest possible sum; 1 if they come first, 0 for an empty
    order. Positions count from 0.

    >>> round(rank_reward([1, 0, 2, 3, 4], {1, 2}), 7), rank_reward([0, 1, 2, 3, 4], {1})
    (0.9218107, 0.125)
    """
    gains = [1 / rank**3 for rank, i in enumerate(order, 1) if i in relevant]
    ideal = math.fsum(1 / rank**3 for rank in range(1, len(set(relevant)) + 1))
    return math.fsum(gains) / ideal if ideal else 0.0


def order_reward(text: str, n: int, relevant: Collection[int]) -> float:
    """`rank_reward` of the order in an answer as our judges read it: labels once each, those it lacks last in their
    present order. Of an answer without a label 0 (our choice: the present order would be paid for nothing).

    >>> order_reward("<answer>[2, 1]</answer>", 3, {1})
    1.0
    """
    order = read_order(text, n, _NUMBERS, tagged=True).order
    if not order:
        return 0.0
    return rank_reward([*order, *(i for i in range(n) if i not in order)], relevant)


def form_reward(text: str, n: int) -> float:
    """(n - |number of labels - n|) / n, not below 0 (ours), times the share of labels from 1 to n; 0 without a thought
    and an answer between their tags.

    >>> [form_reward(f"<think>a</think><answer>{a}</answer>", 5) for a in ("[2,1,3,4,5]", "[2,9]", "[3,2,1]")]
    [1.0, 0.2, 0.6]
    """
    match = _THOUGHT.search(text)
    labels = [int(label) for label in _LABEL.findall(match[1])] if match else []
    if not labels:
        return 0.0
    share = sum(1 <= label <= n for label in labels) / len(labels)
    return max(0, n - abs(len(labels) - n)) / n * share


def advantages(rewards: Sequence[float]) -> list[float]:
    """(r - mean) / (std + 1e-4) of the rewards of one prompt's samples, by the sample standard deviation.

    >>> [round(a, 7) for a in advantages([1, 0, 0, 1])]
    [0.8658754, -0.8658754, -0.8658754, 0.8658754]
    """
    mean, spread = statistics.fmean(rewards), statistics.stdev(rewards)
    return [(r - mean) / (spread + 1e-4) for r in rewards]


def token_loss(
    now: float, before: float, advantage: float, *, clip: float = 0.2, beta: float = 0.0, start: float = 0.0
) -> float:
    """The loss of a token by its log-probability ``now``, ``before`` the step and at the ``start`` of training:
    -min(ratio A, clipped ratio A) + beta (e^(start - now) - (start - now) - 1).

    >>> token_loss(-1.0, -1.0, 0.5), round(token_loss(-1.0, -2.0, 0.5), 6)
    (-0.5, -0.6)
    """
    ratio = math.exp(now - before)
    clipped = min(max(ratio, 1 - clip), 1 + clip)
    divergence = math.exp(start - now) - (start - now) - 1 if beta else 0.0
    return -min(ratio * advantage, clipped * advantage) + beta * divergence
