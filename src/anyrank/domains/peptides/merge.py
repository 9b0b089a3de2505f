"""Merge several engines' peptides for the same spectra into rankings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ...core.errors import InputError
from ...core.types import Candidate, Query, Ranking
from .psm import Joined, Psm
from .spectrum import Spectrum


def merge(spectra: Sequence[Spectrum], engines: Mapping[str, Joined], top: int | None = None) -> list[Ranking]:
    """A ranking for every spectrum, of the best ``top`` peptides of each engine; an empty one if no engine has any.

    The query's content is the `Spectrum`, a candidate's the `Peptide`, spelled as the first engine that proposed it
    spells it; peptides that differ in I and L only are one candidate. ``meta["scores"]`` and ``meta["ranks"]`` hold
    each engine's score and rank (from 1) for it, and ``meta["aa_scores"]`` the residues' scores of the first engine
    that gives them. Candidates are sorted by their best rank, equals in the order of the
    engines; the score is 1 / rank in this list.
    """
    if top is not None and top < 1:
        raise InputError(f"top={top}: must be at least 1")
    counts = Counter(s.full_name for s in spectra)
    out = []
    for i, s in enumerate(spectra):
        pool: dict[str, Candidate] = {}
        best: dict[str, int] = {}
        for engine, joined in engines.items():
            rank = 0
            for psm in joined.psms.get(i, ()):
                key = psm.peptide.key
                c = pool.get(key) or Candidate(key, psm.peptide, meta={"scores": {}, "ranks": {}, **_residues(psm)})
                if engine in c.meta["scores"]:
                    continue
                rank += 1
                if top is not None and rank > top:
                    break
                values = {"scores": psm.score, "ranks": rank}
                pool[key] = c.noted({k: {**c.meta[k], engine: v} for k, v in values.items()})
                best[key] = min(best.get(key, rank), rank)
        ranked = sorted(pool.values(), key=lambda c: best[c.id])
        name = s.full_name if counts[s.full_name] == 1 else f"{s.full_name} index={s.index}"
        out.append(Ranking(Query(name, s), tuple(c.rescored(1.0 / rank) for rank, c in enumerate(ranked, 1))))
    return out


def _residues(psm: Psm) -> dict[str, tuple[float, ...]]:
    """The residues' scores as a field of a candidate, empty without them."""
    return {"aa_scores": psm.aa_scores} if psm.aa_scores else {}
