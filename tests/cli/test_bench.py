"""``anyrank bench``: figures beside the published ones, tasks that fit the pipeline, and what is said where data or a
task is absent."""

import json
import re

import pytest
from click.testing import CliRunner

from anyrank.benchmarks import names
from anyrank.cli.bench import bench_command
from anyrank.core.errors import InputError


@pytest.fixture
def rarb(tmp_path):
    (tmp_path / "arc-test.csv").write_text(
        "instructions,queries,documents,labels\n"
        "Answer.,what has lift,\"['a wing with lift', 'heat']\",0\n"
        "Answer.,what is warm,\"['cold air', 'a warm stove']\",1\n"
    )
    return tmp_path


def run(*args):
    return CliRunner().invoke(bench_command, [str(a) for a in args], catch_exceptions=False)


def test_listed_with_paper_and_data():
    text = run("list").output
    assert "RAR-b: Reasoning as Retrieval Benchmark, arXiv 2404.06347" in text
    rows = json.loads(run("list", "--json").output)
    assert all(r["data"] and r["summary"] for r in rows)


def test_a_search_runs_the_tasks_that_search(rarb):
    done = run("run", "rarb", "-p", "bm25", "--data", rarb)
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert "arc pool: 2 queries" in lines
    assert any(line.startswith("  ours   bm25") and "accuracy     1.0000  [1.0000, 1.0000]" in line for line in lines)
    assert "note: arc options is left out: " in done.output
    assert "arc options: 2 queries" not in lines


def test_a_reranker_runs_those_that_give_candidates(rarb):
    done = run("run", "rarb", "-p", "prior", "--data", rarb, "--json", "--limit", 1)
    result = json.loads(done.stdout)
    assert [r["task"] for r in result["ours"]] == ["arc options", "arc options instructed"]
    assert result["ours"][0]["queries"] == 1
    assert result["ours"][0]["measures"]["accuracy"] == {"mean": 0.5, "interval": [0.5, 0.5]}
    assert {row["source"] for row in result["paper"]} == {"MTEB's results repository"}


def test_vectors_and_indexes_are_kept(rarb, tmp_path):
    folder = tmp_path / "indexes"
    args = ("run", "rarb", "-p", "minilm", "--data", rarb, "--task", "arc pool", "--index", folder)
    with pytest.raises(InputError, match="holds no vectors of 'minilm'"):
        run(*args)
    assert "arc pool: 2 queries" in run(*args, "--encode", "minilm").output
    assert "accuracy" in run(*args).output  # the vectors are there now


def test_a_kept_index_of_other_data_is_refused_and_an_unfinished_one_goes_on(tmp_path, monkeypatch):
    beir, folder = tmp_path / "my", tmp_path / "indexes"
    (beir / "qrels").mkdir(parents=True)
    corpus = '{"_id": "d1", "text": "wing lift"}\n{"_id": "d2", "text": "drag"}\n'
    (beir / "corpus.jsonl").write_text(corpus)
    (beir / "queries.jsonl").write_text('{"_id": "q1", "text": "wing"}\n')
    (beir / "qrels" / "test.tsv").write_text("q1\td1\t1\n")
    args = ("run", "beir", "-p", "bm25", "--data", beir, "--index", folder)
    with monkeypatch.context() as stopped:
        stopped.setattr("anyrank.index.build._put", lambda *_: pytest.fail("stopped"))
        with pytest.raises(pytest.fail.Exception):
            run(*args)
    right = "nDCG@10      1.0000"
    assert right in run(*args).output
    assert right in run(*args).output
    for other in (
        '{"_id": "d1", "text": "heat"}\n{"_id": "d2", "text": "drag"}\n',
        corpus + '{"_id": "d3", "text": ""}\n',
    ):
        (beir / "corpus.jsonl").write_text(other)
        with pytest.raises(InputError, match="the data is another: remove the index, or choose another --index"):
            run(*args)


def test_the_examples_of_the_help_name_benchmarks():
    text = " ".join(run(*words, "--help").output for words in ([], ["run"]))
    examples = re.findall(r"anyrank bench run (\S+)", text)
    assert len(examples) >= 3
    assert set(examples) <= set(names())


