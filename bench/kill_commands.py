"""Kill -9 of `index --encode`, the same with compressed token states, `index --delete`, `index --overwrite`,
`train --resume`, `distill --resume`, `synth --resume` and `adapt --resume` at random
moments. After each kill what was acknowledged must be whole; the same command, run again until it ends, must give the
result of an unbroken run.

    python bench/kill_commands.py [KILLS] [COMMAND ...]     default 50 of each; results in bench/results/kills.json
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anyrank.hub.open import open_model
from anyrank.index.build import finish_swap
from anyrank.index.check import check
from anyrank.index.collection import Collection
from anyrank.store.manifest import Manifest

RESULTS = Path(__file__).parent / "results" / "kills.json"
# Many small shards, so that a kill falls between two of them.
CLI = """
from anyrank.index.collection import Collection
Collection.encode.__kwdefaults__["shard"] = 25
from anyrank.cli import main
main()
"""
WORDS = [f"w{i}" for i in range(500)]
rng = random.Random(0)


def start(args: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CLI, *args]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(args: list[str]) -> float:
    """Seconds of a run that must end well."""
    begin = time.perf_counter()
    process = start(args)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return time.perf_counter() - begin


def kill(args: list[str], seconds: float) -> bool:
    """Start the command and kill it at a random moment; False if it ended before."""
    process = start(args)
    time.sleep(rng.uniform(0.2, 1.0) * seconds)
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), errors
    return process.returncode != 0


def rounds(
    kills: int, args: list[str], seconds: float, new: Callable[[], None], between: Callable[[bool], None]
) -> int:
    """Kills of the command, at most three a round, until ``kills`` have hit; ``new`` begins a round, ``between`` checks
    after each kill (False) and at the end (True). Returns the number of rounds."""
    hits = count = 0
    while hits < kills:
        new()
        count += 1
        for _ in range(rng.randint(1, 3)):
            if not kill(args, seconds):
                break
            hits += 1
            between(False)
        else:
            finish(args)
        between(True)
    return count


def corpus(path: Path, n: int, seed: int) -> Path:
    own = random.Random(seed)
    rows = ({"_id": f"d{i}", "text": " ".join(own.choices(WORDS, k=12))} for i in range(n))
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def documents(index: Path) -> list[tuple[str, str]]:
    return sorted((c.id, str(c.content)) for c in Collection.open(index).documents())


def sound(index: Path) -> None:
    problems = check(index).problems
    assert not problems, problems


def encode(folder: Path, kills: int) -> int:
    base, index = folder / "base", folder / "index"
    finish(["index", str(corpus(folder / "c.jsonl", 400, 1)), "-o", str(base)])
    shutil.copytree(base, index)
    args = ["index", str(folder / "c.jsonl"), "-o", str(index), "--encode", "minilm"]
    seconds, ids, before = finish(args), [i for i, _ in documents(base)], [0]
    _, expected = Collection.open(index).vectors("minilm").vectors(ids)
    assert expected is not None

    def new() -> None:
        shutil.rmtree(index)
        shutil.copytree(base, index)
        before[0] = 0

    def between(last: bool) -> None:
        sound(index)
        collection = Collection.open(index)
        positions, vectors = collection.vectors("minilm").vectors(ids) if collection.encoded else ([], None)
        assert len(positions) >= before[0], "vectors that were written are lost"
        assert not last or len(positions) == len(ids)
        rows = [r for s in collection.vectors("minilm").vector_store.shards() for r in s.rows] if positions else []  # type: ignore[attr-defined]
        assert len(rows) == len(set(rows)), "a document was encoded twice"
        if vectors is not None:
            assert abs(vectors.dense() - expected.take(positions).dense()).max() < 1e-3
        before[0] = len(positions)

    return rounds(kills, args, seconds, new, between)


def compress(folder: Path, kills: int) -> int:
    """Token states encoded, compressed and listed by their centroids, then updated: the codec stays one."""
    base, index = folder / "base", folder / "index"
    finish(["index", str(corpus(folder / "c.jsonl", 300, 1)), "-o", str(base)])
    shutil.copytree(base, index)
    args = ["index", str(folder / "c.jsonl"), "-o", str(index), "--encode", "tiny", "--vector-index", "plaid"]
    seconds, ids, before = finish(args), [i for i, _ in documents(base)], [0]
    name = "anyrank-tiny"
    query = open_model(name).encode(["w1 w2 w3"], query=True).vectors
    expected = [i for i, _ in Collection.open(index).vectors(name, exact=True).search(query, 5)[0]]

    def new() -> None:
        shutil.rmtree(index)
        shutil.copytree(base, index)
        before[0] = 0

    def between(last: bool) -> None:
        sound(index)
        collection = Collection.open(index)
        if not collection.encoded:
            return
        opened: Any = collection.vectors(name)
        positions, _ = opened.vectors(ids)
        assert len(positions) >= before[0], "states that were written are lost"
        before[0] = len(positions)
        rows = [r for s in opened.vector_store.shards() for r in s.rows]
        assert len(rows) == len(set(rows)), "a document was encoded twice"
        assert len(opened.search(query, 5)[0]) == min(5, len(positions))
        if last:
            assert len(positions) == len(ids)
            assert opened.describe()["covered"] == len(ids)
            assert len(set(expected) & {i for i, _ in collection.vectors(name, exact=True).search(query, 5)[0]}) >= 4

    return rounds(kills, args, seconds, new, between)


def delete(folder: Path, kills: int) -> int:
    base, index, gone = folder / "base", folder / "index", folder / "gone.txt"
    finish(["index", str(corpus(folder / "c.jsonl", 4000, 1)), "-o", str(base)])
    whole = documents(base)
    gone.write_text("".join(f"d{i}\n" for i in range(0, 4000, 2)))
    names = {f"d{i}" for i in range(0, 4000, 2)}
    left = [d for d in whole if d[0] not in names]
    args = ["index", str(gone), "-o", str(index), "--delete"]
    shutil.copytree(base, index)

    def new() -> None:
        shutil.rmtree(index)
        shutil.copytree(base, index)

    def between(last: bool) -> None:
        sound(index)
        assert documents(index) in ([left] if last else [left, whole]), "a document was lost, or came back"

    return rounds(kills, args, finish(args), new, between)


def overwrite(folder: Path, kills: int) -> int:
    base, index = folder / "base", folder / "index"
    finish(["index", str(corpus(folder / "old.jsonl", 1000, 1)), "-o", str(base)])
    args = ["index", str(corpus(folder / "new.jsonl", 2000, 2)), "-o", str(index), "--overwrite"]
    shutil.copytree(base, index)
    old, seconds = documents(base), finish(args)
    fresh = documents(index)

    def new() -> None:
        shutil.rmtree(index)
        shutil.copytree(base, index)

    def between(last: bool) -> None:
        if not last and not (index / "manifest.json").exists():  # within the swap, which the next build finishes
            assert Manifest.read(index / ".new").complete
            finish_swap(index)
            assert documents(index) == fresh
        sound(index)
        assert documents(index) in ([fresh] if last else [fresh, old])

    return rounds(kills, args, seconds, new, between)


def distill(folder: Path, kills: int) -> int:
    index, queries, out = folder / "index", folder / "q.tsv", folder / "out.jsonl"
    finish(["index", str(corpus(folder / "c.jsonl", 300, 1)), "-o", str(index)])
    queries.write_text("".join(f"q{i}\t{' '.join(rng.choices(WORDS, k=3))}\n" for i in range(120)))
    args = ["distill", "--queries", str(queries), "--index", str(index), "--teacher", "minilm"]
    args += ["--candidates", "bm25 % 8", "--resume", "-o", str(out)]
    seconds = finish(args)
    expected = out.read_text()

    def new() -> None:
        out.unlink(missing_ok=True)

    def between(last: bool) -> None:
        if last or out.exists():
            assert out.read_text() == expected
            if not last and not Path(f"{out}.journal").exists():
                out.unlink()  # it had ended, so the same command begins anew

    return rounds(kills, args, seconds, new, between)


def train(folder: Path, kills: int) -> int:
    from transformers import BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder / "words")
    groups = folder / "groups.jsonl"
    rows = [
        {
            "id": f"q{i}",
            "query": WORDS[i],
            "texts": [f"{WORDS[i]} {WORDS[i + j]}" for j in range(4)],
            "labels": [3, 1, 0, 0],
        }
        for i in range(40)
    ]
    groups.write_text("".join(json.dumps(r) + "\n" for r in rows))
    recipe, out = folder / "recipe.yaml", folder / "out"
    recipe.write_text(
        f"out: {out}\nmodel:\n  kind: cross\n  tokenizer: {folder / 'words'}\n  max_length: 16\n"
        "  shape: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32}\n"
        f"data: {{train: [{groups}], valid: [{groups}]}}\nlosses: [{{name: ranknet}}]\n"
        "optimiser: {batch: 2, epochs: 5, rate: 0.01, bf16: false}\ncheck: {every: 5}\nexport: {int8: false}\n"
        "seed: 3\nthreads: 1\n"
    )
    args = ["train", str(recipe), "--resume"]
    seconds = finish(args)
    expected = (out / "model.safetensors").read_bytes()

    def new() -> None:
        shutil.rmtree(out, ignore_errors=True)

    def between(last: bool) -> None:
        if last:
            assert (out / "model.safetensors").read_bytes() == expected, "other weights than of the unbroken training"

    return rounds(kills, args, seconds, new, between)


def synth(folder: Path, kills: int) -> int:
    out = folder / "out.jsonl"
    args = ["synth", "questions", str(corpus(folder / "c.jsonl", 300, 1)), "--rules", "terms", "--hard", "2"]
    args += ["--resume", "-o", str(out)]
    seconds = finish(args)
    expected = out.read_text()

    def new() -> None:
        out.unlink(missing_ok=True)
        shutil.rmtree(f"{out}.index", ignore_errors=True)

    def between(last: bool) -> None:
        if last or out.exists():
            assert out.read_text() == expected
            if not last and not Path(f"{out}.journal").exists():
                out.unlink()  # it had ended, so the same command begins anew

    return rounds(kills, args, seconds, new, between)


def adapt(folder: Path, kills: int) -> int:
    from anyrank.testing.tiny import encoder

    index, out = folder / "index", folder / "out"
    finish(["index", str(corpus(folder / "c.jsonl", 100, 1)), "-o", str(index)])
    args = ["adapt", str(index), "-o", str(out), "--start", encoder(folder / "start", task="cross"), "--with", "tiny"]
    args += ["--groups", "24", "--lists", "16", "--resume"]
    seconds = finish(args)
    names = ("adapt.json", "README.md", "pairs.jsonl")
    expected = {n: (out / n).read_text() for n in names}

    def new() -> None:
        shutil.rmtree(out, ignore_errors=True)

    def between(last: bool) -> None:
        if (out / "adapt.json").exists():
            assert {n: (out / n).read_text() for n in names} == expected, "another result than of the unbroken run"
            if not last:
                shutil.rmtree(out)  # it had ended, so the same command begins anew

    return rounds(kills, args, seconds, new, between)


COMMANDS = {f.__name__: f for f in (encode, compress, delete, overwrite, train, distill, synth, adapt)}


def main(kills: int, names: list[str]) -> None:
    for name in names or list(COMMANDS):
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch:
            count = COMMANDS[name](Path(scratch), kills)
        line = {"kills": kills, "rounds": count, "lost": 0, "doubled": 0, "seconds": round(time.perf_counter() - begin)}
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        RESULTS.write_text(json.dumps({**results, name: line}, indent=1) + "\n")
        print(name, line, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50, sys.argv[2:])
