"""Reranking the peptides of two Casanovo versions over the same 128 annotated spectra: engines alone, their oracle,
rankers without training, boosted trees by cross-validation over peptides.

    python bench/peptides.py              # anyrank[peptides] and lightgbm installed, the optional data at hand

Intervals are 95% percentile bootstraps over spectra, of each measure and of its difference from the better engine.
Trees: five folds by peptide (no peptide in two folds), several seeds of folds and trees; a spectrum's value is that of
the model that didn't see its peptide; of the seeds the mean and the range are told. Transfer: trees that never saw an
engine nor these spectra, trained on the tryptic spectra with corrupted candidates; peptides of the 128 are left out
there. Nothing was tuned on these spectra. Practice: the 1,094 tryptic spectra with the truth among six candidates, the
others made up; trees by cross-validation over peptides again; consensus, which sees no spectrum, tells what the
making-up gives away (a sixth is chance). Writes bench/results/peptides-baselines.json.
"""

from __future__ import annotations

import json
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from anyrank.core.types import Ranking
from anyrank.domains.peptides.accuracy import Scored, assess, intervals, measures
from anyrank.domains.peptides.boosted import Boosted
from anyrank.domains.peptides.corrupt import corrupted, practice
from anyrank.domains.peptides.distance import pmd, rmd
from anyrank.domains.peptides.files.spectra import read_spectra
from anyrank.domains.peptides.files.tables import read_psms
from anyrank.domains.peptides.judges import reranker
from anyrank.domains.peptides.merge import merge
from anyrank.domains.peptides.methods import METHODS, Setting, stage
from anyrank.domains.peptides.psm import join

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("ANYRANK_DATA", ROOT.parent / "shared" / "data")) / "peptide-ms"
FILES = {"casanovo4": "casanovo_4.1.1_sample.mztab", "casanovo3": "casanovo_v3_output.csv.gz"}
SEEDS, FOLDS = range(5), 5
SHOWN = ("peptide_recall", "aa_precision", "auc")


def judged(ranked: Sequence[Ranking]) -> list[Scored]:
    truths = [r.query.content.peptide for r in ranked]
    return [assess(r[0].content if len(r) else None, t, r[0].score if len(r) else 0.0) for r, t in zip(ranked, truths)]


def said(table: Sequence[Scored], baseline: Sequence[Scored]) -> dict[str, Any]:
    value, bounds, gain = measures(table), intervals(table), intervals(table, baseline)
    base = measures(baseline)
    return {
        "exact_count": sum(s.exact for s in table),
        **{m: {"value": round(v, 4), "interval": _round(bounds[m])} for m, v in value.items()},
        "difference": {m: {"value": round(value[m] - base[m], 4), "interval": _round(gain[m])} for m in value},
    }


def _round(pair: tuple[float, float]) -> list[float]:
    return [round(x, 4) for x in pair]


def folds(rankings: Sequence[Ranking], seed: int) -> list[int]:
    """The fold of every spectrum; spectra of one peptide share it."""
    keys = sorted({r.query.content.peptide.key for r in rankings})
    random.Random(seed).shuffle(keys)
    fold = {key: i % FOLDS for i, key in enumerate(keys)}
    return [fold[r.query.content.peptide.key] for r in rankings]


def crossed(rankings: Sequence[Ranking], engines: Sequence[str], seed: int) -> list[Ranking]:
    """Every spectrum ranked by the trees that were trained without its peptide."""
    out, fold = list(rankings), folds(rankings, seed)
    for k in range(FOLDS):
        train = [r for r, f in zip(rankings, fold) if f != k]
        trees = Boosted.fit(train, [r.query.content.peptide for r in train], engines, seed=seed)
        test = [i for i, f in enumerate(fold) if f == k]
        for i, done in zip(test, reranker(trees, "lightgbm").batch([rankings[i] for i in test])):
            out[i] = done
    return out


def transferred(rankings: Sequence[Ranking], seed: int) -> list[Ranking]:
    """Ranked by trees trained on other spectra with corrupted candidates, without any engine's score."""
    known = {r.query.content.peptide.key for r in rankings}
    tryptic = [
        s for s in read_spectra(DATA / "denovobench_QEPlus2_40_F5.mgf.gz") if s.peptide and s.peptide.key not in known
    ]
    train = practice(tryptic, 6, seed)
    trees = Boosted.fit(train, [r.query.content.peptide for r in train], (), seed=seed)
    return reranker(trees, "transfer").batch(rankings)


