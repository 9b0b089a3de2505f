"""Sentences left out one at a time: what a black box's score owes to each, by the same judge, within a budget."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..core.content import is_blank, text_of
from ..core.errors import InputError
from ..core.groupings import Pointwise
from ..core.passages import sentences
from ..core.rerank import Rerank
from ..core.stage import Stage
from ..core.types import Candidate, Ranking
from ..judges.similarity import Similarity
from ..retrieve.stages import VectorSearch
from .inside import bare
from .values import Sentence, Sentences

CHECKS = 8
"""Times that half of the sentences are left out together, to measure how far single ones can be trusted."""


def left_out(stage: Stage, before: Ranking, candidate: Candidate, budget: int = 64, seed: int = 0) -> Sentences | None:
    """The drops of a candidate's score without each of its sentences; None for a stage that judges no texts.

    All variants go to the judge of the stage in one batch. A judge of one candidate at a time sees them alone; one
    that compares candidates sees each variant in the candidate's place among the others. Where ``budget`` calls don't
    suffice for every sentence, neighbouring ones are left out together.
    """
    if budget < 2:
        raise InputError(f"budget={budget}: a sentence left out takes at least 2 calls")
    judge = _judge(bare(stage))
    if judge is None or is_blank(candidate.content) or (given := before_of(stage, before, candidate)) is None:
        return None
    parts = sentences(text_of(candidate.content))
    if len(parts) < 2:
        return Sentences((), note="one sentence: nothing to leave out")
    alone = isinstance(judge.grouping, Pointwise)
    cost = 1 if alone else max(_calls(judge, given), 1)
    affordable = max(budget // cost, 2)
    groups = _grouped(parts, max(affordable - 1 - min(CHECKS, affordable // 3), 1))
    checks = _halves(len(groups), min(CHECKS, max(affordable - 1 - len(groups), 0)), seed)
    kept = [set(range(len(groups)))]
    kept += [kept[0] - {i} for i in range(len(groups))] if len(groups) > 1 else []
    variants = [" ".join(groups[i] for i in sorted(keep)) for keep in (*kept, *checks)]
    scores, calls = _scores(judge, given, candidate, variants, alone)
    full, single, halves = scores[0], scores[1 : len(kept)], scores[len(kept) :]
    if math.isnan(full):
        return Sentences((), calls=calls, note="the judge gave no score")
    drops = [full - s for s in single]
    told = [Sentence(text, drop) for text, drop in zip(groups, drops) if not math.isnan(drop)]
    told.sort(key=lambda s: -s.drop)
    joined = f"{len(parts)} sentences in {len(groups)} parts, since the budget is {budget} calls"
    note = joined if len(groups) < len(parts) else ""
    predicted = [sum(drops[i] for i in range(len(groups)) if i not in keep) for keep in checks] if drops else []
    actual = [full - s for s in halves]
    return Sentences(tuple(told), correlation(predicted, actual), len(checks), calls, note)


def correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Pearson's correlation of at least three finite pairs; None for fewer, or where nothing varies.

    >>> correlation([1, 2, 3], [2, 4, 6.5]) > 0.99, correlation([1, 1, 1], [1, 2, 3])
    (True, None)
    """
    pairs = np.array([(a, b) for a, b in zip(x, y) if math.isfinite(a) and math.isfinite(b)]).reshape(-1, 2)
    if len(pairs) < 3 or min(pairs.std(axis=0)) < 1e-12:
        return None
    return float(np.corrcoef(pairs.T)[0, 1])


def before_of(stage: Stage, before: Ranking, candidate: Candidate) -> Ranking | None:
    """The ranking that the judge saw, with the candidate: of a search, the candidate alone. None if the judge didn't
    see it."""
    plain = bare(stage)
    if not isinstance(plain, Rerank):
        return replace(before, candidates=(candidate,))
    head = before if plain.depth is None else before[: plain.depth]
    return head if candidate.id in head.ids else None


def _judge(stage: Stage) -> Rerank | None:
    """The stage's judge as a reranker without budgets of its own; that of a vector search is the similarity."""
    if isinstance(stage, VectorSearch):
        return Rerank(Similarity(stage.encoder))
    return replace(stage, depth=None) if isinstance(stage, Rerank) else None


def _calls(judge: Rerank, ranking: Ranking) -> int:
    """Calls that one ranking takes with a judge that compares candidates: an estimate by its first round."""
    groups = next(judge.grouping(len(ranking)), ())
    return max(len(groups), math.ceil(len(ranking) / max((len(g) for g in groups), default=1)))


def _grouped(parts: Sequence[str], most: int) -> list[str]:
    """Neighbouring sentences joined, so that there are at most ``most`` parts of about equal number.

    >>> _grouped(["a", "b", "c"], 2)
    ['a b', 'c']
    """
    size = math.ceil(len(parts) / max(most, 1))
    return [" ".join(parts[i : i + size]) for i in range(0, len(parts), size)]


def _halves(n: int, count: int, seed: int) -> list[set[int]]:
    """Random halves of n positions, each of at least one and not all, drawn for a fixed seed."""
    draw = random.Random(seed)
    return [set(draw.sample(range(n), max(n // 2, 1))) for _ in range(count)] if n > 2 else []


def _scores(
    judge: Rerank, ranking: Ranking, candidate: Candidate, variants: Sequence[str], alone: bool
) -> tuple[list[float], int]:
    """The scores of the variants of a candidate, NaN where there is none, and the calls that they took."""
    changed = [
        Candidate(f"{candidate.id} ({i})", _with_text(candidate.content, v), 0.0) for i, v in enumerate(variants)
    ]
    if alone:
        rankings = [Ranking(ranking.query, tuple(changed))]
    else:
        others = list(ranking)
        place = ranking.ids.index(candidate.id)
        rankings = [Ranking(ranking.query, (*others[:place], c, *others[place + 1 :])) for c in changed]
    results = judge.batch(rankings)
    known = {c.id: c.score for r in results if r.status != "fallback" for c in r}
    return [known.get(c.id, math.nan) for c in changed], sum(r.cost.usage.calls for r in results)


def _with_text(content: object, text: str) -> object:
    """A content with another text: a title stays out, since the sentences hold it."""
    if isinstance(content, Mapping):
        return {**{k: v for k, v in content.items() if k != "title"}, "text": text}
    return text
