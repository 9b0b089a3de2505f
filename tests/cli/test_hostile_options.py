"""Options and inputs of the commands that choose, judge and calibrate which are wrong in ways that slip through."""

import json

import click
import numpy as np
import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.cli.common import SEED, Number, OutputFile, PageFile
from anyrank.cli.inputs import read_by
from anyrank.core.errors import InputError
from anyrank.core.types import Candidate
from anyrank.evaluate.drift import read_answered
from anyrank.index.build import build
from anyrank.judging.pool import Measure as SumMeasure
from anyrank.tuning.measures import Measure
from anyrank.tuning.space import space


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tune", "x.index", "--seed", "-1"], "--seed"),
        (["tune", "x.index", "--max-ms", "0"], "--max-ms"),
        (["tune", "x.index", "--max-cost", "nan", "--price", "1"], "'nan' is no finite number"),
        (["tune", "x.index", "--max-cost", "1", "--price", "0"], "--price"),
        (["calibrate", "x.index", "--data", "demo", "--alpha", "nan", "-o", "cut.json"], "'nan' is no finite number"),
        (["adapt", "x.index", "-o", "x", "--minutes", "inf"], "'inf' is no finite number"),
        (["judge", "a", "b", "--queries", "q", "-o", "o", "--seed", "-1"], "--seed"),
        (["judge", "a", "b", "--queries", "q", "-o", "o", "--margin", "-1"], "--margin"),
        (["judge", "a", "b", "--queries", "q", "-o", "o", "--repeats", "2"], "--repeats"),
        (["judge", "a", "b", "--queries", "q", "-o", "o", "--alpha", "1"], "--alpha"),
        (["tune", "x.index", "--html", "none/tune.html"], "there is no folder none: make it first"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, message):
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert message in result.output


def commands(group, name="anyrank"):
    """Every command, by its words."""
    for word in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), word)
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def test_a_file_that_cannot_be_written_is_refused_before_the_work():
    reports = {"--html", "--page", "--plot", "--report", "--pin", "--log"}
    checked = [
        (name, isinstance(option.type, OutputFile))
        for name, command in commands(cli)
        for option in command.params
        if reports & set(option.opts) and not option.is_flag
    ]
    assert len(checked) > 10
    assert [name for name, is_output in checked if not is_output] == []
    outputs = {o.opts[-1] for _, c in commands(cli) for o in c.params if isinstance(o.type, OutputFile)}
    assert not outputs & {"--index", "--model", "--queries", "--qrels", "--data"}


def test_every_number_of_an_option_is_finite():
    options = [(name, o) for name, command in commands(cli) for o in command.params]
    numbers = [(name, o) for name, o in options if isinstance(o.type, click.types.FloatParamType)]
    assert len(numbers) > 30
    assert [f"{name} {o.opts[0]}" for name, o in numbers if not isinstance(o.type, Number)] == []
    assert "None" not in CliRunner().invoke(cli, ["summaries", "rerank", "--help"]).output


def test_every_seed_is_one_that_all_libraries_take():
    seeds = [(name, o) for name, command in commands(cli) for o in command.params if "--seed" in o.opts]
    assert len(seeds) > 10
    assert [name for name, option in seeds if option.type is not SEED] == []


def test_an_unknown_measure_and_an_unknown_stage_are_told_before_the_work(tmp_path, monkeypatch):
    run = CliRunner().invoke
    unknown = run(cli, ["tune", "x.index", "--queries", "demo", "-m", "XX"])
    assert "can't be made by 'XX'" in str(unknown.exception)
    monkeypatch.setattr("anyrank.tuning.table.ScoreTable.__init__", lambda *_, **__: pytest.fail("searches began"))
    build([Candidate("1", "wing")], tmp_path / "x")
    unknown = run(cli, ["tune", str(tmp_path / "x"), "--queries", "demo", "--rerank", "nosuch"])
    assert "no stage is called 'nosuch'" in str(unknown.exception)


def test_depths_beyond_all_documents_cost_no_memory():
    assert Measure.of("nDCG@99999999999").values(np.array([[1.0]]), np.array([1.0])).tolist() == [1.0]
    with pytest.raises(InputError, match="at most 100,000"):
        SumMeasure("P@99999999999")


