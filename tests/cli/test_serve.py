"""``anyrank serve`` from a shell: keys, errors of options, a server that ends once it has answered."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.core.errors import InputError
from anyrank.core.types import Candidate
from anyrank.hub.open import open_model
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.pipeline.text import text
from anyrank.serve.dialects import read_rerank
from anyrank.serve.run import Options, service


def run(*arguments):
    return CliRunner().invoke(cli, ["serve", *arguments])


def test_a_new_key_is_shown_once(tmp_path):
    file = tmp_path / "keys"
    result = run("--keys", str(file), "--new-key", "alice", "--per-minute", "5")
    assert result.exit_code == 0
    assert len(result.stdout.strip()) == 43
    assert file.read_text().startswith("alice ")
    assert file.read_text().endswith(" 5 0\n")
    assert result.stdout.strip() not in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--new-key", "a"), "needs --keys"),
        (("-p", "nonsense"), "no stage is called"),
        (("--search", "bm25"), "needs an index"),
        (("--index", "absent"), "absent"),
        (("--keys", "absent"), "absent"),
    ],
)
def test_errors_of_options_come_first(arguments, words, monkeypatch):
    monkeypatch.setenv("ANYRANK_SPIN", "0")  # else it stays set for other tests
    with pytest.raises(Exception, match=words):
        CliRunner().invoke(cli, ["serve", *arguments], catch_exceptions=False)


@pytest.fixture
def index(tmp_path):
    build([Candidate("a", "wings lift"), Candidate("b", "soup")], tmp_path / "i")
    return str(tmp_path / "i")


@pytest.mark.parametrize(
    ("pipelines", "search", "ranks"),
    [
        (("bm25 % 100 >> mini",), "bm25 % 100 >> mini", {"bm25 % 100 >> mini": "mini"}),
        (("mini",), "bm25 % 100 >> (mini)", {"mini": "mini"}),
        (("bm25",), "bm25", {"bm25": "mini"}),
        (("a=bm25 % 9 >> splade + mini", "b=tiny"), "bm25 % 9 >> splade + mini", {"a": "splade + mini", "b": "tiny"}),
    ],
)
def test_an_index_is_searched_and_what_follows_the_search_ranks(index, pipelines, search, ranks):
    made = service(Options(pipelines, index=index))
    assert made.search == search
    assert {name: text(stage) for name, stage in made.pipelines.items()} == ranks
    assert isinstance(made.collection, Collection)


def test_documents_that_are_given_are_not_those_of_the_index_with_the_same_ids(tmp_path):
    texts = ["Paris is the capital of France.", "Soup needs salt."]
    collection = build([Candidate(str(i), text) for i, text in enumerate(texts)], tmp_path / "i")
    collection.encode(open_model("tiny"), "anyrank-tiny")
    body = {"query": "capital of France", "documents": texts[::-1]}
    for pipeline in ("bm25 % 9 >> tiny", "tiny % 1", "tiny"):
        made = service(Options((pipeline,), index=str(tmp_path / "i")))
        outcome = asyncio.run(made.rerank(read_rerank(body)))
        assert [i for i, _ in outcome.rows] == [1, 0], pipeline
        assert {text(stage) for stage in made.pipelines.values()} == {"tiny"}


def ask(port, method, path, body=None):
    """Status and content of an answer; status 0 while nobody listens."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        except OSError:
            return 0, b""


def test_a_server_answers_what_it_accepted_and_ends(index):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "anyrank", "serve", "-p", "tiny", "--port", str(port), "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, "ANYRANK_THREADS": "1"})
    try:
        while ask(port, "GET", "/ready")[0] != 200:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.1)
        body = json.dumps({"query": "capital of France", "documents": ["Lyon", "Paris is the capital of France"]})
        assert json.loads(ask(port, "POST", "/v2/rerank", body)[1])["results"][0]["index"] == 1
        assert b'anyrank_requests_total{path="/v2/rerank",status="200"} 1.0' in ask(port, "GET", "/metrics")[1]
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGTERM)
    lines = [json.loads(line) for line in log.decode().splitlines() if line.startswith("{")]
    assert "/v2/rerank" in {line["path"] for line in lines}


def test_an_error_of_a_pipeline_over_an_index_shows_what_was_written(index):
    with pytest.raises(InputError, match="did you mean 'mini'") as error:
        service(Options(("bm25 % 9 >> mimi",), index=index))
    assert str(error.value).splitlines()[1] == "  bm25 % 9 >> mimi"
