"""The commands and the Python of docs/synth.md run as they stand, but for those of language models."""

import doctest
import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from anyrank.cli import cli

PAGE = (Path(__file__).parents[1] / "docs" / "synth.md").read_text(encoding="utf-8")
LINES = [line for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S) for line in block.splitlines()]
TOPICS = "wing lift drag flow heat plate shock layer tide moon".split()  # noqa: SIM905


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The files that the page names."""
    monkeypatch.chdir(tmp_path)
    docs = [
        {
            "_id": f"d{i}",
            "title": f"The {TOPICS[i % 10]} report {i}",
            "text": f"It tells of {TOPICS[i * 3 % 10]} {i}. " * 3,
        }
        for i in range(30)
    ]
    Path("corpus.jsonl").write_text("".join(json.dumps(d) + "\n" for d in docs))
    Path("topics.tsv").write_text("".join(f"q{i}\twhat is {w}\n" for i, w in enumerate(TOPICS[:4])))
    Path("qrels.txt").write_text("".join(f"q{i} 0 d{j} {j % 3}\n" for i in range(2) for j in range(8)))
    clicks = [
        {"query": f"q{i}", "id": f"d{j}", "impressions": 20, "clicks": j, "long_clicks": j // 2, "position": j + 1}
        for i in range(4)
        for j in range(8)
    ]
    Path("clicks.jsonl").write_text("".join(json.dumps(c) + "\n" for c in clicks))
    Path("src").mkdir()
    code = 'def flow(rate, width):\n    """The flow through a pipe of a width."""\n'
    code += "    area = width * width\n    return rate * area\n"
    Path("src/pipe.py").write_text(code)
    return tmp_path


def test_the_commands_run(folder):
    done = 0
    for line in LINES:
        words = shlex.split(line)
        if "--model" in words or words[1] == "adapt":  # tests/cli/test_synth.py runs these with fakes
            continue
        if words[1] == "synth" and words[2] == "clicks":
            pytest.importorskip("sklearn")
        result = CliRunner().invoke(cli, words[1:], standalone_mode=False)
        assert not result.exception, (line, result.exception)
        assert not result.return_value, (line, result.stderr)
        done += 1
    assert done == 7
    for name in ("groups", "sampled", "clear", "answers", "code", "graded"):
        assert Path(f"{name}.jsonl").read_text(), name
    assert "Samples to read" in Path("report.html").read_text()


def test_every_command_of_synth_is_on_the_page():
    from anyrank.cli.synth import synth_command

    for name in synth_command.commands:
        assert f"anyrank synth {name}" in PAGE
        assert f"**{name}**" in PAGE


def test_the_python_runs():
    names: dict[str, object] = {"__name__": "page"}
    for code in re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S):
        test = doctest.DocTestParser().get_doctest(code, names, "page", "docs/synth.md", 0)
        assert not doctest.DocTestRunner().run(test).failed