def test_a_search_or_reranker_named_twice_is_tried_once():
    assert space(["bm25", "bm25"], ["mini", "mini"], [10, 10]).texts == space(["bm25"], ["mini"], [10]).texts


def test_scores_too_large_for_a_number_are_named_by_line(tmp_path):
    row = {"query": "wing", "ranking": [{"id": "a", "score": 10**400}], "trace": []}
    (tmp_path / "old.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError, match=r"old\.jsonl:1: is no answer"):
        read_answered(tmp_path / "old.jsonl")


@pytest.mark.parametrize("form", [["-o", "./labels.txt"], ["--out=labels.txt"], ["-olabels.txt"]])
def test_a_file_to_write_that_is_an_input_is_refused(tmp_path, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.txt").write_text("q1 0 d1 1\n")
    (tmp_path / "q.tsv").write_text("q1\twing\n")
    build([Candidate("d1", "wing")], tmp_path / "x")
    words = ["calibrate", "x", "--queries", "q.tsv", "--qrels", "labels.txt", "-p", "bm25 % 3", *form]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 2
    assert "is a file that another argument names, and would be overwritten" in result.output
    assert (tmp_path / "labels.txt").read_text() == "q1 0 d1 1\n"
    words = ["recommend", "rank", "q.tsv", "-o", "q.tsv"]
    assert "would be overwritten" in CliRunner().invoke(cli, words).output


@pytest.mark.parametrize(
    "words",
    [
        ["search", "x", "--queries", "q.tsv", "--overwrite"],
        ["rerank", "--run", "old.trec", "--queries", "q.tsv", "--documents", "x", "--overwrite"],
        ["rerank", "--run", "old.trec", "--queries", "demo", "--documents", "x", "-p", "ltr('q.tsv')", "--overwrite"],
        ["distill", "--queries", "q.tsv", "--index", "x", "--overwrite"],
        ["synth", "clicks", "q.tsv", "--overwrite"],
        ["search", "x", "--queries", "q.tsv", "-p", 'bm25 % 3 >> model("llamacpp:q.tsv")', "--overwrite"],
    ],
    ids=" ".join,
)
def test_overwrite_does_not_replace_an_input(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q.tsv").write_text("q1\twing\n")
    result = CliRunner().invoke(cli, [*words, "-o", "q.tsv"])
    assert result.exit_code == 2
    assert "q.tsv is a file that another argument names, and would be overwritten" in result.output
    assert (tmp_path / "q.tsv").read_text() == "q1\twing\n"


def test_files_that_a_folder_is_read_by_are_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    build([Candidate("d1", "wing")], tmp_path / "x")
    (tmp_path / "data" / "qrels").mkdir(parents=True)
    files = [f"data/{name}" for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv", "cat.png", "run.trec")]
    for file in files:
        (tmp_path / file).write_text("{}")
    arguments = ["search", "data", "--out"]
    assert [bool(read_by(tmp_path / f, [*arguments, f])) for f in files] == [True, True, True, False, False]
    (tmp_path / "data" / "corpus.jsonl").unlink()
    assert [bool(read_by(tmp_path / f, [*arguments, f])) for f in files[1:]] == [False, False, True, False]
    assert read_by(tmp_path / "x" / "manifest.json", ["search", "x", "-ox/manifest.json"]) == "x"
    assert read_by(tmp_path / "data" / "run.trec", ["eval", "run=data/run.trec", "--html=data/run.trec"])


def test_a_file_that_is_no_page_or_log_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    build([Candidate("d1", "wing")], tmp_path / "x")
    (tmp_path / "c.jsonl").write_text('{"id": "d1", "text": "wing"}\n')
    run = CliRunner().invoke
    assert "holds something other than a page" in run(cli, ["tune", "x", "--html", "c.jsonl"]).output
    asked = run(cli, ["ask", "x", "wing", "--log", "c.jsonl"])
    assert "holds something other than a log of calls" in str(asked.exception)
    assert (tmp_path / "c.jsonl").read_text() == '{"id": "d1", "text": "wing"}\n'
    (tmp_path / "log.jsonl").write_text('{"model": "m", "seconds": 0.1}\n')
    assert run(cli, ["ask", "x", "wing", "-p", "bm25", "--log", "log.jsonl"]).exit_code == 0
    (tmp_path / "page.html").write_text("\n<!doctype html>")
    assert PageFile().convert("page.html", None, None).name == "page.html"
