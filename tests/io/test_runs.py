import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrank import Candidate, InputError, Query, Ranking
from anyrank.io import atomic, attach, iter_run, read_qrels, read_run, run_to_dict, write_qrels, write_run

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), min_size=1, max_size=6)
numbers = st.floats(-1e30, 1e30, allow_nan=False)
runs = st.dictionaries(words, st.dictionaries(words, numbers, min_size=1, max_size=8), min_size=1, max_size=5)


def rankings(run):
    return [
        Ranking(Query(q), tuple(Candidate(d, score=s) for d, s in sorted(ds.items(), key=lambda x: -x[1])))
        for q, ds in run.items()
    ]


@settings(max_examples=40, deadline=None)
@given(run=runs, ending=st.sampled_from(["", ".gz"]))
def test_a_written_run_reads_back_in_the_same_order_with_strictly_falling_scores(run, ending, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / f"run.trec{ending}"
    before = rankings(run)
    write_run(path, before, tag="t")
    back = read_run(path)
    assert list(back) == [r.query.id for r in before]
    for r in before:
        assert [d for d, _ in back[r.query.id]] == r.ids
        scores = np.array([s for _, s in back[r.query.id]])
        single = scores.astype(np.float32)
        assert (scores[1:] < scores[:-1]).all()
        assert (single[1:] < single[:-1]).all()
        assert single.tolist() == list(run_to_dict([r])[r.query.id].values())
    assert [line for line, *_ in iter_run(path)] == list(range(1, 1 + sum(map(len, before))))


def test_a_run_is_read_by_score_then_file_order_whatever_the_ranks_say(tmp_path):
    path = tmp_path / "r"
    path.write_bytes(
        b"\xef\xbb\xbfq2 Q0 a 9 1 x\r\n"
        b"q1 Q0 b 1 1.5 x\r\n\r\nq2\tQ0\tc\t7\t1e0\tx\nq2 Q0 d 8 3 x\nq1 Q0 a -1 1.25 y\n \n\n"
    )
    assert read_run(path) == {"q2": [("d", 3.0), ("a", 1.0), ("c", 1.0)], "q1": [("b", 1.5), ("a", 1.25)]}


def test_a_run_has_six_columns_and_ranks_from_one(tmp_path):
    write_run(tmp_path / "r", [Ranking.of(Query("q", "?"), ["x", "y"], ids=["a", "b"])], tag="bm25")
    assert (tmp_path / "r").read_text() == "q Q0 a 1 2 bm25\nq Q0 b 2 1 bm25\n"


def test_an_interrupted_writer_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "r.trec.gz"
    write_run(path, [Ranking.of(Query("q", "?"), ["x"])])
    before = path.read_bytes()

    def dies():
        yield Ranking.of(Query("q", "?"), ["y", "z"])
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_run(path, dies())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_writers_are_reproducible_follow_links_and_keep_the_usual_permissions(tmp_path):
    ranking = [Ranking.of(Query("q", "?"), ["x"])]
    (tmp_path / "plain").touch()
    (tmp_path / "link.gz").symlink_to(tmp_path / "real.gz")
    write_run(tmp_path / "link.gz", ranking)
    write_run(tmp_path / "other.gz", ranking)
    assert (tmp_path / "link.gz").is_symlink()
    assert (tmp_path / "real.gz").read_bytes() == (tmp_path / "other.gz").read_bytes()
    assert gzip.decompress((tmp_path / "real.gz").read_bytes()) == b"q Q0 0 1 1 anyrank\n"
    assert (tmp_path / "real.gz").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_one_writer_at_a_time_and_a_dead_writers_leavings_are_taken_over(tmp_path):
    path = tmp_path / "x"
    with atomic(path) as f:
        f.write("mine")
        with pytest.raises(InputError, match="another process is writing this file"), atomic(path) as g:
            g.write("yours")
    assert path.read_text() == "mine"
    (tmp_path / ".x.tmp").write_text("left by a killed process")
    with atomic(path) as f:
        f.write("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_stdin_and_stdout_by_a_dash(monkeypatch, capsys):
    import io
    import sys

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"q Q0 d 1 1 t\nq Q0 d 1 1 t\n")))
    with pytest.raises(ValueError, match=r"^<stdin>:2: document 'd' appears twice"):
        read_run("-")
    write_run("-", [Ranking.of(Query("q", "?"), ["x"])])
    assert capsys.readouterr().out == "q Q0 0 1 1 anyrank\n"


