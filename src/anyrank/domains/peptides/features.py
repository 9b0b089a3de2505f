"""The feature table of a spectrum's candidates, for learned rankers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...core.types import Candidate, Query
from .distance import pmds
from .ions import ppm
from .matching import NARROW, Tolerance, cosine, coverage, explained, hyperscore, longest_run, match

Floats = NDArray[np.float64]

ALONE = (
    "length", "charge", "mass", "modifications", "ppm", "abs ppm", "hyperscore", "cosine", "explained", "coverage",
    "b seen", "y seen", "both seen", "longest run", "strongest explained",
)  # fmt: skip
"""Features of the candidate and the spectrum."""
RELATIVE = ("abs ppm", "hyperscore", "cosine", "explained", "coverage")
"""Features that are also given as the difference from the best value in the group (of the ppm error the least)."""
GROUP = ("candidates", "proposed by", "mean pmd")
"""Features of the group, the number of engines that propose the candidate, and its mean PMD from the others."""
ENGINE = ("score", "rank", "score less best")
"""Features of the candidate in one engine's list."""


def names(engines: Sequence[str]) -> list[str]:
    """The names of the columns of `features`."""
    relative = [f"{n} less best" for n in RELATIVE]
    return [*ALONE, *relative, *GROUP, *(f"{e} {n}" for e in engines for n in ENGINE)]


def features(
    query: Query, members: Sequence[Candidate], engines: Sequence[str], tolerance: Tolerance = NARROW
) -> Floats:
    """The features [candidates, features] in the order of `names`; NaN if an engine didn't propose the candidate."""
    spectrum = query.content
    clean = spectrum.prepared()
    top = np.argsort(-clean.intensity, kind="stable")[:10]
    rows = []
    for c in members:
        matched = match(clean, c.content, tolerance)
        sites = matched.sites
        error = ppm(c.content, spectrum.precursor_mz, spectrum.charge, (0, 1))
        b, y = sites.mean(axis=1) if sites.size else (0.0, 0.0)
        rows.append(  # in the order of ALONE
            [
                len(c.content),
                spectrum.charge,
                spectrum.mass,
                len(c.content.modifications),
                error,
                abs(error),
                hyperscore(clean, matched),
                cosine(clean, matched),
                explained(clean, matched),
                coverage(clean, matched),
                b,
                y,
                sites.all(axis=0).mean() if sites.size else 0.0,
                longest_run(np.asarray(sites.any(axis=0))),
                np.isin(top, matched.peaks).mean() if len(top) else 0.0,
            ]
        )
    alone = np.array(rows, dtype=np.float64).reshape(len(members), len(ALONE))
    relative = []
    for name in RELATIVE:
        x = alone[:, ALONE.index(name)]
        relative.append(x - (x.min(initial=np.inf) if name == "abs ppm" else x.max(initial=-np.inf)))
    distances = pmds([c.content for c in members])
    by_engine = [c.meta.get("scores", {}) for c in members]
    n = len(members)
    proposed_by = np.array([float(len(scores)) for scores in by_engine])
    group = [np.full(n, float(n)), proposed_by, distances.sum(axis=0) / max(n - 1, 1)]
    columns = []
    for engine in engines:
        score = np.array([scores.get(engine, np.nan) for scores in by_engine])
        best = np.nanmax(score) if np.isfinite(score).any() else np.nan
        rank = np.array([c.meta.get("ranks", {}).get(engine, np.nan) for c in members])
        columns += [score, rank, score - best]
    return np.column_stack([alone, *relative, *group, *columns])
