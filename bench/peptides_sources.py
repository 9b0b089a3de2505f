"""Leave one source of candidates out: rerankers trained on one source and tested on another.

    python bench/peptides_sources.py     # anyrank[train,peptides,lightgbm] and the optional data at hand

Three sources: (made-up) the tryptic spectra with candidates made up by `corrupt.practice`, the truth among them; (beam)
the same spectra with the beam of our own engine, the truth where it found it; (casanovo) 128 other spectra with the
outputs of two Casanovo versions, one candidate each. Rerankers are trained on each alone and on each two, and tested on
all: on made-up and beam over a fifth of the tryptic peptides that no training saw, on casanovo over the 128, whose
peptides are in no training on the tryptic spectra; where they were trained on casanovo too, that cell is left empty.

The beam that is learned from comes from two engines, each trained on half of the learning spectra and run over the
other half: an engine's beam over what it learned is better than any it will give again. The beam that is tested on
comes from an engine trained on all of them. Trees see no engine's score, only spectrum and candidates, so that they can
be asked about an engine not seen. Every neural training is 9,900 examples (178 thousand parameters, one thread), the
start at ions. Nothing was tuned. Intervals are 95% percentile bootstraps over spectra, differences from the hyperscore
on the same spectra. Writes bench/results/peptides-sources.json, part by part.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import torch
from peptides_neural import DATA, FILES, PLAN, fifth, load, ranked_by, said

from anyrank.core.types import Ranking
from anyrank.domains.peptides.boosted import Boosted
from anyrank.domains.peptides.corrupt import practice
from anyrank.domains.peptides.files.tables import read_psms
from anyrank.domains.peptides.judges import Consensus, EngineScore, SpectrumMatch
from anyrank.domains.peptides.merge import merge
from anyrank.domains.peptides.neural.base_engine import BaseEngine
from anyrank.domains.peptides.neural.engine_training import EnginePlan, train_engine
from anyrank.domains.peptides.neural.ranknovo import RankNovo
from anyrank.domains.peptides.neural.training import Pace, train
from anyrank.domains.peptides.psm import join
from anyrank.domains.peptides.spectrum import Spectrum

OUT = Path(__file__).parent / "results" / "peptides-sources.json"
ENGINE = EnginePlan(pace=Pace(rounds=14, batch=16, rate=3e-3), simulated=800, valid=0.0)
SOURCES = ("made-up", "beam", "casanovo")
SETS = (*((s,) for s in SOURCES), *(tuple(s for s in SOURCES if s != out) for out in SOURCES))
EXAMPLES = 9900


def beam(engine: BaseEngine, spectra: Sequence[Spectrum]) -> list[Ranking]:
    return merge(spectra, {"own": join(engine(spectra), spectra)})


def beams(rest: Sequence[Spectrum], test: Sequence[Spectrum]) -> tuple[list[Ranking], list[Ranking]]:
    """The beams over what is learned, each half's by the engine of the other, and over the test."""
    keys = sorted({s.peptide.key for s in rest if s.peptide})
    Random(1).shuffle(keys)
    first = set(keys[::2])
    halves = [[s for s in rest if (s.peptide.key in first) == side] for side in (True, False)]  # type: ignore[union-attr]
    learned = [r for k in (0, 1) for r in beam(train_engine(ENGINE, halves[k]), halves[1 - k])]
    return learned, beam(train_engine(ENGINE, rest), test)


def facts(rankings: Sequence[Ranking]) -> dict[str, int]:
    truth = [r.query.content.peptide.key for r in rankings]
    return {
        "spectra": len(rankings),
        "with two or more candidates": sum(len(r) > 1 for r in rankings),
        "first exact": sum(len(r) > 0 and r[0].id == t for r, t in zip(rankings, truth)),
        "oracle": sum(t in r.ids for r, t in zip(rankings, truth)),
    }


def neural(names: Sequence[str], rest: Sequence[Spectrum], known: Mapping[str, list[Ranking]], seed: int) -> RankNovo:
    """The model of some sources, each training of as many examples."""
    groups = [r for n in names if n != "made-up" for r in known[n] if len(r) > 1]
    spectra = rest if "made-up" in names else []
    pace = Pace(rounds=round(EXAMPLES / (len(groups) + len(spectra))), batch=16, rate=3e-3, seed=seed)
    return RankNovo(train(replace(PLAN, pace=pace, simulated=0), spectra, known=groups).model)


def main() -> None:
    torch.set_num_threads(1)
    begun = time.process_time()
    few, tryptic = load()
    rest, test = fifth(tryptic, 0)
    lost: list[Any] = []
    engines = {n: join(read_psms(DATA / f, bad=lost), few, bad=lost) for n, f in FILES.items()}
    learned, tested = beams(rest, test)
    tests = {"made-up": practice(test, 6), "beam": tested, "casanovo": merge(few, engines)}
    known = {"made-up": practice(rest, 6, 0), "beam": learned, "casanovo": tests["casanovo"]}
    base = {n: ranked_by(SpectrumMatch(), r) for n, r in tests.items()}
    found: dict[str, Any] = {
        "learned": {n: facts(r) for n, r in known.items()},
        "tested": {n: facts(r) for n, r in tests.items()},
        "on": {
            "machine": platform.machine(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "threads": 1,
            "cores": os.cpu_count(),
        },
    }
    cells: list[dict[str, Any]] = []

    def add(judge: Any, name: str, trained: Sequence[str] = ()) -> None:
        for on in SOURCES:
            if on == "casanovo" and on in trained:
                continue
            cell = said(base[on] if name == "hyperscore" else ranked_by(judge, tests[on]), base[on])
            cells.append({"method": name, "trained on": list(trained), "tested on": on, **cell})
            d = cell["exact_difference"]
            print(
                f"{name:<12} {' + '.join(trained):<20} on {on:<9} {cell['exact_count']:>3} of {cell['spectra']}  "
                f"{d['value']:+.3f} ({d['interval'][0]:+.3f} to {d['interval'][1]:+.3f})",
                flush=True,
            )
        found["cells"], found["cpu seconds"] = cells, round(time.process_time() - begun)
        OUT.write_text(json.dumps(found, indent=1) + "\n", "utf-8")

    print(json.dumps({k: found[k] for k in ("learned", "tested")}), f"{time.process_time() - begun:.0f} s", flush=True)
    add(None, "hyperscore")
    add(Consensus(), "consensus")
    first = {"beam": EngineScore("own"), "casanovo": EngineScore("casanovo4")}
    for on, judge in first.items():
        cell = said(ranked_by(judge, tests[on]), base[on])
        cells.append({"method": "the engine's own first", "trained on": [], "tested on": on, **cell})
        print("the engine's own first on", on, cell["exact_count"])
    for names in SETS:
        groups = [r for n in names for r in known[n] if len(r) > 1]
        add(Boosted.fit(groups, [r.query.content.peptide for r in groups], ()), "lightgbm", names)
    for names in SETS:
        add(neural(names, rest, known, 0), "ranknovo", names)
    print(f"wrote {OUT}; {time.process_time() - begun:.0f} CPU seconds")


if __name__ == "__main__":
    main()
