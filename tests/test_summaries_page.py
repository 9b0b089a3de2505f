"""The commands and the Python of docs/summaries.md run as they stand, and print what it shows."""

import doctest
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from anyrank.cli import cli

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "summaries.md").read_text(encoding="utf-8")


def test_the_commands_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    candidates, ranked, planned = re.findall(r"^```json\n(.*?)^```", PAGE, re.M | re.S)
    Path("candidates.jsonl").write_text(candidates)
    (block,) = [
        b for b in re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S) if "candidates.jsonl" in b and "plan" in b
    ]
    rerank, likelihood, plan = block.strip().splitlines()
    assert "--by likelihood --model smollm2-135m-instruct" in likelihood
    result = CliRunner().invoke(cli, rerank.split()[1:])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["ranking"] == json.loads(ranked)
    result = CliRunner().invoke(cli, plan.split()[1:])
    assert json.loads(result.output) == json.loads(planned)


def test_the_python_runs():
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    output: list[str] = []
    results = doctest.DocTestRunner().run(
        doctest.DocTestParser().get_doctest(code, {}, "page", "docs/summaries.md", 0), out=output.append
    )
    assert results.attempted == 8
    assert not results.failed, "".join(output)


def test_the_figures_are_those_of_the_results():
    results = json.loads((ROOT / "bench" / "results" / "summaries.json").read_text())
    rows = re.findall(r"^\| ([^|]+?) \| (\.\d{4}) \|", PAGE, re.M)
    assert {name: float(value) for name, value in rows} == {n: p["recall"] for n, p in results["picks"].items()}


def test_what_goes_wrong_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("c.jsonl").write_text('{"query": "an article", "documents": ["a", "b"]}\n')
    for words, message in [
        (["--by", "likelihood"], "--by likelihood: give a --model"),
        (["--model", "minilm"], "--by consensus: it uses no --model"),
        (["--by", "reference"], "has no reference summary"),
        (["--by", "likelihood", "--model", "tiny"], "brio needs a model with loglikelihood"),
        (["--by", "model", "--model", "tiny", "--rouge"], "--rouge goes with"),
    ]:
        result = CliRunner().invoke(cli, ["summaries", "rerank", "c.jsonl", *words])
        assert message in str(result.exception), words
    result = CliRunner().invoke(cli, ["summaries", "rerank", "c.jsonl", "--by", "model", "--model", "tiny", "-k", "1"])
    assert result.exit_code == 0
    pytest.importorskip("rouge_score")
    Path("r.jsonl").write_text(
        '{"query": "x", "documents": ["storm", "schools closed"], "reference": "closed schools"}'
    )
    result = CliRunner().invoke(cli, ["summaries", "rerank", "r.jsonl", "--by", "reference", "--rouge", "-k", "1"])
    assert json.loads(result.output)["ranking"][0]["id"] == "1"
