"""Collections: vectors stored, searched, changed with their documents, and made again after a stop."""

import json
import logging

import numpy as np
import pytest

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.index.check import check
from anyrank.index.collection import Collection
from anyrank.index.nearest import Nearest
from anyrank.index.postings import PostingsIndex
from anyrank.index.vector_store import VectorStore
from anyrank.retrieve.stages import BM25
from anyrank.store.vector_names import META
from anyrank.testing import check_index
from anyrank.vectors import Dense, Encoded, Sparse, Tokens


@pytest.fixture
def collection(tmp_path, make):
    build(make(100), tmp_path / "x")
    return Collection.open(tmp_path / "x")


def by_hand(bag, docs, text, k):
    query = bag.encode([text], query=True).vectors
    scores = bag.encode([d.content for d in docs]).vectors.near(query)
    keep = [i for i in np.argsort(-scores, kind="stable") if scores[i] or not bag.sparse]
    return [(docs[i].id, float(scores[i])) for i in keep][:k]


def test_what_only_scores_candidates_makes_no_vectors(collection):
    with pytest.raises(InputError, match="m scores candidates and makes no vectors"):
        collection.encode(lambda groups: [], "m")
    assert collection.encoded == []


@pytest.mark.parametrize("shard", [7, 1000])
def test_search_finds_what_brute_force_finds(collection, bag, shard):
    done = []
    usage = collection.encode(bag, "v", shard=shard, on_progress=done.append)
    assert (usage.calls, done[-1]) == (100, 100)
    assert collection.encoded == ["v"]
    texts = ["wing", "lift drag drag heat", "cone of the body", "nothing here"]
    queries = bag.encode(texts, query=True).vectors
    docs = list(collection.documents())
    for one in (collection, Collection.open(collection.path)):
        for text, hits in zip(texts, one.vectors("v").search(queries, 10)):
            assert hits == by_hand(bag, docs, text, 10)
    check_index(collection.vectors("v"), queries, [d.id for d in docs])


def test_postings_and_a_scan_agree(collection, bag):
    bag.sparse = True
    collection.encode(bag, "v", shard=30)
    index, queries = collection.vectors("v"), bag.encode(["wing lift", "jet", ""], query=True).vectors
    by_postings = index.search(queries, 200)
    index.postings = None
    assert index.search(queries, 200) == by_postings


def test_vectors_that_another_process_added_are_found_before_postings_hold_them(collection, bag):
    bag.sparse = True
    collection.encode(bag, "v")
    index, query = collection.vectors("v"), bag.encode(["zebra"], query=True).vectors
    assert [len(matches) for matches in index.search(query, 5)] == [0]
    Collection.open(collection.path).add([Candidate("new", "zebra")], {"v": bag})
    assert [[i for i, _ in matches] for matches in index.search(query, 5)] == [["new"]]


def test_encoding_goes_on_where_it_stopped(collection, bag):
    class Stop(Exception):
        pass

    def stop(done):
        if done >= 60:
            raise Stop

    with pytest.raises(Stop):
        collection.encode(bag, "v", shard=20, on_progress=stop)
    (collection.path / "vectors" / "v" / ".shard-000004.tmp").mkdir()  # what a kill leaves
    again = Collection.open(collection.path)
    assert again.encode(bag, "v", shard=20).calls == 40
    assert bag.seen == 100
    assert again.encode(bag, "v").calls == 0
    assert again.vectors("v").missing() == []


class Clock:
    """Time that passes by the texts that are encoded: ``each`` seconds for one."""

    def __init__(self, bag, each):
        self.bag, self.each = bag, each

    def monotonic(self):
        return self.bag.seen * self.each


@pytest.mark.parametrize(("each", "shards"), [(3.0, 6), (0.001, 1)])
def test_what_a_slow_model_has_encoded_is_written_about_once_a_minute(collection, bag, monkeypatch, each, shards):
    monkeypatch.setattr("anyrank.index.collection.time", Clock(bag, each))
    done = [0]
    collection.encode(bag, "v", on_progress=done.append)
    assert done[-1] == bag.seen == 100
    assert (np.diff(done) * each).max() <= 60
    assert len(collection.vectors("v").vector_store.shards()) == shards


