"""The command line, as a user calls it."""

import io
import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from anyrank.cli import cli, main
from anyrank.core.errors import AnyrankError, InputError

CORPUS = [
    {"_id": "d1", "title": "Lift", "text": "the wing makes lift in the slipstream", "year": 1958},
    {"_id": "d2", "title": "", "text": "heat transfer in the boundary layer", "year": 1960},
    {"_id": "d3", "title": "Flutter", "text": "wing flutter at supersonic speed", "year": 1962},
]


def call(*args, input=None):
    result = CliRunner().invoke(cli, [str(a) for a in args], input=input, standalone_mode=False)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps(d) + "\n" for d in CORPUS))
    return path


@pytest.fixture
def index(corpus, tmp_path):
    call("index", corpus, "-o", tmp_path / "ix")
    return tmp_path / "ix"


def test_index_search_filter(index):
    assert [r["id"] for r in json.loads(call("search", index, "wing lift", "--json").stdout)["ranking"]] == ["d1", "d3"]
    out = json.loads(call("search", index, "wing lift", "--json", "--filter", "year=1960..").stdout)
    assert [r["id"] for r in out["ranking"]] == ["d3"]
    assert out["status"] == "ok"
    assert "no results" in call("search", index, "zebra").stdout


def test_a_query_of_stop_words_alone_finds_them_and_one_of_signs_says_why_it_finds_nothing(index, tmp_path):
    result = call("search", index, "at", "--json")
    assert [r["id"] for r in json.loads(result.stdout)["ranking"]] == ["d3"]
    assert result.stderr == ""
    result = call("search", index, "?!")
    assert "no results" in result.stdout
    assert result.stderr.startswith("note: the query has no term to search for: only signs")
    assert call("search", index, "wing at the lift").stderr == ""
    queries = tmp_path / "queries.tsv"
    queries.write_text("1\t?\n2\twing\n3\t!!\n")
    assert "note: 2 of 3 queries: the query has no term" in call("search", index, "--queries", queries).stderr


@pytest.mark.parametrize("fault", ["nosuch", "broken", "twice", "model", "language"])
def test_an_overwrite_with_bad_input_leaves_the_index(index, tmp_path, corpus, fault):
    bad = tmp_path / "bad.jsonl"
    lines = [json.dumps(d) for d in CORPUS]
    if fault != "nosuch":
        bad.write_text("\n".join([lines[0], {"broken": "{", "twice": lines[0]}.get(fault, lines[1])]))
    options = {"model": ["--encode", tmp_path / "no-model"], "language": ["--language", "klingon"]}.get(fault, [])
    with pytest.raises(AnyrankError):
        call("index", bad, "-o", index, "--overwrite", *options)
    assert [r["id"] for r in json.loads(call("search", index, "wing lift", "--json").stdout)["ranking"]] == ["d1", "d3"]
    assert not [p.name for p in index.iterdir() if p.name.startswith(".")]


def test_results_as_json_keep_the_fields_of_documents(index):
    record = json.loads(call("search", index, "wing lift", "--json").stdout)
    assert record["ranking"][0]["meta"] == {"title": "Lift", "year": 1958}
    again = json.loads(call("rerank", "-p", "minilm", "--texts", input=json.dumps(record)).stdout)
    first = {c["id"]: (c["text"], c["meta"]) for c in record["ranking"]}
    assert {c["id"]: (c["text"], c["meta"]) for c in again["ranking"]} == first


def test_update_delete_and_counts(index, tmp_path):
    more = tmp_path / "more.csv"
    more.write_text("sku,body\nd1,a parachute\nd9,zebra stripes\n")
    out = call("index", more, "-o", index, "--update", "--id-field", "sku", "--text-field", "body", "--json").stdout
    assert json.loads(out)["documents"] == 4
    assert "d9" in call("search", index, "zebra").stdout
    assert "d1" not in call("search", index, "slipstream").stdout
    ids = tmp_path / "ids.txt"
    ids.write_text("d9\nd2\n")
    assert json.loads(call("index", ids, "-o", index, "--delete", "--json").stdout)["changed"] == 2
    assert "no results" in call("search", index, "zebra").stdout


