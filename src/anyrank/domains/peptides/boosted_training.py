"""Training of the boosted trees from rankings of annotated spectra, with a measurement on held-out peptides."""

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
    """Trees and their measurement on ``spectra`` held-out spectra: the share of exact first peptides by the trees, by
    the hyperscore and in the given order, and of spectra with the true peptide among the candidates (``exact`` is empty
    if none were held out)."""

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
    learn: Sequence[str] = (),
) -> TrainedTrees:
    """Train trees on rankings whose queries are annotated spectra (others are left out, as are those without
    candidates).

    A share ``valid`` of the peptides is held out and measures the trees; ``learn`` names features that are learned from
    the others too (`boosted.LEARNED`). Raises InputError if no spectrum is annotated,
    or unless there are right and wrong candidates.
    """
    annotated = [r for r in rankings if r.query.content.peptide is not None]
    if not annotated:
        raise InputError("none of the spectra is annotated: expected lines SEQ=PEPTIDE")
    _, held_out = split_by_peptide([r.query.content for r in annotated], valid, seed)
    held_out_keys = {s.peptide.backbone for s in held_out if s.peptide}
    parts: tuple[list[Ranking], list[Ranking]] = ([], [])
    for r in annotated:
        parts[r.query.content.peptide.backbone in held_out_keys].append(r)
    train, valid_rankings = [r for r in parts[0] if len(r)], parts[1]
    truths = [r.query.content.peptide for r in train]
    trees = Boosted.fit(train, truths, engines, rounds=rounds, seed=seed, tolerance=tolerance, learn=learn)
    exact = _exact(trees, valid_rankings, tolerance) if valid_rankings else {}
    facts = {**trees.facts, "seed": seed, "held out": {"spectra": len(valid_rankings), "exact": exact}}
    return TrainedTrees(replace(trees, facts=facts), exact, len(valid_rankings))


def _exact(trees: Boosted, rankings: Sequence[Ranking], tolerance: Tolerance) -> dict[str, float]:
    """The share of spectra whose first peptide is the true one, by ranker."""
    judges: dict[str, Judge] = {"lightgbm": trees, "hyperscore": SpectrumMatch(tolerance=tolerance)}
    ranked = {name: reranker(judge, name).batch(rankings) for name, judge in judges.items()}
    ranked["as given"] = list(rankings)
    n = len(rankings)
    shares = {
        name: sum(assess(r[0].content, r.query.content.peptide).exact for r in order if len(r)) / n
        for name, order in ranked.items()
    }
    return shares | {"among the candidates": sum(r.query.content.peptide.key in r.ids for r in rankings) / n}
