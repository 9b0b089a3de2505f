"""Shared fixtures. Optional test data: set ANYRANK_DATA, or keep it in ../shared/data beside the project."""

import base64
import hashlib
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of optional test data; tests that need it skip where it is absent."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("ANYRANK_DATA", beside))
    if not (folder / "MANIFEST.tsv").is_file():
        pytest.skip("optional test data is absent (set ANYRANK_DATA)")
    return folder


class _Reader(HTMLParser):
    """The tags of a page, those closed out of order, and attributes that load or run something."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.tags, self.loads = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [(k, v) for k, v in attrs if k in ("src", "href", "action", "srcset") or k.startswith("on")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


@pytest.fixture(scope="session")
def check_page():
    """A check that a page is well-formed, runs no script but its own, loads nothing, holds no text that can't be
    printed, and that its drawings are sound and named."""

    def check(page: str) -> None:
        reader = _Reader()
        reader.feed(page)
        assert (reader.wrong, reader.open, reader.loads) == ([], [], [])
        assert page.startswith("<!doctype html>")
        assert reader.tags.count("script") == 1
        assert not set(reader.tags) & {"link", "iframe", "object", "embed", "base", "img", "form"}
        assert not re.search(r"https?:|@import|url\(|fetch\(", page)
        assert all(c.isprintable() or c == "\n" for c in page)
        script = re.search(r"<script>(.*?)</script>", page, re.S)[1]
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page
        assert "prefers-color-scheme: dark" in page
        assert "@media print" in page
        for drawing in re.findall(r"<svg.*?</svg>", page, re.S):
            root = ElementTree.fromstring(drawing)
            assert root.get("aria-label")
            names = ("x", "y", "cx", "cy", "x1", "y1", "x2", "y2", "width", "height", "d")
            numbers = " ".join(v for e in root.iter() for k, v in e.attrib.items() if k in names)
            assert not re.search("nan|inf", numbers)
            assert all(float(e.get("height")) >= 0 for e in root.iter("rect"))

    return check
