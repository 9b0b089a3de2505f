"""``anyrank distill``: groups out of queries and a corpus, an index or a run; resumed after a kill."""

import json
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from anyrank.cli import cli, distill
from anyrank.core.errors import InputError
from anyrank.shortcuts import rerank
from anyrank.train.groups import read_groups

TEXTS = {
    "d1": "the wing makes lift in the slipstream",
    "d2": "heat transfer in the boundary layer",
    "d3": "wing flutter at supersonic speed",
}
QUERIES = {"q1": "wing lift", "q2": "boundary layer heat", "q3": "zebra"}


def call(*args):
    result = CliRunner().invoke(cli, ["distill", *map(str, args)], standalone_mode=False)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def files(tmp_path):
    docs, queries = tmp_path / "corpus.jsonl", tmp_path / "q.tsv"
    docs.write_text("".join(json.dumps({"_id": i, "text": t}) + "\n" for i, t in TEXTS.items()))
    queries.write_text("".join(f"{i}\t{q}\n" for i, q in QUERIES.items()))
    return docs, queries


def test_candidates_of_a_corpus_labelled_by_a_teacher(files, tmp_path):
    docs, queries = files
    out = tmp_path / "g.jsonl"
    said = call("--queries", queries, "--corpus", docs, "--teacher", "splade + minilm", "-o", out)
    assert said.return_value == 0
    assert "1 queries found no candidates" in said.stderr
    one, two = read_groups(out)
    assert (one.id, one.query, set(one.ids), two.ids) == ("q1", "wing lift", {"d1", "d3"}, ("d2",))
    assert list(one.priors) == sorted(one.priors, reverse=True)
    again = rerank(one.query, list(one.texts), "splade + minilm")
    expected = dict(zip(again.ids, again.scores))
    assert one.labels == pytest.approx([expected[str(i)] for i in range(2)], abs=1e-4)
    assert not out.with_name("g.jsonl.journal").exists()
    indexed = call("--queries", queries, "--index", f"{out}.index", "-o", tmp_path / "h.jsonl")
    assert indexed.return_value == 0
    assert (tmp_path / "h.jsonl").read_text() == out.read_text()


@pytest.mark.parametrize("indexed", [False, True])
def test_candidates_of_a_run(files, tmp_path, indexed):
    docs, queries = files
    run, out = tmp_path / "run.trec", tmp_path / "g.jsonl"
    run.write_text("q2 Q0 d1 1 3 t\nq2 Q0 d2 2 2 t\nq2 Q0 d3 3 1 t\n")
    if indexed:
        CliRunner().invoke(cli, ["index", str(docs), "-o", str(tmp_path / "ix")])
        docs = tmp_path / "ix"
    call("--queries", queries, "--run", run, "--documents", docs, "--depth", 2, "--teacher", "minilm", "-o", out)
    (group,) = read_groups(out)
    assert (group.ids, group.priors) == (("d1", "d2"), (3.0, 2.0))
    assert group.texts == (TEXTS["d1"], TEXTS["d2"])
    assert group.labels[1] > group.labels[0]


def test_queries_of_one_part_of_a_collection(files, tmp_path):
    docs, _ = files
    (tmp_path / "c/qrels").mkdir(parents=True)
    (tmp_path / "c/corpus.jsonl").write_text(docs.read_text())
    queries = ({"_id": i, "text": q} for i, q in QUERIES.items())
    (tmp_path / "c/queries.jsonl").write_text("".join(json.dumps(q) + "\n" for q in queries))
    for part, query in (("train", "q1"), ("test", "q2")):
        (tmp_path / f"c/qrels/{part}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{query}\td1\t1\n")
    args = ["--queries", tmp_path / "c", "--corpus", tmp_path / "c", "--teacher", "minilm", "-o", tmp_path / "g.jsonl"]
    with pytest.raises(InputError, match=r"several parts: name one with --split \(test, train\)"):
        call(*args)
    call(*args, "--split", "train")
    assert [g.id for g in read_groups(tmp_path / "g.jsonl")] == ["q1"]


