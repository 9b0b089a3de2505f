"""The commands and the clients of docs/serve.md run as they stand, against the servers that the page starts."""

import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from anyrank.cli import cli

PAGE = (Path(__file__).parents[1] / "docs" / "serve.md").read_text(encoding="utf-8")


def lines(having):
    """The commands of the one block that begins with some text."""
    (block,) = re.findall(rf"^```sh\n({having}.*?)^```", PAGE, re.M | re.S)
    return block.splitlines()


def python(having):
    """The one block of Python that holds some text."""
    (block,) = [code for code in re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S) if having in code]
    return block


def run(code):
    """Run Python in a process of its own, which closes what its clients leave open."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def fetched(url, **headers):
    """The status and the body of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=9) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@contextmanager
def started(line, *more):
    """The port of the server that a command of the page starts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = shlex.split(line, comments=True)
    server = subprocess.Popen([sys.executable, "-m", *words, "--port", port, *more], stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            assert server.poll() is None, line
            with suppress(OSError):
                if fetched(f"http://127.0.0.1:{port}/ready")[0] == 200:
                    break
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("corpus.jsonl").write_text('{"_id": "a", "text": "wings lift", "year": 1990}\n{"_id": "b", "text": "soup"}\n')
    assert CliRunner().invoke(cli, ["index", "corpus.jsonl", "-o", "my.index"]).exit_code == 0
    return tmp_path


def test_the_servers_and_the_clients(folder):
    for package in ("cohere", "openai", "httpx2"):
        pytest.importorskip(package)
    pip, alone, searching, two = lines("pip install 'anyrank.serve.'")
    assert pip == "pip install 'anyrank[serve]'"
    clients, ours = python("cohere.ClientV2"), python("ar.Client")
    with started(alone) as port:
        run(clients.replace("8000", port))
    ours = f"{next(line for line in clients.splitlines() if line.startswith('query, texts'))}\n{ours}"
    ours += 'assert client.search("wings", 10, {"year": 1990}).ids == ["a"]\n'
    ours += 'assert client.embed(["wings"], "minilm").vectors.array.shape == (1, 384)\n'
    with started(searching) as port:
        run(ours.replace("8000", port))
    with started(two) as port:
        _, models = fetched(f"http://127.0.0.1:{port}/v1/models")
        assert '"fast"' in models
        assert '"best"' in models


def test_keys(folder):
    new, serve = lines("anyrank serve --keys")
    done = CliRunner().invoke(cli, shlex.split(new, comments=True)[1:])
    assert done.exit_code == 0
    key = done.stdout.strip()
    with started(serve) as port:
        url = f"http://127.0.0.1:{port}/v1/models"
        assert fetched(url)[0] == 401
        assert fetched(url, Authorization=f"Bearer {key}")[0] == 200


def test_agents(folder):
    pytest.importorskip("mcp")
    _, over_pipes, over_http = lines("pip install 'anyrank.mcp.'")
    words = shlex.split(over_pipes, comments=True)
    done = subprocess.run([sys.executable, "-m", *words], input=b"", capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = shlex.split(over_http.replace("8100", str(port)), comments=True)
    server = subprocess.Popen([sys.executable, "-m", *words], stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            assert server.poll() is None
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        else:
            raise AssertionError(f"{over_http} does not listen")
    finally:
        server.terminate()
        server.wait(20)
