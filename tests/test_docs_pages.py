"""The guides and how-to pages run from their first line to the last, each in an empty folder.

A block after a line of nothing but a file's name (**`notes.jsonl`**) is that file. A block of commands prints what the
block of text after it shows; ``...`` there stands for anything. Python is run with all the page's Python before it: as
a doctest where it has prompts. Files of the package (**`src/anyrank/models/x.py`**) are added to it for the page.
"""

import contextlib
import doctest
import importlib
import io
import os
import re
import runpy
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from anyrank.cli import cli

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
PAGES = sorted([*DOCS.glob("guides/*.md"), *DOCS.glob("howto/*.md"), DOCS / "index.md", DOCS / "statistics.md"])
NEEDS = {
    "guides/search.md": ("ir_measures",),
    "guides/research.md": ("ir_measures",),
    "guides/proteomics.md": ("pyteomics", "lxml", "ir_measures"),
    "guides/operations.md": ("starlette", "uvicorn", "httpx2"),
    "howto/model.md": ("torch", "transformers", "yaml", "onnx"),
    "howto/paper.md": (),
    "statistics.md": ("ir_measures",),
}
"""The packages of a page's extras: without one of them its test is left out."""


@dataclass
class Block:
    """A block of a page: its language, its text, and the file that it is, if it is one."""

    kind: str
    text: str
    file: str


def blocks(path):
    pattern = r"(?:^\*\*`(?P<file>[^`\n]+)`\*\*\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$"
    return [
        Block(m["kind"], m["text"], m["file"] or "") for m in re.finditer(pattern, path.read_text("utf-8"), re.M | re.S)
    ]


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(DOCS)))
def test_page(path, tmp_path, monkeypatch):
    for package in NEEDS.get(str(path.relative_to(DOCS)), ()):
        if not find_spec(package):
            pytest.skip(f"needs {package}")
    monkeypatch.chdir(tmp_path)
    with Page(path, monkeypatch) as page:
        for block in blocks(path):
            page.run(block)
    assert not page.printed, f"{path.name}: nothing shows what the last commands print"


class Page:
    """Runs the blocks of a page in the current folder."""

    def __init__(self, path, monkeypatch):
        self.path, self.monkeypatch = path, monkeypatch
        self.names = {"__name__": path.stem}
        self.printed = ""
        self.servers = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for server in self.servers:
            server.terminate()
            server.wait(20)
        for package in [n for n in sys.modules if n.startswith("anyrank.") and _from(sys.modules[n], Path.cwd())]:
            del sys.modules[package]
        _forget()

    def run(self, block):
        text = block.text.replace("8000", self.port)
        if block.file:
            self.write(block.file, text)
        elif block.kind == "sh":
            self.printed = "".join(self.command(line) for line in text.splitlines() if line.strip())
        elif block.kind == "text":
            assert doctest.OutputChecker().check_output(text, self.printed, FLAGS), f"{self.path.name}: {self.printed}"
            self.printed = ""
        elif block.kind == "python":
            self.python(text)
        else:
            assert block.kind in ("json", "yaml"), f"{self.path.name}: a block of {block.kind}"

    def write(self, name, text):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if path.parts[:2] == ("src", "anyrank"):  # a part of the package: its folder is one more of that room's
            room = importlib.import_module(".".join(path.parts[1:-1]))
            self.monkeypatch.setattr(room, "__path__", [*room.__path__, str(path.parent.resolve())])
            _forget()

    def command(self, line):
        if line.startswith("pip install"):
            return ""
        if line.endswith(" &"):
            words = shlex.split(line[:-2])
            assert words[:2] == ["anyrank", "serve"], line
            server = subprocess.Popen([sys.executable, "-m", *words, "--port", self.port], stderr=subprocess.DEVNULL)
            self.servers.append(server)
            _wait(f"http://127.0.0.1:{self.port}/ready")
            return ""
        words = shlex.split(line)
        if words[0] == "anyrank":
            words, file = (words[:-2], words[-1]) if words[-2:-1] == [">"] else (words, "")
            done = CliRunner().invoke(cli, words[1:], prog_name="anyrank")
            assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"
            if file:
                Path(file).write_text(done.stdout, encoding="utf-8")
            # on a slow machine long jobs say how far they are
            return re.sub(r"^\w+ing\b.*(?: left| in .*)\n", "", done.stderr if file else done.output, flags=re.M)
        if words[:2] == ["python", "-c"]:
            exec(words[2], {})
            return ""
        if words[0] == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                self.monkeypatch.setattr(sys, "path", [os.getcwd(), *sys.path])
                runpy.run_path(words[1], run_name="__main__")
            return out.getvalue()
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        return done.stdout

    def python(self, text):
        if ">>>" not in text:
            exec(compile(text, self.path.name, "exec"), self.names)
            return
        test = doctest.DocTestParser().get_doctest(text, self.names, self.path.name, str(self.path), 0)
        output = []
        failed = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=output.append, clear_globs=False).failed
        assert not failed, "".join(output)
        self.names = test.globs


def _from(module, folder):
    return str(getattr(module, "__file__", None) or "").startswith(str(folder))


def _forget():
    """Let the registries read their folders anew."""
    from anyrank import papers
    from anyrank.models import kinds

    for known in (papers._sources, papers.defining, papers.card, kinds):
        known.cache_clear()


def _wait(url):
    for _ in range(200):
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")
