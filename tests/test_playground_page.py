"""The guide to the playground: its command lines have options that exist, and what it names is on the page."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from anyrank.cli import cli

PAGE = (Path(__file__).parents[1] / "docs" / "playground.md").read_text(encoding="utf-8")


def test_the_command_lines_serve_the_page(monkeypatch):
    run = pytest.importorskip("anyrank.serve.run")
    monkeypatch.setattr(run, "serve", lambda options, ready: served.append(options) or ready(1))
    monkeypatch.setattr("webbrowser.open", lambda url: served.append(url))
    served = []
    (block,) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S)
    for line in block.splitlines():
        done = CliRunner().invoke(cli, shlex.split(line)[1:], standalone_mode=False)
        assert done.exception is None, line
        assert "the playground is at http://127.0.0.1:1/" in done.stderr
    pasted, _, demo, _, own, _, spectra, _ = served
    assert (spectra.spectra, spectra.engines) == ("run.mgf", ("casanovo=run.mztab",))
    assert pasted.free
    assert pasted.host == "127.0.0.1"
    assert demo.queries == "demo"
    assert (own.index, own.queries, own.qrels) == ("my.index", "topics.tsv", "my.qrels")


def test_requests_that_it_names_are_answered():
    module = pytest.importorskip("anyrank.serve.playground.playground")
    service = pytest.importorskip("anyrank.serve.service").Service({})
    named = set(re.findall(r"/play/(\w+)", PAGE))
    assert named <= set(module.Playground(service).answers())
