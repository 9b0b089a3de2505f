"""The server over real HTTP on loopback."""

import http.client
import json
import logging
import shutil
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from anyrank.core.stage import Stage
from anyrank.core.trace import Usage
from anyrank.core.types import Candidate
from anyrank.hub.open import open_model
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.serve.app import Server, _headers
from anyrank.serve.dialects import Outcome
from anyrank.serve.keys import Keyring, new_key
from anyrank.serve.service import Service

BODY = {"query": "capital of France", "documents": ["Lyon is large", "Paris is the capital of France", "Rome"]}


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank", "/v1/reranking", "/v1/rerankings"])
def test_every_path_reranks(client, path):
    status, answer, _ = client(path, BODY)
    assert status == 200
    assert [r["index"] for r in answer["results"]] == [1, 0, 2]
    assert answer["usage"] == {"prompt_tokens": 9, "total_tokens": 9}
    assert answer["anyrank"]["status"] == "ok"


def test_our_own_form_has_every_document_and_the_report(client):
    status, answer, _ = client("/v1/rank", {**BODY, "top_n": 2})
    assert status == 200
    best = answer["results"][0]
    assert (best["rank"], best["index"], best["document"]) == (1, 1, BODY["documents"][1])
    assert answer["status"] == "ok"
    assert answer["usage"]["calls"] == 3


def test_a_model_that_is_not_served_is_said(client):
    _, answer, _ = client("/v2/rerank", {**BODY, "model": "rerank-v3.5"})
    assert answer["model"] == "words"
    assert "is not served here" in answer["meta"]["warnings"][0]
    assert client("/v2/rerank", {**BODY, "model": "words"})[1]["meta"].get("warnings") is None


def test_tei_says_in_headers_what_happened(client):
    _, answer, headers = client("/rerank", {"query": "a", "texts": ["a", "b"]})
    assert answer == [{"index": 0, "score": 1.0}, {"index": 1, "score": 0.0}]
    assert headers["x-anyrank-status"] == "ok"


def test_scores_of_pairs(client):
    one = client("/v1/score", {"text_1": "a b", "text_2": ["b", "c", "a b"]})[1]
    assert [(d["index"], d["score"]) for d in one["data"]] == [(0, 1.0), (1, 0.0), (2, 2.0)]
    pairs = client("/score", {"queries": ["a", "b"], "documents": ["a", "c"]})[1]
    assert [d["score"] for d in pairs["data"]] == [1.0, 0.0]
    assert client("/score", {"text_1": ["a", "b"], "text_2": ["a", "b", "c"]})[0] == 400
    assert client("/score", {"text_1": [], "text_2": ["a"]})[0] == 400


def test_a_large_request_is_split_and_comes_back_whole(client):
    texts = [f"word{i} " * (i % 7) + ("needle" if i == 450 else "hay") for i in range(500)]
    _, answer, _ = client("/v2/rerank", {"query": "needle", "documents": texts})
    assert sorted(r["index"] for r in answer["results"]) == list(range(500))
    assert answer["results"][0]["index"] == 450
    assert answer["anyrank"]["usage"]["calls"] == 500


def test_many_clients_at_once_get_their_own_answers(client):
    def ask(n):
        texts = [f"only{n} of all", f"other{n}"]
        status, answer, _ = client("/v2/rerank", {"query": f"only{n}", "documents": texts, "return_documents": True})
        return status == 200 and answer["results"][0]["document"]["text"] == texts[0] and len(answer["results"]) == 2

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(200)))


