"""LangChain's own documents go in and come out; skipped where the package is absent."""

import asyncio
import pickle

import pytest

pytest.importorskip("langchain_core")
from langchain_core.documents import Document

from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.integrations.langchain import Reranker, Retriever

DOCS = [
    Document(page_content="Lyon is large.", metadata={"a": 1}),
    Document(page_content="Paris is the capital of France."),
    Document(page_content="Lyon is large."),
]


def test_reranker_keeps_its_conventions():
    reranker = Reranker(pipeline="tiny", top_n=2)
    out = reranker.compress_documents(DOCS, "capital of France")
    assert [d.page_content for d in out] == ["Paris is the capital of France.", "Lyon is large."]
    assert out[0].metadata["relevance_score"] > out[1].metadata["relevance_score"]
    assert "relevance_score" not in DOCS[0].metadata
    assert asyncio.run(reranker.acompress_documents(DOCS, "capital of France")) == out
    assert reranker.compress_documents([], "x") == []
    assert Reranker(**reranker.model_dump()) == reranker


def test_retriever(tmp_path):
    build([Candidate("a", "wings lift", meta={"year": 1}), Candidate("b", "soup")], tmp_path / "i")
    (document,) = Retriever(index=str(tmp_path / "i")).invoke("wings")
    assert (document.id, document.page_content, document.metadata["year"]) == ("a", "wings lift", 1)
    assert Retriever(index=str(tmp_path / "i"), filter={"year": 2}).invoke("wings") == []


def test_numbers_of_results_and_many_at_once():
    assert len(Reranker(pipeline="tiny", top_n=99).compress_documents(DOCS, "x")) == 3
    with pytest.raises(ValueError, match="top_n=0"):
        Reranker(pipeline="tiny", top_n=0).compress_documents(DOCS, "x")
    odd = [Document(page_content="", metadata={"x": None}), Document(page_content="日本 🙂")]

    async def many():
        reranker = Reranker(pipeline="tiny")
        return await asyncio.gather(*(reranker.acompress_documents(odd, "日本") for _ in range(20)))

    assert {tuple(d.page_content for d in out) for out in asyncio.run(many())} == {("日本 🙂", "")}
    assert pickle.loads(pickle.dumps(Reranker(pipeline="tiny"))).compress_documents(odd, "日本")[0].metadata.keys() == {
        "relevance_score"
    }


def test_what_a_cut_off_drops_is_logged_and_in_the_ranking(caplog):
    reranker = Reranker(pipeline="tiny >= 22")
    with caplog.at_level("INFO", logger="anyrank"):
        out = reranker.compress_documents(DOCS, "capital of France")
    assert [d.page_content for d in out] == ["Paris is the capital of France."]
    assert ">= 22: 2 of 3 candidates were cut, below the score 22: 0, 2" in caplog.text
    assert reranker.ranked(DOCS, "capital of France").trace[-1].cut == ("0", "2")
