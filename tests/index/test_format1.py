"""Indexes of format 1 open. ``format1`` was built by the code of July 2026 (commit 3d66751): five documents, of which
``d1`` was deleted and ``d3`` replaced, dense vectors "length" (characters, letters e) and sparse ones "letters"."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from anyrank.core.types import Candidate
from anyrank.index.collection import Collection
from anyrank.retrieve.stages import BM25, VectorSearch
from anyrank.vectors import Encoded, Sparse

FIRST = [
    Candidate("d0", "Wings lift of a wing", meta={"title": "Wings", "year": 1950}),
    Candidate("d2", "heat in a boundary layer", meta={"tags": ["x", "y"]}),
    Candidate("d4", "jet noise é", meta={"by": {"name": "Zoë"}}),
    Candidate("d3", "new wing text", meta={"year": 1980}),
]


class Length:
    name = "length"

    def encode(self, contents, *, query=False):
        return Encoded(np.array([[len(c), c.count("e")] for c in contents], dtype=np.float32))


class Letters:
    name = "letters"

    def encode(self, contents, *, query=False):
        rows = [{ord(x) - 97: float(c.count(x)) for x in set(c) if "a" <= x <= "z"} for c in contents]
        return Encoded(Sparse.of(rows, 26))


@pytest.fixture
def collection(tmp_path):
    shutil.copytree(Path(__file__).parent / "format1", tmp_path / "x")
    return Collection.open(tmp_path / "x")


def test_it_is_read_and_searched_as_it_was(collection):
    assert list(collection.documents()) == FIRST
    assert collection.encoded == ["length", "letters"]
    assert collection.lexical.search(["wing text"], 9) == [[("d3", 2.059238910675049), ("d0", 1.6603288650512695)]]
    assert collection.lexical.search(["wing"], 9, {"year": (1975, None)}) == [[("d3", 1.0296194553375244)]]
    dense, sparse = (VectorSearch(collection.vectors(e.name), e, collection)("a wing") for e in (Length(), Letters()))
    assert list(zip(dense.ids, dense.scores)) == [("d2", 144.0), ("d0", 120.0), ("d3", 78.0), ("d4", 66.0)]
    assert list(zip(sparse.ids, sparse.scores)) == [("d0", 9.0), ("d2", 7.0), ("d3", 6.0), ("d4", 2.0)]
    assert sorted(dense, key=lambda c: c.id) == sorted(
        (c.rescored(s) for c, s in zip(FIRST, (120.0, 144.0, 66.0, 78.0))), key=lambda c: c.id
    )
    assert collection.vectors("letters").postings.end == 6


def test_it_is_changed(collection):
    encoders = {"length": Length(), "letters": Letters()}
    assert collection.update([Candidate("d2", "a wing again"), Candidate("d9", "wing")], encoders) == 2
    assert collection.delete(["d0"]) == 1
    again = Collection.open(collection.path)
    assert [d.id for d in again.documents()] == ["d4", "d3", "d2", "d9"]
    assert set(BM25(again)("wing").ids) == {"d3", "d2", "d9"}
    assert again.vectors("length").missing() == again.vectors("letters").missing() == []