def test_a_failing_slow_model_keeps_all_but_a_minute_and_goes_on_there(collection, bag, monkeypatch):
    class Fails(type(bag)):
        def encode(self, contents, *, query=False):
            encoded = super().encode(contents, query=query)
            if self.seen > 77:
                raise MemoryError
            return encoded

    failing = Fails(sparse=bag.sparse)
    monkeypatch.setattr("anyrank.index.collection.time", Clock(failing, 2.0))
    with pytest.raises(MemoryError):
        collection.encode(failing, "v")
    again = Collection.open(collection.path)
    left = len(again.vectors("v").missing())
    assert 2.0 * (failing.seen - (100 - left)) <= 60
    assert again.encode(bag, "v").calls == left < 100
    assert again.vectors("v").missing() == []


def test_a_codec_is_learned_from_its_whole_sample_however_slow_the_model(collection, bag, monkeypatch):
    class States(type(bag)):
        def encode(self, contents, *, query=False):
            rows = super().encode(contents, query=query).vectors
            rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
            return Encoded(Tokens.of([row[None] for row in rows]))

    slow = States(dim=8)
    monkeypatch.setattr("anyrank.index.collection.time", Clock(slow, 100.0))
    collection.encode(slow, "v", index="plaid")
    assert [len(s) for s in collection.vectors("v").vector_store.shards()] == [100]  # all are the sample of so few


def test_changes_reach_every_part(collection, bag, caplog):
    collection.encode(bag, "v")
    index, ask = collection.vectors("v"), bag.encode(["zebra"], query=True).vectors

    def found():
        return [i for i, s in index.search(ask, 200)[0] if s > 0]

    before = found()
    assert collection.update([Candidate("d3", "zebra zebra zebra"), Candidate("new", "zebra")], {"v": bag}) == 2
    assert found()[:2] == ["d3", "new"]
    assert collection.lexical.search(["zebra"], 9)[0][0][0] == "d3"
    assert collection.delete(["d3"]) == 1
    assert found()[0] == "new"
    with caplog.at_level(logging.WARNING):
        assert collection.add([Candidate("late", "zebra")]) == 1
    assert "1 documents have no vectors 'v'" in caplog.text
    assert "late" not in found()
    collection.encode(bag, "v")
    assert {"new", "late"} <= set(found())
    assert len(collection) == 101
    assert set(before) - {"d3"} <= set(found())


@pytest.mark.parametrize("replaced", [False, True])
def test_compacted_documents_are_scored_as_those_of_an_index_built_anew(collection, bag, make, tmp_path, replaced):
    collection.encode(bag, "v")
    docs, texts = make(100), ["wing lift", "heat", "the"]
    gone = [d.id for d in docs if d.meta["n"] % 3]
    if replaced:
        collection.update([Candidate(i, "cone") for i in gone], {"v": bag})
        left = [d for d in docs if d.id not in gone] + [Candidate(i, "cone") for i in gone]
    else:
        collection.delete(gone)
        left = [d for d in docs if d.id not in gone]
    fresh = build(left, tmp_path / "fresh")
    query = bag.encode(["wing lift"], query=True).vectors
    expected, vectors = [list(m) for m in fresh.lexical.search(texts, 100)], collection.vectors("v").search(query, 100)
    assert [list(m) for m in collection.lexical.search(texts, 100)] != expected  # deleted documents count
    assert collection.store.deleted == len(gone)
    before = list(collection.documents())
    assert collection.compact() == len(gone)
    for opened in (collection, Collection.open(collection.path)):
        assert [list(m) for m in opened.lexical.search(texts, 100)] == expected
        assert list(opened.documents()) == before
        assert opened.vectors("v").search(query, 100) == vectors
        assert opened.store.deleted == 0
    assert collection.compact() == 0
    assert check(collection.path).problems == []


