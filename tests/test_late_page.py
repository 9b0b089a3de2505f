"""The Python of docs/late_interaction.md runs as it stands; its commands and options are those of the program."""

import doctest
import re
from pathlib import Path

from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.index.plaid import Effort, checked_options

PAGE = (Path(__file__).parents[1] / "docs" / "late_interaction.md").read_text(encoding="utf-8")


def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    examples = doctest.DocTestParser().get_doctest(code, {}, "page", "docs/late_interaction.md", 0)
    output: list[str] = []
    results = doctest.DocTestRunner().run(examples, out=output.append)
    assert results.attempted == 5
    assert not results.failed, "".join(output)


def test_the_commands_run(tmp_path, monkeypatch):
    """With the small model in the place of the large one."""
    monkeypatch.chdir(tmp_path)
    Path("corpus.jsonl").write_text('{"_id": "a", "text": "A wing causes lift."}\n{"_id": "b", "text": "Soup."}\n')
    commands = [line.partition("  #")[0].strip() for line in re.findall(r"^anyrank .*$", PAGE, re.M)]
    assert len(commands) == 5
    for command in commands:
        words = [w.strip("'\"") for w in re.findall(r"'[^']*'|\"[^\"]*\"|\S+", command.replace("mini", "tiny"))]
        result = CliRunner().invoke(cli, words[1:])
        assert result.exit_code == 0, f"{command}: {result.output}"
        if words[1] == "search":
            assert "wing" in result.output


def test_the_options_are_those_of_the_index():
    named = re.findall(r"--set (\w+)=(\w+)", PAGE)
    assert {n for n, _ in named} == {"pool", "bits", "scoring", "cells"}
    for name, value in named:
        checked_options({name: int(value) if value.isdecimal() else value}, 8)
    rows = dict(re.findall(r"^\| `(\w+)`[^|]*\| (.*) \|$", PAGE, re.M))
    cells = [list(map(str.strip, rows[n].split("|"))) for n in ("cells", "threshold", "candidates")]
    for column, k in enumerate((10, 100, 2000)):
        effort = Effort.of(k, {})
        assert [c[column].replace(",", "") for c in cells[:2]] == [str(effort.cells), f"{effort.threshold:g}"[1:]]
        if k <= 100:
            assert cells[2][column].replace(",", "") == str(effort.candidates)
    assert Effort.of(2000, {}).candidates == 8000
    assert Effort.of(101, {}).candidates == 4096
