"""Shards on workers against one process: the same bytes, CPU seconds, memory a worker, a worker killed, the head of a
cluster killed and started again. Writes bench/results/scale.json and scale.md.

    taskset -c 0,1 python bench/bench_scale.py WORK_FOLDER [--queries 128] [--depth 5]

Needs the extra `ray`. CPU seconds are of all processes of a run, read from /proc twice a second; the machine may be
busy otherwise, so no wall times are reported.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench/results"
TICKS = os.sysconf("SC_CLK_TCK")
MARK = "ANYRANK_BENCH_SCALE"


@dataclass
class Process:
    """What was last seen of a process."""

    command: str
    cpu: float = 0.0
    memory: int = 0


@dataclass
class Watch:
    """All processes that carry a mark in their environment, sampled until the block ends."""

    marks: tuple[str, ...]
    processes: dict[int, Process] = field(default_factory=dict)
    _end: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(0.5):
            self.sample()

    def sample(self) -> None:
        for pid in self.alive():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                pss = next(
                    line for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if "Pss:" in line
                )
            except (OSError, StopIteration, ValueError):
                continue
            process = self.processes.setdefault(pid, Process(command))
            process.command = command or process.command
            process.cpu = (int(fields[11]) + int(fields[12])) / TICKS
            process.memory = max(process.memory, int(pss.split()[1]) * 1024)

    def alive(self) -> list[int]:
        out = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    values = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
                    if any(f"{MARK}={mark}".encode() in values for mark in self.marks):
                        out.append(int(name))
                except OSError:
                    continue
        return out

    def workers(self) -> dict[int, Process]:
        """The processes that do shards."""
        kinds = ("ray::Worker", "from multiprocessing.spawn import spawn_main")
        return {pid: p for pid, p in self.processes.items() if any(k in p.command for k in kinds)}

    def cpu(self) -> float:
        """CPU seconds of all processes."""
        return sum(p.cpu for p in self.processes.values())

    def summary(self) -> dict[str, object]:
        workers = self.workers()
        own = sum(p.cpu for p in workers.values())
        return {
            "cpu_seconds": round(self.cpu(), 1),
            "cpu_seconds_of_workers": round(own, 1),
            "workers": len(workers),
            "peak_mb_of_each_worker": sorted(round(p.memory / 1e6) for p in workers.values()),
            "peak_mb_of_other_processes": round(sum(p.memory for p in self.processes.values()) / 1e6)
            - round(sum(p.memory for p in workers.values()) / 1e6),
        }


@dataclass
class Bench:
    """One job in a folder, run in several ways."""

    folder: Path
    job: list[str]
    about: dict[str, object]
    done_at_kill: int = 0
    runs: list[dict[str, object]] = field(default_factory=list)
    expected: bytes = b""
    token: str = field(default_factory=lambda: secrets.token_hex(32))  # of the clusters that are started here
    alone: float = 0.0  # CPU seconds of one process

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "anyrank", *self.job, *args]

    def environment(self, mark: str) -> dict[str, str]:
        fixed = {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_gcs_rpc_server_reconnect_timeout_s": "5"}
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}
        return {**os.environ, **fixed, **token, MARK: mark}

    def run(
        self,
        name: str,
        *args: str,
        during: Callable[[Watch, subprocess.Popen[str]], None] | None = None,
        fails: bool = False,
        head_mark: str = "",
    ) -> None:
        """Run the command, and note what it cost, with the processes of a cluster of that mark, and whether its output
        is that of one process."""
        out, mark = self.folder / "out", f"{os.getpid()}-{len(self.runs)}"
        with Watch((mark, head_mark) if head_mark else (mark,)) as watch:
            process = subprocess.Popen(
                self.command("-o", str(out), "--overwrite", *args),
                cwd=self.folder,
                env=self.environment(mark),
                stderr=subprocess.PIPE,
                text=True,
            )
            if during is not None:
                during(watch, process)
            errors = process.communicate()[1]
            watch.sample()
        kill_marked(mark)
        if fails == (process.returncode == 0):
            raise SystemExit(f"{name}: exit code {process.returncode}\n{errors}")
        row = {"run": name, "exit_code": process.returncode, **watch.summary()}
        if not fails:
            self.expected = self.expected or out.read_bytes()
            row["same_bytes"] = out.read_bytes() == self.expected
        self.runs.append(row)
        self.alone = self.alone or watch.cpu()
        row["cpu_ratio"] = round(watch.cpu() / self.alone, 2)
        self.write()
        click.echo(json.dumps(row))

    def write(self) -> None:
        """The results so far."""
        record = {**self.about, "shards_done_when_the_head_was_killed": self.done_at_kill, "runs": self.runs}
        (RESULTS / "scale.json").write_text(json.dumps(record, indent=1) + "\n")
        (RESULTS / "scale.md").write_text(table(record))

    def done(self) -> int:
        """How many shards are finished."""
        return len(list(self.folder.glob("out.*.shard.json")))

    def until(self, shards: int, process: subprocess.Popen[str]) -> None:
        """Wait for so many finished shards, or for the end of the process."""
        while self.done() < shards and process.poll() is None:
            time.sleep(0.1)

    def kill_a_worker(self, watch: Watch, process: subprocess.Popen[str]) -> None:
        self.until(1, process)
        watch.sample()
        alive = [pid for pid in watch.alive() if pid in watch.workers()]
        os.kill(alive[0], signal.SIGKILL)


def head(bench: Bench, mark: str, port: int) -> None:
    """Start a cluster of Ray on this machine."""
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", f"--port={port}", "--num-cpus=2"]
    start += ["--include-dashboard=false", "--disable-usage-stats", f"--ray-client-server-port={port + 1}"]
    subprocess.run(start, env=bench.environment(mark), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_marked(mark: str) -> None:
    for pid in Watch((mark,)).alive():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--queries", default=128, help="Of Cranfield's queries, the first so many.")
@click.option("--depth", default=5, help="Candidates that are reranked for each query.")
@click.option("--port", default=26379)
@click.option("--skip-head", is_flag=True, help="Leave out the runs that kill the head.")
def main(folder: Path, queries: int, depth: int, port: int, skip_head: bool) -> None:
    """Run everything in FOLDER."""
    import gzip

    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    source = ROOT / "src/anyrank/data/cranfield"
    lines = gzip.decompress((source / "queries.jsonl.gz").read_bytes()).splitlines()[:queries]
    (folder / "q.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    for old in folder.glob("out*"):
        old.unlink()
    if not (folder / "ix").exists():
        subprocess.run([sys.executable, "-m", "anyrank", "index", str(source), "-o", str(folder / "ix")], check=True)
    pipeline = f"bm25 % {depth} >> tiny"
    about = {"collection": "Cranfield, 1,400 documents", "queries": len(lines), "pipeline": pipeline}
    bench = Bench(folder, ["search", "ix", "--queries", "q.jsonl", "-p", pipeline, "-k", str(depth)], about)
    bench.run("one process")
    bench.run("ray:2", "--on", "ray:2")
    bench.run("ray:2, a worker killed", "--on", "ray:2", during=bench.kill_a_worker)
    mark = f"head-{os.getpid()}"
    if not skip_head:
        head(bench, mark, port)

        def kill_head(_: Watch, process: subprocess.Popen[str]) -> None:
            bench.until(2, process)
            kill_marked(mark)

        bench.run(
            "cluster, its head killed", "--on", f"ray@127.0.0.1:{port}", during=kill_head, fails=True, head_mark=mark
        )
        bench.done_at_kill = bench.done()
        head(bench, mark, port)
        bench.run("cluster, started again, --resume", "--on", f"ray@127.0.0.1:{port}", "--resume", head_mark=mark)
        kill_marked(mark)
    bench.run("ray:4", "--on", "ray:4")
    bench.run("processes:2", "--on", "processes:2")
    bench.run("processes:2, a worker killed", "--on", "processes:2", during=bench.kill_a_worker)
    if not skip_head:
        head(bench, mark, port)
        bench.run("cluster, by its client", "--on", f"ray://127.0.0.1:{port + 1}#workers=2", head_mark=mark)
        kill_marked(mark)


def table(record: dict) -> str:
    rows = [
        "# Shards on workers\n",
        f"{record['collection']}, {record['queries']} queries, `{record['pipeline']}`; bench/bench_scale.py.\n",
        "| run | CPU s | ratio | of workers, s | peak MB of each worker | same bytes |",
        "|---|---|---|---|---|---|",
    ]
    for r in record["runs"]:
        memory = ", ".join(map(str, r["peak_mb_of_each_worker"])) or str(r["peak_mb_of_other_processes"])
        same = {True: "yes", False: "NO", None: "stopped"}[r.get("same_bytes")]
        cells = [r["run"], r["cpu_seconds"], r["cpu_ratio"], r["cpu_seconds_of_workers"], memory, same]
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    done = record["shards_done_when_the_head_was_killed"]
    rows.append(f"\nWhen the head was killed, {done} shards were done; the second call did the others.")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
