"""Put a trained reranker into the package: graph, tokenizer, what it declares, a card, and their hashes in the table.

    python scripts/ship_reranker.py FOLDER anyrank-tiny

FOLDER is what scripts/train_rerankers.py wrote. What the card says of its effect is read from
bench/results/rerankers-report.json and rerankers-cost.json (bench/bench_rerankers.py), where it stands as tiny.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/anyrank/weights"
TABLE = ROOT / "src/anyrank/hub/models.json"
RESULTS = ROOT / "bench/results"
STARTS = {
    "anyrank-tiny": "a SPLADE model on BERT-tiny (Apache-2.0; the source of the shipped splade-tiny)",
}
COMPARED = ("bm25", "minilm", "splade", "minilm + splade", "mini")

CARD = """# {name}

{about}.

- Start: {start}
- Made by: `scripts/make_groups.py`, `scripts/train_rerankers.py`, `scripts/ship_reranker.py`
- This model.onnx: {mb:.1f} MB, sha256 `{hash}`
- Runs on: onnxruntime (operators of its com.microsoft domain)

## What shaped it

Texts that the weights learned from, and their terms; nothing of the texts is in the package:

- MS MARCO v2 passages, the queries of TREC DL22 without judgements, and questions that SmolLM2-135M wrote for passages
  (non-commercial research terms of MS MARCO)
- SciFact's abstracts, some of its training claims and their judgements (CC BY-NC 2.0)
- NFCorpus' documents, some of its training queries and their judgements (free for academic use)
- CoSQA's functions and queries without judgements (C-UDA, code MIT)

Its teachers were the shipped encoders, MiniLM by late interaction, and for the queries of DL22 the run of a larger
SPLADE; judged texts were lifted. Half of SciFact's test claims need an abstract that one of its training claims needs
too; "apart" are the others.

{training}
## Measured effect

nDCG@10 over BM25's top 100 (`bench/bench_rerankers.py report`), pairs a second on one core and peak memory (`cost`):

| pipeline | {columns} | pairs/s | MB |
|---|{rules}---|---|
{rows}
"""


def training(folder: Path) -> str:
    """What the card of the training says of how it went."""
    text = (folder / "README.md").read_text("utf-8")
    return "## Training\n" + text.split("## Training\n", 1)[1].split("## Measured effect", 1)[0]


def main(folder: Path, name: str) -> None:
    said = json.loads((folder / "anyrank.json").read_text("utf-8"))
    report = json.loads((RESULTS / "rerankers-report.json").read_text("utf-8"))
    costs = json.loads((RESULTS / "rerankers-cost.json").read_text("utf-8"))
    short = name.removeprefix("anyrank-")
    model = (folder / "onnx" / "model.onnx").read_bytes()
    digest = hashlib.sha256(model).hexdigest()
    for file, found in (("report", report), ("cost", costs)):
        if found["models"].get(short) != digest:
            sys.exit(f"bench/results/rerankers-{file}.json is not of this graph: run bench/bench_rerankers.py {file}")
    sets = [key for key in report if key not in ("mean nDCG@10", "models")]
    rows = []
    for pipeline in (*COMPARED, short):
        values = [report[key][pipeline.replace("bm25", "prior")]["nDCG@10"] for key in sets]
        cost = costs.get(pipeline, {})
        cells = [f"{v:.4f}" for v in values] + [str(cost.get("pairs a second", "")), str(cost.get("MB", ""))]
        rows.append(f"| `{pipeline}` | {' | '.join(cells)} |")
    table = json.loads(TABLE.read_text("utf-8"))
    about = (
        f"Late interaction over BERT-tiny, int8: scores English texts for a query, up to {said['max_length']} tokens"
    )
    into = PACKAGE / name
    into.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "onnx" / "model.onnx", into / "model.onnx")
    shutil.copy(PACKAGE / "minilm" / "tokenizer.json", into / "tokenizer.json")  # all are BERT's own, uncased
    shutil.copy(folder / "anyrank.json", into / "anyrank.json")
    card = CARD.format(
        name=name,
        about=about,
        start=STARTS[name],
        mb=len(model) / 1e6,
        hash=digest,
        training=training(folder),
        columns=" | ".join(sets),
        rules="---|" * len(sets),
        rows="\n".join(rows),
    )
    (into / "README.md").write_text(card, "utf-8")
    files = {}
    for file in ("model.onnx", "tokenizer.json", "anyrank.json", "README.md"):
        data = (into / file).read_bytes()
        files[file] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    entry = {"kind": "late", "about": about, "licence": "Apache-2.0", "source": "package"}
    entry |= {"languages": ["en"], "context": said["max_length"]} | table.get(name, {}) | {"files": files}
    order = {n: table.pop(n) for n in ("minilm", "splade-tiny", "mini")} | {name: entry}
    order |= {n: table.pop(n) for n in list(table) if n.startswith("anyrank-") and n != name}
    TABLE.write_text(json.dumps(order | {n: e for n, e in table.items() if n != name}, indent=2) + "\n", "utf-8")
    print(card)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in STARTS:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2])
