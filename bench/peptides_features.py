"""Do learned features help trees over our own engine's beams? Fragment intensities, retention times, more candidates.

    python bench/peptides_features.py WORK [SEED …]     # anyrank[train,peptides,lightgbm] and the optional data at hand

For each seed the tryptic spectra are split by peptide (backbones: no peptide, modified or not, in both parts), a fifth
is tested on. The beam that is tested on comes from an engine trained on the other four fifths; the beams that are
learned from come from two engines, each trained on half of these and run over the other half. Trees see the engine's
score. Intensities and times are learned from the same spectra: of a training spectrum they come from spectra without
its peptide. "All candidates" adds to the training the outputs of two Casanovo versions over 128 other spectra (none of
them with a tested peptide) and made-up candidates of the learned spectra. "Fused" is the sum of z-scores of the trees
and the hyperscore. Nothing was tuned. Differences are from the hyperscore on the same spectra, with 95 % bootstrap
intervals over peptides, all seeds together. Calibration: the confidence of the first choices fitted on the learned
beams, and what share of the choices that it advises at an expected error of a tenth is wrong among those tested. Beams
are kept in WORK. Writes bench/results/peptides-features.json seed by seed.
"""

from __future__ import annotations

import json
import pickle
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peptides_neural import DATA, FILES, judged, load, ranked_by
from peptides_sources import ENGINE, beam, facts

from anyrank.core.types import Judgement, Ranking
from anyrank.domains.peptides.boosted import Boosted
from anyrank.domains.peptides.confidence import Calibration, calibration_error, thresholds
from anyrank.domains.peptides.corrupt import practice
from anyrank.domains.peptides.files.tables import read_psms
from anyrank.domains.peptides.judges import EngineScore, SpectrumMatch
from anyrank.domains.peptides.merge import merge
from anyrank.domains.peptides.neural.engine_training import train_engine
from anyrank.domains.peptides.psm import join
from anyrank.domains.peptides.split import folds, split_by_peptide

OUT = Path(__file__).parent / "results" / "peptides-features.json"
RATE = 0.1
BOTH = ("intensities", "retention")
VARIANTS: dict[str, tuple[tuple[str, ...], bool]] = {
    "trees": ((), False),
    "trees + intensities": (("intensities",), False),
    "trees + retention": (("retention",), False),
    "trees + both": (BOTH, False),
    "trees + both, all candidates": (BOTH, True),
}


def prepared(seed: int, work: Path) -> tuple[list[Ranking], list[Ranking]]:
    """The beams to learn from and to test on."""
    path = work / f"beams-{seed}.pickle"
    if path.is_file():
        learned, tested = pickle.loads(path.read_bytes())
        return learned, tested
    few, tryptic = load()
    known = {s.peptide.backbone for s in few if s.peptide}
    rest, test = split_by_peptide([s for s in tryptic if s.peptide and s.peptide.backbone not in known], 0.2, seed)
    half = folds([s.peptide for s in rest if s.peptide], 2, seed)
    plan = replace(ENGINE, pace=replace(ENGINE.pace, seed=seed))
    learned = []
    for k in (0, 1):
        engine = train_engine(plan, [s for s, h in zip(rest, half) if h == k])
        learned += beam(engine, [s for s, h in zip(rest, half) if h != k])
    tested = beam(train_engine(plan, rest), test)
    path.write_bytes(pickle.dumps((learned, tested)))
    return learned, tested


def casanovo(tested: Sequence[Ranking]) -> list[Ranking]:
    """Two Casanovo outputs over other spectra, which are of another run: without their times, and without a tested
    peptide."""
    few, _ = load()
    out = {r.query.content.peptide.backbone for r in tested}
    few = [replace(s, rt=None) for s in few if s.peptide and s.peptide.backbone not in out]
    lost: list[Any] = []
    return merge(few, {n: join(read_psms(DATA / f, bad=lost), few, bad=lost) for n, f in FILES.items()})


