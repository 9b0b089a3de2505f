"""Trained folders in sentence-transformers, unchanged: which kinds open there, and how far scores differ.

    ENVIRONMENT/bin/python scripts/sentence_transformers_folders.py

ENVIRONMENT has anyrank[train] and sentence-transformers 6.2 or newer. Each kind is trained for two steps from a tiny
encoder by ``anyrank train``, and its folder opened by both. Prints a line a kind with the largest difference of scores;
the exit status is 1 if one is above 1e-5 of the largest score (or of 1).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from anyrank.core.types import Candidate, Query
from anyrank.hub.open import open_model
from anyrank.judges.similarity import Similarity
from anyrank.testing import tiny

TEXTS = ["the river", "number, city. passage?", "a", "river of document answer yes no passage number " * 8]
QUERIES = ["the city", "what passage number"]
KINDS = {"cross": "cross", "bi": "body", "sparse": "masked", "colbert": "body"}
MOST = 1e-5


def trained(kind: str, task: str, folder: Path) -> Path:
    """The folder that ``anyrank train`` writes."""
    (folder / "start").mkdir(parents=True)
    start = tiny.encoder(folder / "start", "bert", task)
    groups = [{"query": q, "texts": TEXTS, "labels": [i, 1, 0, 2]} for i, q in enumerate(QUERIES)]
    (folder / "groups.jsonl").write_text("".join(json.dumps(g) + "\n" for g in groups))
    recipe = [
        f"out: {folder}/out",
        f"model: {{kind: {kind}, start: {start}, max_length: 48}}",
        f"data: {{train: [{{path: {folder}/groups.jsonl}}]}}",
        "losses: [{name: ranknet}]",
        "optimiser: {rate: 1.0e-3, batch: 1, epochs: 1}",
    ]
    (folder / "recipe.yaml").write_text("\n".join(recipe) + "\n")
    command = [sys.executable, "-m", "anyrank", "train", str(folder / "recipe.yaml")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-600:])
    return folder / "out"


def ours(kind: str, folder: Path) -> Any:
    model = open_model(folder, runtime="torch")
    groups = [(Query("q", q), [Candidate(str(i), t) for i, t in enumerate(TEXTS)]) for q in QUERIES]
    judge = model if kind == "cross" else Similarity(model)
    return np.array([j.scores for j in judge(groups)])


def theirs(kind: str, folder: Path) -> Any:
    import sentence_transformers as st

    if kind == "cross":
        pairs = [(q, t) for q in QUERIES for t in TEXTS]
        return st.CrossEncoder(str(folder), device="cpu").predict(pairs).reshape(len(QUERIES), -1)
    classes = {"bi": st.SentenceTransformer, "sparse": st.SparseEncoder, "colbert": st.MultiVectorEncoder}
    model = classes[kind](str(folder), device="cpu")
    scores = model.similarity(model.encode_query(QUERIES), model.encode_document(TEXTS))
    return (scores.to_dense() if scores.is_sparse else scores).numpy()


def main() -> int:
    wrong = 0
    for kind, task in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                out = trained(kind, task, Path(folder))
                here, there = ours(kind, out), theirs(kind, out)
                difference, largest = float(np.abs(here - there).max()), float(np.abs(there).max())
                result = f"{difference:.1e} of scores up to {largest:.3g}"
                wrong += difference > MOST * max(largest, 1.0)
            except Exception as error:  # noqa: BLE001  # whatever either library makes of a folder
                result, wrong = f"WRONG: {type(error).__name__}: {error}", wrong + 1
            print(f"{kind:8} {result}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