def test_a_compaction_that_fails_changes_nothing(collection, monkeypatch):
    collection.delete(["d1", "d2"])
    before = [list(m) for m in collection.lexical.search(["wing"], 100)]
    entered = []

    def fails(self, entry, doc):
        entered.append(doc.id)
        if len(entered) == 50:
            raise MemoryError

    monkeypatch.setattr(type(collection.lexical), "enter", fails)
    with pytest.raises(MemoryError):
        collection.compact()
    monkeypatch.undo()
    for opened in (collection, Collection.open(collection.path)):
        assert [list(m) for m in opened.lexical.search(["wing"], 100)] == before
    assert collection.compact() == 2


def test_stored_vectors_come_back_by_id(collection, bag):
    collection.encode(bag, "v", shard=9)
    ids = ["d50", "nobody", "d3", "d99"]
    places, vectors = collection.vectors("v").vectors(ids)
    assert places == [0, 2, 3]
    wanted = bag.encode([d.content for d in collection.get(["d50", "d3", "d99"])]).vectors
    for i in range(3):
        assert vectors.near(wanted.take([i])).tolist() == wanted.near(wanted.take([i])).tolist()
    assert collection.vectors("v").vectors(["nobody"]) == ([], None)


def test_wrong_names_kinds_and_sizes_are_named(collection, bag):
    with pytest.raises(InputError, match="no vectors 'v'"):
        collection.vectors("v")
    with pytest.raises(InputError, match=r"\.\./x"):
        collection.encode(bag, "../x")
    with pytest.raises(InputError, match="float8"):
        collection.encode(bag, "v", dtype="float8")
    collection.encode(bag, "v")
    index = collection.vectors("v")
    other = bag.encode(["x"]).vectors
    for wrong in (Dense(np.ones((1, 3), np.float32)), Sparse.of([{0: 1.0}], 3)):
        with pytest.raises(InputError, match="of 3 dimensions"):
            index.search(wrong, 5)
        with pytest.raises(InputError, match="3"):
            index.vector_store.append([1], wrong)
    with pytest.raises(InputError, match="k=0"):
        index.search(other, 0)
    with pytest.raises(InputError, match="2 documents"):
        index.vector_store.append([1, 2], other)


def test_the_last_vectors_of_a_row_win(tmp_path, bag):
    one = bag.encode(["wing", "lift", "drag"]).vectors
    store = VectorStore.create(tmp_path / "v", one, "float32")
    store.append([2, 0, 1], one)
    store.append([0], one.take([0]))
    got = VectorStore.open(tmp_path / "v").take([1, 0, 2])
    want = one.take([2, 0, 0])
    for i in range(3):
        assert got.near(want.take([i]))[i] == want.near(want.take([i]))[i]


def test_a_commit_killed_after_its_deletes_were_written_can_be_made_again(tmp_path, make):
    """The engine names a file of deletes by segment and operation, so the same commit again wants the same name."""
    build(make(50), tmp_path / "x")
    meta = tmp_path / "x" / "lexical" / "meta.json"
    before = meta.read_text()
    changed = [Candidate("d1", "another text")]
    Collection.open(tmp_path / "x").update(changed)
    (left,) = meta.parent.glob("*.del")
    meta.write_text(before)  # as if the kill had come before the commit was noted
    Collection.open(tmp_path / "x").update(changed)
    again = Collection.open(tmp_path / "x")
    assert [d.content for d in again.get(["d1"])] == ["another text"]
    assert len(again) == 50
    assert left.name in {p.name for p in meta.parent.glob("*.del")}


