"""Trained rerankers against the training-free ones over BM25's top 100: nDCG@10, pairs a second, memory.

    python bench/bench_rerankers.py report DATA tiny=FOLDER mini=FOLDER
    python bench/bench_rerankers.py dev GROUPS tiny=FOLDER mini=FOLDER

``dev`` is where choices are made: the validation groups of scripts/make_groups.py (SciFact's training claims that no
training saw, NFCorpus dev, CoSQA dev; BM25's top 50). ``report`` is run once, when they are made: TREC DL19's given
top 100, SciFact test, Cranfield, Vaswani, CoSQA dev. Cost: 1,000 pairs of DL19 in a process of its own for each
pipeline, one thread, every text encoded anew, interleaved rounds. Results: bench/results/rerankers-PART.json.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from quality import collection, measure

from anyrank.core.stage import Stage
from anyrank.core.types import Ranking
from anyrank.expression import Settings, parse
from anyrank.io.corpus import read_documents, read_queries
from anyrank.io.dataset import Dataset
from anyrank.io.qrels import read_qrels
from anyrank.io.runs import attach, read_run
from anyrank.train.groups import read_groups
from anyrank.train.teachers import ranking_of

RESULTS = Path(__file__).parent / "results"
FREE = ("minilm", "splade", "splade + minilm", "splade + minilm + 0.5 * prior")
REPORT = (("scifact", "test"), ("cranfield", "test"), ("vaswani", "test"), ("cosqa", "dev"))
ROUNDS, QUERIES = 3, 10


def texts(names: Iterable[str]) -> list[str]:
    """The pipelines, in names: without training, each model, and each fused with what it might gain from."""
    out = list(FREE)
    for name in names:
        out += [name, f"{name} + splade", f"{name} + minilm", f"{name} + splade + minilm", f"{name} + 0.5 * prior"]
    return out


def stages(models: dict[str, str], settings: Settings | None = None) -> dict[str, Stage]:
    """The pipelines over given candidates, by their text with the models' short names."""
    found: dict[str, Stage] = {"bm25": parse("prior", starts=False)}
    for text in texts(models):
        full = " ".join(f'model("{models[word]}")' if word in models else word for word in text.split(" "))
        found[text] = parse(full, *([settings] if settings else []), starts=False)
    return found


def dl19(folder: Path) -> list[Ranking]:
    run, asked = read_run(folder / "runs/dl19.BM25.top100.trec"), read_queries(folder / "dl19.queries.tsv")
    return attach(run, asked, read_documents(folder / "dl19.passages.jsonl.gz"))


def cost(data: Path, models: dict[str, str], text: str) -> None:
    """What a child process prints: seconds for 1,000 pairs, and its peak memory in MB."""
    starts = dl19(data / "dl-candidates")[:QUERIES]
    stage = stages(models)[text]
    stage.batch([starts[0][:2]])
    begin = time.perf_counter()
    for r in starts:
        stage.batch([r])
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "pairs": sum(map(len, starts)), "mb": peak}))


def costs(data: Path, models: dict[str, str]) -> dict[str, dict[str, float]]:
    measured: dict[str, list[dict[str, float]]] = {}
    for _ in range(ROUNDS):
        for text in ("splade + minilm", *models):
            given = [f"{k}={v}" for k, v in models.items()]
            call = [sys.executable, __file__, "cost", str(data), *given, text]
            said = subprocess.run(["taskset", "-c", "0", *call], capture_output=True, text=True, check=True).stdout
            measured.setdefault(text, []).append(json.loads(said.splitlines()[-1]))
    return {
        text: {
            "pairs a second": round(statistics.median(r["pairs"] / r["seconds"] for r in rows)),
            "MB": round(max(r["mb"] for r in rows)),
        }
        for text, rows in measured.items()
    }


def dev(folder: Path, models: dict[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in ("scifact", "nfcorpus", "cosqa"):
        starts = [ranking_of(g) for g in read_groups(folder / f"valid-{name}.jsonl")]
        print(f"\n{name}")
        found[name] = measure(stages(models), starts, read_qrels(folder / f"valid-{name}.tsv"))
    return found


def report(data: Path, models: dict[str, str]) -> dict[str, object]:
    print("\ndl19, given BM25 top-100")
    given = data / "dl-candidates"
    found: dict[str, object] = {
        "dl19 bm25-top100": measure(stages(models), dl19(given), read_qrels(given / "qrels/dl19-passage.qrels"))
    }
    for name, split in REPORT:
        opened = Dataset.open(data / name)
        with tempfile.TemporaryDirectory() as scratch:
            settings = Settings(collection(opened, Path(scratch) / "index"))
            starts = parse("bm25 % 100", settings).batch([Ranking(q) for q in opened.queries(split)])
            print(f"\n{name} {split}")
            found[f"{name} {split}"] = measure(stages(models, settings), starts, opened.qrels(split))
    return found


def main(part: str, folder: Path, models: dict[str, str]) -> None:
    found = {"nDCG@10 and more": (dev if part == "dev" else report)(folder, models)}
    if part == "report":
        found["cost"] = costs(folder, models)
        print(json.dumps(found["cost"], indent=1))
    (RESULTS / f"rerankers-{part}.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[1] not in ("dev", "report", "cost"):
        sys.exit(__doc__)
    named = dict(a.split("=", 1) for a in sys.argv[3:] if "=" in a)
    if sys.argv[1] == "cost":
        cost(Path(sys.argv[2]), named, sys.argv[-1])
    else:
        main(sys.argv[1], Path(sys.argv[2]), named)