def test_a_judge_that_fails_is_an_answer_that_says_so(client):
    status, answer, _ = client("/v2/rerank", {"query": "a", "documents": ["crash", "crash b"]})
    assert status == 200
    assert answer["anyrank"]["status"] == "fallback"
    assert [r["index"] for r in answer["results"]] == [0, 1]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"\x00\xff", 400),
        (b'{"query": "a", "documents": ["b"]', 400),
        (b'{"query": "a", "documents": ' + b"[" * 5000 + b"]" * 5000 + b"}", 400),
        (b'{"query": "a", "documents": [{"text": "b", "x": ' + b"[" * 99 + b"]" * 99 + b"}]}", 400),
        (b'{"query": "' + b"x" * 100_001 + b'", "documents": ["b"]}', 413),
        (b'{"query": "a", "documents": [{"text": false}]}', 400),
        (b'{"query": "a", "documents": ["b"], "model": {}}', 400),
        (b'{"query": "a", "documents": ["b"], "top_n": 1e400}', 400),
        (b'{"query": "a", "documents": ["' + b"x" * 300_000 + b'"]}', 413),
        (json.dumps({"query": "a", "documents": ["b"] * 501}).encode(), 413),
        (b'{"query": "\\ud800 \\u0000", "documents": ["\\udfff", "\\u202e\\u0000"]}', 200),
        (b'{"query": "a", "documents": ["b"], "timeout": 0.000001}', 200),
        (b'{"query": "a", "documents": []}', 200),
    ],
)
def test_hostile_bodies_get_a_stated_answer(client, raw, status):
    got, answer, headers = client("/v2/rerank", raw=raw)
    assert got == status
    assert headers["x-content-type-options"] == "nosniff"
    if status != 200:
        assert answer["message"] == answer["detail"] == answer["error"]["message"]


def sending_fails(s, _):
    """Sends 64 KiB more of a body; true if the server has closed the connection."""
    try:
        s.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
    except OSError:
        return True
    return False