def test_published_rows_stand_beside_ours(tmp_path, data):
    done = run("run", "trec_dl", "-p", "prior", "--data", data / "dl-candidates", "--task", "dl19 BM25")
    assert "  ours   prior                                   nDCG@10      0.5058  [" in done.output
    assert (
        "  paper  RankZephyr                              nDCG@10      0.7365  (rank_llm's reproductions)"
        in done.output
    )


def test_errors_say_what_to_do(rarb, tmp_path, monkeypatch):
    monkeypatch.setenv("ANYRANK_DATA", str(tmp_path / "none"))
    with pytest.raises(
        InputError, match=r"none/t2ranking: no data of t2ranking .*; put here: from huggingface.co/datasets/THUIR"
    ):
        run("run", "t2ranking", "-p", "bm25")
    with pytest.raises(InputError, match="no task 'arc' of rarb in the data: there are arc options, "):
        run("run", "rarb", "-p", "bm25", "--data", rarb, "--task", "arc")
    with pytest.raises(InputError, match="bm25 needs an index"):
        run("run", "rarb", "-p", "bm25", "--data", rarb, "--task", "arc options")
    with pytest.raises(InputError, match="no stage is called 'bm26'"):
        run("run", "rarb", "-p", "bm26", "--data", rarb)
    with pytest.raises(
        InputError, match=r"no vectors of 'minilm' .*: add them with `anyrank bench run … --encode minilm`"
    ):
        run("run", "rarb", "-p", "minilm", "--data", rarb)
    with pytest.raises(InputError, match="anyrank bench reports"):
        run("run", "researchy", "-p", "bm25", "--data", tmp_path)


def test_a_file_without_a_column_is_named(tmp_path):
    (tmp_path / "arc-test.csv").write_text("queries,documents\nwhy?,\"['a', 'b']\"\n")
    with pytest.raises(InputError, match=r"arc-test\.csv: a record without labels: it has queries, documents"):
        run("run", "rarb", "-p", "prior", "--data", tmp_path)


def test_reports_need_a_model_that_generates(tmp_path):
    (tmp_path / "1.q").write_text("why?")
    (tmp_path / "1.a").write_text("so")
    (tmp_path / "1_aggregated.json").write_text('{"points": ["so"]}')
    with pytest.raises(InputError, match="minilm generates no text"):
        run("reports", tmp_path, "--key-points", tmp_path, "--model", "minilm")


def test_reports_are_judged_by_a_model(tmp_path, monkeypatch):
    from anyrank.testing import ScriptedModel

    answers = ScriptedModel(lambda p: '{"label": "supported", "rating": 5, "claims": []}')
    monkeypatch.setattr("anyrank.hub.open.open_model", lambda name: answers)
    (tmp_path / "1.q").write_text("why?")
    (tmp_path / "1.a").write_text("so http://a.org")
    (tmp_path / "1_aggregated.json").write_text('{"points": ["so"]}')
    args = ("reports", tmp_path, "--key-points", tmp_path, "--model", "m", "--cache", tmp_path / "judge.db")
    text = run(*args).output
    assert "1 reports, 0 of them without key points" in text
    assert "key points supported     1.0000" in text
    assert "  paper  GPTResearcher " in text
    calls = len(answers.log)
    ours = json.loads(run(*args, "--json").output)["ours"]
    assert ours["quality"] == 0.5
    assert len(answers.log) == calls  # replayed from the cache


def test_a_judge_that_can_not_be_read_is_no_success(tmp_path, monkeypatch):
    from anyrank.testing import ScriptedModel

    monkeypatch.setattr("anyrank.hub.open.open_model", lambda name: ScriptedModel(lambda p: "I think so."))
    (tmp_path / "1.q").write_text("why?")
    (tmp_path / "1.a").write_text("so")
    (tmp_path / "1_aggregated.json").write_text('{"points": ["so"]}')
    args = ["reports", str(tmp_path), "--key-points", str(tmp_path), "--model", "m"]
    result = CliRunner().invoke(bench_command, args, standalone_mode=False, catch_exceptions=False)
    assert result.return_value == 1
    assert "answers are no JSON object" in result.stderr
