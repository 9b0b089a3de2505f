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
    (document,) = Retriever(str(tmp_path / "i")).run("wings")["documents"]
    assert (document.id, document.content, document.meta) == ("a", "wings lift", {"year": 1})
