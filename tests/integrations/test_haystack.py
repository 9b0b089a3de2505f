"""Haystack's own documents go in and come out; skipped where the package is absent."""

import asyncio

import pytest

pytest.importorskip("haystack")
from haystack import Document, Pipeline

from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.integrations.haystack import Reranker, Retriever

DOCS = [Document(content="Lyon is large.", meta={"a": 1}), Document(content="Paris is the capital of France.")]


def test_reranker_in_a_pipeline_and_saved():
    pipeline = Pipeline()
    pipeline.add_component("ranker", Reranker(pipeline="tiny", top_k=1))
    again = Pipeline.from_dict(pipeline.to_dict(), allowed_modules=["anyrank.integrations.haystack"])
    (best,) = again.run({"ranker": {"query": "capital of France", "documents": DOCS}})["ranker"]["documents"]
    assert (best.content, best.id) == (DOCS[1].content, DOCS[1].id)
    out = asyncio.run(Reranker("tiny").run_async("capital of France", [*DOCS, DOCS[0]]))["documents"]
    assert [d.id for d in out] == [DOCS[1].id, DOCS[0].id]  # of documents with the same id the first counts
    assert DOCS[0].score is None


def test_retriever(tmp_path):
    build([Candidate("a", "wings lift", meta={"year": 1}), Candidate("b", "soup")], tmp_path / "i")
    retriever = Retriever(str(tmp_path / "i"))
    (document,) = retriever.run("wings")["documents"]
    assert (document.id, document.content, document.meta) == ("a", "wings lift", {"year": 1})
    assert asyncio.run(retriever.run_async("wings"))["documents"] == [document]
    assert Retriever.from_dict(retriever.to_dict()).run("wings")["documents"] == [document]


def test_empty_lists_and_numbers_of_results():
    reranker = Reranker("tiny")
    assert reranker.run("q", []) == {"documents": []}
    nothing = Document(content=None, meta={"x": None})
    assert [d.id for d in reranker.run("日本", [nothing, *DOCS], top_k=99)["documents"]][-1] == nothing.id
    with pytest.raises(ValueError, match="top_n=0"):
        reranker.run("q", DOCS, top_k=0)
