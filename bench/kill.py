"""Kill -9 of `index`, `search --resume` and `rerank --resume` at random moments: after each, the same command is run
again until it ends by itself, and the result must equal that of an unbroken run.

    python bench/kill.py [ROUNDS]     default 50 rounds of each of the three commands
"""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FINISHED = re.compile("holds (a finished index|finished results)")  # killed after the last write, before the exit
ANYRANK = [sys.executable, "-m", "anyrank"]


def run(*args: str) -> float:
    """Seconds that the command took; it must end well."""
    start = time.perf_counter()
    subprocess.run([*ANYRANK, *args], check=True, capture_output=True)
    return time.perf_counter() - start


def kill_and_finish(args: list[str], seconds: float, rng: random.Random) -> int:
    """Start the command again and again, killing it at random moments, at most three times; then let it end. Returns
    the number of kills that hit."""
    hits = 0
    for _ in range(rng.randint(1, 3)):
        process = subprocess.Popen([*ANYRANK, *args], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(rng.uniform(0.3, 1.0) * seconds)
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        if process.returncode == 0 or FINISHED.search(errors.decode()):
            return hits
        assert process.returncode == -signal.SIGKILL, errors.decode()
        hits += 1
    last = subprocess.run([*ANYRANK, *args], capture_output=True, text=True)
    assert last.returncode == 0 or FINISHED.search(last.stderr), last.stderr
    return hits


def documents(index: Path) -> list[tuple[str, str]]:
    from anyrank.index.collection import Collection

    return sorted((c.id, str(c.content)) for c in Collection.open(index).documents())


def main(rounds: int, seed: int = 0) -> dict[str, int]:
    rng = random.Random(seed)
    kills = {"index": 0, "search": 0, "rerank": 0}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        corpus = folder / "corpus.jsonl"
        words = [f"w{i}" for i in range(5000)]
        with corpus.open("w") as f:
            for i in range(30_000):
                text = " ".join(rng.choices(words, k=40))
                f.write(json.dumps({"_id": f"d{i}", "text": text}) + "\n")
        queries = folder / "queries.tsv"
        queries.write_text("".join(f"q{i}\t{' '.join(rng.choices(words, k=12))}\n" for i in range(300)))

        whole = folder / "whole"
        seconds = run("index", str(corpus), "-o", str(whole))
        truth = documents(whole)
        for _ in range(rounds):
            index = folder / "index"
            kills["index"] += kill_and_finish(["index", str(corpus), "-o", str(index)], seconds, rng)
            assert documents(index) == truth, "index: a document was lost, doubled or changed"
            shutil.rmtree(index)

        search = ["search", str(whole), "--queries", str(queries), "-k", "100", "-p", "bm25", "--resume", "-o"]
        seconds = run(*search, str(folder / "whole.trec"))
        for _ in range(rounds):
            kills["search"] += kill_and_finish([*search, str(folder / "part.trec")], seconds, rng)
            same(folder, "search")

        given = folder / "given.trec"
        (folder / "whole.trec").rename(given)
        short = folder / "short.trec"
        few = {f"q{i}" for i in range(60)}
        short.write_text("".join(x for x in given.open() if int(x.split()[3]) <= 10 and x.split()[0] in few))
        rerank = ["rerank", "--run", str(short), "--queries", str(queries), "--documents", str(corpus), "-p", "splade"]
        seconds = run(*rerank, "--resume", "-o", str(folder / "whole.trec"))
        for _ in range(rounds):
            args = [*rerank, "--resume", "-o", str(folder / "part.trec")]
            kills["rerank"] += kill_and_finish(args, seconds, rng)
            same(folder, "rerank")
    return kills


def same(folder: Path, what: str) -> None:
    """The two runs hold the same documents a query in the same order; scores agree to 1e-3."""
    one, two = ([x.split() for x in (folder / n).read_text().splitlines()] for n in ("whole.trec", "part.trec"))
    assert [x[:4] for x in one] == [x[:4] for x in two], f"{what}: a query was lost, doubled or changed"
    (folder / "part.trec").unlink()


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    kills = main(rounds)
    print(f"{rounds} rounds each; kills that hit: {kills}; nothing lost, nothing doubled")
