"""Several engines' peptides for the same spectra as rankings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...core.errors import InputError
from ...core.types import Candidate, Query, Ranking
from .psm import Joined
from .spectrum import Spectrum


def merge(spectra: Sequence[Spectrum], engines: Mapping[str, Joined], top: int | None = None) -> list[Ranking]:
    """A ranking for every spectrum, with the best ``top`` peptides of each engine; without candidates where no engine
    has any.

    The query's content is the `Spectrum`, a candidate's the `Peptide`, spelled as the first engine that proposed it
    spells it; spellings that differ in I and L only are one candidate. ``meta["scores"]`` and ``meta["ranks"]`` hold
    each engine's score and place (from 1) for it. Candidates stand by their best place; of equals, in the order of the
    engines; the score is 1 / place in this list.
    """
    if top is not None and top < 1:
        raise InputError(f"top={top}: must be at least 1")
    often = Counter(s.name for s in spectra)
    out = []
    for at, s in enumerate(spectra):
        pool: dict[str, Candidate] = {}
        best: dict[str, int] = {}
        for engine, joined in engines.items():
            place = 0
            for psm in joined.psms.get(at, ()):
                key = psm.peptide.key
                c = pool.get(key) or Candidate(key, psm.peptide, meta={"scores": {}, "ranks": {}})
                if engine in c.meta["scores"]:
                    continue
                place += 1
                if top is not None and place > top:
                    break
                added = {"scores": psm.score, "ranks": place}
                pool[key] = replace(c, meta={k: {**c.meta[k], engine: v} for k, v in added.items()})
                best[key] = min(best.get(key, place), place)
        ranked = sorted(pool.values(), key=lambda c: best[c.id])
        name = s.name if often[s.name] == 1 else f"{s.name} index={s.index}"
        out.append(Ranking(Query(name, s), tuple(c.rescored(1.0 / i) for i, c in enumerate(ranked, 1))))
    return out


def engine_names(rankings: Sequence[Ranking]) -> list[str]:
    """The engines that proposed any candidate, in the order of their first."""
    return list(dict.fromkeys(e for r in rankings for c in r for e in c.meta.get("scores", {})))
