"""Put a cross-encoder of scripts/train_rerankers.py into the package: its int8 graph, tokenizer and card.

    python scripts/publish_reranker.py FOLDER NAME --key mini [--about TEXT]

The card quotes bench/results/rerankers-report.json and rerankers-cost.json (``--key`` is the model's name there), which
bench/bench_rerankers.py writes, and the card that the training wrote. Hashes go to src/anyrank/backends/models.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path

from anyrank.backends.registry import PACKAGE, TABLE

RESULTS = Path(__file__).parents[1] / "bench" / "results"
CARD = """# {name}

{about}.

- Licence of the weights: Apache-2.0. The texts it learned from are not shipped: MS MARCO v2 passages, NFCorpus and
  SciFact are for research and CoSQA's licence is its own: whether weights that such texts shaped fit your use is
  for you to judge.
- Made by: `scripts/make_groups.py`, `scripts/train_rerankers.py`, `scripts/publish_reranker.py`
- This model.onnx: {mb:.1f} MB int8, sha256 `{hash}`
- Teacher: the sum of z-scores of the shipped MiniLM and SPLADE-tiny. No judgement of TREC DL19, SciFact's test part,
  Cranfield, Vaswani or CoSQA was read.

## Measured

nDCG@10 over BM25's top 100 (`bench/bench_rerankers.py report`; texts cut at {length} tokens):

| pipeline | {columns} |
|---|{rule}
{rows}

## The training

{training}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    parser.add_argument("--key", required=True)
    parser.add_argument("--about", required=True)
    args = parser.parse_args()
    report = json.loads((RESULTS / "rerankers-report.json").read_text())
    shown = ["prior", "minilm", "splade", "minilm + splade", args.key, f"{args.key} + minilm + splade"]
    columns = [name for name in report if name != "mean nDCG@10"]
    rows = [f"| `{p}` | " + " | ".join(f"{report[c][p]['nDCG@10']:.4f}" for c in columns) + " |" for p in shown]
    model = (args.folder / "onnx" / "model.onnx").read_bytes()
    said = json.loads((args.folder / "anyrank.json").read_text())
    trained = (args.folder / "README.md").read_text().split("## Training")[1].split("## Measured effect")[0].strip()
    into = PACKAGE / args.name
    into.mkdir(parents=True, exist_ok=True)
    (into / "model.onnx").write_bytes(model)
    for file in ("tokenizer.json", "anyrank.json"):
        shutil.copy(args.folder / file, into / file)
    card = CARD.format(
        name=args.name, about=args.about, mb=len(model) / 1e6, hash=hashlib.sha256(model).hexdigest(),
        length=said["max_length"], columns=" | ".join(columns), rule="---|" * len(columns), rows="\n".join(rows),
        training=trained,
    )  # fmt: skip
    (into / "README.md").write_text(card, "utf-8")
    table = json.loads(TABLE.read_text("utf-8"))
    files = {f.name: f.read_bytes() for f in sorted(into.iterdir())}
    hashes = {n: {"sha256": hashlib.sha256(b).hexdigest(), "bytes": len(b)} for n, b in files.items()}
    entry = {"kind": "cross", "about": args.about, "licence": "Apache-2.0", "source": "package", "files": hashes}
    table = {k: v for k, v in table.items() if k != args.name}
    shipped = [k for k, v in table.items() if v["source"] == "package"]
    ordered = {k: table[k] for k in shipped} | {args.name: entry} | table
    TABLE.write_text(json.dumps(ordered, indent=2) + "\n", "utf-8")
    print(card)


if __name__ == "__main__":
    main()
