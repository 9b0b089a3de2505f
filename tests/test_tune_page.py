"""The commands of the guide on tuning run as they stand."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from anyrank.cli import cli as program

PAGE = Path(__file__).parents[1] / "docs" / "tune.md"


def test_the_commands_of_the_guide(tmp_path, monkeypatch, check_page):
    pytest.importorskip("ir_measures")
    pytest.importorskip("jinja2")
    import shlex

    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S) for line in block.splitlines()]
    assert len(lines) == 3
    outputs = []
    for line in lines:
        command, *arguments = shlex.split(line)
        assert command == "anyrank"
        done = CliRunner().invoke(program, arguments)
        assert done.exit_code == 0, f"{line}\n{done.output}"
        outputs.append(done.output)
    assert "11 pipelines by nDCG@10 on 225 judged queries\ndefault: bm25\nverdict: a winner" in outputs[1]
    assert "warning: mini: only 10 candidates come in" in outputs[2]
    check_page((tmp_path / "tune.html").read_text(encoding="utf-8"))
    recommended = re.search(r"^recommended: (.*)$", outputs[1], re.M)[1]
    assert f"recommended: {recommended}\n" in text
