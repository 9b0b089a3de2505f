"""The command lines of docs/benchmarks.md run as they stand; its table of benchmarks and its figures are true."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from anyrank.benchmarks import names

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    rarb, coir = folder / "data" / "rarb", folder / "data" / "coir" / "cosqa"
    rarb.mkdir(parents=True)
    (coir / "qrels").mkdir(parents=True)
    (rarb / "ARC-Challenge-test.csv").write_text(
        "instructions,queries,documents,labels\nAnswer.,what has lift,\"['a wing', 'heat']\",0\n"
        "Answer.,what is warm,\"['a stove', 'cold air']\",0\n"
    )
    (coir / "corpus.jsonl").write_text('{"_id": "d1", "text": "sort a list"}\n{"_id": "d2", "text": "open a file"}\n')
    (coir / "queries.jsonl").write_text('{"_id": "1", "text": "how to sort"}\n')
    (coir / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\td1\t1\n")
    return folder


def test_the_commands_run(folder):
    (block,) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S)
    lines = [line for line in block.splitlines() if line]
    assert len(lines) == 7
    for line in lines:
        program = f'"{sys.executable}" -m anyrank'
        command = ["sh", "-c", line.replace("anyrank", program, 1)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        assert done.stdout.strip(), line


def test_every_benchmark_is_in_the_table():
    rows = "\n".join(line for line in PAGE.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)`", rows)) >= set(names())


def test_the_figures_are_the_results():
    path = ROOT / "bench" / "results" / "rarb.json"
    if not path.is_file():
        pytest.skip("bench/results is not in this copy")
    results = json.loads(path.read_text(encoding="utf-8"))
    means = {
        f"{v['mean']:.3f}"
        for run in results.values()
        for t in run["tasks"].values()
        for v in t.values()
        if v != t["queries"]
    }
    section = PAGE.split("## RAR-b")[1].split("##")[0]
    figures = re.findall(r"(?<![\d.])0\.\d{3}(?!\d)", section)
    assert len(figures) > 10
    assert set(figures) <= means
