"""A dated claim set: real claims and evidence with made-up dates and forecasts, to try ranking by relevance and time.

What is real: the claims, the sentences, and which of them people judged decisive. What is made up: every date and every
forecast. Forecasters' accuracy follows an S-shaped curve whose steepest part is drawn for each claim, and decisive
sentences are dated near the steepest part, all others evenly; so recency must help here, and by how much says nothing
about real news.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from .questions import Article, Forecast, Question

OPENED = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Dated:
    """Questions, their articles (each with its question's id), and the ids of the decisive articles of each
    question."""

    questions: tuple[Question, ...]
    articles: tuple[Article, ...]
    decisive: Mapping[str, frozenset[str]]


def dated(
    claims: Iterable[Mapping[str, Any]],
    *,
    others: int = 45,
    width: float = 0.06,
    centre: tuple[float, float] = (0.45, 0.65),
    days: int = 100,
    seed: int = 0,
) -> Dated:
    """Claims in the form of CLIMATE-FEVER ({"claim_id", "claim", "claim_label", "evidences": [{"evidence_label",
    "evidence"}]}) that are supported or refuted, each with ``others`` sentences of other claims added. ``centre``
    bounds where the S-curve is steepest, ``width`` is its scale, both as shares of a question's ``days``."""
    rows = [r for r in claims if r["claim_label"] in ("SUPPORTS", "REFUTES")]
    rng = random.Random(seed)
    span = timedelta(days=days)
    questions, articles, decisive = [], [], {}
    for i, row in enumerate(rows):
        id, middle = str(row["claim_id"]), rng.uniform(*centre)
        yes = row["claim_label"] == "SUPPORTS"
        forecasts = []
        for step in range(25):
            t = step / 24
            right = min(max(0.5 + 0.45 / (1 + math.exp(-(t - middle) / width)) + rng.gauss(0, 0.02), 0.01), 0.99)
            forecasts.append(Forecast(OPENED + t * span, (right if yes else 1 - right,)))
        text = f"Will it be shown that this is true: {row['claim']}"
        questions.append(
            Question(id, text, "bool", OPENED, OPENED + span, "yes" if yes else "no", (), tuple(forecasts))
        )
        own = [(e["evidence"], e["evidence_label"] == row["claim_label"]) for e in row["evidences"]]
        own += [(text, False) for text in _borrowed(rows, i, others, rng)]
        marked = set()
        for n, (evidence, counts) in enumerate(own):
            at = middle + width * _logistic(rng) if counts else rng.random()
            date = OPENED + min(max(at, 0.0), 0.999) * span
            articles.append(Article(f"{id}.{n}", "", evidence, date, id))
            if counts:
                marked.add(f"{id}.{n}")
        decisive[id] = frozenset(marked)
    return Dated(tuple(questions), tuple(articles), decisive)


def _borrowed(rows: Sequence[Mapping[str, Any]], own: int, n: int, rng: random.Random) -> list[str]:
    """Sentences of other claims, drawn at random."""
    others = [i for i in range(len(rows)) if i != own]
    if not others:
        return []
    return [rng.choice(rows[rng.choice(others)]["evidences"])["evidence"] for _ in range(n)]


def _logistic(rng: random.Random) -> float:
    """A draw from the logistic distribution, whose density is the slope of the S-curve."""
    u = rng.uniform(1e-9, 1 - 1e-9)
    return math.log(u / (1 - u))
