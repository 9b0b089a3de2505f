"""Ways of ranking with one language model against each other: seconds of one over the other, in one run, interleaved.

    python bench/bench_strategies.py DATA --model hf:FOLDER [--label NAME] [--queries 3] [--rounds 3] [--only "a;b"]

Over TREC DL19's BM25 top 20 (and top 100 for windows). A small model ends its answers early, so generation is held to
the length that a full order of its labels takes, end tokens ignored: the same prompt, the same windows, the same
documents, only what is read differs. llm-rankers (PyPI, 0.0.2) runs where it is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench_methods import starts

from anyrank.backends.hf.language_model import HF
from anyrank.core.groupings import Heap, Sliding
from anyrank.core.rerank import Rerank
from anyrank.core.stage import Stage
from anyrank.core.types import Ranking
from anyrank.llm.first_token import FirstToken
from anyrank.llm.generation import Generated
from anyrank.llm.templates import FIRST_TOKEN, LISTWISE, SETWISE_TOKEN
from anyrank.papers import load
from anyrank.pipeline.methods import language_model

OUT = Path(__file__).parent / "results" / "strategies.json"
Run = Callable[[], Any]


def endless(model: HF) -> HF:
    """The model without end tokens: it writes as many tokens as it is asked for."""
    other = replace(model)
    other.__dict__["_loaded"], other.__dict__["_ends"] = model._loaded, frozenset()
    return other


def length(model: HF, labels: Sequence[str]) -> int:
    """Tokens of a full order, written as asked for."""
    return len(model.tokenizer(" > ".join(f"[{x}]" for x in labels))["input_ids"])


def calls(stage: Stage, rankings: Sequence[Ranking]) -> int:
    return sum(r.cost.usage.calls for r in stage.batch(rankings))


def strategies(model: HF, short: list[Ranking], long: list[Ranking], folder: str) -> dict[str, tuple[Run, Run]]:
    """Pairs of runs by name: the first's seconds over the second's are reported."""
    wordy, window = endless(model), Sliding(20, 10)
    letters, numbers = [chr(65 + i) for i in range(20)], [str(i + 1) for i in range(20)]
    first = Rerank(FirstToken(model, FIRST_TOKEN), window)
    spelled = Rerank(Generated(wordy, FIRST_TOKEN, max_tokens=length(model, letters)), window)
    listwise = Rerank(Generated(wordy, LISTWISE, max_tokens=length(model, numbers)), window)
    icr = load("icr").build(model)
    heap = Rerank(FirstToken(model, SETWISE_TOKEN), Heap(3, 10))
    alone = replace(heap, judge=FirstToken(replaced(model, reuse=False), SETWISE_TOKEN))
    pointwise, icr_alone = load("prorank").build(model), load("icr").build(replaced(model, reuse=False))
    pointwise_alone = load("prorank").build(replaced(model, reuse=False))
    found = {
        "FIRST / generation, 20 passages": (lambda: first.batch(short), lambda: spelled.batch(short)),
        "ICR / RankGPT, 20 passages": (lambda: icr.batch(short), lambda: listwise.batch(short)),
        "FIRST / generation, 100 passages": (lambda: first.batch(long[:1]), lambda: spelled.batch(long[:1])),
        "ICR / RankGPT, 100 passages": (lambda: icr.batch(long[:1]), lambda: listwise.batch(long[:1])),
        "lockstep / query by query, setwise heap": (
            lambda: heap.batch(short),
            lambda: [heap.batch([r]) for r in short],
        ),
        "prefix reuse on / off, pointwise": (lambda: pointwise.batch(short), lambda: pointwise_alone.batch(short)),
        "prefix reuse on / off, ICR": (lambda: icr.batch(short), lambda: icr_alone.batch(short)),
        "prefix reuse on / off, setwise heap": (lambda: heap.batch(short), lambda: alone.batch(short)),
    }
    if theirs := llm_rankers(folder, short):
        found["anyrank / llm-rankers, setwise heap"] = (lambda: heap.batch(short), theirs)
    return found


def replaced(model: HF, **changes: Any) -> HF:
    """The same loaded weights, run otherwise."""
    other = replace(model, **changes)
    other.__dict__["_loaded"] = model._loaded
    return other


def llm_rankers(folder: str, rankings: Sequence[Ranking]) -> Run | None:
    """Setwise heap sort of llm-rankers over the same documents; its counts go to ``llm_rankers.calls``."""
    try:
        from llmrankers.rankers import SearchResult
        from llmrankers.setwise import SetwiseLlmRanker
    except ImportError:
        return None
    ranker = SetwiseLlmRanker(folder, folder, "cpu", num_child=3, k=10)
    ranker.llm.float()

    def run() -> int:
        total = 0
        with contextlib.redirect_stdout(io.StringIO()):
            for r in rankings:
                ranker.rerank(r.query.content, [SearchResult(c.id, c.score, c.content) for c in r])
                total += ranker.total_compare
        return total

    return run


def seconds(run: Run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--label", default="")
    parser.add_argument("--queries", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    short, _ = starts(args.data / "dl-candidates", 20, args.queries)
    long, _ = starts(args.data / "dl-candidates", 100, args.queries)
    model = language_model(args.model)
    model.generate(["warm up"], max_tokens=2)
    kept = json.loads(OUT.read_text()) if OUT.exists() else {}
    for name, (one, other) in strategies(model, short, long, args.model.removeprefix("hf:")).items():
        if args.only and not any(part in name for part in args.only.split(";")):
            continue
        times = [(seconds(one), seconds(other)) for _ in range(args.rounds)]
        a, b = (statistics.median(t) for t in zip(*times))
        kept[name] = {
            "ratio": round(statistics.median(x / y for x, y in times), 3),
            "seconds": [round(a, 2), round(b, 2)],
            "ratios": [round(x / y, 3) for x, y in times],
            "queries": 1 if "100" in name else len(short),
            "model": args.label or args.model,
            "dtype": str(model._loaded[0].dtype),
            "load": round(os.getloadavg()[0], 1),
        }
        OUT.write_text(json.dumps(kept, indent=1) + "\n")
        print(name, json.dumps(kept[name]), flush=True)


if __name__ == "__main__":
    main()
