"""DeepResearchGym's search as a stage, against a server of ours and one that answers badly."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from anyrank.core.errors import InputError, ModelError
from anyrank.core.types import Ranking
from anyrank.pipeline.parser import parse
from anyrank.retrieve.gym import GymSearch

pytest.importorskip("httpx2")


def packed(**record):
    return base64.b64encode(json.dumps(record).encode()).decode()


@pytest.fixture
def server():
    """A server whose answer and status a test sets, and that remembers paths, queries and keys."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            seen.append((parts.path, parse_qs(parts.query), self.headers.get("x-api-key")))
            body = json.dumps(httpd.answer).encode()
            self.send_response(httpd.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.answer, httpd.status, httpd.seen = {"results": []}, 200, seen
    httpd.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def test_both_spellings_of_documents(server, monkeypatch):
    monkeypatch.setenv("GYM_KEY", "secret")
    rows = [
        packed(**{"ClueWeb22-ID": "c1", "Clean-Text": "one", "URL": "http://a", "Language": "en"}),
        packed(id="f1", text="two", url="http://b", dump="x"),
        packed(url="http://c", text="three"),
    ]
    server.answer = {"results": rows}
    result = GymSearch(f"{server.url}/fineweb/search", 5, key_env="GYM_KEY")(Ranking.of("a question?", ["old"]))
    assert result.ids == ["c1", "f1", "http://c"]
    assert [c.score for c in result] == [3.0, 2.0, 1.0]
    assert result[0].meta == {"url": "http://a", "Language": "en"}
    assert server.seen == [("/fineweb/search", {"query": ["a question?"], "k": ["5"]}, "secret")]
    assert result.status == "ok"


def test_damaged_and_repeated_documents_are_counted(server):
    good = packed(id="a", text="one")
    server.answer = {"results": [good, good, "no base64!", 7, packed(id="b"), packed(id="c", text="two")]}
    result = parse(f'gym("{server.url}") % 10').run(["q"])[0]
    assert result.ids == ["a", "c"]
    assert result.status == "repaired"
    assert result.trace[-1].usage.repairs == {"unreadable or repeated document": 4}
    assert server.seen[0][0] == "/search"


def test_a_failing_server_keeps_the_candidates(server):
    server.answer = {"nothing": 1}
    before = Ranking.of("q", ["old"])
    after = GymSearch(server.url)(before)
    assert after.ids == before.ids
    assert after.status == "fallback"
    assert 'no list "results"' in after.trace[-1].notes[0]


def test_a_refusal_of_all_is_an_error(server):
    server.status, server.answer = 401, {"error": "no key"}
    with pytest.raises(ModelError, match="401"):
        GymSearch(server.url)("q")


def test_the_limit_is_asked_for(server):
    parse(f'gym("{server.url}", k=50) % 3').run(["q"])
    assert server.seen[0][1]["k"] == ["3"]


@pytest.mark.parametrize("url", ["ftp://x", "http://x/search?k=1", "nothing"])
def test_wrong_addresses(url):
    with pytest.raises(InputError):
        GymSearch(url)


def test_our_own_server_answers(tmp_path):
    pytest.importorskip("starlette")
    from anyrank.core.types import Candidate
    from anyrank.retrieve.gym import unpacked
    from anyrank.serve.gym import clueweb, fineweb, packed

    document = Candidate("d1", "a text", 0.5, {"url": "http://a"})
    assert unpacked(packed(clueweb(document))).id == "d1"
    assert unpacked(packed(fineweb(document))).content == "a text"