def test_update_and_delete_say_how_many_documents_changed(index, tmp_path):
    more, ids = tmp_path / "more.jsonl", tmp_path / "ids.txt"
    more.write_text('{"id": "d1", "text": "new"}\n{"id": "d8", "text": "new"}\n')
    assert "4 documents (2 added or replaced)" in call("index", more, "-o", index, "--update").stdout
    ids.write_text("d8\nnobody\n")
    assert "3 documents (1 deleted)" in call("index", ids, "-o", index, "--delete").stdout


def test_a_compaction_takes_deleted_documents_out_of_the_statistics(index, corpus, tmp_path):
    ids = tmp_path / "ids.txt"
    ids.write_text("d2\n")
    call("index", ids, "-o", index, "--delete")
    assert "1 deleted documents count in its statistics until --compact" in call("index", "info", index).stdout
    assert "2 documents; 1 deleted ones no longer count; " in call("index", "--compact", index).stdout
    assert "deleted" not in call("index", "info", index).stdout
    assert json.loads(call("index", "--compact", index, "--json").stdout)["deleted"] == 0


def test_a_copy_and_a_migration(index, tmp_path):
    assert "3 documents, a copy of" in call("index", "--copy", index, "-o", tmp_path / "copy").stdout
    assert json.loads(call("index", "--migrate", tmp_path / "copy", "--json").stdout)["documents"] == 3
    query = "boundary layer", "-k", 2
    assert call("search", tmp_path / "copy", *query).stdout == call("search", index, *query).stdout


def test_a_damaged_manifest_is_cured_by_the_command_that_the_error_names(index, corpus):
    (index / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"anyrank index CORPUS -o .* --overwrite"):
        call("search", index, "wing")
    assert "3 documents" in call("index", corpus, "-o", index, "--overwrite").stdout


def test_ids_to_delete_stand_one_a_line(tmp_path):
    docs, ids = tmp_path / "c.csv", tmp_path / "ids.txt"
    docs.write_text("id,text\na b,wing\na,wing\nb,wing\n")
    ids.write_text("a b\n\n")
    call("index", docs, "-o", tmp_path / "ix")
    assert json.loads(call("index", ids, "-o", tmp_path / "ix", "--delete", "--json").stdout)["changed"] == 1
    left = json.loads(call("search", tmp_path / "ix", "wing", "--json").stdout)["ranking"]
    assert sorted(r["id"] for r in left) == ["a", "b"]


def test_filters_find_the_numbers_of_a_table(tmp_path):
    docs = tmp_path / "c.csv"
    docs.write_text("id,text,year,draft\na,wing,1990,true\nb,wing,1991,false\n")
    call("index", docs, "-o", tmp_path / "ix")
    for chosen in ("year=1991", "draft=false"):
        found = json.loads(call("search", tmp_path / "ix", "wing", "--json", "--filter", chosen).stdout)
        assert [r["id"] for r in found["ranking"]] == ["b"]


def test_vectors_and_pipelines(corpus, tmp_path):
    ix = tmp_path / "ix"
    out = call("index", corpus, "-o", ix, "--encode", "minilm", "--encode", "splade", "--json").stdout
    assert json.loads(out)["vectors"] == ["minilm", "splade-tiny"]
    for pipeline in (
        "minilm",
        "splade",
        "bm25 + minilm",
        "bm25 % 2 >> splade + minilm",
        "bm25 % 2 >> tiny",
        "rrf(bm25, minilm) % 2",
    ):
        found = json.loads(call("search", ix, "supersonic flutter", "-p", pipeline, "--json").stdout)
        assert found["ranking"][0]["id"] == "d3", pipeline


def test_documents_that_vectors_know_in_part_are_counted(tmp_path):
    docs = tmp_path / "c.csv"
    docs.write_text("id,text\na,wing\nb," + "wing flutter " * 400 + "\n")
    out = call("index", docs, "-o", tmp_path / "ix", "--encode", "minilm", "--json")
    assert json.loads(out.stdout)["truncated"] == {"minilm": 1}
    assert "1 documents were cut to the length of minilm" in out.stderr