def seeds(make: Callable[[int], list[Ranking]], baseline: Sequence[Scored]) -> dict[str, Any]:
    """The first seed in full; mean and range of every measure over the seeds."""
    tables = [judged(make(s)) for s in SEEDS]
    values = [measures(t) | {"exact_count": sum(s.exact for s in t)} for t in tables]
    spread = {
        m: {"mean": round(statistics.mean(v[m] for v in values), 4), "each": [round(v[m], 4) for v in values]}
        for m in values[0]
    }
    return said(tables[0], baseline) | {"seeds": spread}


def timed(count: int, work: Callable[[], object], rounds: int = 3) -> float:
    """Things a second, the best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return round(count / best)


def main() -> None:
    spectra = list(read_spectra(DATA / "casanovo_sample_128.mgf.gz"))
    lost: list[Any] = []
    engines = {n: join(read_psms(DATA / f, bad=lost), spectra, bad=lost) for n, f in FILES.items()}
    rankings = merge(spectra, engines)
    setting = Setting(tuple(engines), rankings)
    truths = [s.peptide for s in spectra]
    alone = judged(stage("engine:casanovo4", setting).batch(rankings))
    results: dict[str, Any] = {}
    for name in [f"engine:{e}" for e in engines] + [m for m in METHODS if not METHODS[m].learned]:
        results[name] = said(judged(stage(name, setting).batch(rankings)), alone)
    results["lightgbm, cross-validated"] = seeds(lambda s: crossed(rankings, tuple(engines), s), alone)
    results["lightgbm, from tryptic spectra"] = seeds(lambda s: transferred(rankings, s), alone)
    oracle = sum(t.key in r.ids for r, t in zip(rankings, truths))
    differ = [r for r in rankings if len(r) > 1]
    wins = [[t.key == j.psms[i][0].peptide.key for i, t in enumerate(truths)] for j in engines.values()]
    facts = {
        "spectra": len(spectra),
        "peptides": len({t.key for t in truths}),
        "candidates": sum(map(len, rankings)),
        "exact": {e: sum(w) for e, w in zip(engines, wins)},
        "exact_oracle": oracle,
        "exact_by_both": sum(a and b for a, b in zip(*wins)),
        "spectra_with_different_candidates": len(differ),
        "rows_of_other_spectra": len(lost),
    }
    tryptic = list(read_spectra(DATA / "denovobench_QEPlus2_40_F5.mgf.gz"))
    six = practice(tryptic, 6)
    pairs = [(c.content, r.query.content.peptide) for r in six for c in r]
    practised = {
        m: said(judged(stage(m, Setting((), six)).batch(six)), judged(six))
        for m in ("hyperscore", "cosine", "explained", "coverage", "mass", "consensus")
    }
    practised["lightgbm, cross-validated"] = said(judged(crossed(six, (), 0)), judged(six))
    speed = {
        "mgf spectra a second": timed(
            len(tryptic), lambda: list(read_spectra(DATA / "denovobench_QEPlus2_40_F5.mgf.gz"))
        ),
        "pmd pairs a second, in one batch": timed(len(pairs), lambda: pmd(*zip(*pairs))),
        "pmd pairs a second, six at a time": timed(
            len(pairs), lambda: [pmd([c.content for c in r], r.query.content.peptide) for r in six]
        ),
        "rmd pairs a second": timed(len(pairs), lambda: [rmd(a, b) for a, b in pairs]),
        "spectra of 6 candidates a second, hyperscore": timed(
            len(six), lambda: stage("hyperscore", Setting(())).batch(six)
        ),
        "corrupted candidates a second": timed(len(tryptic) * 6, lambda: [corrupted(s.peptide, 6) for s in tryptic], 1),
    }
    for name, r in [*results.items(), *((f"practice: {n}", r) for n, r in practised.items())]:
        cells = [f"{m} {r[m]['value']:.4f} ({r[m]['interval'][0]:.3f}-{r[m]['interval'][1]:.3f})" for m in SHOWN]
        print(f"{name:<36} exact {r['exact_count']:>4}  " + "  ".join(cells), r.get("seeds", {}).get("exact_count", ""))
    print(json.dumps(facts), json.dumps(speed), sep="\n")
    out = ROOT / "bench" / "results" / "peptides-baselines.json"
    machine = {"machine": platform.machine(), "python": platform.python_version(), "cores": os.cpu_count()}
    record = {"facts": facts, "methods": results, "practice": practised, "speed": speed, "on": machine}
    out.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
