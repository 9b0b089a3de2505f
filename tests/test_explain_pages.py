"""The guides to explanations, cut-offs and monitoring: their commands run as they stand and print what is shown."""

import doctest
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from anyrank.cli import cli

DOCS = Path(__file__).parents[1] / "docs"
RUN = CliRunner()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the index that all three guides begin with."""
    path = tmp_path_factory.mktemp("guides")
    RUN.invoke(cli, ["index", "demo", "-o", str(path / "demo.index")], catch_exceptions=False)
    return path


def blocks(page, language):
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def output(line, folder):
    """What a command of a guide prints, on both streams; commands of other programs run in a shell."""
    if not line.startswith("anyrank "):
        subprocess.run(["sh", "-c", line], cwd=folder, check=True)
        return ""
    line, _, target = line.partition(" > ")
    words = shlex.split(line.partition(" || ")[0])[1:]
    if words[0] == "index":
        return ""
    result = RUN.invoke(cli, words)
    assert result.exception is None, f"{line}\n{result.output}"
    if target:
        (folder / target).write_text(result.stdout)
    return result.output


def printed(page, folder):
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [output(line, folder) for line in lines]


def test_the_guide_to_explanations(folder, monkeypatch):
    monkeypatch.chdir(folder)
    shown = blocks("explain.md", "text")
    outputs = printed("explain.md", folder)
    assert numbers(shown[0]) == pytest.approx(numbers(outputs[1]), abs=2e-3)
    assert numbers(shown[1]) == pytest.approx(numbers(outputs[2]), abs=2e-3)
    assert "faithfulness" in outputs[3]
    failed = doctest.DocTestRunner().run(
        doctest.DocTestParser().get_doctest((DOCS / "explain.md").read_text(), {}, "explain.md", "", 0)
    )
    assert failed.attempted >= 7
    assert failed.failed == 0


def numbers(text):
    """The numbers of a table; model scores differ by machine in the last digits."""
    return [float(x) for x in re.findall(r"-?\d+\.\d+", text)]


def test_the_guide_to_cut_offs(folder, monkeypatch):
    monkeypatch.chdir(folder)
    outputs = printed("cutoffs.md", folder)
    shown = blocks("cutoffs.md", "text")
    assert outputs[1] == shown[0]
    assert "49 of 50 candidates were cut" in outputs[2]
    today = re.compile(r"\d{4}-\d\d-\d\d")
    assert today.sub("", shown[1].strip()) in today.sub("", outputs[3])
    search = ["search", "demo.index", "wings", "-p", 'bm25 % 50 >> keep(recall=0.999, file="cut.json")']
    error = str(RUN.invoke(cli, search).exception)
    assert "recall=0.999 can't be promised by 217 calibration queries (at most 0.995)" in error


def test_the_guide_to_monitoring(folder, monkeypatch):
    pytest.importorskip("scipy")
    monkeypatch.chdir(folder)
    outputs = printed("monitor.md", folder)
    assert outputs[-1].strip() == blocks("monitor.md", "text")[0].replace("exit code 1\n", "").strip()