def test_vectors_of_a_model_in_a_folder(corpus, index):
    from anyrank.hub.registry import resolve

    folder = str(resolve("minilm"))
    out = call("index", corpus, "-o", index, "--encode", folder, "--json").stdout
    assert json.loads(out)["vectors"] == [folder]
    assert json.loads(call("index", corpus, "-o", index, "--update", "--json").stdout)["vectors"] == [folder]
    found = json.loads(call("search", index, "flutter", "-p", f'model("{folder}") % 1', "--json").stdout)
    assert found["ranking"][0]["id"] == "d3"
    with pytest.raises(InputError, match=r"no vectors of 'minilm'.*--encode"):
        call("search", index, "flutter", "-p", "minilm")


def test_runs_in_and_out(index, corpus, tmp_path):
    queries = tmp_path / "q.tsv"
    queries.write_text("q1\twing flutter\nq2\theat\n")
    run, better, qrels = tmp_path / "bm25.trec", tmp_path / "better.trec", tmp_path / "qrels"
    call("search", index, "--queries", queries, "-o", run)
    assert [x.split()[:4] for x in run.read_text().splitlines()] == [
        ["q1", "Q0", "d3", "1"], ["q1", "Q0", "d1", "2"], ["q2", "Q0", "d2", "1"],
    ]  # fmt: skip
    for documents in (corpus, index):
        call("rerank", "--run", run, "--queries", queries, "--documents", documents, "-o", better, "--overwrite")
        ids = [x.split()[2] for x in better.read_text().splitlines()]
        assert sorted(ids[:2]) + ids[2:] == ["d1", "d3", "d2"]
    qrels.write_text("q1 0 d3 1\nq2 0 d2 1\n")
    table = json.loads(call("eval", qrels, run, "-m", "RR@10", "--json").stdout)
    assert table["values"]["bm25"]["RR@10"] == [1.0, 1.0]
    html = tmp_path / "report.html"
    said = call("compare", qrels, run, better, "--html", html).stdout
    assert "better" in said
    assert html.read_text().startswith("<!")


def test_a_stopped_job_is_resumed(index, tmp_path):
    from anyrank.cli.jobs import stamp
    from anyrank.core.types import Candidate, Query, Ranking
    from anyrank.io.journal import Journal

    queries = tmp_path / "q.tsv"
    queries.write_text("q1\twing\nq2\theat\n")
    out = tmp_path / "out.trec"
    settings = {"files": stamp(index, queries), "query": None, "pipeline": "bm25", "k": 1000, "filter": ()}
    with Journal.open(f"{out}.journal", settings) as journal:
        journal.append(Ranking(Query("q1"), (Candidate("from-before", None, 1.0),)))
    with pytest.raises(InputError, match="resume"):
        call("search", index, "--queries", queries, "-o", out)
    call("search", index, "--queries", queries, "-o", out, "--resume")
    assert [x.split()[2] for x in out.read_text().splitlines()] == ["from-before", "d2"]
    assert not out.with_suffix(".trec.journal").exists()


def test_a_job_on_an_index_that_has_changed_is_another_job(index, corpus):
    from anyrank.cli.jobs import stamp

    before = stamp(index, None, corpus)
    call("index", corpus, "-o", index, "--update")
    assert stamp(index, None, corpus) != before


def test_inputs_are_stamped_by_content_not_by_time_and_size(index, corpus, tmp_path):
    from anyrank.cli.jobs import other_inputs, stamp
    from anyrank.core.types import Query, Ranking

    def rewritten(file, *paths):
        """Whether a change of one letter is seen that leaves size and time."""
        before, state, old = stamp(*paths), file.stat(), file.read_bytes()
        file.write_bytes(old.replace(b"a", b"b", 1))
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
        seen = stamp(*paths) != before
        file.write_bytes(old)
        os.utime(file)
        assert stamp(*paths) == before
        return seen

    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text('{"_id": "a", "text": "ant"}\n')
    (folder / "queries.jsonl").write_text('{"_id": "qa", "text": "ant"}\n')
    (folder / "qrels" / "test.tsv").write_text("qa\ta\t1\n")
    for file in (corpus, index / "manifest.json", index / "lexical" / "meta.json"):
        assert rewritten(file, corpus, index, None, "nowhere")
    for file in folder.rglob("*.*"):
        assert rewritten(file, folder)
    before = stamp(folder)
    (folder / "out.trec").write_text("not a part of the collection")
    assert stamp(folder) == before

    model = tmp_path / "model"
    (model / "onnx").mkdir(parents=True)
    (model / "onnx" / "model.onnx").write_text("weights a")
    rankings = [Ranking(Query("q", "text"))]
    pipeline = f'bm25 >> model("{model}") >> rankgpt("x", cache="{corpus}")'
    one = other_inputs(rankings, [], pipeline)
    (model / "onnx" / "model.onnx").write_text("weights b")
    assert other_inputs(rankings, [], pipeline) != one
    assert [name for name, _ in one["models"]] == [str(model)]
    read = other_inputs(rankings, ["-"], "bm25")
    assert read != other_inputs([Ranking(Query("q", "texts"))], ["-"], "bm25")
    assert other_inputs(rankings, ["q.tsv"], "bm25") == {}


