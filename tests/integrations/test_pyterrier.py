"""Transformers of PyTerrier's data frames; skipped where the package is absent. No Java is started."""

import pickle

import pytest

pytest.importorskip("pyterrier")
import pandas as pd
import pyterrier as pt

import anyrank as ar
from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.integrations.pyterrier import Reranker, Retriever

ROWS = [
    ("q2", "cooking", "d9", "Soup needs salt.", 2.0, "z"),
    ("q1", "capital of France", "d1", "Lyon is large.", 3.0, None),
    ("q1", "capital of France", "d2", "Paris is the capital of France.", 1.0, "x"),
    ("q1", "capital of France", "d1", "Lyon is large.", 3.0, None),
    ("q1", "capital of France", "d3", None, 2.0, "🙂"),
    ("q2", "cooking", "d1", "Lyon is large.", 2.5, "y"),
]
FRAME = pd.DataFrame(ROWS, columns=["qid", "query", "docno", "text", "score", "extra"])


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    path = tmp_path_factory.mktemp("pt") / "i"
    texts = {"a": "wings lift", "b": "soup with salt", "c": "wings and drag"}
    build([Candidate(id, text, meta={"year": n}) for n, (id, text) in enumerate(texts.items())], path)
    return str(path)


def test_every_row_comes_back_with_its_columns():
    before = FRAME.copy()
    out = Reranker("tiny")(FRAME)
    assert list(out.columns) == [*FRAME.columns, "rank"]
    assert out["qid"].tolist() == ["q2"] * 2 + ["q1"] * 4
    first = out[out["rank"] == pt.model.FIRST_RANK]
    assert first["docno"].tolist() == ["d9", "d2"]
    assert first["extra"].tolist() == ["z", "x"]
    assert sorted(out["docno"]) == sorted(FRAME["docno"])
    assert out.iloc[-1]["docno"] == "d3"  # without a text
    for _, group in out.groupby("qid"):
        assert group["rank"].tolist() == list(range(len(group)))
        assert group["score"].is_monotonic_decreasing
    pd.testing.assert_frame_equal(FRAME, before)


def test_the_order_that_a_pipeline_is_given_is_that_of_ranks_else_scores():
    frame = FRAME[FRAME["qid"] == "q1"].drop_duplicates("docno")
    assert Reranker("prior")(frame)["docno"].tolist() == ["d1", "d3", "d2"]
    assert Reranker("prior")(frame.assign(rank=[2, 0, 1]))["docno"].tolist() == ["d2", "d3", "d1"]
    assert Reranker("prior")(frame.drop(columns="score"))["docno"].tolist() == ["d1", "d2", "d3"]


def test_frames_without_rows_and_other_forms():
    out = Reranker("tiny")(FRAME[:0])
    assert list(out.columns) == [*FRAME.columns, "rank"]
    assert len(out) == 0
    records = Reranker("tiny")(FRAME.to_dict("records"))
    assert [r["docno"] for r in records] == Reranker("tiny")(FRAME)["docno"].tolist()
    other = Reranker("tiny", text_field="body")(FRAME.rename(columns={"text": "body"}))
    assert other["docno"].tolist() == Reranker("tiny")(FRAME)["docno"].tolist()
    with pytest.raises(pt.validate.InputValidationError, match="text"):
        Reranker("tiny")(FRAME.drop(columns="text"))


def test_a_retriever_keeps_the_columns_of_queries(index):
    topics = pd.DataFrame({"qid": [1, 2, 3], "query": ["wings", "nothing", "soup"], "query_0": ["w", "n", "s"]})
    out = Retriever(index)(topics)
    assert list(out.columns) == ["qid", "query", "query_0", "docno", "text", "score", "rank", "year"]
    assert out["qid"].tolist() == [1, 1, 3]
    assert sorted(out["docno"][:2]) == ["a", "c"]
    assert out["rank"].tolist() == [0, 1, 0]
    assert out.iloc[2][["docno", "text", "year", "query_0"]].tolist() == ["b", "soup with salt", 1, "s"]
    assert Retriever(index, filter={"year": 2})(topics)["docno"].tolist() == ["c"]
    assert list(Retriever(index)(topics[:0]).columns) == ["qid", "query", "query_0", "docno", "text", "score", "rank"]
    assert Retriever(index)(out)["docno"].tolist() == out["docno"].tolist()  # of results only the queries count
    assert Retriever(index).search("soup")["docno"].tolist() == ["b"]


def test_pipelines_experiments_and_cuts(index):
    topics = pd.DataFrame({"qid": ["1", "3"], "query": ["wings and drag", "soup"]})
    qrels = pd.DataFrame({"qid": ["1", "3"], "docno": ["c", "b"], "label": [1, 1]})
    pipeline = Retriever(index) % 2 >> Reranker("tiny")
    cut = pipeline.compile()
    assert repr(cut[0]).endswith("num_results=2)")
    assert Retriever(index, num_results=1).fuse_rank_cutoff(9).num_results == 1
    table = pt.Experiment([pipeline, cut], topics, qrels, ["recip_rank"], names=["a", "b"])
    assert table["recip_rank"].tolist() == [1.0, 1.0]
    assert pt.inspect.transformer_outputs(Retriever(index), ["qid", "query"])[:4] == ["qid", "query", "docno", "text"]
    assert pickle.loads(pickle.dumps(pipeline))(topics)["docno"].tolist() == pipeline(topics)["docno"].tolist()
    assert not pt.java.started()
    with pytest.raises(ar.InputError, match="num_results=0"):
        Retriever(index, num_results=0)
