"""A collection written anew holds what it held, in less space; a copy is one state of it."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.index.check import check
from anyrank.index.collection import Collection
from anyrank.index.rewrite import rewrite
from anyrank.index.snapshot import snapshot
from anyrank.index.swap import finish_swap
from anyrank.store.engine import Writing
from anyrank.store.manifest import Manifest
from anyrank.vectors import Encoded, Sparse, Tokens

WORDS = ["wing", "lift", "heat", "flow", "jet", "noise", "layer", "drag"]


class Dense:
    name = "dense"

    def encode(self, contents, *, query=False):
        return Encoded(np.array([[float(str(c).count(w)) + 0.1 for w in WORDS] for c in contents], dtype=np.float32))


class Terms:
    name = "terms"

    def encode(self, contents, *, query=False):
        rows = [{n: float(str(c).count(w)) for n, w in enumerate(WORDS) if w in str(c)} for c in contents]
        return Encoded(Sparse.of(rows, len(WORDS)))


class States:
    name = "states"

    def encode(self, contents, *, query=False):
        rows = [np.eye(8, dtype=np.float32)[[WORDS.index(w) for w in str(c).split() if w in WORDS]] for c in contents]
        rows = [r if len(r) else np.zeros((1, 8), np.float32) for r in rows]
        return Encoded(Tokens(np.cumsum([0, *map(len, rows)]), np.concatenate(rows)))


ENCODERS = (Dense(), Terms(), States())


def documents(n=60):
    return [Candidate(f"d{i}", " ".join(WORDS[(i * k) % 8] for k in range(1, 6)), meta={"n": i}) for i in range(n)]


def size(folder):
    return sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file())


def results(collection):
    out = [collection.lexical.search(["wing lift", "jet noise heat"], 20)]
    for encoder in ENCODERS:
        query = encoder.encode(["wing jet"], query=True).vectors
        out.append(collection.vectors(encoder.name).search(query, 100))
    rounded = [[[(i, round(s, 4)) for i, s in m] for m in matches] for matches in out]
    return [[sorted(m, key=lambda p: (-p[1], p[0])) for m in matches] for matches in rounded]


@pytest.fixture
def collection(tmp_path):
    made = build(documents(), tmp_path / "x", batch=20)
    for encoder in ENCODERS:
        made.encode(encoder, shard=8)
    made.update([Candidate("d7", "wing wing lift", meta={"n": -1}), Candidate("blank", "")])
    made.delete([f"d{i}" for i in range(20, 50)])
    for encoder in ENCODERS:
        made.encode(encoder)
    return made


def test_what_stays_is_the_same_and_the_space_is_free(collection, tmp_path):
    before, held, ids = size(tmp_path / "x"), list(collection.documents()), sorted(collection.ids())
    plain = [results(collection)[n] for n in (1, 2, 3)]
    new = rewrite(tmp_path / "x")
    assert list(new.documents()) == held
    assert sorted(new.ids()) == ids
    assert results(new)[1:] == plain
    fresh = build(held, tmp_path / "fresh")
    for encoder in ENCODERS:
        fresh.encode(encoder)
    assert results(new) == results(fresh)
    assert size(tmp_path / "x") < 0.8 * before
    assert len(new.store.rows) == len(new) == 31
    assert new.store.deleted == 0
    assert not any(new.vectors(e.name).missing() for e in ENCODERS)
    assert new.vectors("dense").blank == 1
    assert not check(tmp_path / "x").problems
    with pytest.raises(InputError, match="open it again"):
        collection.reload()


def test_many_small_shards_become_few(collection, tmp_path):
    assert len(collection.vectors("dense").vector_store.shards()) > 8
    assert len(rewrite(tmp_path / "x").vectors("dense").vector_store.shards()) == 1


def test_an_index_of_format_1_becomes_one_of_format_2(tmp_path):
    shutil.copytree(Path(__file__).parent / "format1", tmp_path / "x")
    old = Collection.open(tmp_path / "x")
    held = list(old.documents())
    kept = rewrite(tmp_path / "x")
    assert kept.store.manifest.analysis == 1
    new = rewrite(tmp_path / "x", migrate=True)
    assert new.store.manifest.analysis == 2
    assert Manifest.read(tmp_path / "x").analysis == 2
    assert '"format": 2' in (tmp_path / "x" / "manifest.json").read_text()
    assert list(new.documents()) == held
    assert new.encoded == ["length", "letters"]
    expected = build(held, tmp_path / "fresh").lexical.search(["wing text", "the"], 9)
    assert new.lexical.search(["wing text", "the"], 9) == expected
    assert not check(tmp_path / "x").problems


@pytest.mark.parametrize("stop", ["before", "vectors", "manifest"])
def test_a_kill_leaves_the_old_or_the_new(collection, tmp_path, monkeypatch, stop):
    held = list(collection.documents())
    rename = Path.rename

    class Killed(BaseException):
        pass

    def renamed(self, target):
        name = {"before": "manifest.json", "vectors": "lexical", "manifest": "manifest.json"}[stop]
        inside = self.parent.name == ".new"
        if self.name == name and inside == (stop == "manifest") and self.parent.name in ("x", ".new"):
            raise Killed
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", renamed)
    with pytest.raises(Killed):
        rewrite(tmp_path / "x")
    monkeypatch.undo()
    finish_swap(tmp_path / "x")
    after = Collection.open(tmp_path / "x")
    assert list(after.documents()) == held
    assert after.encoded == ["dense", "states", "terms"]
    assert after.vectors("dense").search(Dense().encode(["wing"]).vectors, 3)[0]


def test_nobody_writes_meanwhile(collection, tmp_path):
    writing = Writing.begin(collection.store.engine, tmp_path / "x")
    try:
        for work in (lambda: rewrite(tmp_path / "x"), lambda: snapshot(tmp_path / "x", tmp_path / "copy")):
            with pytest.raises(InputError, match="another process is writing"):
                work()
    finally:
        writing.end()
    assert not (tmp_path / "copy").exists()


def test_a_copy_is_one_state(collection, tmp_path):
    before = results(collection)
    copy = snapshot(tmp_path / "x", tmp_path / "copy")
    collection.update([Candidate("new", "wing lift jet")])
    collection.delete(["d1", "d2"])
    assert results(copy) == before
    assert not check(tmp_path / "copy").problems
    copy.update([Candidate("other", "wing")])  # a collection of its own
    assert "other" not in Collection.open(tmp_path / "x")


def test_a_copy_refuses_what_is_there_and_half_a_copy_is_no_collection(collection, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="is there already"):
        snapshot(tmp_path / "x", tmp_path)
    with pytest.raises(InputError, match="folder of its own"):
        snapshot(tmp_path / "x", tmp_path / "x" / "copy")
    monkeypatch.setattr(shutil, "copy2", lambda *_: 1 / 0)
    with pytest.raises(Exception):  # noqa: B017 - whatever ends it
        snapshot(tmp_path / "x", tmp_path / "copy")
    with pytest.raises(InputError):
        Collection.open(tmp_path / "copy")
