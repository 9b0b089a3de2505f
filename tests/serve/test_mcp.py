"""The tools, called by the official SDK's own client."""

import asyncio
import json
import os
import sys

import pytest

mcp_client = pytest.importorskip("mcp.client")
from mcp import StdioServerParameters  # noqa: E402

from anyrank.core.types import Candidate  # noqa: E402
from anyrank.index.build import build  # noqa: E402
from anyrank.index.collection import Collection  # noqa: E402
from anyrank.serve.mcp import mcp_server  # noqa: E402
from anyrank.serve.service import Service  # noqa: E402


def call(server, *requests):
    async def main():
        async with mcp_client.Client(server) as client:
            return [json.loads((await client.call_tool(n, a)).content[0].text) for n, a in requests]

    return asyncio.run(main())


@pytest.fixture(scope="module")
def server(tmp_path_factory, words):
    folder = tmp_path_factory.mktemp("mcp") / "my.index"
    build([Candidate("a", "wings lift", meta={"year": 1990}), Candidate("b", "wings and drag and more")], folder)
    return mcp_server(Service({"words": words, "again": words}, "bm25", Collection.open(folder)), most=10)


def test_rerank_says_order_and_cost(server):
    (answer,) = call(server, ("rerank", {"query": "drag", "documents": ["lift", "drag"], "top_n": 1}))
    assert answer["results"] == [{"index": 1, "score": 1.0, "text": "drag"}]
    assert (answer["status"], answer["usage"]["calls"]) == ("ok", 2)


def test_search_and_get_document(server):
    found, filtered, whole, none = call(
        server,
        ("search", {"query": "wings"}),
        ("search", {"query": "wings", "filter": {"year": 1990}}),
        ("get_document", {"id": "b"}),
        ("get_document", {"id": "../x"}),
    )
    assert {r["id"] for r in found["ranking"]} == {"a", "b"}
    assert [r["id"] for r in filtered["ranking"]] == ["a"]
    assert whole == {"id": "b", "text": "wings and drag and more", "meta": {}}
    assert "no document" in none["error"]


def test_compare_and_explain(server):
    compared, steps, wrong, models = call(
        server,
        ("compare", {"query": "a", "documents": ["b", "a"], "top_n": 1}),
        ("explain", {"pipeline": "bm25 % 100 >> mini"}),
        ("explain", {"pipeline": "bm26"}),
        ("list_models", {}),
    )
    assert compared["best"] == {"words": [1], "again": [1]}
    assert compared["shared"] == [1]
    assert [s["text"] for s in steps["steps"]][-1] == "mini"
    assert "did you mean 'bm25'" in wrong["error"]
    assert models == {"models": ["words", "again"], "default": "words", "documents": 2}


def test_bad_calls_are_told_in_a_sentence(server):
    blank, many, unknown = call(
        server,
        ("rerank", {"query": "", "documents": ["a"]}),
        ("rerank", {"query": "a", "documents": ["a"] * 11}),
        ("compare", {"query": "a", "documents": ["a"], "models": ["/etc/passwd"]}),
    )
    assert blank["error"] == "query is empty"
    assert "at most 10" in many["error"]
    assert "no model" in unknown["error"]


def test_over_stdio_from_the_command_line():
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "anyrank", "mcp", "-p", "tiny"], env=dict(os.environ)
    )
    texts = ["Lyon is large", "Paris is the capital of France"]
    (answer,) = call(parameters, ("rerank", {"query": "capital of France", "documents": texts}))
    assert answer["results"][0]["index"] == 1


def test_models_that_drop_documents_can_be_compared(words):
    server = mcp_server(Service({"words": words, "cut": words % 1}))
    (answer,) = call(server, ("compare", {"query": "a", "documents": ["b", "a"], "top_n": 1}))
    assert answer["best"] == {"words": [1], "cut": [1]}
    assert answer["differing"] == [{"index": 0, "ranks": {"words": 2, "cut": None}, "text": "b"}]


def test_what_no_one_foresaw_is_told_without_texts(server, monkeypatch, caplog):
    def fails(pipeline):
        raise ValueError("secret text")

    monkeypatch.setattr("anyrank.serve.mcp.explained", fails)
    blank, negative, failed = call(
        server,
        ("search", {"query": " "}),
        ("compare", {"query": "a", "documents": ["a"], "top_n": -1}),
        ("explain", {"pipeline": "mini"}),
    )
    assert blank["error"] == "query is empty"
    assert negative["error"] == "top_n is -1: expected 1 or more"
    assert failed["error"] == "it failed: see the server's log"
    assert "secret" not in caplog.text


def test_an_explanation_does_not_tell_whether_a_path_exists(server, tmp_path):
    here, nowhere = call(
        server,
        ("explain", {"pipeline": f"model({str(tmp_path)!r})"}),
        ("explain", {"pipeline": f"model({str(tmp_path / 'no')!r})"}),
    )
    assert json.dumps(here).replace(str(tmp_path), "P") == json.dumps(nowhere).replace(str(tmp_path / "no"), "P")
    assert here["steps"][0]["needs"]
