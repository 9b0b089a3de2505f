"""Tables of speed out of ``bench/results``; the build puts them where `speed.md` says ``<!-- table: NAME -->``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "bench" / "results"
PLACE = re.compile(r"^<!-- table: (\w+) -->$", re.M)


def filled(text: str) -> str:
    """A page with its tables. Raises KeyError on an unknown one, or if a result file has no such figure."""
    return PLACE.sub(lambda place: TABLES[place[1]](), text)


def encoders() -> str:
    """A cross-encoder's pairs a second and memory, by engine."""
    results = _read("encoders.json")
    names = {
        "anyrank": "anyrank, int8",
        "raw": "onnxruntime alone, the same graph, ready batches",
        "fp32": "anyrank, float32",
        "torch": "sentence-transformers, torch, float32",
    }
    rows = [
        (name, f"{e['pairs_per_second']:.0f}", f"{e['ours_is_times_faster']:.2f}", f"{e['peak_mb']:,}")
        for key, name in names.items()
        for e in [results["engines"][key]]
    ]
    return _table(("engine", "pairs a second", "anyrank int8 is … times as fast", "peak MB"), rows)


def rerankers() -> str:
    """Pairs a second of the shipped rerankers."""
    results = _read("rerankers-cost.json")
    names = ("tiny", "splade", "minilm", "mini", "minilm + splade")
    return _table(
        ("pipeline", "pairs a second", "MB"),
        [(f"`{n}`", f"{results[n]['pairs a second']:,.0f}", str(results[n]["MB"])) for n in names],
    )


def lexical() -> str:
    """BM25 beside the engine alone and bm25s."""
    rows = []
    for size in _read("lexical.json"):
        n = size["documents"]
        for key, name in (("anyrank", "anyrank"), ("engine", "tantivy alone, row numbers"), ("bm25s", "bm25s, numba")):
            build, search = size["build"][key], size["search"][key]
            queries = 1000 / search["seconds"]
            cells = (
                f"{n / build['seconds']:,.0f}",
                f"{build['memory']:,.0f}",
                f"{queries:,.0f}",
                f"{search['memory']:,.0f}",
            )
            rows.append((f"{n:,}", name, *cells))
    head = ("documents", "system", "documents a second", "MiB, building", "queries a second", "MiB, searching")
    return _table(head, rows)


def search() -> str:
    """What a search costs over its raw parts."""
    results = _read("search.json")
    rows = []
    for name in ("raw bm25", "bm25", "raw vectors", "vectors", "bm25 + vectors", "bm25 + vectors, texts"):
        cells = [f"{results[c][name]['now']:.2f}" for c in ("cranfield", "100k")]
        rows.append((name, *cells))
    return _table((f"CPU ms a query, {results['k']:,} results", "1,400 documents", "100,000 documents"), rows)


def late() -> str:
    """Search over the token states of 100,000 passages."""
    results = _read("late.json")["hundred-thousand"]
    rows = [("exact, float16", results["exact float16"], 1.0)]
    rows += [(_settings(n), v, v["recall@10"]) for n, v in results.items() if "recall@10" in str(v)]
    cells = [
        (name, f"{v['queries_a_cpu_second']:.2f}", f"{recall:.3f}", f"{v['bytes_a_state']:.0f}")
        for name, v, recall in rows
        if isinstance(v, dict)
    ]
    return _table(("index", "queries a CPU second", "recall of the ten best", "bytes a state"), cells)


def server() -> str:
    """What a server keeps of the engine's speed."""
    results = _read("serve.json")["batched"]
    rows = [
        (n, f"{v['cpu_share_of_engine']:.0%}", f"{v['rss_mb']:.0f}", f"{v['p50_ms'] / 1000:.2f}", f"{v['late']}")
        for n, v in results.items()
    ]
    return _table(("connections", "share of the engine, by CPU", "MB", "median, s", "late answers"), rows)


def strategies() -> str:
    """Ways of ranking by one small language model, against each other."""
    rows = [
        (name, f"{v['ratio']:.2f}", f"{min(v['ratios']):.2f} to {max(v['ratios']):.2f}", str(v["queries"]))
        for name, v in _read("strategies.json").items()
    ]
    return _table(("time of the first over the second", "ratio", "rounds", "queries"), rows)


def training() -> str:
    """Training and inference beside sentence-transformers."""
    rows = [
        (
            name if name.startswith(("sparse, ", "late, ")) else f"cross, {name}",
            f"{v['pairs_a_cpu_second']['ratio']:.2f}",
            f"{v['pairs_a_cpu_second']['least']:.2f}",
            str(len(v["rounds"])),
            str(v["threads"]),
        )
        for name, v in _read("train.json").items()
    ]
    return _table(("kind, body", "pairs or texts a CPU second, ours over theirs", "least", "rounds", "threads"), rows)


TABLES: dict[str, Callable[[], str]] = {
    f.__name__: f for f in (encoders, rerankers, lexical, search, late, server, strategies, training)
}


def _settings(name: str) -> str:
    """A row's name with its settings as words.

    >>> _settings("plaid 2 bits {'cells': 4, 'threshold': 0.4}")
    'plaid 2 bits, cells 4, threshold 0.4'
    """
    return name.replace(" default", "").replace(" {", ", ").replace("': ", " ").replace("'", "").replace("}", "")


def _read(name: str) -> Any:
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = [list(head), *map(list, rows)]
    cells.insert(1, ["---"] * len(cells[0]))
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)
