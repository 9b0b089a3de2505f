"""Figures of reports from the labels that a judge gave them: DeepResearchGym's key points, citations and quality.

Coelho et al., "DeepResearchGym", 2025, arXiv 2505.19253. All are shares from 0 to 1 (theirs are percent).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from ..evaluate import citations

Label = Literal["supported", "omitted", "contradicted"]
Support = Literal["full", "partial", "none"]
LABELS: tuple[Label, ...] = ("supported", "omitted", "contradicted")
SUPPORT: Mapping[Support, float] = {"full": 1.0, "partial": 0.5, "none": 0.0}
CRITERIA = ("clarity", "depth", "balance", "breadth", "support", "insightfulness")
"""The criteria of a report's quality, each rated from 0 to 10."""


def key_point_rates(labels: Sequence[Sequence[Label]], *, as_published: bool = False) -> dict[Label, float]:
    """The mean share of each label over reports, one list of labels a report. Reports whose query has no key points
    are left out; ``as_published`` counts them in the number of reports, as the authors' program does, which lowers all
    three.

    >>> key_point_rates([["supported", "omitted"], ["supported"], []])["supported"]
    0.75
    >>> key_point_rates([["supported", "omitted"], ["supported"], []], as_published=True)["supported"]
    0.5
    """
    judged = [Counter(row) for row in labels if row]
    count = len(labels) if as_published else len(judged)
    return {name: sum(c[name] / c.total() for c in judged) / count if count else 0.0 for name in LABELS}


def citation_recall(sources: Sequence[Sequence[Sequence[str]]]) -> list[float]:
    """The share of each report's claims that name a source; 0 without claims. ``sources[report][claim]`` are its URLs.

    >>> citation_recall([[["http://a"], []], []])
    [0.5, 0.0]
    """
    return [citations.citation_recall([bool(s) for s in claims]) for claims in sources]


def citation_precision(supports: Sequence[Sequence[Support]]) -> list[float]:
    """The mean support of each report's cited claims by their sources: full 1, partial 0.5, none 0; 0 without claims.

    >>> citation_precision([["full", "partial", "none"]])
    [0.5]
    """
    return [citations.citation_precision([SUPPORT[s] for s in claims]) for claims in supports]


def quality(ratings: Sequence[Mapping[str, int]]) -> list[float]:
    """The sum of each report's ratings over the highest possible sum; a missing rating counts 0.

    >>> quality([dict.fromkeys(CRITERIA, 9) | {"support": 0}])
    [0.75]
    """
    return [sum(r.get(c, 0) for c in CRITERIA) / (10 * len(CRITERIA)) for r in ratings]
