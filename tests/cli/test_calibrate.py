"""``anyrank calibrate``: the file, its use by search, the report, the plot, and refusals."""

import json

import pytest
from click.testing import CliRunner

import anyrank as ar
from anyrank.cli import cli
from anyrank.core.errors import InputError

RUN = CliRunner()
WORDS = [f"w{i}x" for i in range(40)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Documents of three words; a query is one of them, and the document that begins with it is relevant."""
    path = tmp_path_factory.mktemp("calibrate")
    docs = [{"id": f"d{i}", "text": f"{w} {WORDS[i - 1]} {WORDS[i - 2]} {w}"} for i, w in enumerate(WORDS)]
    ar.Index.create(path / "my.index", docs)
    (path / "q.tsv").write_text("".join(f"{i}\t{w}\n" for i, w in enumerate(WORDS)))
    (path / "qrels.txt").write_text("".join(f"{i} 0 d{i} 1\n" for i in range(len(WORDS))))
    return path


def calibrate(folder, out, *more, pipeline="bm25 % 3"):
    args = [folder / "my.index", "-p", pipeline, "--queries", folder / "q.tsv", "--qrels", folder / "qrels.txt"]
    return RUN.invoke(cli, ["calibrate", *map(str, [*args, "-o", out, *more])], catch_exceptions=False)


def test_a_calibration_is_made_and_used(folder, tmp_path):
    out, plot = tmp_path / "cut.json", tmp_path / "plot.svg"
    result = calibrate(folder, out, "--plot", plot)
    assert "bm25 % 3: 40 queries, 3.0 candidates each, which hold 100.0% of all relevant documents" in result.output
    assert "keep(recall=0.9): keeps 1.0 of 3.0" in result.output
    assert plot.read_text().count("<circle") >= 2
    made = json.loads(out.read_text())
    assert (made["pipeline"], made["queries"], made["alpha"]) == ("bm25 % 3", 40, 0.1)
    search = ["search", str(folder / "my.index"), WORDS[7], "--json", "-p"]
    told = RUN.invoke(cli, [*search, f'bm25 % 3 >> keep(recall=0.9, file="{out}")'], catch_exceptions=False)
    answer = json.loads(told.stdout)
    assert [row["id"] for row in answer["ranking"]] == ["d7"]
    assert set(answer["trace"][-1]["cut"]) == {"d8", "d9"}
    assert "note: 2 of 3 candidates were cut" in told.stderr
    with pytest.raises(InputError, match="here it follows 'bm25 % 4'"):
        RUN.invoke(cli, [*search, f'bm25 % 4 >> keep(recall=0.9, file="{out}")'], catch_exceptions=False)


def test_json_and_a_promise_that_is_refused(folder, tmp_path):
    report = json.loads(calibrate(folder, tmp_path / "c.json", "--json", "--alpha", "0.03").stdout)
    promises = {row["promise"]: row for row in report["promises"]}
    assert "kept" in promises["recall"]
    assert "can't be promised by 40" in promises["precision"]["refused"]


def test_candidates_of_a_run_and_too_few_queries(folder, tmp_path):
    run = tmp_path / "run.trec"
    args = ["search", folder / "my.index", "--queries", folder / "q.tsv", "-k", "3", "-o", run]
    RUN.invoke(cli, list(map(str, args)), catch_exceptions=False)
    calibrate(folder, tmp_path / "c.json", "--run", run, pipeline="prior")
    assert json.loads((tmp_path / "c.json").read_text())["pipeline"] == "prior"
    few = tmp_path / "few.tsv"
    few.write_text("1\tw1x\n")
    with pytest.raises(InputError, match="1 queries with a relevant document"):
        calibrate(folder, tmp_path / "c.json", "--queries", few)
    few.write_text("zz\tw1x\n")
    with pytest.raises(InputError, match="none of the queries is judged"):
        calibrate(folder, tmp_path / "c.json", "--queries", few)


def test_queries_of_a_collection_bring_their_judgements(folder, tmp_path):
    beir = tmp_path / "beir"
    (beir / "qrels").mkdir(parents=True)
    (beir / "corpus.jsonl").write_text('{"_id": "d1", "text": "w1x"}\n')
    queries = [json.dumps({"_id": str(i), "text": w}) + "\n" for i, w in enumerate(WORDS)]
    (beir / "queries.jsonl").write_text("".join(queries))
    head = "query-id\tcorpus-id\tscore\n"
    (beir / "qrels" / "dev.tsv").write_text(head + "".join(f"{i}\td{i}\t1\n" for i in range(30)))
    (beir / "qrels" / "test.tsv").write_text(head + "".join(f"{i}\td{i}\t1\n" for i in range(30, 40)))
    out = tmp_path / "cut.json"

    def call(*args):
        args = ["calibrate", folder / "my.index", "-p", "bm25 % 3", "-o", out, *args]
        RUN.invoke(cli, [str(a) for a in args], catch_exceptions=False)
        return json.loads(out.read_text())["queries"]

    assert call("--queries", beir, "--split", "dev") == call("--data", beir, "--split", "dev") == 30
    assert call("--queries", beir, "--qrels", folder / "qrels.txt") == 40
    assert call("--queries", folder / "q.tsv", "--qrels", beir, "--split", "dev") == 30
    with pytest.raises(InputError, match="or a collection as --queries"):
        call("--queries", folder / "q.tsv")
    with pytest.raises(InputError, match="leave out --queries and --qrels, or --data"):
        call("--data", beir, "--qrels", folder / "qrels.txt")
    with pytest.raises(InputError, match="--split goes with a collection"):
        call("--queries", folder / "q.tsv", "--qrels", folder / "qrels.txt", "--split", "dev")


def test_judgements_of_other_documents_are_told_from_too_few(folder, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("".join(f"{i} 0 elsewhere{i} 1\n" for i in range(len(WORDS))))
    with pytest.raises(InputError, match="do the ids of the judgements belong to this index"):
        calibrate(folder, tmp_path / "c.json", "--qrels", other)
