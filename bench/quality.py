"""Quality of pipelines over collections in BEIR's layout and over given TREC runs, by anyrank's own stages.

    python bench/quality.py choose DATA      train and dev parts only: where choices are made
    python bench/quality.py report DATA      the parts that are reported, once, with the pipelines then fixed

DATA is a folder with scifact/, nfcorpus/, cosqa/, cranfield/, vaswani/, dl-candidates/. Results: bench/results/.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from anyrank.core.stage import Stage
from anyrank.core.types import Candidate, Ranking
from anyrank.evaluate.evaluation import evaluate
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.io.corpus import read_documents, read_queries
from anyrank.io.dataset import Dataset
from anyrank.io.qrels import read_qrels
from anyrank.io.runs import attach, read_run
from anyrank.pipeline.parser import Settings, parse
from anyrank.pipeline.table import model

RERANK = "bm25 % 100 >> "
TRIED = (
    "bm25",
    "splade",
    "minilm",
    "bm25 + minilm",
    "bm25 + splade + minilm",
    "rrf(bm25, splade, minilm)",
    "minmax(bm25, splade, minilm)",
    RERANK + "minilm",
    RERANK + "splade",
    RERANK + "splade + minilm",
    RERANK + "splade + minilm + prior",
    RERANK + "splade + minilm + 0.5 * prior",
    RERANK + "rrf(splade, minilm, prior)",
    RERANK + "minmax(splade, minilm, prior)",
    RERANK + "borda(splade, minilm, prior)",
)
REPORTED = tuple(p for p in TRIED if p in TRIED[:5] or p in TRIED[7:11])
CHOOSE = (("scifact", "train"), ("nfcorpus", "dev"), ("cosqa", "dev"))
REPORT = (("scifact", "test"), ("nfcorpus", "dev"), ("cranfield", "test"), ("vaswani", "test"))


def collection(data: Dataset, folder: Path) -> Collection:
    build(data.documents(), folder)
    opened = Collection.open(folder)
    for name in ("splade-tiny", "minilm"):
        opened.encode(model(name))
    return opened


def bare(r: Ranking) -> Ranking:
    """Without the texts, so that many runs fit in memory."""
    return replace(r, candidates=tuple(Candidate(c.id, None, c.score) for c in r))


def measure(stages: dict[str, Stage], starts: Sequence[Ranking], qrels: dict[str, dict[str, int]]) -> dict[str, object]:
    runs = {}
    for name, stage in stages.items():
        runs[name] = [bare(r) for at in range(0, len(starts), 32) for r in stage.batch(starts[at : at + 32])]
    result = evaluate(runs, qrels, ["nDCG@10", "RR@10", "R@100"])
    print(result.table(), flush=True)
    return {
        name: {
            "nDCG@10": round(result.mean(name, "nDCG@10"), 4),
            "RR@10": round(result.mean(name, "RR@10"), 4),
            "R@100": round(result.mean(name, "R@100"), 4),
        }
        for name in stages
    }


def dl19(folder: Path) -> dict[str, object]:
    """The given BM25 top-100 of TREC DL19, reranked."""
    starts = attach(
        read_run(folder / "runs/dl19.BM25.top100.trec"),
        read_queries(folder / "dl19.queries.tsv"),
        read_documents(folder / "dl19.passages.jsonl.gz"),
    )
    stages = {p: parse(p.removeprefix(RERANK), starts=False) for p in REPORTED if p.startswith(RERANK)}
    stages = {"bm25": parse("prior", starts=False), **stages}
    return measure(stages, starts, read_qrels(folder / "qrels/dl19-passage.qrels"))


def write(what: str, found: dict[str, object]) -> None:
    out = Path(__file__).parent / "results" / f"quality-{what}.json"
    out.write_text(json.dumps(found, indent=1) + "\n")


def main(what: str, folder: Path) -> None:
    parts, pipelines = (CHOOSE, TRIED) if what == "choose" else (REPORT, REPORTED)
    found: dict[str, object] = {}
    for name, split in parts:
        data = Dataset.open(folder / name)
        with tempfile.TemporaryDirectory() as scratch:
            settings = Settings(collection(data, Path(scratch) / "index"))
            print(f"\n{name} {split}")
            stages = {p: parse(p, settings) % 100 for p in pipelines}
            starts = [Ranking(q) for q in data.queries(split)]
            found[f"{name} {split}"] = measure(stages, starts, data.qrels(split))
            write(what, found)
    if what == "report":
        print("\ndl19, given BM25 top-100")
        found["dl19 bm25-top100"] = dl19(folder / "dl-candidates")
        write(what, found)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("choose", "report"):
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]))
