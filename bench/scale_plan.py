"""A plan on paper for many documents and queries, from rates that other scripts have measured.

    python bench/scale_plan.py [--documents 100000000] [--rate 1000]

Reads bench/results/{lexical,ann,rerankers-cost}.json, writes scale-plan.json and scale-plan.md beside them. Rates are
of one processor. What is assumed and not measured is an option: the price, how busy processors may be, replicas.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import click

RESULTS = Path(__file__).parent / "results"
MILLION = 1_000_000


def read(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text())


def rates() -> dict[str, tuple[float, str]]:
    """What was measured, with its source."""
    (lexical,) = (row for row in read("lexical") if row["documents"] == MILLION)
    ann, cost = read("ann"), read("rerankers-cost")
    graph, growth = ann["speed"][str(MILLION)]["int8"], ann["growth"][str(MILLION)]
    exact = ann["threshold"]["50000"]
    return {
        "BM25 documents/s": (MILLION / lexical["build"]["anyrank"]["seconds"], "lexical.json, 1,000,000, build"),
        "BM25 MB a million": (lexical["build"]["anyrank"]["disk"] * 1.048576, "lexical.json, 1,000,000, disk"),
        "BM25 queries/s over a million": (
            1000 / lexical["search"]["anyrank"]["seconds"],
            "lexical.json, 1,000,000, 1,000 queries",
        ),
        "encoded texts/s": (cost["minilm"]["pairs a second"], "rerankers-cost.json, minilm"),
        "ms to encode a query": (exact["encode_ms"], "ann.json, threshold"),
        "vectors MB a million": (growth["vectors_mb"], "ann.json, growth, 1,000,000"),
        "graph MB a million": (graph["bytes_a_vector"], "ann.json, int8, bytes a vector"),
        "graph documents/s": (MILLION / graph["build_cpu_s"], "ann.json, int8, build_cpu_s"),
        "graph queries/s over a million": (graph["expansion 128"]["ours_one_per_s"], "ann.json, int8, expansion 128"),
        "recall of the graph": (graph["expansion 128"]["recall"], "ann.json, int8, expansion 128"),
        "reranked pairs/s": (cost["tiny"]["pairs a second"], "rerankers-cost.json, tiny"),
    }


@click.command()
@click.option("--documents", default=100 * MILLION, show_default=True)
@click.option("--rate", default=1000, show_default=True, help="Queries a second.")
@click.option("--reranked", default=20, show_default=True, help="Documents reranked for each query.")
@click.option("--answer-kb", default=20.0, show_default=True, help="Of an answer: ten texts of 2 kB.")
@click.option("--cores", default=16, show_default=True, help="Of a machine.")
@click.option("--memory-gb", default=128, show_default=True, help="Of a machine.")
@click.option("--load", default=0.6, show_default=True, help="How busy processors may be.")
@click.option("--price", default=0.04, show_default=True, help="Dollars for a processor's hour.")
@click.option("--hours", default=24.0, show_default=True, help="In which the indexes are to be built.")
def main(**options: Any) -> None:
    """Write the plan."""
    plan = planned(**options)
    (RESULTS / "scale-plan.json").write_text(json.dumps(plan, indent=1) + "\n")
    (RESULTS / "scale-plan.md").write_text(table(plan))
    click.echo(table(plan))


def planned(
    documents: int,
    rate: int,
    reranked: int,
    answer_kb: float,
    cores: int,
    memory_gb: int,
    load: float,
    price: float,
    hours: float,
) -> dict[str, Any]:
    """Every number with its reason."""
    r = {name: value for name, (value, _) in rates().items()}
    millions = documents / MILLION
    work = {
        "encode": documents / r["encoded texts/s"] / 3600,
        "graph": documents / r["graph documents/s"] / 3600,
        "BM25": documents / r["BM25 documents/s"] / 3600,
    }
    seconds = {
        "BM25": millions / r["BM25 queries/s over a million"],
        "graph": millions / r["graph queries/s over a million"],
        "encode the query": r["ms to encode a query"] / 1000,
        "rerank": reranked / r["reranked pairs/s"],
    }
    disk = {n: millions * r[f"{n} MB a million"] / 1000 for n in ("BM25", "vectors", "graph")}
    busy = sum(seconds.values()) * rate
    processors = busy / load
    machines = max(math.ceil(processors / cores), 2)
    builders = math.ceil(sum(work.values()) / hours)
    rows = [
        ["build: encode", f"{work['encode']:,.0f} processor hours", "documents / encoded texts/s"],
        ["build: graphs", f"{work['graph']:,.0f} processor hours", "documents / graph documents/s"],
        ["build: BM25", f"{work['BM25']:,.1f} processor hours", "documents / BM25 documents/s"],
        ["build: processors", f"{builders:,} for {hours:g} hours", "the three above / hours"],
        ["build: cost", f"${sum(work.values()) * price:,.0f}", f"at ${price} a processor's hour (assumed)"],
        ["disk of each machine", f"{sum(disk.values()):,.0f} GB", ", ".join(f"{n} {v:,.0f}" for n, v in disk.items())],
        [
            "memory of each machine",
            f"{disk['graph'] + disk['BM25']:,.0f} GB of {memory_gb}",
            "graphs and BM25 stay in memory; vectors are read from disk to score what a graph found",
        ],
        ["query: BM25", f"{1000 * seconds['BM25']:,.1f} ms of a processor", "millions / BM25 queries/s, a million"],
        ["query: graphs", f"{1000 * seconds['graph']:,.1f} ms of a processor", "millions / graph queries/s, a million"],
        ["query: encode it", f"{1000 * seconds['encode the query']:,.1f} ms of a processor", "measured"],
        ["query: rerank", f"{1000 * seconds['rerank']:,.1f} ms of a processor", f"{reranked} / reranked pairs/s"],
        ["query: together", f"{1000 * sum(seconds.values()):,.0f} ms of a processor", "the four above"],
        ["processors", f"{processors:,.0f}", f"{rate:,} x the time above / {load:.0%} busy"],
        ["machines", f"{machines} of {cores} processors", "each holds all shards, any may answer"],
        ["network", f"{rate * answer_kb / 1000:,.0f} MB/s", f"{rate:,} answers of {answer_kb:g} kB, none inside"],
        ["cost a month", f"${machines * cores * price * 730:,.0f}", f"at ${price} a processor's hour (assumed)"],
    ]
    measured = {name: {"value": round(value, 4), "source": source} for name, (value, source) in rates().items()}
    return {
        "ours": "a plan by anyrank's measured rates, not a measurement",
        "documents": documents,
        "queries_a_second": rate,
        "reranked": reranked,
        "measured": measured,
        "rows": rows,
        "fits": disk["graph"] + disk["BM25"] <= memory_gb,
    }


def table(plan: dict[str, Any]) -> str:
    """The plan as Markdown."""
    lines = ["| measured, one processor | | source in bench/results |", "|---|--:|---|"]
    for name, row in plan["measured"].items():
        lines.append(f"| {name} | {row['value']:,.4g} | {row['source']} |")
    lines += ["", f"| for {plan['documents']:,} documents, {plan['queries_a_second']:,} queries/s | ours | by |"]
    lines += ["|---|--:|---|", *("| " + " | ".join(row) + " |" for row in plan["rows"])]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