def test_a_job_whose_corpus_was_rewritten_in_place_is_not_resumed(corpus, tmp_path, monkeypatch):
    from anyrank.index.build import build
    from anyrank.io.corpus import read_documents

    queries, out = tmp_path / "q.tsv", tmp_path / "groups.jsonl"
    queries.write_text("q1\twing\n")
    build(read_documents(corpus), f"{out}.index")
    command = ["distill", "--queries", queries, "--corpus", corpus, "--teacher", "minilm", "-o", out, "--resume"]
    old = corpus.read_text()
    for text, words in (
        (old.replace("wing", "wind", 1), r"document 1 of this corpus"),
        (old + '{"_id": "d4", "text": "more"}\n', "more documents than were indexed"),
        (old[: old.index("\n") + 1], "ends after 1 documents"),
    ):
        corpus.write_text(text)
        with pytest.raises(InputError, match=words):
            call(*command)
    corpus.write_text(old)
    call(*command)
    assert len(out.read_text().splitlines()) == 1


def test_finished_results_are_replaced_only_if_asked(index, corpus, tmp_path):
    queries, run, out = tmp_path / "q.tsv", tmp_path / "run.trec", tmp_path / "out.jsonl"
    queries.write_text("q1\twing\n")
    commands = [
        (["search", index, "--queries", queries, "-o", run], run),
        (["rerank", "--run", run, "--queries", queries, "--documents", corpus, "-p", "minilm", "-o", out], out),
        (["distill", "--index", index, "--queries", queries, "--teacher", "minilm", "-o", out], out),
    ]
    for command, file in commands:
        file.touch()  # an empty file is not a result
        call(*command)
        text = file.read_text()
        for more in ([], ["--resume"]):
            with pytest.raises(InputError, match="holds finished results: use --overwrite"):
                call(*command, *more)
        assert file.read_text() == text
        call(*command, "--overwrite")
        assert file.read_text() == text
        if file == out:
            out.unlink()
    call("search", index, "--queries", queries, "-o", "/dev/null")


@pytest.mark.parametrize("error", [KeyboardInterrupt, InputError])
def test_a_stopped_job_says_how_it_is_resumed(index, tmp_path, monkeypatch, error):
    queries, out = tmp_path / "q.tsv", tmp_path / "out.trec"
    queries.write_text("".join(f"q{i}\twing\n" for i in range(20)))
    from anyrank.core.stage import Then

    real, calls = Then.batch, []

    def batch(self, rankings):
        calls.append(len(rankings))
        if len(calls) == 2:
            raise error("stop")
        return real(self, rankings)

    monkeypatch.setattr(Then, "batch", batch)
    result = CliRunner().invoke(cli, ["search", str(index), "--queries", str(queries), "-o", str(out)])
    assert result.exit_code
    assert (
        f"stopped: 16 of 20 queries are done and kept in {out}.journal; the same command with --resume" in result.stderr
    )
    assert not out.exists()
    monkeypatch.undo()
    assert "resuming: 16 of 20" in call("search", index, "--queries", queries, "-o", out, "--resume").stderr