def test_texts_of_triples_are_labelled_anew(files, tmp_path):
    docs, queries = files
    triples, ids, out = tmp_path / "t.tsv", tmp_path / "ids.tsv", tmp_path / "g.jsonl"
    lines = [("q1", "d1", "d2"), ("q1", "d1", "d3"), ("q2", "d2", "d1")]
    ids.write_text("".join("\t".join(line) + "\n" for line in lines))
    triples.write_text("".join(f"{QUERIES[q]}\t{TEXTS[a]}\t{TEXTS[b]}\n" for q, a, b in lines))
    args = ["--groups", triples, "--format", "triples", "--teacher", "minilm", "-o", out]
    assert call(*args).return_value == 0
    one, two = read_groups(out)
    assert (one.id, one.query, one.texts) == ("q0", "wing lift", (TEXTS["d1"], TEXTS["d2"], TEXTS["d3"]))
    assert (len(two.texts), one.priors) == (2, ())
    again = rerank(one.query, list(one.texts), "minilm")
    expected = dict(zip(again.ids, again.scores))
    assert one.labels == pytest.approx([expected[str(i)] for i in range(3)], abs=1e-4)
    named = ["--groups", ids, "--format", "triples", "--teacher", "minilm", "-o", tmp_path / "h.jsonl"]
    call(*named, "--queries", queries, "--documents", docs)
    by_id, _ = read_groups(tmp_path / "h.jsonl")
    assert (by_id.id, by_id.ids, by_id.labels) == ("q1", ("d1", "d2", "d3"), pytest.approx(one.labels, abs=1e-4))
    call("--groups", out, "--teacher", "minilm", "-o", tmp_path / "i.jsonl")
    assert [g.labels for g in read_groups(tmp_path / "i.jsonl")] == [
        pytest.approx(g.labels, abs=1e-4) for g in (one, two)
    ]
    ids.write_text("q1\td1\td2\nq2\td2\td1\nq1\td1\td3\n")
    with pytest.raises(InputError, match="query 'q1' comes twice: put the lines of a query together"):
        call(*named, "--overwrite", "--queries", queries, "--documents", docs)


def test_groups_of_one_query_are_labelled_each_by_itself(tmp_path):
    old, out = tmp_path / "old.jsonl", tmp_path / "g.jsonl"
    pairs = [[TEXTS["d1"], TEXTS[other]] for other in ("d2", "d3")]
    rows = [{"id": "q1", "query": "wing lift", "texts": pair, "labels": [0, 0]} for pair in pairs]
    old.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert call("--groups", old, "--teacher", "minilm", "-o", out).return_value == 0
    found = list(read_groups(out))
    assert [(g.id, list(g.texts)) for g in found] == [("q1", pair) for pair in pairs]
    assert len({g.labels for g in found}) == 2


@pytest.mark.parametrize(("teacher", "noted"), [("splade + minilm", True), ("minilm", False)])
def test_pairs_get_no_margin_from_sums_of_z_scores(tmp_path, teacher, noted):
    triples = tmp_path / "t.tsv"
    triples.write_text(f"wing lift\t{TEXTS['d1']}\t{TEXTS['d2']}\n")
    said = call("--groups", triples, "--format", "triples", "--teacher", teacher, "-o", tmp_path / "g.jsonl")
    assert ("1 groups have fewer than 3 texts" in said.stderr) == noted
    (group,) = read_groups(tmp_path / "g.jsonl")
    assert (group.labels == (2.0, -2.0)) == noted


