"""A server under load, beside the raw engine: throughput, latency, memory, and whether every answer is the right one.

    python bench/bench_serve.py [--model mini] [--seconds 20] [--connections 1 8 64 256]

Starts `anyrank serve` in a process of its own and sends /v2/rerank requests of 1 to 40 short passages over persistent
connections. For each number of connections: documents a second, and as a share of what calls of 16 requests rank in
this process without HTTP (measured before and after), by the clock and by CPU time; p50, p95 and p99 in milliseconds;
answers that were wrong (their order differs from the engine's, or a document is missing), late (the deadline came
first, and the answer says so), refused (429) or lost. Then the same with a server that gives every request to the model
alone (--batch 1). Writes bench/results/serve.json.

With --rival PYTHON, an interpreter that has sentence-transformers and fastapi, the same requests also go to a plain
FastAPI application over a CrossEncoder of MiniLM's shape, word pieces and maximum length (its weights are random: only
its speed counts), one request a call; and to `anyrank serve` over that same folder, so that servers are compared apart
from models. At most 64 connections, since forty threads of the application work at once:

    python -m venv rival && rival/bin/pip install sentence-transformers fastapi uvicorn
    taskset -c 1 python bench/bench_serve.py --model mini --seconds 300 --rival rival/bin/python
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anyrank.core.types import Ranking
from anyrank.pipeline.parser import parse

WORDS = (Path(__file__).parents[1] / "README.md").read_text().split()
RIVAL = Path(__file__).parent / "rival_server.py"
FEW = 24  # requests to the cross-encoder, which is slower
Request = tuple[str, list[str]]


def requests(count: int, seed: int) -> list[Request]:
    """Queries with 1 to 40 passages of 10 to 60 words."""
    rng = random.Random(seed)

    def text(least: int, most: int) -> str:
        return " ".join(rng.choices(WORDS, k=rng.randint(least, most)))

    return [(text(3, 8), [text(10, 60) for _ in range(rng.choice((1, 3, 5, 10, 20, 40)))]) for _ in range(count)]


@dataclass(frozen=True, slots=True)
class Speed:
    """Documents a second by the clock, and milliseconds of CPU a document."""

    documents_per_s: float
    cpu_ms: float


def engine(model: str, load: list[Request]) -> tuple[Speed, list[list[int]]]:
    """The speed without HTTP, 16 requests a call, and the right order of each request."""
    stage = parse(model, starts=False)
    stage.batch([Ranking.of(*load[0])])
    rankings = [Ranking.of(query, texts) for query, texts in load]
    wall, cpu, orders = time.perf_counter(), time.process_time(), []
    for at in range(0, len(rankings), 16):
        orders += [[int(i) for i in r.ids] for r in stage.batch(rankings[at : at + 16])]
    documents = sum(len(texts) for _, texts in load)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Speed(documents / wall, cpu / documents * 1000), orders


async def drive(port: int, load: list[Request], orders: list[list[int]], connections: int, seconds: float) -> Any:
    """The load of some connections for some seconds; what was sent by then is waited for."""
    times: list[float] = []
    counts = dict.fromkeys(("wrong", "late", "refused", "lost"), 0)
    documents, turn, end = 0, itertools.count(), time.perf_counter() + seconds

    async def client() -> None:
        nonlocal documents
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < end:
            n = next(turn) % len(load)
            body = json.dumps({"query": load[n][0], "documents": load[n][1]}).encode()
            start = time.perf_counter()
            try:
                writer.write(
                    b"POST /v2/rerank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    + f"Content-Length: {len(body)}\r\n\r\n".encode()
                    + body
                )
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                answer = await reader.readexactly(int(head.split("content-length: ")[1].split()[0]))
            except (OSError, asyncio.IncompleteReadError):
                counts["lost"] += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                continue
            if " 429 " in head.splitlines()[0]:
                counts["refused"] += 1
                await asyncio.sleep(0.05)
                continue
            if " 200 " not in head.splitlines()[0]:
                raise SystemExit(f"{head.splitlines()[0]}: {answer[:300]!r}")
            times.append(time.perf_counter() - start)
            value = json.loads(answer)
            order = [r["index"] for r in value["results"]]
            if value.get("anyrank", {}).get("status") in ("partial", "fallback"):  # the deadline came first
                counts["late"] += 1
                counts["wrong"] += sorted(order) != sorted(orders[n])
                continue
            counts["wrong"] += order != orders[n]
            documents += len(order)
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(connections)))
    spent = time.perf_counter() - start
    times.sort()
    percentiles = {f"p{p}_ms": round(times[min(len(times) * p // 100, len(times) - 1)] * 1000, 1) for p in (50, 95, 99)}
    row = {"requests": len(times), "documents": documents, "documents_per_s": round(documents / spent, 1)}
    return row | percentiles | counts


def serving(model: str, *options: str) -> tuple[subprocess.Popen[bytes], int]:
    """A started server and its port."""
    port = free_port()
    command = [sys.executable, "-m", "anyrank", "serve", "-p", model, "--port", str(port), *options]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_ready(process, port)
    return process, port


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_ready(process: subprocess.Popen[bytes], port: int) -> None:
    """Waits until a server answers."""
    while process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit("the server did not start: see above")


def rival(python: str, folder: str) -> tuple[subprocess.Popen[bytes], int]:
    """A started application of sentence-transformers behind FastAPI, and its port."""
    port = free_port()
    process = subprocess.Popen([python, str(RIVAL), folder, str(port)], env=rival_environment())
    wait_ready(process, port)
    return process, port


def rival_environment() -> dict[str, str]:
    threads = os.environ.get("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
    return {**os.environ, "OMP_NUM_THREADS": threads, "PYTHONPATH": ""}


def memory(pid: int) -> float:
    """Resident megabytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def loaded(
    name: str,
    server: tuple[subprocess.Popen[bytes], int],
    load: list[Request],
    orders: list[list[int]],
    connections: list[int],
    seconds: float,
) -> dict[str, Any]:
    """A row for each number of connections; the server is ended."""
    process, port = server
    rows = {}
    try:
        for n in connections:
            start = cpu(process.pid)
            row = asyncio.run(drive(port, load, orders, n, seconds))
            row["cpu_ms"] = round((cpu(process.pid) - start) / max(row["documents"], 1) * 1000, 2)
            rows[str(n)] = row | {"rss_mb": round(memory(process.pid))}
            print(name, n, rows[str(n)], flush=True)
    finally:
        process.terminate()
        process.wait(40)
    return rows