def test_a_body_that_never_ends_is_cut_off(client):
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as s:
        s.sendall(b"POST /v2/rerank HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert s.recv(100).startswith(b"HTTP/1.1 408")
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as s:
        s.sendall(b"POST /v2/rerank HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert any(map(partial(sending_fails, s), range(10_000)))  # cut before a gigabyte came
    assert client("/health")[0] == 200


def test_half_closed_and_broken_connections_leave_it_alive(client):
    for data in (b"", b"GET", b"\x16\x03\x01", b"POST /rerank HTTP/1.1\r\nContent-Length: -5\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", client.port), timeout=20) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
    assert client("/v2/rerank", BODY)[0] == 200


@pytest.mark.parametrize(
    "path", ["/v3/rerank", "/../etc/passwd", "/v2/rerank/../../x", "/%2e%2e/%2e%2e/etc", "/static"]
)
def test_no_file_is_reachable(client, path):
    assert client(path)[0] == 404
    assert client("/rerank", method="DELETE")[0] == 405
    assert client("/fetch?url=../../etc/passwd")[0] == 404
    assert client("/search?query=a")[0] == 404


def test_metrics_and_description(client):
    client("/v2/rerank", BODY)
    text = client("/metrics")[1].decode()
    assert 'anyrank_requests_total{path="/v2/rerank",status="200"}' in text
    assert "anyrank_documents_total" in text
    paths = client("/openapi.json")[1]["paths"]
    assert {"/v2/rerank", "/v1/embeddings", "/search", "/fetch", "/health"} <= paths.keys()
    assert [m["id"] for m in client("/v1/models")[1]["data"]] == ["words", "minilm"]


def test_no_text_of_a_document_is_logged(words, serving, caplog):
    with serving(Server(Service({"words": words}))) as client, caplog.at_level(logging.DEBUG, "anyrank.serve"):
        client("/v2/rerank", {"query": "private question", "documents": ["private answer", "crash secret"]})
        client("/v2/rerank", {"query": "private question", "documents": 3})
    lines = [r.getMessage() for r in caplog.records if r.name == "anyrank.serve"]
    assert len(lines) == 2
    assert not any(word in line for line in lines for word in ("private", "secret"))
    assert json.loads(lines[0])["documents"] == 2


def test_without_a_key_nothing_answers_but_health(words, serving, tmp_path):
    file = tmp_path / "keys.txt"
    key = new_key(file, "alice", per_minute=5)
    with serving(Server(Service({"words": words}), Keyring(file))) as client:
        for path in ("/v2/rerank", "/search?query=a", "/fetch?url=a", "/v1/models", "/metrics", "/openapi.json", "/x"):
            assert client(path)[0] == 401, path
        assert client("/v2/rerank", BODY, headers={"Authorization": "Bearer wrong"})[0] == 401
        assert client("/health")[0] == 200
        statuses = [client("/v2/rerank", BODY, headers={"Authorization": f"Bearer {key}"})[0] for _ in range(6)]
        assert statuses == [200] * 5 + [429]


def test_a_full_queue_says_when_to_come_again(serving):
    gate, begun = threading.Event(), threading.Event()

    class Slow(Stage):
        def batch(self, rankings):
            if len(rankings[0]) > 2:  # not the first, which only warms up
                begun.set()
                gate.wait(20)
            return list(rankings)

    service = Service({"slow": Slow()}, waiting=1)
    with serving(Server(service)) as client, ThreadPoolExecutor(2) as pool:
        first = pool.submit(client, "/v2/rerank", BODY)
        begun.wait(20)
        status, answer, headers = client("/v2/rerank", BODY)
        gate.set()
        assert (status, first.result()[0]) == (429, 200)
        assert int(headers["retry-after"]) >= 1
        assert "too many requests" in answer["message"]


def test_a_page_may_call_it_only_if_it_was_named(words, serving):
    asked = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
    with serving(Server(Service({"words": words}))) as client:
        assert "access-control-allow-origin" not in client("/v2/rerank", BODY, headers=asked)[2]
    with serving(Server(Service({"words": words}), origins=("https://page.example",))) as client:
        headers = client("/v2/rerank", BODY, headers=asked)[2]
        assert headers["access-control-allow-origin"] == "https://page.example"


@pytest.fixture(scope="module")
def searching(tmp_path_factory, words, serving):
    folder = tmp_path_factory.mktemp("index") / "my.index"
    documents = [
        Candidate("a", "wings lift the plane", meta={"url": "http://x/a", "year": 1990, "lang": "en"}),
        Candidate("b", "wings and drag", meta={"year": 1999}),
        Candidate("c", "soup needs salt", meta={"year": 2001}),
    ]
    build(documents, folder)
    with serving(Server(Service({"words": words}, "bm25", Collection.open(folder)))) as client:
        yield client


def test_search_with_a_filter(searching):
    _, answer, _ = searching("/search", {"query": "wings", "top_n": 5})
    assert [r["id"] for r in answer["ranking"]] == ["b", "a"]
    assert answer["ranking"][0]["text"] == "wings and drag"
    filtered = searching("/search", {"query": "wings", "filter": {"year": 1990}})[1]
    assert [r["id"] for r in filtered["ranking"]] == ["a"]
    assert searching("/search", {"query": "wings", "filter": "year"})[0] == 400
    assert searching("/search", {"query": ""})[0] == 400
    assert searching("/search", {"query": "wings", "top_n": 0})[0] == 200
    assert searching("/search", {"query": "wings", "filter": {"year": [1] * 10_001}})[0] == 413
    deep = b'{"query": "a", "filter": {"year": ' + b"[" * 900 + b"]" * 900 + b"}}"
    assert searching("/search", raw=deep)[0] == 400


def test_the_gym_gets_documents_as_base64(searching):
    import base64

    status, answer, _ = searching("/search?query=wings&k=1")
    document = json.loads(base64.b64decode(answer["results"][0]))
    assert (status, len(answer["results"]), document["ClueWeb22-ID"]) == (200, 1, "b")
    fine = json.loads(base64.b64decode(searching("/fineweb/search?query=lift")[1]["results"][0]))
    assert (fine["url"], fine["text"], fine["language"], fine["year"]) == (
        "http://x/a",
        "wings lift the plane",
        "en",
        1990,
    )
    assert json.loads(base64.b64decode(searching("/fetch?url=c")[1]["results"][0]))["Clean-Text"] == "soup needs salt"
    assert searching("/fetch?url=zzz")[0] == 404
    assert searching("/search?query=wings&k=x")[0] == 400


def test_a_client_that_leaves_costs_nothing_more(client):
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=10)
    connection.request("POST", "/v2/rerank", json.dumps(BODY))
    connection.close()
    assert client("/v2/rerank", BODY)[0] == 200


def test_tasks_of_hugging_face(client):
    similar = client("/", {"inputs": {"source_sentence": "a dog", "sentences": ["a dog", "tax law"]}})[1]
    assert similar[0] == pytest.approx(1, abs=1e-3)
    assert similar[1] < 0.5
    assert len(client("/", {"inputs": "hello", "normalize": True})[1][0]) == 384
    assert client("/", {"inputs": "hello", "parameters": {}})[0] == 422
    assert client("/", {"inputs": 3})[0] == 400
    assert client("/", {"inputs": []})[0] == 400


