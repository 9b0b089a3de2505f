"""Speed and memory of the peptide rerankers as candidates and peptides grow, and on two cores.

    python bench/peptides_growth.py     # anyrank[torch,peptides,lightgbm] installed; no data needed

64 simulated spectra of 100 noise peaks; candidates are shuffles of the true peptide. Every cell is a process of its
own: it makes its groups, warms up, then judges all of them five times; all cells are gone through three times. Told is
the median of the three medians: spectra a CPU second (other work on the machine changes it less), spectra a second of
wall time, the highest memory of the process and how much of it came while judging. Hyperscore and trees use one core a
process: on two cores, two processes run side by side and their rates are added; the model uses two threads. Trees: 100
of them, the features included. Model: the small shape of 178 thousand parameters, weights at random, which cost the
same. Writes bench/results/peptides-growth.json.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

OUT = Path(__file__).parent / "results" / "peptides-growth.json"
METHODS = ("hyperscore", "lightgbm", "ranknovo")
CANDIDATES, LENGTHS = (2, 6, 12, 24), (8, 12, 20, 30)
SPECTRA, TIMES, REPEATS = 64, 5, 3


def judge_of(method: str, threads: int) -> Callable[[Any], Any]:
    if method == "hyperscore":
        from anyrank.domains.peptides.judges import SpectrumMatch

        return SpectrumMatch()
    if method == "lightgbm":
        from anyrank.domains.peptides.boosted import Boosted
        from anyrank.domains.peptides.corrupt import practice
        from anyrank.domains.peptides.simulate import simulated

        groups = practice(simulated(60, 1), 6)
        return Boosted.fit(groups, [r.query.content.peptide for r in groups], ())
    import torch

    from anyrank.domains.peptides.neural.ranknovo import RankNovo
    from anyrank.domains.peptides.neural.training import SMALL
    from anyrank.models.axial import Axial

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    return RankNovo(Axial(SMALL).eval())


def groups(candidates: int, length: int) -> list[Any]:
    from anyrank.core.types import Candidate, Query
    from anyrank.domains.peptides.peptide import Peptide
    from anyrank.domains.peptides.simulate import simulated

    random, out = Random(1), []
    for s in simulated(SPECTRA, 0, (length, length), noise=(100, 101)):
        rows = []
        for i in range(candidates):
            tokens = list(s.peptide.tokens)  # type: ignore[union-attr]
            random.shuffle(tokens)
            rows.append(Candidate(str(i), Peptide(tuple(tokens))))
        out.append((Query(s.name, s), rows))
    return out


def resident() -> float:
    """MiB of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def cell(method: str, candidates: int, length: int, threads: int) -> None:
    """One cell, told as JSON."""
    judge, made = judge_of(method, threads), groups(candidates, length)
    judge(made[:8])
    before, wall, cpu = resident(), [], []
    for _ in range(TIMES):
        start, begun = time.perf_counter(), time.process_time()
        judge(made)
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {
                "spectra a CPU second": round(SPECTRA / statistics.median(cpu), 1),
                "spectra a second": round(SPECTRA / statistics.median(wall), 1),
                "peak MiB": round(peak),
                "of it by judging": round(max(peak - before, 0.0), 1),
            }
        )
    )


def run(method: str, candidates: int, length: int, threads: int = 1, processes: int = 1) -> dict[str, Any]:
    command = [sys.executable, __file__, "cell", method, str(candidates), str(length), str(threads)]
    env = os.environ | {"OMP_NUM_THREADS": str(threads)}
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, env=env, text=True) for _ in range(processes)]
    said = [json.loads(p.communicate()[0].splitlines()[-1]) for p in started]
    return said[0] | {"spectra a second": round(sum(s["spectra a second"] for s in said), 1)}


def middle(cells: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The median of every number, and the lowest and highest of the first."""
    rates = [c["spectra a CPU second"] for c in cells]
    return {k: statistics.median(c[k] for c in cells) for k in cells[0]} | {"from, to": [min(rates), max(rates)]}


def relative(cells: Sequence[dict[str, Any]], to: int) -> list[float]:
    """Each cell's CPU time over that of the one at ``to``."""
    base = cells[to]["spectra a CPU second"]
    return [round(base / c["spectra a CPU second"], 2) for c in cells]


def main() -> None:
    found: dict[str, Any] = {"load before": [round(x, 1) for x in os.getloadavg()]}
    sizes = sorted({(n, 12) for n in CANDIDATES} | {(6, n) for n in LENGTHS})
    every: dict[tuple[str, int, int], list[dict[str, Any]]] = {}
    two: dict[str, list[dict[str, Any]]] = {}
    for _ in range(REPEATS):
        for method in METHODS:
            for n, length in sizes:
                every.setdefault((method, n, length), []).append(run(method, n, length))
            side = run(method, 6, 12, 2) if method == "ranknovo" else run(method, 6, 12, processes=2)
            two.setdefault(method, []).append(side)
    for method in METHODS:
        many = [middle(every[method, n, 12]) for n in CANDIDATES]
        long = [middle(every[method, 6, n]) for n in LENGTHS]
        found[method] = {
            "candidates, of 12 residues": dict(zip(map(str, CANDIDATES), many)),
            "CPU time relative to 6 candidates": dict(zip(map(str, CANDIDATES), relative(many, 1))),
            "residues, 6 candidates": dict(zip(map(str, LENGTHS), long)),
            "CPU time relative to 12 residues": dict(zip(map(str, LENGTHS), relative(long, 1))),
            "two cores, 6 candidates of 12": middle(two[method]),
        }
        print(method, json.dumps(found[method], indent=1), flush=True)
    found["load after"] = [round(x, 1) for x in os.getloadavg()]
    found["on"] = {"machine": platform.machine(), "python": platform.python_version(), "cores": os.cpu_count()}
    OUT.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(f"wrote {OUT}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["cell"]:
        cell(sys.argv[2], *map(int, sys.argv[3:6]))
    else:
        main()