def test_devices_are_written_to_not_replaced(tmp_path):
    import os
    import threading

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    said = []
    reader = threading.Thread(target=lambda: said.append(pipe.read_text()))
    reader.start()
    write_run(pipe, [Ranking.of(Query("q", "?"), ["x"])])
    reader.join()
    assert said == ["q Q0 0 1 1 anyrank\n"]


@pytest.mark.parametrize(
    "content",
    [
        b"q1 0 d1 2\nq1 0 d 3 \r\n\nq2 Q0 d1 -1\n",
        b"\xef\xbb\xbfquery-id\tcorpus-id\tscore\r\nq1\td1\t2\r\nq1\td\t3\r\nq2\td1\t-1\r\n\r\n",
        b"q1\td1\t2\nq1\td\t3\nq2\td1\t-1",
    ],
)
def test_qrels_of_trec_and_beir(tmp_path, content):
    (tmp_path / "q").write_bytes(content)
    assert read_qrels(tmp_path / "q") == {"q1": {"d1": 2, "d": 3}, "q2": {"d1": -1}}


@settings(max_examples=40, deadline=None)
@given(qrels=st.dictionaries(words, st.dictionaries(words, st.integers(-2, 9), min_size=1), min_size=1, max_size=5))
def test_written_qrels_read_back(qrels, tmp_path_factory):
    for name in ("x.qrels", "x.tsv", "x.tsv.gz"):
        path = tmp_path_factory.getbasetemp() / name
        write_qrels(path, qrels)
        assert read_qrels(path) == qrels


def test_beir_ids_may_hold_spaces(tmp_path):
    write_qrels(tmp_path / "x.tsv", {"a query": {"a document": 1}})
    assert (tmp_path / "x.tsv").read_text() == "query-id\tcorpus-id\tscore\na query\ta document\t1\n"
    assert read_qrels(tmp_path / "x.tsv") == {"a query": {"a document": 1}}


def test_a_document_of_several_subtopics_has_its_highest_grade(tmp_path):
    file = tmp_path / "qrels"
    file.write_text("q 1 d 1\nq 2 d 3\nq 3 d 0\n")
    assert read_qrels(file) == {"q": {"d": 3}}


@pytest.mark.parametrize("score", [3.5e38, -3.5e38, float("inf"), float("nan")])
def test_scores_beyond_single_precision_are_no_run(score, tmp_path):
    ranking = Ranking(Query("q", "x"), (Candidate("d", "text", score),))
    with pytest.raises(InputError, match="single precision"):
        write_run(tmp_path / "run", [ranking])
    assert not (tmp_path / "run").exists()


def test_attach_streams_documents_and_keeps_the_order_of_queries():
    run = {"q2": [("b", 2.0), ("a", 1.0)], "q1": [("a", 5.0)]}
    queries = [Query("q1", "one"), Query("q3", "three"), Query("q2", "two")]
    documents = (Candidate(i, f"text {i}", meta={"n": i}) for i in "zyab")
    r1, r2 = attach(run, queries, documents)
    assert (r1.query.content, r1.ids, r1.scores) == ("one", ["a"], [5.0])
    assert [(c.id, c.content, c.score, c.meta["n"]) for c in r2] == [
        ("b", "text b", 2.0, "b"),
        ("a", "text a", 1.0, "a"),
    ]
    assert attach(run, queries)[0][0].content is None


def test_real_runs_and_judgements(data):
    bm25 = read_run(data / "dl-candidates/runs/dl19.BM25.top100.trec")
    assert len(bm25) == 43
    assert {len(found) for found in bm25.values()} == {100}
    assert sum(map(len, read_qrels(data / "dl-candidates/qrels/dl19-passage.qrels").values())) == 9260
    for path in sorted(data.glob("**/qrels/*.tsv")):
        assert read_qrels(path)
    for path in sorted([*data.glob("runs-trec/*.trec.gz"), *data.glob("llm-listwise/runs/*.gz")]):
        assert read_run(path)
