"""The commands and the Python of docs/forecasting.md run as they stand, and print what it shows."""

import doctest
import json
import re
from pathlib import Path

from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.cli.forecast import _relevance
from anyrank.domains.forecasting.judges import Relevance
from anyrank.testing import ScriptedModel

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "forecasting.md").read_text(encoding="utf-8")


def files():
    names = ("closed", "questions", "articles")
    for name, text in zip(names, re.findall(r"^```json\n(.*?)^```", PAGE, re.M | re.S), strict=True):
        Path(f"{name}.jsonl").write_text(text)


def test_the_commands_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files()
    (block,) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S)
    curve, rank = block.strip().splitlines()
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.M | re.S)
    printed, ranked = (text for kind, text in blocks if not kind)
    result = CliRunner().invoke(cli, curve.split()[1:])
    assert result.output == printed
    result = CliRunner().invoke(cli, rank.split()[1:])
    assert result.exit_code == 0, result.output
    rows = [f"{c['id']} {c['score']:.2f}" for c in json.loads(result.stdout)["ranking"]]
    assert rows == ranked.split("\n")[:-1]


def test_options_and_errors(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files()
    flat = CliRunner().invoke(cli, ["forecast", "rank", "questions.jsonl", "articles.jsonl", "--until", "2022-04-01"])
    assert [c["id"] for c in json.loads(flat.stdout)["ranking"]] == ["a2"]
    none = CliRunner().invoke(cli, ["forecast", "curve", "closed.jsonl", "-o", "c.json", "--before", "2021-02-01"])
    assert "none of 0 questions" in str(none.exception)
    monkeypatch.setattr("anyrank.hub.open.open_model", lambda name: ScriptedModel(lambda p: "3"))
    judge, scale = _relevance("a language model", 2)
    assert isinstance(judge, Relevance)
    assert (judge.samples, scale) == (2, False)
    short = ["forecast", "rank", "questions.jsonl", "articles.jsonl", "--model", "m", "--summaries", "m", "-k", "1"]
    result = CliRunner().invoke(cli, short)
    assert result.exit_code == 0, result.output


def test_the_python_runs():
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    output: list[str] = []
    results = doctest.DocTestRunner().run(
        doctest.DocTestParser().get_doctest(code, {}, "page", "docs/forecasting.md", 0), out=output.append
    )
    assert results.attempted == 7
    assert not results.failed, "".join(output)


def test_the_figures_are_those_of_the_results():
    rows = [(name, float(value)) for name, value in re.findall(r"^\| ([^|]+?) \| (\.\d{4}) \|", PAGE, re.M)]
    files = [
        json.loads((ROOT / "bench" / "results" / f).read_text())
        for f in ("forecasting.json", "forecasting-minilm.json")
    ]
    assert rows == [(name, row["R-precision"]) for results in files for name, row in results["runs"].items()]
