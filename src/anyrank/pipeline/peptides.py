"""The stages over peptide candidates of spectra (`anyrank.domains.peptides`) that have a name in pipelines."""

from __future__ import annotations

from ..core.stage import Stage
from .context import Settings
from .parts import Part


def _hyperscore(settings: Settings, tolerance: str = "20ppm") -> Stage:
    """Score peptides by the ions that their spectrum shows."""
    from ..domains.peptides.judges import SpectrumMatch, reranker
    from ..domains.peptides.matching import Tolerance

    return reranker(SpectrumMatch(tolerance=Tolerance.of(tolerance)), "hyperscore")


def _lightgbm(settings: Settings, file: str) -> Stage:
    """Score peptides by trained trees."""
    from ..domains.peptides.boosted import Boosted
    from ..domains.peptides.judges import reranker

    return reranker(Boosted.load(file), "lightgbm")


PEPTIDES = {
    "hyperscore": Part('peptides by the ions of their spectrum: hyperscore(tolerance="0.5Da")', then=_hyperscore),
    "lightgbm": Part("peptides by trees of 'anyrank peptides train': lightgbm(\"FILE\")", then=_lightgbm),
}
