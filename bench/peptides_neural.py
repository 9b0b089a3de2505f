"""RankNovo's model on a processor: practice groups, two Casanovo outputs, our own engine's beam, speed.

    python bench/peptides_neural.py [a b c d]     # anyrank[train,peptides,lightgbm] and the optional data at hand

One thread; a small shape. The learning rate, the waves and the share of simulated spectra were chosen by a dozen
runs of a minute on one random fifth of the tryptic peptides, which overlaps those of (a); nothing else was tuned. Every
part is written as soon as it is done into bench/results/peptides-neural.json. Intervals are 95% percentile bootstraps
over spectra. Models are kept in ANYRANK_BENCH_MODELS (/tmp/peptides-neural): empty it to train anew.

(a) The 1,094 tryptic spectra with the truth among six candidates (`corrupt.practice`), split by peptide: seed k tests
on the k-th fifth and trains on the rest; the values are of the fifths together. (b) The 128 spectra with the outputs of
two Casanovo versions: by the models of (a), which never saw Casanovo nor these peptides; with our engine as a third
source; and fine-tuned by cross-validation over peptides. (c) Our engine, trained on four fifths, and the rerankers on
its beam over the last. (d) Speed and memory on random weights, which cost the same.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import torch

from anyrank.core.types import Ranking
from anyrank.domains.peptides.accuracy import Scored, assess, intervals, measures
from anyrank.domains.peptides.boosted import Boosted
from anyrank.domains.peptides.corrupt import practice
from anyrank.domains.peptides.distance import pmd
from anyrank.domains.peptides.files.spectra import read_spectra
from anyrank.domains.peptides.files.tables import read_psms
from anyrank.domains.peptides.judges import Consensus, EngineScore, MassError, SpectrumMatch, Vote, reranker
from anyrank.domains.peptides.matching import cosine
from anyrank.domains.peptides.merge import merge
from anyrank.domains.peptides.neural.base_engine import BaseEngine
from anyrank.domains.peptides.neural.engine_training import EnginePlan, train_engine
from anyrank.domains.peptides.neural.ranknovo import RankNovo
from anyrank.domains.peptides.neural.training import SMALL, Pace, Plan, train
from anyrank.domains.peptides.peptide import Peptide
from anyrank.domains.peptides.psm import join
from anyrank.domains.peptides.simulate import simulated
from anyrank.domains.peptides.spectrum import Spectrum
from anyrank.models.axial import Axial, Shape

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("ANYRANK_DATA", ROOT.parent / "shared" / "data")) / "peptide-ms"
OUT = ROOT / "bench" / "results" / "peptides-neural.json"
MODELS = Path(os.environ.get("ANYRANK_BENCH_MODELS", "/tmp/peptides-neural"))
FILES = {"casanovo4": "casanovo_4.1.1_sample.mztab", "casanovo3": "casanovo_v3_output.csv.gz"}
PACE = Pace(rounds=4, batch=16, rate=3e-3)
PLAN = Plan(SMALL, pace=PACE, simulated=1600, valid=0.0)
VARIANTS: Mapping[str, tuple[Plan, int]] = {
    "both losses": (PLAN, 3),
    "without column attention": (replace(PLAN, shape=replace(SMALL, columns=False)), 3),
    "PMD alone": (replace(PLAN, rmd_weight=0.0), 3),
    "RMD alone": (replace(PLAN, pmd_weight=0.0), 2),
    "start at random": (replace(PLAN, ions=False), 1),
    "no simulated spectra, as many steps": (replace(PLAN, simulated=0, pace=replace(PACE, rounds=11)), 1),
    "simulated spectra alone, as many steps": (replace(PLAN, simulated=2475), 1),
}
LONG = replace(PLAN, pace=replace(PACE, rounds=16))
FIFTHS = 5


def load() -> tuple[list[Spectrum], list[Spectrum]]:
    """The 128 spectra, and the tryptic spectra of other peptides."""
    few = list(read_spectra(DATA / "casanovo_sample_128.mgf.gz"))
    known = {s.peptide.key for s in few}
    tryptic = read_spectra(DATA / "denovobench_QEPlus2_40_F5.mgf.gz")
    return few, [s for s in tryptic if s.peptide and s.peptide.key not in known]


def fifth(spectra: Sequence[Spectrum], k: int) -> tuple[list[Spectrum], list[Spectrum]]:
    """The spectra of all peptides but those of the k-th fifth, and these."""
    keys = sorted({s.peptide.key for s in spectra})
    Random(0).shuffle(keys)
    out = set(keys[k::FIFTHS])
    return [s for s in spectra if s.peptide.key not in out], [s for s in spectra if s.peptide.key in out]


def judged(ranked: Sequence[Ranking]) -> list[Scored]:
    truths = [r.query.content.peptide for r in ranked]
    return [assess(r[0].content if len(r) else None, t, r[0].score if len(r) else 0.0) for r, t in zip(ranked, truths)]


def said(ranked: Sequence[Ranking], baseline: Sequence[Ranking] | None = None) -> dict[str, Any]:
    """Exact peptides, the mean distance of the chosen from the truth, peptide recall and the area under
    precision-coverage, with intervals; of the differences from ``baseline``, too."""
    table = judged(ranked)
    value, bounds = measures(table), intervals(table)
    away = [float(pmd([r[0].content], r.query.content.peptide)[0]) for r in ranked if len(r)]
    out: dict[str, Any] = {"spectra": len(table), "exact_count": sum(s.exact for s in table)}
    out["pmd_of_chosen"] = round(sum(away) / max(len(away), 1), 4)
    for m in ("exact", "peptide_recall", "auc"):
        out[m] = {"value": round(value[m], 4), "interval": [round(x, 4) for x in bounds[m]]}
    if baseline is not None:
        gain = intervals(table, judged(baseline))["exact"]
        mine, theirs = value["exact"], measures(judged(baseline))["exact"]
        out["exact_difference"] = {"value": round(mine - theirs, 4), "interval": [round(x, 4) for x in gain]}
    return out


def ranked_by(judge: Any, rankings: Sequence[Ranking]) -> list[Ranking]:
    return reranker(judge, "x").batch(rankings)


def both(rankings: Sequence[Ranking], ranked: Sequence[Ranking]) -> list[Ranking]:
    """The rankings with the places that a model gave as those of one more engine, "model"."""
    out = []
    for r, by in zip(rankings, ranked):
        place = {c.id: i for i, c in enumerate(by, 1)}
        score = {c.id: c.score for c in by}
        metas = [
            {"scores": {**c.meta["scores"], "model": score[c.id]}, "ranks": {**c.meta["ranks"], "model": place[c.id]}}
            for c in r
        ]
        out.append(Ranking(r.query, tuple(replace(c, meta=m) for c, m in zip(r, metas))))
    return out


def keep(part: str, found: Any) -> None:
    """Write one part beside those already there."""
    record = json.loads(OUT.read_text("utf-8")) if OUT.is_file() else {}
    record[part] = found
    record["on"] = {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
    }
    OUT.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


def show(part: str, name: str, r: Mapping[str, Any]) -> None:
    e, d = r["exact"], r.get("exact_difference")
    more = f"  difference {d['value']:+.4f} ({d['interval'][0]:+.3f} {d['interval'][1]:+.3f})" if d else ""
    interval = f"{e['interval'][0]:.3f}-{e['interval'][1]:.3f}"
    value = f"exact {r['exact_count']:>4} of {r['spectra']}  {e['value']:.4f} ({interval})"
    print(f"({part}) {name:<44} {value}  PMD {r['pmd_of_chosen']:.4f}{more}", flush=True)


def trained(name: str, plan: Plan, spectra: Sequence[Spectrum], **more: Any) -> Axial:
    """The model of that name, from its folder where an earlier part trained it."""
    folder = MODELS / name.replace(" ", "-")
    if (folder / "model.safetensors").is_file():
        return Axial.from_folder(folder)
    start = time.process_time()
    model = train(plan, spectra, **more).model
    model.save(folder)
    (folder / "seconds").write_text(f"{time.process_time() - start:.0f}")
    return model


def a() -> None:
    _, tryptic = load()
    parts = [fifth(tryptic, k) for k in range(3)]
    tests = [practice(test, 6) for _, test in parts]
    every = [r for t in tests for r in t]
    found: dict[str, Any] = {"spectra": [len(t) for t in tests]}

    def add(name: str, ranked: list[Ranking], base: list[Ranking] | None = None, **more: Any) -> None:
        found[name] = said(ranked, base) | more
        show("a", name, found[name])
        keep("a", found)

    hyper = ranked_by(SpectrumMatch(), every)
    add("hyperscore", hyper)
    for name, judge in (("cosine", SpectrumMatch(cosine)), ("mass error", MassError()), ("consensus", Consensus())):
        add(name, ranked_by(judge, every), hyper)
    trees = []
    for k, (rest, _) in enumerate(parts):
        groups = practice(rest, 6, k)
        fitted = Boosted.fit(groups, [r.query.content.peptide for r in groups], (), seed=k)
        trees += ranked_by(fitted, tests[k])
    add("lightgbm", trees, hyper)
    first: list[Ranking] = []
    for name, (plan, seeds) in VARIANTS.items():
        out: list[Ranking] = []
        each, seconds = [], []
        by = "pmd" if plan.pmd_weight else "rmd"
        for k in range(seeds):
            mine = replace(plan, pace=replace(plan.pace, seed=k))
            model = trained(f"{name} {k}", mine, [] if "alone, as" in name else parts[k][0])
            ranks = ranked_by(RankNovo(model, by=by), tests[k])
            each.append(round(measures(judged(ranks))["exact"], 4))
            seconds.append(float((MODELS / f"{name} {k}".replace(" ", "-") / "seconds").read_text()))
            out += ranks
        first = first or out
        against = said(out, first[: len(out)])["exact_difference"]
        add(name, out, hyper[: len(out)], each=each, cpu_seconds=seconds, difference_from_both_losses=against)
    model = trained("long 0", LONG, parts[0][0])
    add(
        "both losses, four times as long (first fifth)",
        ranked_by(RankNovo(model), tests[0]),
        hyper[: len(tests[0])],
        cpu_seconds=[float((MODELS / "long-0" / "seconds").read_text())],
    )


def engine() -> BaseEngine:
    """Our engine, trained on four fifths of the tryptic spectra and as many simulated ones."""
    _, tryptic = load()
    folder = MODELS / "engine"
    if not (folder / "model.safetensors").is_file():
        plan = EnginePlan(pace=Pace(rounds=14, batch=16, rate=3e-3), simulated=800, valid=0.0)
        train_engine(plan, fifth(tryptic, 0)[0], folder)
    return BaseEngine.load(folder, beam=10, top=6)


def b() -> None:
    few, _ = load()
    lost: list[Any] = []
    engines = {n: join(read_psms(DATA / f, bad=lost), few, bad=lost) for n, f in FILES.items()}
    two = merge(few, engines)
    alone = ranked_by(EngineScore("casanovo4"), two)
    found: dict[str, Any] = {"oracle": sum(r.query.content.peptide.key in r.ids for r in two)}

    def add(name: str, ranked: list[Ranking], **more: Any) -> None:
        found[name] = said(ranked, alone) | more
        show("b", name, found[name])
        keep("b", found)

    add("casanovo4 alone", alone)
    add("casanovo3 alone", ranked_by(EngineScore("casanovo3"), two))
    add("hyperscore", ranked_by(SpectrumMatch(), two))
    models = {f"both losses {k}": PLAN for k in range(3)} | {"long 0": LONG}
    for name in models:
        add(f"zero-shot: {name}", ranked_by(RankNovo(Axial.from_folder(MODELS / name.replace(" ", "-"))), two))
    own = merge(few, engines | {"own": join(engine()(few), few)})
    found["oracle with our engine"] = sum(r.query.content.peptide.key in r.ids for r in own)
    add("own engine alone", ranked_by(EngineScore("own"), own))
    add("three sources: hyperscore", ranked_by(SpectrumMatch(), own))
    long = Axial.from_folder(MODELS / "long-0")
    add("three sources: zero-shot, long 0", ranked_by(RankNovo(long), own))
    for seed in range(2):
        keys = sorted({s.peptide.key for s in few})
        Random(seed).shuffle(keys)
        fold = {key: i % FIFTHS for i, key in enumerate(keys)}
        out = list(two)
        for k in range(FIFTHS):
            inside = [s for s in few if fold[s.peptide.key] != k]
            known = [r for r in two if fold[r.query.content.peptide.key] != k]
            plan = replace(PLAN, pace=Pace(rounds=3, batch=16, rate=1e-3, seed=seed), simulated=0)
            model = train(plan, inside, known=known, start=long).model
            test = [i for i, r in enumerate(two) if fold[r.query.content.peptide.key] == k]
            for i, done in zip(test, ranked_by(RankNovo(model), [two[i] for i in test])):
                out[i] = done
        add(f"fine-tuned, cross-validated, seed {seed}", out)


def c() -> None:
    _, tryptic = load()
    rest, test = fifth(tryptic, 0)
    own = engine()
    start = time.process_time()
    beams = merge(test, {"own": join(own(test), test)})
    seconds = time.process_time() - start
    learned = merge(rest, {"own": join(own(rest), rest)})
    first = ranked_by(EngineScore("own"), beams)
    found: dict[str, Any] = {
        "oracle": sum(r.query.content.peptide.key in r.ids for r in beams),
        "with candidates": sum(len(r) > 0 for r in beams),
        "beam spectra a second": round(len(test) / seconds, 1),
        "train: first exact, oracle": [
            sum(r.query.content.peptide.key == r[0].id for r in learned if len(r)),
            sum(r.query.content.peptide.key in r.ids for r in learned),
            len(learned),
        ],
    }

    def add(name: str, ranked: list[Ranking], **more: Any) -> None:
        found[name] = said(ranked, first) | more
        show("c", name, found[name])
        keep("c", found)

    add("the beam's own first", first)
    for name, judge in (
        ("hyperscore", SpectrumMatch()),
        ("cosine", SpectrumMatch(cosine)),
        ("mass error", MassError()),
        ("consensus", Consensus()),
    ):
        add(name, ranked_by(judge, beams))
    some = [r for r in learned if len(r) > 1]
    trees = Boosted.fit(some, [r.query.content.peptide for r in some], ("own",))
    add("lightgbm, on the beam with the engine's score", ranked_by(trees, beams))
    for name in ("both losses", "without column attention", "PMD alone", "RMD alone"):
        model = Axial.from_folder(MODELS / f"{name} 0".replace(" ", "-"))
        judge = RankNovo(model, by="rmd" if name == "RMD alone" else "pmd")
        add(f"engine not seen: {name}", ranked_by(judge, beams))
    long = Axial.from_folder(MODELS / "long-0")
    add("engine not seen: both losses, four times as long", ranked_by(RankNovo(long), beams))
    made = simulated(2000, 12345)
    shown = [r for r in merge(made, {"own": join(own(made), made)}) if len(r) > 1]
    for name, known, pace in (
        ("its beam on the spectra it learned", some, Pace(rounds=3, batch=16, rate=1e-3)),
        ("its beam on these and 2,000 simulated", some + shown, Pace(rounds=3, batch=16, rate=2e-3)),
    ):
        model = train(replace(PLAN, pace=pace, simulated=0), rest, known=known, start=long).model
        done = ranked_by(RankNovo(model), beams)
        add(f"engine seen: {name}", done)
        add(f"engine seen: {name}; and its score (RRF)", ranked_by(Vote(("own", "model")), both(beams, done)))


def d() -> None:
    found: dict[str, Any] = {}

    def speed(shape: Shape, candidates: int, length: int, n: int) -> dict[str, float]:
        torch.manual_seed(0)
        judge = RankNovo(Axial(shape).eval())
        spectra = simulated(n, 0, (length, length), noise=(100, 101))
        random = Random(1)
        groups = []
        for r in practice(spectra, 1):
            tokens = [list(r[0].content.tokens) for _ in range(candidates)]
            for t in tokens:
                random.shuffle(t)
            groups.append(
                (r.query, [replace(r[0], id=str(i), content=Peptide(tuple(t))) for i, t in enumerate(tokens)])
            )
        judge(groups[:4])
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            judge(groups)
            best = min(best, time.perf_counter() - start)
        return {"spectra a second": round(n / best, 1)}

    for what, shape, n in (("small", SMALL, 64), ("RankNovo's shape", Shape(dropout=0.0), 4)):
        found[f"{what}: parameters"] = sum(p.numel() for p in Axial(shape).parameters())
        sizes = [(2, 12), (6, 12), (12, 12), (24, 12), (6, 6), (6, 24), (6, 40)] if what == "small" else [(6, 12)]
        for candidates, length in sizes:
            name = f"{what}: {candidates} candidates of {length}"
            found[name] = speed(shape, candidates, length, n)
            found[name]["peak memory so far, MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print("(d)", name, found[name], flush=True)
            keep("d", found)


PARTS: Mapping[str, Callable[[], None]] = {"a": a, "b": b, "c": c, "d": d}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    torch.set_num_threads(1)
    for part in parser.parse_args().parts:
        PARTS[part]()


if __name__ == "__main__":
    main()
