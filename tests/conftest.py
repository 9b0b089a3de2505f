"""Shared fixtures: small encoders that need no model, a small corpus, and optional test data (set ANYRANK_DATA,
or keep it in ../shared/data beside the project)."""

import base64
import hashlib
import os
import random
import re
import zlib
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from anyrank.core.trace import Usage
from anyrank.core.types import Candidate
from anyrank.vectors import Encoded, Sparse


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of optional test data; tests that need it skip where it is absent."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("ANYRANK_DATA", beside))
    if not (folder / "MANIFEST.tsv").is_file():
        pytest.skip("optional test data is absent (set ANYRANK_DATA)")
    return folder


@dataclass
class Bag:
    """Words hashed into ``dim`` places; counts the texts it has seen."""

    name: str = "bag"
    dim: int = 1009
    sparse: bool = False
    seen: int = 0

    def encode(self, contents, *, query=False):
        self.seen += len(contents)
        rows = []
        for text in contents:
            row = {}
            for word in re.findall(r"\w+", text.lower()):
                place = zlib.crc32(word.encode()) % self.dim
                row[place] = row.get(place, 0.0) + 1.0
            rows.append(row)
        vectors = Sparse.of(rows, self.dim)
        if not self.sparse:
            dense = np.zeros((len(rows), self.dim), np.float32)
            for i, row in enumerate(rows):
                dense[i, list(row)] = list(row.values())
            vectors = dense
        return Encoded(vectors, Usage(calls=len(contents), prompt_tokens=sum(len(t.split()) for t in contents)))


@pytest.fixture(params=[False, True], ids=["dense", "sparse"])
def bag(request):
    return Bag(sparse=request.param)


WORDS = "wing lift drag flow heat shock boundary layer plate jet nozzle speed mach cone body wake".split()  # noqa: SIM905


def corpus(n, seed=0):
    rng = random.Random(seed)
    return [
        Candidate(f"d{i}", " ".join(rng.choices(WORDS, k=rng.randint(3, 12))), meta={"year": 1950 + i % 50, "n": i})
        for i in range(n)
    ]


@pytest.fixture
def make():
    return corpus


class _Reader(HTMLParser):
    """The tags of a page, those closed out of order, and attributes that load or run something."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.tags, self.loads = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [(k, v) for k, v in attrs if k in ("src", "href", "action", "srcset") or k.startswith("on")]
        if tag not in ("meta", "br", "wbr"):
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
