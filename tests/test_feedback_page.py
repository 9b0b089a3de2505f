"""The command lines of docs/feedback.md run as they stand, and its training data is made."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "feedback.md").read_text(encoding="utf-8")
WORDS = ["wing", "lift", "drag", "flow", "heat", "shock", "jet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A corpus, and a collection of the name that the page trains on."""
    folder = tmp_path_factory.mktemp("page")
    docs = [{"_id": f"d{i}", "text": " ".join(WORDS[(i * j) % 7] for j in range(1, 6))} for i in range(12)]
    lines = "".join(json.dumps(d) + "\n" for d in docs)
    (folder / "corpus.jsonl").write_text(lines)
    beir = folder / "scifact"
    (beir / "qrels").mkdir(parents=True)
    (beir / "corpus.jsonl").write_text(lines)
    (beir / "queries.jsonl").write_text(json.dumps({"_id": "1", "text": "wing lift"}) + "\n")
    (beir / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n1\td1\t1\n")
    return folder


def commands():
    (block,) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S)
    return [line for line in block.splitlines() if line]


def call(line, folder):
    program = f'"{sys.executable}" -m anyrank'
    done = subprocess.run(
        ["sh", "-c", line.replace("anyrank", program, 1)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_commands_run(folder):
    build, *rest = commands()
    call(build, folder)
    assert len(rest) == 9
    for line in rest:
        assert call(line, folder).strip(), line


def test_the_training_data_is_made(folder, monkeypatch):
    pytest.importorskip("transformers")
    call("anyrank index scifact -o scifact.index --encode minilm", folder)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    monkeypatch.chdir(folder)
    exec(code, {})
    (line,) = (folder / "prf.jsonl").read_text().splitlines()
    group = json.loads(line)
    assert group["query"].count("[SEP]") == 3
    assert group["ids"][0] == "d1"