def test_interrupted_builds_say_how_they_go_on(corpus, tmp_path, monkeypatch):
    from anyrank.index.collection import Collection

    def stop(*args):
        raise KeyboardInterrupt

    args = ["index", str(corpus), "-o", str(tmp_path / "x")]
    monkeypatch.setattr(Collection, "_encode", stop)
    result = CliRunner().invoke(cli, [*args, "--encode", "minilm"])
    assert "the same with --encode minilm makes the others" in result.stderr
    monkeypatch.setattr("anyrank.cli.index.advance", stop)
    result = CliRunner().invoke(cli, [*args[:-1], str(tmp_path / "y")])
    assert "keeps what was committed; the same command goes on" in result.stderr
    monkeypatch.undo()
    assert "3 documents" in call(*args[:-1], tmp_path / "y").stdout


@pytest.mark.parametrize(
    ("name", "near"),
    [("serch", "search"), ("rerenk", "rerank"), ("Index", "index"), ("evl", "eval"), ("compair", "compare")],
)
def test_a_mistyped_command_names_the_nearest(name, near):
    result = CliRunner().invoke(cli, [name, "x"])
    assert result.exit_code == 2
    assert f"Did you mean '{near}'?" in result.output
    for group, wrong, right in (
        ("models", "lst", "list"),
        ("papers", "recipes", "recipe"),
        ("peptides", "rerun", "rerank"),
    ):
        assert f"'{right}'" in CliRunner().invoke(cli, [group, wrong]).output
    assert len(CliRunner().invoke(cli, ["x" * 10_000]).output) < 500


def test_a_missing_recipe_is_named_before_packages_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match=r"recipe\.yaml: no such recipe"):
        call("train", tmp_path / "recipe.yaml")


def test_ids_that_a_run_cannot_hold_are_told_before_the_work(index, tmp_path):
    queries, out = tmp_path / "q.tsv", tmp_path / "out.trec"
    queries.write_text("q 1\twing\n")
    with pytest.raises(InputError, match="can't hold the query id 'q 1'"):
        call("search", index, "--queries", queries, "-o", out)
    assert not out.with_suffix(".trec.journal").exists()


def test_lists_through_a_pipe():
    lines = [
        {"query": "capital of France", "documents": ["Lyon is a city", "Paris is the capital of France"]},
        {"query": "wing flutter", "documents": [{"id": "x", "text": "flutter of wings"}, {"id": "y", "text": "soup"}]},
    ]
    out = call("rerank", "--texts", input="".join(json.dumps(x) + "\n" for x in lines)).stdout
    one, two = map(json.loads, out.splitlines())
    assert [(r["id"], r["index"]) for r in one["ranking"]] == [("1", 1), ("0", 0)]
    assert one["status"] == "ok"
    assert one["cost"]["calls"] == 3  # a query and two documents
    assert [r["text"] for r in two["ranking"]] == ["flutter of wings", "soup"]


def test_a_broken_line_of_a_file_is_an_error_before_any_list_is_answered(tmp_path, capsys, monkeypatch):
    lists = tmp_path / "in.jsonl"
    lists.write_text('{"query": "a", "documents": ["x", "y"]}\n{"query": \n')
    monkeypatch.setattr(sys, "argv", ["anyrank", "rerank", str(lists), "-p", "minilm"])
    with pytest.raises(SystemExit) as stop:
        main()
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (2, "")
    assert "in.jsonl:2" in err


