"""RAR-b's open multiple-choice sets by the shipped models, through ``anyrank bench run``.

    python bench/bench_rarb.py DATA [PIPELINE…]      # DATA: a folder with mcr/*-test.csv or *-test.csv.gz

    python bench/bench_rarb.py doc                   # the table of docs/benchmarks.md

Each row is a call of the command; "prior" leaves the options as they are, all tied: the chance of a random choice.
``--limit N`` takes the first N questions of each set alone, for language models. Results are merged into
bench/results/rarb.json: accuracy, nDCG@10 and R@10 with 95% intervals, and the CPU seconds of each call.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent / "results" / "rarb.json"
PIPELINES = {
    "prior": (),
    "bm25": (),
    "minilm": ("minilm",),
    "tiny": ("tiny",),
    "mini": ("mini",),
    "splade": ("splade",),
    "bm25 + minilm": ("minilm",),
}
"""Pipelines, and the models whose vectors their searches need."""


def measure(data: str, pipeline: str, encoders: tuple[str, ...], extra: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "anyrank", "bench", "run", "rarb", "-p", pipeline, "--data", data, "--json"]
    command += [part for e in encoders for part in ("--encode", e)] + extra
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    notes = [
        line for line in done.stderr.splitlines() if line.startswith(("warning", "note: ")) and "left out" not in line
    ]
    rows = {
        row["task"]: {"queries": row["queries"]}
        | {
            m: {"mean": round(v["mean"], 4), "interval": [round(x, 4) for x in v["interval"]]}
            for m, v in row["measures"].items()
        }
        for row in json.loads(done.stdout)["ours"]
    }
    return {"tasks": rows, "cpu_s": round(cpu, 1), "notes": notes}


SETS = ("ARC-Challenge", "alphanli", "socialiqa")


def table() -> str:
    """The rows of docs/benchmarks.md: accuracy among the options and nDCG@10 in the pool, without / with
    instruction; a pipeline that only searches ranks the options by its scores in the pool."""
    kept = json.loads(OUT.read_text(encoding="utf-8"))
    columns = [(s, measure) for measure in ("accuracy", "nDCG@10") for s in SETS]
    lines = ["| | " + " | ".join(f"{s}, {m}" for s, m in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for pipeline, result in kept.items():
        cells = []
        for s, measure in columns:
            values = []
            for tail in ("", " instructed"):
                rows = [result["tasks"].get(f"{s} {kind}{tail}", {}) for kind in ("options", "pool")]
                values += [f"{r[measure]['mean']:.3f}" for r in rows if measure in r][:1]
            cells.append(" / ".join(values))
        lines.append(f"| {pipeline} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("pipelines", nargs="*", default=list(PIPELINES))
    parser.add_argument("--limit", type=int)
    parser.add_argument("--task", action="append", default=[])
    args = parser.parse_args()
    if args.data == "doc":
        print(table())
        return
    extra = [part for t in args.task for part in ("--task", t)]
    extra += ["--limit", str(args.limit)] if args.limit else []
    for pipeline in args.pipelines:
        result = measure(args.data, pipeline, PIPELINES.get(pipeline, ()), extra)
        kept = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {}
        kept[pipeline if not args.limit else f"{pipeline}, first {args.limit}"] = result
        OUT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(pipeline, result["cpu_s"], "CPU s", flush=True)


if __name__ == "__main__":
    main()