def test_embeddings_of_openai_and_cohere_agree(client):
    ours = client("/v1/embeddings", {"input": ["a dog"], "model": "minilm", "dimensions": 8})[1]
    theirs = client("/v2/embed", {"texts": ["a dog"], "model": "m", "output_dimension": 8})[1]
    assert ours["data"][0]["embedding"] == theirs["embeddings"]["float"][0]
    assert len(ours["data"][0]["embedding"]) == 8
    assert ours["usage"]["prompt_tokens"] == theirs["meta"]["billed_units"]["input_tokens"] == 4


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("/v2/rerank", b'{"query": "a", "documents": ["\\ud800 a"], "return_documents": true}'),
        ("/v2/rerank", b'{"query": "a", "documents": [{"text": "a", "\\uDC00": 1}], "return_documents": true}'),
        ("/v1/rank", b'{"query": "a", "documents": ["\\ud800"]}'),
        ("/v1/reranking", b'{"query": "a", "input": ["\\ud800"], "return_input": true}'),
    ],
)
def test_half_a_character_in_a_document_comes_back_replaced(client, path, raw):
    status, answer, _ = client(path, raw=raw)
    assert status == 200
    assert "?" in json.dumps(answer)


@pytest.mark.parametrize(
    "field",
    [
        b'"documents": ["b"], "timeout": "\\ud800"',
        b'"documents": [{"a": 1}], "rank_fields": ["\\ud800"]',
        b'"documents": [{"text": "b", "x": 1e400}], "return_documents": true',
        b'"documents": [{"text": "b", "x": -1e400}], "return_documents": true',
    ],
)
def test_what_no_answer_can_hold_is_refused(client, field):
    status, answer, _ = client("/v2/rerank", raw=b'{"query": "a", ' + field + b"}")
    assert status == 400
    assert answer["error"]["code"] == 400


def test_a_smiley_in_escapes_is_one_character(client):
    raw = b'{"query": "a", "documents": ["\\ud83d\\ude00 \\u0000"], "return_documents": true}'
    assert client("/v2/rerank", raw=raw)[1]["results"][0]["document"]["text"] == "\U0001f600 \0"


def test_more_pairs_and_texts_than_documents_of_a_request_are_refused(client):
    assert client("/score", {"text_1": ["a"] * 501, "text_2": ["b"] * 501})[0] == 413
    assert client("/", {"inputs": ["a"] * 2049})[0] == 413
    assert client("/", {"inputs": {"source_sentence": "a", "sentences": ["a"] * 2049}})[0] == 413


def test_scores_of_pairs_say_when_one_of_them_was_not_judged(client):
    pairs = client("/score", {"text_1": ["a", "b"], "text_2": ["a", "crash"]})[1]
    assert pairs["anyrank"]["status"] == "fallback"
    assert pairs["anyrank"]["usage"]["calls"] == 1
    assert len(pairs["anyrank"]["notes"]) == 1


def test_scores_from_a_pipeline_that_drops_texts_are_refused(words, serving):
    with serving(Server(Service({"cut": words % 2}))) as client:
        assert client("/score", {"text_1": "a", "text_2": ["a", "b"]})[0] == 200
        status, answer, _ = client("/score", {"text_1": "a", "text_2": ["a", "b", "c"]})
        assert (status, "keeps 2 of 3" in answer["message"]) == (422, True)


def test_a_browser_may_ask_before_it_posts(words, serving):
    asked = {
        "Origin": "https://page.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,authorization",
    }
    with serving(Server(Service({"words": words}), origins=("https://page.example",))) as client:
        status, _, headers = client("/v2/rerank", method="OPTIONS", headers=asked)
        assert (status, headers["access-control-allow-origin"]) == (200, "https://page.example")
        assert client("/v2/rerank", method="OPTIONS", headers={**asked, "Origin": "https://other.example"})[0] == 400


def test_a_superscript_is_no_number(searching):
    assert searching("/search?query=wings&k=%C2%B2")[0] == 400


def test_a_note_with_control_characters_fits_in_a_header():
    outcome = Outcome("x", "m", (), Usage(), notes=("a\x00b\r\nX-Evil: 1\x7f\u2028é",))
    assert _headers(outcome)["X-Anyrank-Warnings"] == "a?b X-Evil: 1? ?"


