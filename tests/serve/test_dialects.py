"""Requests that real clients sent are read, and answered in the fields that these clients read."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.trace import Usage
from anyrank.serve.dialects import Outcome, answer, read_rerank
from anyrank.serve.requests import Refusal, read_json

TEXTS = ("Lyon is a large city.", "Paris is the capital.", "Rome is in Italy.")
OUTCOME = Outcome("x", "mini", ((1, 0.9), (2, 0.5), (0, 0.1)), Usage(3, 30), "ok", ())


def ask(body, path="/rerank", headers=None):
    request = read_rerank(body, path, headers)
    return request, answer(request, OUTCOME)


def clients(data: Path):
    return sorted((data.parent / "clients").glob("*.json"))


def test_every_recorded_rerank_request_is_read_and_answered(data):
    """Optional test data: what 25 clients sent to an echo server."""
    count = 0
    for file in clients(data):
        recorded = json.loads(file.read_text())
        if not isinstance(recorded, dict):
            continue
        for sent in recorded["requests"]:
            if "rerank" not in sent["path"]:
                continue
            request, value = ask(sent["body"], sent["path"], sent["headers"])
            assert request.query == "capital of France", file.name
            assert len(request.documents) == 3, file.name
            assert "Paris is the capital." in request.documents[1], file.name
            rows = value if isinstance(value, list) else value.get("data", value.get("results"))
            wanted = request.top_n or 3
            assert [r["index"] for r in rows] == [1, 2, 0][:wanted], file.name
            assert all("score" in r or "relevance_score" in r for r in rows), file.name
            json.dumps(value, allow_nan=False)
            count += 1
    assert count >= 20


def test_tei_gets_a_bare_list():
    _, value = ask({"query": "q", "texts": list(TEXTS), "return_text": True, "truncate": True})
    assert value[0] == {"index": 1, "score": 0.9, "text": "Paris is the capital."}


def test_isaacus_path_gets_results_with_a_score():
    _, value = ask({"query": "q", "texts": list(TEXTS), "top_n": 2}, "/v1/rerankings")
    assert [r["score"] for r in value["results"]] == [0.9, 0.5]


def test_mixedbread_gets_data_with_scores_and_inputs():
    _, value = ask({"query": "q", "input": list(TEXTS), "top_k": 2, "return_input": True}, "/v1/reranking")
    assert value["object"] == "list"
    assert value["data"][0] == {"index": 1, "score": 0.9, "input": TEXTS[1], "object": "rank_result"}
    assert value["usage"] == {"prompt_tokens": 30, "total_tokens": 30, "completion_tokens": 0}
    assert (value["top_k"], value["return_input"]) == (2, True)


def test_pinecone_gets_its_documents_and_units():
    documents = [{"id": str(i), "text": t} for i, t in enumerate(TEXTS)]
    body = {"query": "q", "documents": documents, "rank_fields": ["text"], "return_documents": True, "top_n": 1}
    _, value = ask(body)
    assert value["data"] == [{"index": 1, "score": 0.9, "document": documents[1]}]
    assert value["usage"]["rerank_units"] == 1


@pytest.mark.parametrize(
    ("extra", "document"),
    [({"return_documents": True}, {"text": TEXTS[1]}), ({"return_documents": True, "truncation": True}, TEXTS[1])],
)
def test_one_body_serves_cohere_jina_voyage_vllm_and_infinity(extra, document):
    _, value = ask({"query": "q", "documents": list(TEXTS), **extra})
    assert value["object"] == "rerank"
    assert value["results"] == value["data"]
    assert value["results"][0] == {"index": 1, "relevance_score": 0.9, "document": document}
    assert value["usage"]["total_tokens"] == 30
    assert value["meta"]["billed_units"]["search_units"] == 1
    assert value["anyrank"] == {"status": "ok", "usage": {"calls": 3, "prompt_tokens": 30}, "notes": []}


def test_what_went_wrong_is_among_the_warnings():
    request = read_rerank({"query": "q", "documents": list(TEXTS)})
    outcome = Outcome("x", "m", ((0, 3.0), (1, 2.0), (2, 1.0)), Usage(fallback=1), "fallback", ("no server",))
    assert answer(request, outcome)["meta"]["warnings"] == ["no server", "status: fallback"]


@pytest.mark.parametrize("top", [None, 0])
def test_no_top_is_all_documents(top):
    assert len(ask({"query": "q", "documents": list(TEXTS), "top_n": top})[1]["results"]) == 3


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"text": "a"}, "a"),
        ({"title": "t", "text": "a"}, "t a"),
        ({"page_content": "a", "metadata": {}}, "a"),
        ({"name": "a", "year": 1999}, "name: a\nyear: 1999"),
        ("a\ud800", "a?"),
        ("", ""),
    ],
)
def test_documents_of_several_forms(document, text):
    assert read_rerank({"query": "q", "documents": [document]}).documents == (text,)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"documents": ["a"]}, "query is null"),
        ({"query": "q"}, "documents is missing"),
        ({"query": " ", "documents": ["a"]}, "query is empty"),
        ({"query": "q", "documents": "a"}, "documents is no list"),
        ({"query": "q", "documents": [3]}, "documents[0] is no text"),
        ({"query": "q", "documents": [{"image": "x"}]}, "documents[0] is an image"),
        ({"query": "q", "documents": ["a"], "top_n": -1}, "top_n is -1"),
        ({"query": "q", "documents": ["a"], "top_n": "3"}, "top_n is a text"),
        ({"query": "q", "documents": ["a"], "return_documents": "yes"}, "return_documents is a text"),
        ({"query": "q", "documents": [{"a": "b"}], "rank_fields": ["c"]}, "none of the rank_fields c"),
    ],
)
def test_bad_requests_name_the_field(body, words):
    with pytest.raises(Refusal, match=words.replace("[", r"\[").replace("]", r"\]")) as error:
        read_rerank(body)
    assert error.value.status in (400, 422)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"a": NaN}', b"\xff", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"]
)
def test_bodies_that_are_no_object_are_refused(body):
    with pytest.raises(Refusal):
        read_json(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(["query", "documents", "texts", "input", "top_n", "top_k", "model", "rank_fields", "timeout"])


@given(st.dictionaries(names, json_values, max_size=6))
def test_any_body_is_read_or_refused(body):
    status = None
    try:
        request = read_rerank(body)
    except Refusal as error:
        status = error.status
    else:
        rows = tuple((i, float(-i)) for i in range(len(request.documents)))
        json.dumps(answer(request, Outcome("x", "m", rows, Usage())), allow_nan=False)
    assert status is None or 400 <= status < 500
