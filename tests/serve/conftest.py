"""A server on loopback, in a thread of its own, over a judge that counts shared words."""

import contextlib
import http.client
import importlib.util
import json
import os
import shutil
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from anyrank.core.rerank import Rerank
from anyrank.core.trace import Usage
from anyrank.core.types import Judgement
from anyrank.serve.app import Server
from anyrank.serve.protocol import BoundedProtocol
from anyrank.serve.service import Service


@dataclass(frozen=True)
class SharedWords:
    """The number of words that query and document share; a document with the word "crash" raises."""

    def __call__(self, groups):
        out = []
        for query, candidates in groups:
            if any("crash" in c.content for c in candidates):
                raise ValueError("secret text of a document")
            words = set(query.content.lower().split())
            scores = [float(len(words & set(c.content.lower().split()))) for c in candidates]
            out.append(Judgement(scores, Usage(calls=len(scores), prompt_tokens=3 * len(scores))))
        return out


@dataclass
class Client:
    """Sends requests to a port and reads JSON."""

    port: int

    def __call__(self, path, body=None, method=None, headers=None, raw=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        with contextlib.closing(connection):
            connection.request(method or ("GET" if data is None else "POST"), path, data, headers or {})
            response = connection.getresponse()
            content = response.read()
        kind = response.headers["content-type"] or ""
        return response.status, json.loads(content) if "json" in kind else content, response.headers


@contextlib.contextmanager
def running(server, http=BoundedProtocol):
    """The client of a server while it runs."""
    import uvicorn

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        config = uvicorn.Config(server.app(), log_level="critical", access_log=False, lifespan="on", http=http)
        made = uvicorn.Server(config)
        thread = threading.Thread(target=made.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            client = Client(listener.getsockname()[1])
            while client("/ready")[0] != 200:
                pass
            yield client
        finally:
            made.should_exit = True
            thread.join(20)


@pytest.fixture(scope="module")
def serving():
    """Runs a server as long as a block, and gives its client."""
    return running


@pytest.fixture(scope="module")
def words():
    return Rerank(SharedWords())


@pytest.fixture(scope="module")
def client(words):
    server = Server(Service({"words": words}), body=200_000, documents=500, slow=2)
    with running(server) as made:
        yield made


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; tests of it skip where playwright or chromium is missing."""
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium: install it, or name its path in CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser):
    """Opens the playground's page at an address, and waits for its first ranking; an error of a script or of the policy
    fails the test."""
    contexts, faults = [], []

    def open_page(address, **options):
        context = browser.new_context(**{"viewport": {"width": 1300, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda e: faults.append(e.stack or str(e)))
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        page.set_default_timeout(20_000)
        page.goto(address)
        page.wait_for_selector(".lane .row")
        return page

    yield open_page
    assert not faults
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def axe_script():
    """The script of axe-core, which finds faults of accessibility: its path is in AXE, or it comes with the package
    axe-playwright-python."""
    path = os.environ.get("AXE")
    if path is None and (found := importlib.util.find_spec("axe_playwright_python")):
        path = Path(found.origin).with_name("axe.min.js")
    if path is None:
        pytest.skip("no axe-core: install axe-playwright-python, or name the path of axe.min.js in AXE")
    return Path(path).read_text(encoding="utf-8")


@pytest.fixture
def inaccessible(axe_script):
    """The serious and critical faults of accessibility in a page, each with the first element at fault."""

    def faults(page):
        page.evaluate(f"() => {{ if (!window.axe) {{ {axe_script} }} }}")
        found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")["violations"]
        return [(f["id"], f["nodes"][0]["html"]) for f in found if f["impact"] in ("serious", "critical")]

    return faults
