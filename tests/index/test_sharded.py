"""A sharded collection is searched as one index: BM25 with the statistics of all documents, vectors by score."""

import random
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.index.sharded import ShardedCollection, open_collection
from anyrank.pipeline.context import Settings
from anyrank.pipeline.parser import parse
from anyrank.retrieve.stages import VectorSearch
from anyrank.scale.indexes import link
from anyrank.scale.manifest import Manifest, content_hash
from anyrank.scale.shards import BLOCK, every

WORDS = "the wing lift drag flow heat shock boundary layer plate jet nozzle speed mach cone body wake".split()  # noqa: SIM905
QUERIES = ["wing lift drag", "shock", "the", "the the", "heat heat flow", "zebra", "mach nozzle zebra"]


def documents(n):
    draw = random.Random(3)
    for i in range(n):
        # shards differ in lengths and words, so that their own statistics would give other scores
        words = WORDS[: 4 + i * len(WORDS) // n]
        text = " ".join(draw.choices(words, k=draw.randint(1, 3 + i // 8)))
        yield Candidate(f"dö{i}", text if i % 41 else "", meta={"year": 1950 + i} if i > 100 else {})


@pytest.fixture
def both(tmp_path, bag):
    """One index of all documents, and the same in three shards; the first 100 documents, so one shard, have no year."""
    docs = list(documents(160))
    one = build(docs, tmp_path / "one")
    one.encode(bag)
    parts = []
    for n, span in enumerate([docs[:70], docs[70:100], docs[100:]], 1):
        part = build(span, tmp_path / f"part.{n}", language="english")
        part.encode(bag)
        parts.append(part)
    return one, ShardedCollection.of([Collection.open(p.path) for p in parts], tmp_path / "all")


def same(one, other):
    """The same scores at each rank up to the rounding of a sum of floats, and the same ids, but for equal scores."""
    assert len(one) == len(other)
    scores = dict(one)
    assert [s for _, s in other] == pytest.approx([s for _, s in one], abs=1e-6)
    for id, score in other:
        assert id not in scores or scores[id] == pytest.approx(score, abs=1e-6)
    if one:  # only at the last score may other documents stand
        last = one[-1][1]
        assert {i for i, s in one if s > last + 1e-6} == {i for i, s in other if s > last + 1e-6}


def test_bm25_has_the_statistics_of_all_documents(both):
    one, sharded = both
    for k, among in product((1, 7, 1000), (None, ["year=2055..2080"], ["year!=2060"])):
        for a, b in zip(one.lexical.search(QUERIES, k, among), sharded.lexical.search(QUERIES, k, among)):
            same(a, b)
    alone = sharded.collections[0].lexical.search(["wing lift drag"], 1)[0]
    assert abs(alone[0][1] - dict(one.lexical.search(["wing lift drag"], 1000)[0])[alone[0][0]]) > 0.01


def test_bm25_of_other_settings_and_feedback_run_on_shards(both):
    one, sharded = both
    for text in ("bm25(k1=0.9, b=0.4)", "bm25 % 5 >> rm3 >> bm25"):
        a, b = (parse(text, Settings(c)).run(QUERIES[:3]) for c in (one, sharded))
        for x, y in zip(a, b):
            same(list(zip(x.ids, x.scores)), list(zip(y.ids, y.scores)))
            assert {c.id: c.content for c in x}.items() >= {c.id: c.content for c in y if c.id in x.ids}.items()


def test_vectors_are_merged_by_score(both, bag):
    one, sharded = both
    for k, among in product((1, 9, 1000), (None, ["year=2055..2080"])):
        a, b = (
            VectorSearch(c.vectors("bag"), bag, c, k, among).batch([Ranking(Query("q", q)) for q in QUERIES])
            for c in (one, sharded)
        )
        for x, y in zip(a, b):
            same(list(zip(x.ids, x.scores)), list(zip(y.ids, y.scores)))
    with pytest.raises(InputError, match="no document has a field 'colour'"):
        sharded.vectors("bag").search(bag.encode(["wing"]).vectors, 3, ["colour=red"])


def test_documents_are_read_and_scored_by_id(both, bag):
    one, sharded = both
    ids = ["dö150", "dö3", "dö99", "dö0"]
    assert sharded.get(ids) == one.get(ids)
    assert list(sharded.documents()) == list(one.documents())
    assert (len(sharded), "dö7" in sharded, "x" in sharded) == (160, True, False)
    query = bag.encode(["wing lift"]).vectors
    (a, x), (b, y) = (c.vectors("bag").near(ids, query) for c in (one, sharded))
    assert (a, x.tolist()) == (b, y.tolist())
    positions, vectors = sharded.vectors("bag").vectors(ids)
    expected, stored = one.vectors("bag").vectors(ids)
    assert positions == expected
    assert np.allclose(vectors.products(query), stored.products(query))
    assert sharded.vectors("bag").blank == one.vectors("bag").blank == 4
    assert not sharded.vectors("bag").missing()
    with pytest.raises(InputError, match="no vectors 'other'"):
        sharded.vectors("other")
    with pytest.raises(InputError, match="can only be searched"):
        sharded.delete(["dö3"])


def test_deleted_documents_of_a_shard_are_no_results(both):
    one, sharded = both
    paths = [c.path for c in sharded.collections]
    for c in (one, Collection.open(paths[1])):
        c.delete(["dö80", "dö81"])
    again = ShardedCollection.of([Collection.open(p) for p in paths], Path("all"))
    for a, b in zip(one.lexical.search(QUERIES, 1000), again.lexical.search(QUERIES, 1000)):
        same(a, b)
    assert len(again) == 158


def test_shards_of_other_languages_are_refused(tmp_path):
    a, b = (build([Candidate("1", "wing")], tmp_path / n, language=n) for n in ("english", "german"))
    with pytest.raises(InputError, match="german: was built with language='german'"):
        ShardedCollection.of([a, b], tmp_path / "all")


def test_a_folder_names_its_shards(tmp_path):
    docs, parts = list(documents(40)), []
    for shard in every(2):
        path = shard.path(tmp_path / "ix")
        rows = shard.rows(docs)
        build(rows, path)
        Manifest(shard.number, 2, "index", ["index"], {}, BLOCK, len(rows), [1] * len(rows), content_hash(path)).write(
            path
        )
        parts.append(path)
    link(parts, tmp_path / "all")
    assert len(open_collection(tmp_path / "all")) == 40
    tmp_path.rename(moved := tmp_path.with_name("moved"))  # the names are relative
    assert len(open_collection(moved / "all")) == 40
    link([moved / p.name for p in parts], moved / "all", overwrite=True)
    with pytest.raises(InputError, match="is there already"):
        link([moved / p.name for p in parts], moved / "all")
    (moved / "all/shards.json").write_text("{}")
    with pytest.raises(InputError, match="can't be read"):
        open_collection(moved / "all")
    moved.rename(tmp_path)
