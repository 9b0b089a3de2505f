"""Time and memory of reading and writing files: a run of a million lines, a corpus of a million documents, a journal.

    python bench/bench_io.py [lines]

Prints seconds, rates, and the peak of Python's memory of streaming (measured in a pass of its own).
"""

import json
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

from anyrank import Candidate, Query, Ranking
from anyrank.io import Journal, read_documents, read_run, write_jsonl, write_run


def timed(what: str, n: int, job) -> None:
    start = time.perf_counter()
    job()
    seconds = time.perf_counter() - start
    print(f"{what:<36} {seconds:7.2f} s {n / seconds:12,.0f} /s")


def rankings(n: int):
    for q in range(max(n // 1000, 1)):
        found = (Candidate(f"doc{(q * 7919 + i * 104729) % 8_841_823}", score=30.0 - i / 50) for i in range(1000))
        yield Ranking(Query(f"q{q}"), tuple(found))


def main(n: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run, packed, corpus = (Path(folder) / name for name in ("run.trec", "run.trec.gz", "corpus.jsonl"))
        made = list(rankings(n))
        timed("write a run, lines", n, lambda: write_run(run, made))
        timed("write a run, gzip, lines", n, lambda: write_run(packed, made))
        timed("read a run, lines", n, lambda: read_run(run))
        timed("read a run, gzip, lines", n, lambda: read_run(packed))

        def journal() -> None:
            with Journal.open(Path(folder) / "journal", {}) as j:
                for r in made:
                    j.append(r)

        timed("journal, rankings of 1,000", len(made), journal)
        text = "lift and drag of a wing " * 15
        timed(
            "write documents",
            n,
            lambda: write_jsonl(corpus, ({"_id": str(i), "title": "", "text": text} for i in range(n))),
        )
        timed("read documents", n, lambda: sum(1 for _ in read_documents(corpus)))
        timed("  of which json.loads alone", n, lambda: sum(1 for line in corpus.open("rb") if json.loads(line)))
        tracemalloc.start()
        sum(1 for _ in read_documents(corpus))
        peak = tracemalloc.get_traced_memory()[1] >> 20
        print(f"{'read documents, peak memory':<36} {peak:7} MiB of {corpus.stat().st_size >> 20} MiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
