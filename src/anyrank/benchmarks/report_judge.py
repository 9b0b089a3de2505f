"""Judges written reports by a language model, after DeepResearchGym: key points, citations, quality.

Coelho et al., "DeepResearchGym: A Free, Transparent, and Reproducible Evaluation Sandbox for Deep Research", 2025,
arXiv 2505.19253. The prompts are ours. Any model that generates can judge; put `llm.cache.Cached` around it, and the
same reports are judged again at no cost and with the same labels.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.language import Generates, Turn
from .report_scores import CRITERIA, LABELS, Label, Support

URL = re.compile(r"https?://[^\s\])>\"']+")
ABOUT = {
    "clarity": "how clearly it is written and how well it is ordered",
    "depth": "how far it goes into mechanisms, causes and consequences instead of stating the obvious",
    "balance": "how fairly it presents differing views and the limits of the evidence",
    "breadth": "how many of the relevant sides of the question it covers",
    "support": "how well its statements are backed by cited sources",
    "insightfulness": "how much it offers that is not obvious: connections, judgements, useful conclusions",
}
"""The criteria of quality in words."""


@dataclass(frozen=True, slots=True)
class Report:
    """A written answer to a query."""

    id: str
    query: str
    answer: str

    @property
    def cites(self) -> bool:
        """True if the answer names a URL."""
        return URL.search(self.answer) is not None


@dataclass(frozen=True)
class ReportJudge:
    """Labels of reports by a model. Answers are JSON objects; one that can't be read is None in `_ask`'s result and
    counts against the report (an omitted point, no support, a rating of 0). ``counts`` has the number of answers by
    kind (``read``, ``unreadable``, ``failed``), ``errors`` the first failures' reasons."""

    backend: Generates
    max_tokens: int = 1024
    seed: int = 42
    counts: Counter[str] = field(default_factory=Counter, compare=False, repr=False)
    errors: list[str] = field(default_factory=list, compare=False, repr=False)

    def key_points(self, query: str, documents: Sequence[str]) -> list[str]:
        """The points that help to answer a query: extracted from each document, then merged."""
        asked = [
            f"Question: {query}\n\nDocument:\n{document}\n\nList the points of the document that help to answer the "
            f'question, each one short and complete in itself. Answer with JSON: {{"points": ["…"]}}.'
            for document in documents
        ]
        points = [p for answer in self._ask(asked) for p in _texts(answer, "points")]
        if not points:
            return []
        numbered = "\n".join(f"{i}. {p}" for i, p in enumerate(points, 1))
        merged = self._ask(
            [
                f"Question: {query}\n\nPoints:\n{numbered}\n\nMerge points that say the same; make one of two that "
                f"contradict each other, which names both sides; leave each point a single statement. "
                f'Answer with JSON: {{"points": ["…"]}}.'
            ]
        )
        return _texts(merged[0], "points") or points

    def coverage(self, reports: Sequence[Report], points: Mapping[str, Sequence[str]]) -> list[list[Label]]:
        """For each report, the label of each key point of its query (``points`` by the report's id)."""
        pairs = [(r, p) for r in reports for p in points.get(r.id, ())]
        answers = self._ask(
            f"Report:\n{report.answer}\n\nPoint: {point}\n\nDoes the report support the point, omit it, or contradict "
            f'it? Answer with JSON: {{"label": "supported" | "omitted" | "contradicted"}}.'
            for report, point in pairs
        )
        by_report: dict[str, list[Label]] = {r.id: [] for r in reports}
        for (report, _), answer in zip(pairs, answers):
            stated = str((answer or {}).get("label", "")).lower()
            by_report[report.id].append(next((label for label in LABELS if label == stated), "omitted"))
        return [by_report[r.id] for r in reports]

    def claims(self, reports: Sequence[Report]) -> list[list[tuple[str, tuple[str, ...]]]]:
        """For each report, its claims with the URLs that it cites for each; none for a report without URLs. A URL that
        doesn't stand in the report doesn't count."""
        citing = [r for r in reports if r.cites]
        answers = self._ask(
            f"Report:\n{report.answer}\n\nList every factual claim of the report with the URLs that the report gives "
            f'for it (none if it gives none). Answer with JSON: {{"claims": [{{"claim": "…", "sources": ["…"]}}]}}.'
            for report in citing
        )
        by_report = {r.id: _claims(answer, r.answer) for r, answer in zip(citing, answers)}
        return [by_report.get(r.id, []) for r in reports]

    def supports(
        self, claims: Sequence[Sequence[tuple[str, tuple[str, ...]]]], sources: Mapping[str, str]
    ) -> list[list[Support]]:
        """For each report, how far the texts of the cited sources (by URL) support each of its cited claims. A claim
        none of whose sources is known has no support."""
        asked = [
            (n, claim, [URL.sub("", sources[u]) for u in urls if u in sources])
            for n, row in enumerate(claims)
            for claim, urls in row
            if urls
        ]
        judged = [(n, claim, texts) for n, claim, texts in asked if texts]
        answers = iter(
            self._ask(
                "Sources:\n" + "\n---\n".join(texts) + f"\n\nClaim: {claim}\n\nHow far do the sources support the "
                'claim? Answer with JSON: {"support": "full" | "partial" | "none"}.'
                for _, claim, texts in judged
            )
        )
        out: list[list[Support]] = [[] for _ in claims]
        for n, _, texts in asked:
            stated = str((next(answers) or {}).get("support", "")).lower() if texts else "none"
            out[n].append("full" if stated == "full" else "partial" if stated == "partial" else "none")
        return out

    def ratings(self, reports: Sequence[Report]) -> list[dict[str, int]]:
        """For each report, its rating of 0 to 10 by each criterion; "support" is 0 without a URL."""
        pairs = [(r, c) for r in reports for c in CRITERIA if c != "support" or r.cites]
        answers = self._ask(
            f"You are a strict expert. Question: {report.query}\n\nReport:\n{report.answer}\n\nRate one criterion "
            f"alone, {criterion}: {ABOUT[criterion]}. Use the whole scale from 0 to 10; 8 and more only for "
            f"outstanding work; 0 for text that is written to please a judge. "
            f'Answer with JSON: {{"rating": 0-10, "justification": "…"}}.'
            for report, criterion in pairs
        )
        by_report: dict[str, dict[str, int]] = {r.id: dict.fromkeys(CRITERIA, 0) for r in reports}
        for (report, criterion), answer in zip(pairs, answers):
            value = (answer or {}).get("rating")
            if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 10:
                by_report[report.id][criterion] = int(value)
        return [by_report[r.id] for r in reports]

    def _ask(self, prompts: Iterable[str]) -> list[dict[str, Any] | None]:
        """The JSON object in the answer to each prompt; None if there is none."""
        asked = [(Turn("user", p),) for p in prompts]
        if not asked:
            return []
        answers = self.backend.generate(asked, max_tokens=self.max_tokens, temperature=0.0, seed=self.seed)
        objects = [None if a.finish == "error" else json_object(a.text) for a in answers]
        for answer, value in zip(answers, objects, strict=True):
            failed = answer.finish == "error"
            self.counts["failed" if failed else "unreadable" if value is None else "read"] += 1
            if failed and len(self.errors) < 5:
                self.errors.append(answer.error)
        return objects


def json_object(text: str) -> dict[str, Any] | None:
    """The first JSON object in a text; None if there is none.

    >>> json_object('Sure: {"label": "omitted"} …'), json_object("no {object")
    ({'label': 'omitted'}, None)
    """
    decoder = json.JSONDecoder()
    for match in re.finditer(r"\{", text):
        try:
            value, _ = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    return None


def _texts(answer: dict[str, Any] | None, name: str) -> list[str]:
    values = (answer or {}).get(name)
    return [v.strip() for v in values if isinstance(v, str) and v.strip()] if isinstance(values, list) else []


def _claims(answer: dict[str, Any] | None, report: str) -> list[tuple[str, tuple[str, ...]]]:
    rows = (answer or {}).get("claims")
    out = []
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and isinstance(row.get("claim"), str):
            out.append((row["claim"], tuple(u for u in _texts(row, "sources") if u in report)))
    return out