def test_lists_of_standard_input_before_a_broken_line_are_answered_and_counted(capsys, monkeypatch):
    text = b'{"query": "a", "documents": ["x", "y"]}\n{"query": \n'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    monkeypatch.setattr(sys, "argv", ["anyrank", "rerank", "-p", "minilm"])
    with pytest.raises(SystemExit) as stop:
        main()
    out, err = capsys.readouterr()
    assert (stop.value.code, len(out.splitlines())) == (2, 1)
    assert "the 1 lists before the error are answered" in err
    assert "<stdin>:2" in err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["search", "nowhere", "x"], "nowhere"),
        (["search", "INDEX"], "give one QUERY"),
        (["search", "INDEX", "x", "-p", "bm52"], "did you mean 'bm25'"),
        (["search", "INDEX", "x", "-p", "minilm"], "minilm"),
        (["search", "INDEX", "x", "--filter", "year"], "expected field=value"),
        (["search", "INDEX", "x", "--resume"], "--resume and --overwrite go with --out"),
        (["rerank", "--run", "r.trec"], "a run needs --queries"),
        (["rerank", "--queries", "q"], "go with --run"),
        (["index", "CORPUS", "-o", "INDEX"], "--update, --overwrite or --encode"),
        (["index", "missing.jsonl", "-o", "new"], "missing.jsonl"),
        (["index", "CORPUS", "-o", "INDEX", "--update", "--delete"], "choose one"),
        (["index", "INDEX", "--check", "--compact"], "choose one"),
        (["index", "INDEX", "--compact", "-o", "new"], "--compact takes an index alone"),
        (["index", "INDEX", "--migrate", "--encode", "tiny"], "--migrate takes an index alone"),
        (["index", "INDEX", "--copy"], "-o is missing: the folder of the copy"),
        (["index", "INDEX", "--copy", "-o", "INDEX"], "is there already"),
        (["index", "CORPUS", "-o", "new", "--to", "qdrant:///tmp/wings"], "choose -o, a folder, or --to"),
        (["index"], "CORPUS is missing"),
        (["index", "CORPUS", "--to", "mysql://me:secret@host/wings"], "mysql://me@host/wings: no store has the scheme"),
        (["search", "nosql://host/wings", "x"], "no store has the scheme 'nosql'"),
        (["compare", "qrels", "one.trec"], "takes two runs"),
        (["models", "get", "minilmm"], "minilm"),
        (["index", "ids.txt", "-o", "INDEX", "--delete"], "ids.txt"),
        (["index", "CORPUS", "-o", "."], "holds other files"),
        (["index", "CORPUS", "-o", "/proc/none/x"], "/proc/none"),
        (["search", "INDEX", "\udcff"], "not UTF-8"),
        (["search", "INDEX", "x", "-p", 'bm25(k="10")'], "whole number"),
        (["search", "INDEX", "x", "-p", "bm25(k=1.5)"], "whole number"),
        (["search", "INDEX", "x", "-p", "bm25 >> model(3)"], "text in quotes"),
        (["search", "INDEX", "x", "-p", "bm25 >> rankgpt(model=3)"], "text in quotes"),
    ],
)
def test_mistakes_end_with_code_2_or_3_and_one_clear_message(args, said, index, corpus, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"INDEX": str(index), "CORPUS": str(corpus)}
    monkeypatch.setattr(sys, "argv", ["anyrank", *(names.get(a, a) for a in args)])
    with pytest.raises(SystemExit) as stop:
        main()
    err = capsys.readouterr().err
    assert stop.value.code in (2, 3)
    assert err.startswith("anyrank: ")
    assert said in err
    assert "Traceback" not in err


def test_help_and_version_of_every_command():
    for args in ([], ["index"], ["search"], ["rerank"], ["eval"], ["compare"], ["models"], ["papers"], ["demo"]):
        out = call(*args, "--help").stdout
        assert "Usage:" in out
        assert not args or args == ["models"] or args == ["papers"] or "anyrank " + args[0] in out
    assert call("version").stdout.startswith("anyrank 0.")


def test_what_is_printed_does_not_steer_the_terminal(tmp_path):
    docs = tmp_path / "c.jsonl"
    docs.write_text(json.dumps({"id": "a\x1b[2J", "text": "wing \x1b[31m red"}))
    call("index", docs, "-o", tmp_path / "ix")
    out = call("search", tmp_path / "ix", "wing").stdout
    assert "red" in out
    assert "\x1b" not in out