def share(rows: dict[str, Any], before: Speed, after: Speed) -> dict[str, Any]:
    """The engine's speed, and the rows as shares of it."""
    for row in rows.values():
        row["share_of_engine"] = round(row["documents_per_s"] * 2 / (before.documents_per_s + after.documents_per_s), 3)
        row["cpu_share_of_engine"] = round((before.cpu_ms + after.cpu_ms) / 2 / row["cpu_ms"], 3)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="mini")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rival", metavar="PYTHON", help="an interpreter with sentence-transformers and fastapi")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 64, 256])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "serve.json")
    options = parser.parse_args()
    load, seconds, connections = requests(100, 1), options.seconds, options.connections
    before, orders = engine(options.model, load)
    batched = loaded("batched", serving(options.model), load, orders, connections, seconds)
    single = loaded("one request a batch", serving(options.model, "--batch", "1"), load, orders, connections, seconds)
    after, _ = engine(options.model, load)
    result: dict[str, Any] = {
        "model": options.model,
        "seconds": seconds,
        "cores": len(os.sched_getaffinity(0)),
        "engine": [asdict(before), asdict(after)],
        "batched": share(batched, before, after),
        "one request a batch": share(single, before, after),
    }
    if options.rival:
        few, ours = load[:FEW], "the same cross-encoder, batched"
        connections = [n for n in connections if n <= 64]
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([options.rival, str(RIVAL), "make", folder], check=True, env=rival_environment())
            cross = f'model("{folder}")'
            before, orders = engine(cross, few)
            rows = loaded(ours, serving(cross), few, orders, connections, seconds)
            theirs = rival(options.rival, folder)
            result["sentence-transformers"] = loaded("sentence-transformers", theirs, few, orders, connections, seconds)
            after, _ = engine(cross, few)
        result[ours] = share(rows, before, after)
        result["engine of the cross-encoder"] = [asdict(before), asdict(after)]
        result["times sentence-transformers"] = {
            name: {
                n: {
                    "wall": round(result[name][n]["documents_per_s"] / row["documents_per_s"], 2),
                    "cpu": round(row["cpu_ms"] / result[name][n]["cpu_ms"], 2),
                }
                for n, row in result["sentence-transformers"].items()
            }
            for name in ("batched", ours)
        }
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