def test_two_encodings_at_once_do_not_meet(tmp_path):
    """The second is told so at once; both names may be encoded side by side; a killed one leaves no lock that binds."""
    collection = build_small(tmp_path)
    busy = []

    class Slow(Constant):
        def encode(self, contents, *, query=False):
            with pytest.raises(InputError, match="another process is encoding its documents with 'v'"):
                Collection.open(collection.path).encode(Constant(), "v")
            busy.append(Collection.open(collection.path).encode(Constant(), "w"))
            return super().encode(contents, query=query)

    (collection.path / "vectors").mkdir()
    (collection.path / "vectors" / ".v.lock").write_text("left by a killed process")
    collection.encode(Slow(), "v")
    assert len(busy) == 1
    assert collection.encoded == ["v", "w"]
    assert not list((collection.path / "vectors").glob(".*.lock"))
    assert len(collection.vectors("v").missing()) == 0


class Constant:
    name = "constant"

    def encode(self, contents, *, query=False):
        return Encoded(np.ones((len(contents), 2), dtype=np.float32))


def build_small(tmp_path):
    return build([Candidate(f"d{i}", f"text {i}") for i in range(3)], tmp_path / "c")


def test_a_query_of_signs_says_why_it_finds_nothing(tmp_path):
    stage = BM25(build_small(tmp_path))
    none, some, signs = stage.run(["to be or not to be", "text or not", "?!"])
    assert (none.ids, signs.ids, len(some)) == ([], [], 3)
    assert "only signs" in signs.trace[0].notes[0]
    assert none.trace[0].notes == some.trace[0].notes == ()
    kept = BM25(build([Candidate("d", "to be or not to be")], tmp_path / "k", stop_words=False))
    assert kept("to be").ids == ["d"]


def test_vectors_choose_their_index_and_go_back(collection, bag):
    """Postings are what sparse vectors have by default, so a scan is a choice there."""
    bag.sparse = True
    collection.encode(bag, "v", index="nearest")
    meta = json.loads((collection.path / "vectors" / "v" / META).read_text())
    assert (meta["index"], meta["options"]) == ("nearest", {})
    assert type(collection.vectors("v")) is type(Collection.open(collection.path).vectors("v")) is Nearest
    queries = bag.encode(["wing lift"], query=True).vectors
    scanned = collection.vectors("v").search(queries, 20)
    assert collection.encode(bag, "v").calls == 0  # the choice stays
    assert type(collection.vectors("v")) is Nearest
    assert type(collection.vectors("v", exact=True)) is PostingsIndex
    assert collection.encode(bag, "v", index="postings").calls == 0
    assert collection.vectors("v").search(queries, 20) == scanned
    folder = collection.path / "vectors" / "v"
    assert "index" not in json.loads((folder / META).read_text())
    assert (folder / "inverted").is_dir()
    collection.encode(bag, "v", index="nearest")
    assert VectorStore.open(folder).parts() == ["shard-000001"]  # nothing derived is left


def test_an_index_that_is_unknown_or_does_not_fit_is_refused_before_vectors_are_written(collection, bag):
    bag.sparse = False
    for name in ("no_such_index", "../x", "vector_store", ""):
        with pytest.raises(InputError, match=f"index {name!r} is unknown"):
            collection.encode(bag, "v", index=name)
    with pytest.raises(InputError, match="'postings' searches sparse vectors, not dense ones"):
        collection.encode(bag, "v", index="postings")
    with pytest.raises(InputError, match="'nearest' has no option 'm'"):
        collection.encode(bag, "v", index="nearest", options={"m": 1})
    with pytest.raises(InputError, match="name it"):
        collection.encode(bag, "v", options={"m": 1})
    assert collection.encoded == []
    assert collection.encode(bag, "v").calls == 100
    with pytest.raises(InputError, match="'postings' searches sparse vectors"):
        collection.encode(bag, "v", index="postings")


def test_a_changed_choice_of_index_is_damage(collection, bag):
    bag.sparse = True
    collection.encode(bag, "v", index="nearest")
    meta = collection.path / "vectors" / "v" / META
    whole = meta.read_text()
    for old, new in (('"nearest"', '"postings"'), ('"index"', '"indfx"'), ("index_checksum", "index_checksun")):
        meta.write_text(whole.replace(old, new))
        with pytest.raises(InputError, match="checksum"):
            Collection.open(collection.path).vectors("v")