def fused(judges: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    """The sum of the z-scores of some judges."""

    def judge(groups: Any) -> list[Judgement]:
        sums = [np.zeros(len(members)) for _, members in groups]
        for one in judges:
            for total, judgement in zip(sums, one(groups)):
                x = np.asarray(judgement.scores)
                total += (x - x.mean()) / (x.std() or 1.0) if len(x) else x
        return [Judgement(s.tolist()) for s in sums]

    return judge


def confident(learned: Sequence[Ranking], tested: Sequence[Ranking]) -> dict[str, Any]:
    """The calibration of first choices fitted on rankings that no judge was trained on, on the tested ones."""
    fitted = Calibration.fit(learned, ("own",))
    some = [r for r in tested if len(r)]
    values = [v for v in fitted(some) if v is not None]
    right = [r[0].id == r.query.content.peptide.key for r in some]
    advised = next(iter(thresholds(values, (RATE,))), None)
    chosen = [ok for v, ok in zip(values, right) if advised is not None and v >= advised.confidence]
    return {
        "calibration error": round(calibration_error(values, right), 3),
        "choices at an expected error of a tenth": len(chosen),
        "wrong among them": len(chosen) - sum(chosen),
    }


def crossed(learned: Sequence[Ranking], fit: Callable[[Sequence[Ranking]], Any]) -> list[Ranking]:
    """The learned rankings, each in the order of a judge that was trained without its peptide."""
    of = folds([r.query.content.peptide for r in learned], 3)
    out = list(learned)
    for k in range(3):
        judge = fit([r for r, f in zip(learned, of) if f != k])
        mine = [i for i, f in enumerate(of) if f == k]
        for i, ranking in zip(mine, ranked_by(judge, [learned[i] for i in mine])):
            out[i] = ranking
    return out


def run(seed: int, work: Path) -> dict[str, Any]:
    start = time.process_time()
    learned, tested = prepared(seed, work)
    groups = [r for r in learned if len(r) > 1]
    more = [r for r in casanovo(tested) if len(r) > 1] + practice([r.query.content for r in learned], 6, seed)

    def trees(rankings: Sequence[Ranking], learn: Sequence[str], every: bool) -> Boosted:
        rankings = [*rankings, *more] if every else list(rankings)
        return Boosted.fit(rankings, [r.query.content.peptide for r in rankings], ("own",), seed=seed, learn=learn)

    hyperscore = SpectrumMatch()
    ranked = {"hyperscore": ranked_by(hyperscore, tested), "the engine's own": ranked_by(EngineScore("own"), tested)}
    weights = {}
    for name, (learn, every) in VARIANTS.items():
        made = trees(groups, learn, every)
        weights[name] = dict(list(made.weights.items())[:6])
        ranked[name] = ranked_by(made, tested)
        ranked[f"{name}, fused"] = ranked_by(fused([made, hyperscore]), tested)
        print(seed, name, round(time.process_time() - start), flush=True)
    best = "trees + both, fused"
    by_folds = crossed(groups, lambda rs: fused([trees(rs, BOTH, False), hyperscore]))
    calibration = {
        "hyperscore": confident(ranked_by(hyperscore, groups), ranked["hyperscore"]),
        best: confident(by_folds, ranked[best]),
    }
    return {
        "learned": facts(learned),
        "tested": facts(tested),
        "exact": {n: [int(s.exact) for s in judged(r)] for n, r in ranked.items()},
        "peptides": [r.query.content.peptide.backbone for r in tested],
        "weights": {n: {k: round(v, 3) for k, v in w.items()} for n, w in weights.items()},
        "calibration": calibration,
        "cpu seconds": round(time.process_time() - start),
    }


def main() -> None:
    torch.set_num_threads(1)
    work = Path(sys.argv[1])
    work.mkdir(parents=True, exist_ok=True)
    every: dict[str, Any] = json.loads(OUT.read_text())["seeds"] if OUT.is_file() else {}
    for seed in map(int, sys.argv[2:] or ("0", "1", "2")):
        every[str(seed)] = run(seed, work)
        table = {}
        for name in next(iter(every.values()))["exact"]:
            values = np.concatenate([r["exact"][name] for r in every.values()])
            base = np.concatenate([r["exact"]["hyperscore"] for r in every.values()])
            peptides = [p for r in every.values() for p in r["peptides"]]
            table[name] = {
                "exact, each seed": [sum(r["exact"][name]) for r in every.values()],
                "exact": round(float(values.mean()), 4),
                "difference": round(float((values - base).mean()), 4),
                "interval": [round(x, 4) for x in bootstrap(values - base, peptides)],
            }
            print(f"{name:36} {table[name]}", flush=True)
        OUT.write_text(json.dumps({"table": table, "seeds": every}, indent=1) + "\n", "utf-8")


def bootstrap(values: Any, peptides: Sequence[str], draws: int = 5000) -> tuple[float, float]:
    """The 95 % interval of a mean, peptides drawn anew with all of their spectra."""
    names = {p: i for i, p in enumerate(dict.fromkeys(peptides))}
    of = np.array([names[p] for p in peptides])
    sums, counts = np.bincount(of, values), np.bincount(of)
    times = np.random.default_rng(0).multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
    low, high = np.quantile((times @ sums) / (times @ counts), [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    main()