def test_keys_that_cannot_be_read_open_nothing(words, serving, tmp_path):
    file = tmp_path / "keys.txt"
    key = new_key(file, "alice")
    good = file.read_text()
    with serving(Server(Service({"words": words}), Keyring(file))) as client:
        headers = {"X-API-Key": key}

        def statuses():
            return [client("/v2/rerank", BODY, headers=h)[0] for h in (headers, {})]

        assert statuses() == [200, 401]
        file.unlink()
        assert statuses() == [503, 503]
        file.write_text("broken\n")
        assert statuses() == [503, 503]
        assert str(file) not in json.dumps(client("/v2/rerank", BODY, headers=headers)[1])
        file.write_text("")  # the last key was revoked
        assert statuses() == [401, 401]
        file.write_text(good)
        assert statuses() == [200, 401]


def test_errors_do_not_tell_where_the_index_lies(words, serving, tmp_path):
    folder = tmp_path / "secret.index"
    build([Candidate("a", "wings lift", meta={"year": 1990})], folder)
    with serving(Server(Service({"words": words}, "bm25", Collection.open(folder)))) as client:
        status, answer, _ = client("/search", {"query": "wings", "filter": {"nowhere": 1}})
        assert (status, "secret" in answer["message"]) == (422, False)
        assert "nowhere" in answer["message"]


SEARCHES = (
    ("/search", {"query": "wings"}),
    ("/search", {"query": "wings", "filter": {"year": 1990}}),
    ("/search?query=wings", None),
    ("/fetch?url=a", None),
    ("/info", None),
)


@pytest.mark.parametrize("pipeline", ["bm25", "minilm % 5"])
def test_an_index_that_is_gone_is_unavailable_and_one_built_anew_is_opened(pipeline, words, serving, tmp_path):
    folder = tmp_path / "secret.index"

    def make(text):
        build([Candidate("a", text, meta={"year": 1990})], folder)
        if "minilm" in pipeline:
            Collection.open(folder).encode(open_model("minilm"))

    make("wings lift")
    with serving(Server(Service({"words": words}, pipeline, Collection.open(folder)))) as client:
        assert [client(*s)[0] for s in SEARCHES] == [200] * 5
        shutil.rmtree(folder)
        for search in SEARCHES:
            status, answer, headers = client(*search)
            assert (status, "secret" in answer["message"], headers["retry-after"]) == (503, False, "10")
        assert client("/v2/rerank", BODY)[0] == 200
        make("wings of another index")
        assert [client(*s)[0] for s in SEARCHES] == [200] * 5
        assert client("/search", {"query": "wings"})[1]["ranking"][0]["text"] == "wings of another index"


@pytest.mark.parametrize("path", ["/v2/rerank/", "//v2/rerank", "//v2//rerank//"])
def test_further_slashes_are_no_redirect(client, path):
    assert client(path, BODY)[0] == 200


def test_another_method_is_told_which_are_taken(client):
    status, _, headers = client("/search", method="PUT")
    assert (status, headers["allow"]) == (405, "GET, POST")


def test_without_keys_a_strange_page_is_refused(words, serving, tmp_path):
    port = 8000
    own = ("127.0.0.1:1", f"localhost:{port}", "[::1]:1", "anyrank:80", "10.0.0.1", "rank.example")
    with serving(Server(Service({"words": words}), hosts=("rank.example",))) as client:
        for host in own:
            assert client("/v2/rerank", BODY, headers={"Host": host})[0] == 200, host
        for host in ("evil.example", "127.0.0.1.evil.example", "evil.example:8000"):  # DNS rebinding
            status, answer, _ = client("/search?query=a", headers={"Host": host})
            assert (status, "--host-name" in answer["message"]) == (403, True)
        for origin in ("http://evil.example", "null", "http://localhost:3000"):  # a page posts to this machine
            headers = {"Origin": origin, "Content-Type": "text/plain"}
            status, answer, _ = client("/v2/rerank", BODY, headers=headers)
            assert (status, f"--origin {origin}" in answer["message"]) == (403, True)
        same = {"Host": "localhost:8000", "Origin": "http://localhost:8000"}
        assert client("/v2/rerank", BODY, headers=same)[0] == 200
        assert client("/health", headers={"Host": "pod.example"})[0] == 200
    key = new_key(tmp_path / "keys.txt", "alice")
    with serving(Server(Service({"words": words}), Keyring(tmp_path / "keys.txt"))) as client:
        headers = {"Host": "rank.example", "Origin": "http://page.example", "X-API-Key": key}
        assert client("/v2/rerank", BODY, headers=headers)[0] == 200
