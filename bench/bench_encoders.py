"""Pairs a second of a cross-encoder of MiniLM-L6's shape, here and elsewhere, in one run.

    python bench/bench_encoders.py            # torch, transformers, sentence-transformers, flashrank, onnx installed

Every engine scores the same real pairs (a query and its candidates, as a reranker gets them; at most 256 tokens) in a
process of its own. Rounds are interleaved, so that other load on the machine meets all engines alike; ratios are
medians over rounds of the ratio within a round. ``raw`` runs our model on batches tokenised and padded beforehand: what
remains is onnxruntime. Writes bench/results/encoders.json and .md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "src")]
DATA = Path(os.environ.get("ANYRANK_DATA", ROOT.parent / "shared" / "data"))
ABOUT = {
    "anyrank": "anyrank OnnxCrossEncoder, int8",
    "raw": "onnxruntime alone, the same int8 model, ready batches",
    "fp32": "anyrank OnnxCrossEncoder, float32 graph",
    "torch": "sentence-transformers CrossEncoder.predict, torch float32 (its default)",
    "flash": "FlashRank's Ranker, onnxruntime's default dynamic int8",
}
GEMM = (4096, 1024, 1024)


def groups(queries: int) -> list[tuple[str, list[str]]]:
    """Queries with their candidates' texts: BM25's top 100 of DL19, or Cranfield with 100 neighbours in file order."""
    dl = DATA / "dl-candidates"
    if (dl / "dl19.passages.jsonl.gz").is_file():
        with gzip.open(dl / "dl19.passages.jsonl.gz", "rt", encoding="utf-8") as lines:
            text = {r["_id"]: r["text"] for r in map(json.loads, lines)}
        asked = dict(line.split("\t")[:2] for line in (dl / "dl19.queries.tsv").read_text().splitlines())
        run = defaultdict(list)
        for line in (dl / "runs" / "dl19.BM25.top100.trec").read_text().splitlines():
            run[line.split()[0]].append(text[line.split()[2]])
        return [(asked[q].strip(), docs) for q, docs in list(run.items())[:queries]]
    folder = ROOT / "src" / "anyrank" / "data" / "cranfield"
    texts, asked = (
        [json.loads(r)["text"] for r in gzip.decompress((folder / f"{n}.jsonl.gz").read_bytes()).splitlines()]
        for n in ("corpus", "queries")
    )
    return [(q, texts[i * 7 : i * 7 + 100]) for i, q in enumerate(asked[:queries])]


def engine(name: str, folder: Path, work: list[tuple[str, list[str]]]) -> Callable[[], object]:
    """What does one round."""
    if name in ("anyrank", "fp32", "raw"):
        from anyrank import Candidate, Query
        from anyrank.backends.onnx.models import load

        judge = load(folder / ("fp32" if name == "fp32" else "int8"))
        asked = [(Query(str(i), q), [Candidate(str(j), d) for j, d in enumerate(ds)]) for i, (q, ds) in enumerate(work)]
        if name != "raw":
            return lambda: judge(asked)
        from anyrank.backends.onnx.engine import Engine

        ready, forward = [], Engine.forward
        Engine.forward = lambda self, batch: (ready.append(batch), forward(self, batch))[1]  # type: ignore[method-assign]
        judge(asked)
        Engine.forward = forward  # type: ignore[method-assign]
        return lambda: [judge.engine.forward(batch) for batch in ready]
    if name == "torch":
        from sentence_transformers import CrossEncoder

        model = CrossEncoder(str(folder / "torch"), max_length=256)
        pairs = [(q, d) for q, ds in work for d in ds]
        return lambda: model.predict(pairs, show_progress_bar=False)
    from flashrank import Ranker, RerankRequest

    ranker = Ranker(cache_dir=str(folder / "flash"), model_name="ms-marco-MiniLM-L-12-v2", max_length=256)
    return lambda: [ranker.rerank(RerankRequest(q, [{"text": d} for d in ds])) for q, ds in work]


def child(name: str, folder: Path, queries: int) -> None:
    """A process that does a round for each line it reads, and says the seconds and its peak memory in MB."""
    once = peak if name == "peak" else engine(name, folder, groups(queries))
    if name != "peak":
        once()
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        said = once()
        seconds = time.perf_counter() - start
        memory = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text()).group(1)) / 1024
        rates = said if name == "peak" else None
        print(json.dumps({"seconds": seconds, "mb": memory, "rates": rates}), flush=True)


def peak() -> dict[str, float]:
    """GFLOP/s (GOP/s) of a big matrix product in float32 and int8 in onnxruntime: the machine's ceiling in use."""
    import numpy as np
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper

    m, k, n = GEMM
    rng, rates = np.random.default_rng(0), {}
    for kind, op, left, weight, extra in (
        ("fp32", "MatMul", np.float32, np.float32, []),
        ("int8", "MatMulInteger", np.uint8, np.int8, ["zero"]),
    ):
        x, w = (rng.integers(0, 100, s).astype(t) for s, t in (((m, k), left), ((k, n), weight)))
        types = (TensorProto.FLOAT, TensorProto.FLOAT) if kind == "fp32" else (TensorProto.UINT8, TensorProto.INT32)
        graph = helper.make_graph(
            [helper.make_node(op, ["x", "w", *extra], ["y"])],
            "g",
            [helper.make_tensor_value_info("x", types[0], [m, k])],
            [helper.make_tensor_value_info("y", types[1], None)],
            [numpy_helper.from_array(w, "w"), numpy_helper.from_array(np.uint8(128), "zero")][: 1 + len(extra)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        times = []
        for _ in range(6):
            start = time.perf_counter()
            session.run(None, {"x": x})
            times.append(time.perf_counter() - start)
        rates[kind] = 2 * m * k * n / min(times[1:]) / 1e9
    return rates


def work_of(folder: Path, queries: int) -> tuple[int, int, float]:
    """Pairs, real tokens, and multiply-adds x 2 of a round without padding (linear layers and attention), in GFLOP."""
    from anyrank.backends.onnx.models import load

    judge = load(folder / "int8")
    lengths = []
    for q, ds in groups(queries):
        lengths += [len(e) for e in judge.engine.tokenizer.encode_batch([(q, d) for d in ds])]
    linear = 6 * 2 * (4 * 384 * 384 + 2 * 384 * 1536)
    return len(lengths), sum(lengths), sum(n * linear + 6 * 4 * 384 * n * n for n in lengths) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--queries", type=int, default=6, help="100 pairs each")
    parser.add_argument("--child")
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    if args.child:
        child(args.child, args.folder, args.queries)
        return
    with tempfile.TemporaryDirectory() as scratch:
        import encoders_models

        folder = Path(scratch)
        encoders_models.ours(folder, [(q, d) for q, ds in groups(12)[-6:] for d in ds[:30]])
        encoders_models.theirs(folder)
        measured = rounds(folder, args.rounds, args.queries)
        facts = dict(zip(("pairs", "tokens", "gflop"), work_of(folder, args.queries)))
    write(measured, facts, args.rounds)


def rounds(folder: Path, count: int, queries: int) -> dict[str, list[dict]]:
    command = [sys.executable, __file__, "--folder", str(folder), "--queries", str(queries), "--child"]
    running, measured = {}, defaultdict(list)
    for name in ("peak", *ABOUT):
        running[name] = subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        while (line := running[name].stdout.readline()) and line != "ready\n":  # type: ignore[union-attr]
            pass
        print(f"{name}: ready", file=sys.stderr)
    for _ in range(count):
        for name, process in running.items():
            process.stdin.write("go\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            measured[name].append(json.loads(process.stdout.readline()))  # type: ignore[union-attr]
    for process in running.values():
        process.communicate()
    return measured


def write(measured: dict[str, list[dict]], facts: dict[str, float], count: int) -> None:
    def ratio(a: str, b: str) -> float:
        return statistics.median(x["seconds"] / y["seconds"] for x, y in zip(measured[a], measured[b]))

    best = {k: max(r["rates"][k] for r in measured["peak"]) for k in ("fp32", "int8")}
    rows = {}
    for name in ABOUT:
        seconds = statistics.median(r["seconds"] for r in measured[name])
        top = best["fp32" if name in ("fp32", "torch") else "int8"]
        rows[name] = {
            "pairs_per_second": round(facts["pairs"] / seconds, 1),
            "ours_is_times_faster": round(ratio(name, "anyrank"), 2),
            "percent_of_peak": round(100 * facts["gflop"] / seconds / top, 1),
            "peak_mb": round(max(r["mb"] for r in measured[name])),
            "rounds": [round(r["seconds"], 4) for r in measured[name]],
        }
    overhead = round(100 * (ratio("anyrank", "raw") - 1), 1)
    load = [round(x, 2) for x in os.getloadavg()]
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    cpu = cpu.group(1) if cpu else platform.processor()
    result = {**facts, "peak_gflops": best, "engines": rows, "overhead_percent": overhead, "load": load, "cpu": cpu}
    into = ROOT / "bench" / "results"
    into.mkdir(exist_ok=True)
    (into / "encoders.json").write_text(json.dumps(result, indent=2) + "\n")
    lines = [
        "# Cross-encoder of MiniLM-L6's shape, int8 and float32",
        "",
        f"{facts['pairs']} pairs, {facts['tokens'] / facts['pairs']:.0f} tokens each on average (at most 256); medians "
        f"of {count} interleaved rounds; {os.cpu_count()} cores ({cpu}), load {load[0]}. Ceilings: float32 "
        f"{best['fp32']:.0f} GFLOP/s, int8 {best['int8']:.0f} GOP/s (a {'x'.join(map(str, GEMM))} product).",
        "",
        "| engine | pairs/s | anyrank int8 is … times as fast | % of the ceiling | peak MB |",
        "|---|---|---|---|---|",
    ]
    for name, r in rows.items():
        values = (r["pairs_per_second"], r["ours_is_times_faster"], r["percent_of_peak"], r["peak_mb"])
        lines.append(f"| {ABOUT[name]} | " + " | ".join(map(str, values)) + " |")
    lines += ["", f"Cost of anyrank above raw onnxruntime on ready batches: {overhead} %."]
    (into / "encoders.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