def test_a_closed_pipe_ends_quietly_with_its_own_code(tmp_path):
    queries, docs = tmp_path / "q.tsv", tmp_path / "c.csv"
    queries.write_text("".join(f"q{i}\twing\n" for i in range(2000)))
    docs.write_text("id,text\na,wing " + "w" * 200 + "\n")
    call("index", docs, "-o", tmp_path / "ix")
    search = f"{sys.executable} -m anyrank search {tmp_path / 'ix'} --queries {queries}"
    done = subprocess.run(
        ["bash", "-c", f"{search} | head -c 1; exit ${{PIPESTATUS[0]}}"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (141, "")


def test_range_filters_on_a_table(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("id,text,year\na,wing one,1990\nb,wing two,1995.5\nc,wing three,\n")
    call("index", table, "-o", tmp_path / "ix")
    found = json.loads(call("search", tmp_path / "ix", "wing", "--json", "--filter", "year=1991..2000").stdout)
    assert [r["id"] for r in found["ranking"]] == ["b"]


def test_queries_that_an_outage_left_unjudged_are_tried_again(tmp_path, capsys):
    from anyrank.cli.jobs import job
    from anyrank.core.rerank import Rerank
    from anyrank.core.types import Judgement, Query, Ranking

    up = {"server": False}
    asked = []

    def judge(groups):
        asked.extend(q.id for q, _ in groups)
        if not up["server"] and any(q.id == "q2" for q, _ in groups):
            raise ConnectionError("refused")
        return [Judgement([float(c.id == "y") for c in m]) for _, m in groups]

    rankings = [Ranking.of(Query(q, "?"), "abc", ["x", "y", "z"]) for q in ("q1", "q2")]
    out = tmp_path / "out.trec"
    assert job(Rerank(judge), rankings, out, {}, False, "reranking") == 1
    assert [x.split()[2] for x in out.read_text().splitlines()] == ["y", "x", "z", "x", "y", "z"]
    assert "--resume tries 1 of them again" in capsys.readouterr().err
    up["server"] = True
    asked.clear()
    assert job(Rerank(judge), rankings, out, {}, True, "reranking") == 0
    assert set(asked) == {"q2"}
    assert [x.split()[2] for x in out.read_text().splitlines()] == ["y", "x", "z", "y", "x", "z"]
    assert not out.with_suffix(".trec.journal").exists()


def test_filters_bind_every_retriever(corpus, tmp_path):
    ix = tmp_path / "ix"
    call("index", corpus, "-o", ix, "--encode", "minilm", "--encode", "splade")
    for pipeline in ("bm25", "minilm", "splade", "bm25 + minilm + splade", "minilm % 3 >> splade"):
        out = call("search", ix, "wing heat", "-p", pipeline, "--json", "--filter", "year=1960..1961").stdout
        assert [r["id"] for r in json.loads(out)["ranking"]] == ["d2"], pipeline
    for wrong, said in (("colour=red", "no document has a field 'colour'"), ("year=1970..1960", "is empty")):
        with pytest.raises(InputError, match=said):
            call("search", ix, "wing", "-p", "minilm", "--filter", wrong)


def test_two_documents_that_the_parts_rank_differently_follow_the_first_part():
    line = '{"query": "capital of France", "documents": ["Lyon", "Paris"]}\n'
    assert json.loads(call("rerank", input=line).stdout)["ranking"][0]["id"] == "1"


def test_depth_cuts_before_and_k_after():
    line = '{"query": "how to boil an egg", "documents": ["stocks fell", "boil an egg for six minutes", "rain"]}\n'
    assert [r["id"] for r in json.loads(call("rerank", "-k", "1", input=line).stdout)["ranking"]] == ["1"]
    assert [r["id"] for r in json.loads(call("rerank", "--depth", "1", input=line).stdout)["ranking"]] == ["0"]


def test_one_line_uses(index):
    import anyrank as ar

    documents = [{"id": "x", "text": "Lyon is a city"}, {"id": "y", "title": "Paris", "text": "the capital of France"}]
    assert ar.rerank("capital of France", documents, top=1).ids == ["y"]
    assert ar.pipeline("bm25", str(index), filter={"year": (1960, None)})("wing").ids == ["d3"]


def test_mended_answers_are_counted_and_their_kinds_listed(capsys):
    from anyrank.cli.common import report_status
    from anyrank.core.trace import Step, Usage
    from anyrank.core.types import Ranking

    usage = Usage(calls=3, repairs={"preamble": 1, "missing": 2, "no answer": 1}, mended=2)
    rankings = [Ranking.of("q", "ab").with_step(Step("judge", usage=u)) for u in (usage, Usage(calls=1))]
    assert report_status(rankings) == 0
    assert capsys.readouterr().err == "note: 2 of 4 answers were mended: missing 2, preamble 1\n"


def test_filters_of_one_field_are_alternatives_and_others_must_all_hold(tmp_path):
    docs = tmp_path / "c.jsonl"
    rows = [("a", "en", 1990), ("b", "de", 1995), ("c", "fr", 2000), ("d", "fr", 1970)]
    docs.write_text("".join(json.dumps({"_id": i, "text": "wing", "lang": x, "year": y}) + "\n" for i, x, y in rows))
    call("index", docs, "-o", tmp_path / "ix")

    def search(*filters):
        options = [word for condition in filters for word in ("--filter", condition)]
        out = call("search", tmp_path / "ix", "wing", "--json", *options).stdout
        return "".join(sorted(r["id"] for r in json.loads(out)["ranking"]))

    assert search("lang=en", "lang=de") == search("lang=en,de") == "ab"
    assert search("lang!=en", "lang!=de") == search("lang!=en,de") == "cd"
    assert search("year>=1990", "year<2000") == search("year=1990..1999") == "ab"
    assert search("year!=1990..2000") == "d"
    assert search("lang=fr", "year>1990") == "c"
    for wrong, words in {
        "year=soon": "holds numbers",
        "lng=en": r"\(fields: lang, year\)",
        "year>soon": "a number",
    }.items():
        with pytest.raises(InputError, match=words):
            search(wrong)


def test_the_demo_takes_a_finished_demo_without_a_mark(tmp_path):
    """That of an earlier version: the folder of `make demo` has always the same name."""
    from anyrank.cli.demo import MARK, _begin

    for folder in ("index", "runs"):
        (tmp_path / folder).mkdir()
    with pytest.raises(InputError, match="no demo's"):
        _begin(tmp_path, "demo")
    (tmp_path / "report.html").write_text("")
    _begin(tmp_path, "demo")
    assert (tmp_path / MARK).is_file()


@pytest.mark.parametrize("name", ["report.html", "results.json", "index/mine.txt"])
def test_the_demo_leaves_foreign_files_alone(name, tmp_path):
    pytest.importorskip("ir_measures")
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    call = ["demo", "demo", "-p", "bm25", "-o"]
    for out, message in ((tmp_path, "no demo's: give the name of a new folder to --out"), (mine, "is a file")):
        result = CliRunner().invoke(cli, [*call, str(out)], standalone_mode=False)
        assert message in str(result.exception)
    assert mine.read_text() == "mine"
    assert sum(1 for p in tmp_path.rglob("*") if p.is_file()) == 1


def test_the_demo_shows_its_progress_while_it_encodes(tmp_path, monkeypatch):
    pytest.importorskip("ir_measures")
    from anyrank.cli import demo
    from anyrank.cli import progress as module

    titles = []

    class Told(module.PlainProgress):
        def __init__(self, title, total, unit):
            super().__init__(title, total, unit)
            titles.append((title, total))

    monkeypatch.setattr(module, "PlainProgress", Told)
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text('{"_id": "d1", "text": "lift"}\n{"_id": "d2", "text": "drag"}\n')
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "lift"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n")
    command = [str(folder), "-o", str(tmp_path / "out"), "-p"]
    result = CliRunner().invoke(demo.demo_command, [*command, "bm25 % 9 >> splade + minilm"])
    assert titles[:2] == [("encoding with splade-tiny", 2), ("encoding with minilm", 2)], result.output
    titles.clear()
    result = CliRunner().invoke(demo.demo_command, [*command, 'bm25 >> explore("mini")'])
    assert titles[0] == ("encoding with minilm", 2), result.output
    titles.clear()
    result = CliRunner().invoke(demo.demo_command, [*command, "bm25"])
    assert result.exit_code == 0, result.output
    assert not [title for title, _ in titles if title.startswith("encoding")]


def test_queries_may_be_those_of_a_collection(index, tmp_path):
    run = tmp_path / "demo.trec"
    call("search", index, "--queries", "demo", "-k", 3, "-o", run)
    lines = run.read_text().splitlines()
    assert len({line.split()[0] for line in lines}) == 91  # those with words of these three documents
    folder = tmp_path / "beir"
    folder.mkdir()
    (folder / "corpus.jsonl").write_text('{"_id": "d1", "text": "lift"}\n')
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "wing lift"}\n')
    assert "q1: wing lift" in call("search", index, "--queries", folder).stdout
    reranked = tmp_path / "tiny.trec"
    call("rerank", "--run", run, "--queries", "demo", "--documents", index, "-p", "prior", "-o", reranked)
    assert [line.split()[:3] for line in reranked.read_text().splitlines()] == [line.split()[:3] for line in lines]
