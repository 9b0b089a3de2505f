"""Shared fixtures: small encoders that need no model, a small corpus, and optional test data (set ANYRANK_DATA,
or keep it in ../shared/data beside the project)."""

import os
import random
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

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