def test_a_file_of_another_format_is_told_with_the_option(tmp_path):
    (tmp_path / "t.tsv").write_text("wing lift\tso\tno\n")
    with pytest.raises(InputError, match=r"looks like triples: .*with --format triples to distill"):
        call("--groups", tmp_path / "t.tsv", "-o", tmp_path / "g.jsonl")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "give one of --index, --corpus, --run and --groups"),
        (["--groups", "a", "--depth", "3"], "--depth and --split don't go with --groups"),
        (["--groups", "a", "--candidates", "bm25 % 3"], "--candidates goes with --index and --corpus"),
        (["--run", "a", "--documents", "b", "--candidates", "bm25 % 3"], "a run and groups bring their own"),
        (["--index", "a", "--corpus", "b"], "give one of"),
        (["--run", "a"], "--run goes with --documents"),
        (["--corpus", "{docs}", "--split", "train"], "--split goes with a collection"),
        (["--index", "a", "--depth", "3"], "--depth with --run"),
        (["--corpus", "{docs}", "--teacher", "splade + nobody"], "no stage is called 'nobody'"),
        (["--corpus", "{docs}", "--teacher", "minilm % 1"], "the teacher dropped 'd"),
    ],
)
def test_what_it_refuses(files, tmp_path, args, says):
    docs, queries = files
    with pytest.raises(InputError, match=says):
        call("--queries", queries, "-o", tmp_path / "g.jsonl", *[a.format(docs=docs) for a in args])
    assert not (tmp_path / "g.jsonl").exists()


def test_queries_are_asked_for(tmp_path):
    with pytest.raises(InputError, match="--queries is missing"):
        call("--index", "a", "-o", tmp_path / "g.jsonl")


def test_a_killed_job_goes_on_where_it_stood(files, tmp_path, monkeypatch):
    monkeypatch.setattr(distill, "BATCH", 2)
    docs, queries = files
    queries.write_text("".join(f"{q}{i}\t{text}\n" for i in range(3) for q, text in QUERIES.items()))
    out = tmp_path / "g.jsonl"
    args = ["distill", "--queries", queries, "--corpus", docs, "--teacher", "minilm", "-o", out]
    program = (
        "import os, sys, anyrank.cli.distill as d\n"
        "from anyrank.io.journal import Journal\n"
        "from anyrank.cli import main\n"
        "d.BATCH, put = 2, Journal.put\n"
        "def killed(self, id, record):\n"
        "    put(self, id, record)\n"
        "    os.kill(os.getpid(), 9) if len(self) == 3 else None\n"
        "Journal.put = killed\n"
        "main()\n"
    )
    gone = subprocess.run([sys.executable, "-c", program, *map(str, args)], capture_output=True, text=True, check=False)
    assert gone.returncode == -signal.SIGKILL
    assert not out.exists()
    resumed = call(*args[1:], "--resume")
    assert "resuming: 3 of 9 queries are done" in resumed.stderr
    whole = tmp_path / "whole.jsonl"
    call(*args[1:-1], whole)
    resumed_groups, groups = (list(read_groups(path)) for path in (out, whole))
    assert [(g.id, g.query, g.candidates, g.priors) for g in resumed_groups] == [
        (g.id, g.query, g.candidates, g.priors) for g in groups
    ]
    # The texts were encoded in other batches: the last digits differ.
    for resumed_group, group in zip(resumed_groups, groups, strict=True):
        assert resumed_group.labels == pytest.approx(group.labels, abs=1e-5)
    out.with_name("g.jsonl.journal").write_text("x")
    with pytest.raises(InputError, match="the journal exists already"):
        call(*args[1:])


def test_what_a_teacher_could_not_judge_is_tried_again(files, tmp_path, monkeypatch):
    from anyrank.core.errors import JudgeError
    from anyrank.judges.similarity import Similarity

    docs, queries = files
    out = tmp_path / "g.jsonl"
    args = ["--queries", queries, "--corpus", docs, "--teacher", "minilm", "-o", out]

    def down(self, groups):
        if any(q.id == "q1" for q, _ in groups):
            raise JudgeError("the server is down")
        return judge(self, groups)

    judge = Similarity.__call__
    with monkeypatch.context() as patch:
        patch.setattr(Similarity, "__call__", down)
        first = call(*args)
    assert first.return_value == 1
    assert "the server is down" in first.stderr
    assert [g.id for g in read_groups(out)] == ["q2"]
    second = call(*args, "--resume")
    assert second.return_value == 0
    assert [g.id for g in read_groups(out)] == ["q1", "q2"]
