"""Training of the boosted trees: rankings of annotated spectra to trees and what they are worth on other peptides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...core.errors import InputError
from ...core.rerank import Judge
from ...core.types import Ranking
from .accuracy import assess
from .boosted import Boosted
from .judges import SpectrumMatch, reranker
from .matching import NARROW, Tolerance
from .split import split_by_peptide


@dataclass(frozen=True, slots=True)
class TrainedTrees:
    """The trees; on ``spectra`` held-out ones the share of exact peptides of the trees, of the hyperscore and of the
    order given, and the share whose true peptide is among the candidates (empty where none were held out)."""

    trees: Boosted
    exact: Mapping[str, float]
    spectra: int


def train_trees(
    rankings: Sequence[Ranking],
    engines: Sequence[str] = (),
    *,
    rounds: int = 100,
    valid: float = 0.1,
    seed: int = 0,
    tolerance: Tolerance = NARROW,
) -> TrainedTrees:
    """Trees from rankings whose queries are annotated spectra (others are left out, as are those without candidates).
    A share ``valid`` of the peptides is not learned and measures what was. Raises InputError where there is nothing to
    learn from."""
    known = [r for r in rankings if r.query.content.peptide is not None]
    if not known:
        raise InputError("none of the spectra is annotated: expected lines SEQ=PEPTIDE")
    _, out = split_by_peptide([r.query.content for r in known], valid, seed)
    taken = {s.peptide.key for s in out if s.peptide}
    parts: tuple[list[Ranking], list[Ranking]] = ([], [])
    for r in known:
        parts[r.query.content.peptide.key in taken].append(r)
    rest = [r for r in parts[0] if len(r)]
    truths = [r.query.content.peptide for r in rest]
    trees = Boosted.fit(rest, truths, engines, rounds=rounds, seed=seed, tolerance=tolerance)
    exact = _exact(trees, parts[1], tolerance) if parts[1] else {}
    facts = {**trees.facts, "seed": seed, "held out": {"spectra": len(parts[1]), "exact": exact}}
    return TrainedTrees(replace(trees, facts=facts), exact, len(parts[1]))


def _exact(trees: Boosted, rankings: Sequence[Ranking], tolerance: Tolerance) -> dict[str, float]:
    judges: dict[str, Judge] = {"lightgbm": trees, "hyperscore": SpectrumMatch(tolerance=tolerance)}
    ranked = {name: reranker(judge, name).batch(rankings) for name, judge in judges.items()}
    ranked["as given"] = list(rankings)
    n = len(rankings)
    found = {
        name: sum(assess(r[0].content, r.query.content.peptide).exact for r in done if len(r)) / n
        for name, done in ranked.items()
    }
    return found | {"among the candidates": sum(r.query.content.peptide.key in r.ids for r in rankings) / n}
