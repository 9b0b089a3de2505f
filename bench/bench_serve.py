"""A server under load, beside the raw engine: throughput, latency, memory, and whether every answer is the right one.

    python bench/bench_serve.py [--model mini] [--seconds 20] [--connections 1 8 64 256]

Starts `anyrank serve` in a process of its own and sends /v2/rerank requests of 1 to 40 short passages over persistent
connections. For each number of connections: documents a second, as a share of what one call of the pipeline ranks in
the same process without HTTP (measured before and after); p50, p95 and p99 in milliseconds; answers that were wrong
(their order differs from the engine's, or a document is missing), late (the deadline came first, and the answer says
so), refused (429) or lost. Then the same with a server that gives every request to the model alone (--batch 1). Writes
bench/results/serve.json.

With --rival PYTHON, an interpreter that has sentence-transformers and fastapi, the same load also goes to a plain
FastAPI application over a CrossEncoder of MiniLM's shape (6 layers, 384 wide, random weights: only its speed counts),
one request a call. Its orders are not compared, since its weights are random:

    python -m venv rival && rival/bin/pip install sentence-transformers fastapi uvicorn
    taskset -c 1 python bench/bench_serve.py --model mini --seconds 300 --rival rival/bin/python
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anyrank.core.types import Ranking
from anyrank.pipeline.parser import parse

WORDS = (Path(__file__).parents[1] / "README.md").read_text().split()
Request = tuple[str, list[str]]


def requests(count: int, seed: int) -> list[Request]:
    """Queries with 1 to 40 passages of 10 to 60 words."""
    rng = random.Random(seed)

    def text(least: int, most: int) -> str:
        return " ".join(rng.choices(WORDS, k=rng.randint(least, most)))

    return [(text(3, 8), [text(10, 60) for _ in range(rng.choice((1, 3, 5, 10, 20, 40)))]) for _ in range(count)]


def engine(model: str, asked: list[Request]) -> tuple[float, list[list[int]]]:
    """Documents a second without HTTP, 16 requests a call, and the right order of each request."""
    stage = parse(model, starts=False)
    stage.batch([Ranking.of(*asked[0])])
    rankings = [Ranking.of(q, texts) for q, texts in asked]
    rankings = [Ranking.of(r.query.content, [c.content for c in r]) for r in rankings]
    start, orders = time.perf_counter(), []
    for at in range(0, len(rankings), 16):
        orders += [[int(i) for i in r.ids] for r in stage.batch(rankings[at : at + 16])]
    return sum(len(t) for _, t in asked) / (time.perf_counter() - start), orders


async def drive(port: int, asked: list[Request], orders: list[list[int]], connections: int, seconds: float) -> Any:
    """The load of some connections for some seconds."""
    end, times, counts = (
        time.perf_counter() + seconds,
        list[float](),
        dict.fromkeys(("wrong", "late", "refused", "lost"), 0),
    )
    documents, turn = 0, iter(range(10**9))

    async def client() -> None:
        nonlocal documents
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < end:
            n = next(turn) % len(asked)
            body = json.dumps({"query": asked[n][0], "documents": asked[n][1]}).encode()
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
            got = [r["index"] for r in value["results"]]
            if value.get("anyrank", {}).get("status") in (
                "partial",
                "fallback",
            ):  # the deadline came first, and the answer says so
                counts["late"] += 1
                counts["wrong"] += sorted(got) != sorted(orders[n])
                continue
            counts["wrong"] += got != orders[n] if "anyrank" in value else sorted(got) != sorted(orders[n])
            documents += len(got)
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(connections)))
    spent = time.perf_counter() - start
    times.sort()
    percentiles = {f"p{p}_ms": round(times[min(len(times) * p // 100, len(times) - 1)] * 1000, 1) for p in (50, 95, 99)}
    return {"requests": len(times), "documents_per_s": round(documents / spent, 1), **percentiles, **counts}


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


def rival(python: str, threads: str) -> tuple[subprocess.Popen[bytes], int]:
    """A started application of sentence-transformers behind FastAPI, and its port."""
    port = free_port()
    command = [python, str(Path(__file__).parent / "rival_server.py"), str(port)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": threads, "PYTHONPATH": ""})
    wait_ready(process, port)
    return process, port


def memory(pid: int) -> float:
    """Resident megabytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="mini")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rival", metavar="PYTHON", help="an interpreter with sentence-transformers and fastapi")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 64, 256])
    options = parser.parse_args()
    asked = requests(300, 1)
    before, orders = engine(options.model, asked)
    rows: dict[str, Any] = {}
    servers: dict[str, Callable[[], tuple[subprocess.Popen[bytes], int]]] = {
        "batched": lambda: serving(options.model),
        "one request a batch": lambda: serving(options.model, "--batch", "1"),
    }
    if options.rival:
        threads = os.environ.get("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
        servers["sentence-transformers"] = lambda: rival(options.rival, threads)
    for name, start in servers.items():
        process, port = start()
        try:
            for n in options.connections:
                load = drive(port, asked, orders, n, options.seconds)
                row = rows.setdefault(name, {})[str(n)] = asyncio.run(load) | {"rss_mb": round(memory(process.pid))}
                print(name, n, row, flush=True)
        finally:
            process.terminate()
            process.wait(40)
    after, _ = engine(options.model, asked)
    raw = statistics.mean([before, after])
    for row in (r for kind in rows.values() for r in kind.values()):
        row["share_of_engine"] = round(row["documents_per_s"] / raw, 3)
    result = {"model": options.model, "engine_documents_per_s": [round(before, 1), round(after, 1)], **rows}
    file = Path(__file__).parent / "results" / "serve.json"
    file.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
