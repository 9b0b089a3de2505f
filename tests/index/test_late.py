"""Stored states of late interaction: the scores of the reading model, search, pooling, updates."""

import numpy as np
import pytest

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.hub.open import open_model
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.index.pooling import clusters, pooled
from anyrank.pipeline.parser import Settings, parse
from anyrank.vectors import Dense, Tokens

TEXTS = {
    "river": "The bank of the river is steep and sandy.",
    "rates": "Interest rates of banks rose in May.",
    "pay": "Banks pay interest on deposits.",
    "soup": "Soup needs salt, and " * 30 + "a bank of steam.",
    "wing": {"title": "Wings", "text": "The lift of a wing depends on its banking angle."},
    "blank": " ",
}
QUERY = "do banks pay interest on savings"


@pytest.fixture(scope="module", params=["tiny", "mini"])
def stored(request, tmp_path_factory):
    collection = build(
        [Candidate(i, t, meta={"letters": len(i)}) for i, t in TEXTS.items()], tmp_path_factory.mktemp("late") / "x"
    )
    collection.encode(open_model({"tiny": "anyrank-tiny"}.get(request.param, request.param)))
    return request.param, Collection.open(collection.path)


def test_stored_states_score_as_the_texts_read(stored):
    name, collection = stored
    found = parse("bm25 % 5", Settings(collection))(QUERY)
    reading = parse(name, starts=False)(found)
    by_states = parse(f"bm25 % 5 >> {name}", Settings(collection))(QUERY)
    assert by_states.ids == reading.ids
    assert np.abs(np.subtract(by_states.scores, reading.scores)).max() < 1e-3
    assert by_states.trace[-1].usage.prompt_tokens < 15  # the query alone is read
    (shard,) = collection.vectors(collection.encoded[0]).vector_store.shards()
    assert shard.vectors.arrays()["states"].dtype == np.float16


def test_a_search_ranks_all_documents_by_the_same_score(stored):
    name, collection = stored
    found = parse(f"{name} % 10", Settings(collection))(QUERY)
    texts = {i: t for i, t in TEXTS.items() if i != "blank"}
    reading = parse(name, starts=False)(Ranking(Query("q", QUERY), tuple(Candidate(i, t) for i, t in texts.items())))
    assert dict(zip(found.ids, found.scores)) == pytest.approx(dict(zip(reading.ids, reading.scores)), abs=1e-3)
    assert found.ids[0] == "pay"
    filtered = parse(f"{name} % 2", Settings(collection, {"letters": 4}))
    assert sorted(filtered(QUERY).ids) == ["soup", "wing"]


def test_candidates_without_stored_states_are_read(stored):
    name, collection = stored
    members = [Candidate("pay", None, 3.0), Candidate("new", TEXTS["rates"], 2.0), Candidate("empty", "", 1.0)]
    after = parse(name, Settings(collection), starts=False)(Ranking(Query("q", QUERY), tuple(members)))
    reading = parse(name, starts=False)(Ranking.of(QUERY, [TEXTS["pay"], TEXTS["rates"]], ["pay", "new"]))
    assert after.ids == [*reading.ids, "empty"]
    assert np.abs(np.subtract(after.scores[:2], reading.scores)).max() < 1e-3


def test_states_follow_their_documents(tmp_path):
    tiny = open_model("anyrank-tiny")
    collection = build([Candidate("a", "banks pay interest"), Candidate("b", "steep rivers")], tmp_path / "x")
    collection.encode(tiny, options={"pool": 2}, index="nearest")
    collection.update([Candidate("a", "soup"), Candidate("c", "banks pay interest on savings")], {"anyrank-tiny": tiny})
    collection.delete(["b"])
    found = parse("tiny % 5", Settings(collection))("banks pay interest")
    assert found.ids == ["c", "a"]
    sizes = [len(s.vectors.states) for s in collection.vectors("anyrank-tiny").vector_store.shards()]
    assert sizes == [3 + 2, 2 + 4]  # [CLS] and [SEP] count: 5 and 4 tokens, then 3 and 7
    with pytest.raises(InputError, match="stored with pool=2, not 4"):
        collection.encode(tiny, options={"pool": 4}, index="nearest")


def test_shards_are_bounded_by_their_states(tmp_path, monkeypatch):
    monkeypatch.setattr("anyrank.index.collection._AT_ONCE", 4)
    monkeypatch.setattr("anyrank.index.collection._NUMBERS", 128 * 20)
    monkeypatch.setattr("anyrank.index.vector_store._NUMBERS", 128 * 10)
    collection = build([Candidate(f"d{i}", f"word{i} " * (i % 5)) for i in range(40)], tmp_path / "x")
    collection.encode(open_model("anyrank-tiny"))
    store = collection.vectors("anyrank-tiny").vector_store
    assert 1 < len(store.shards()) <= 10
    blocks = list(store.blocks(1000))
    assert all(len(rows) == 1 or vectors.sizes.sum() <= 128 * 10 for rows, vectors in blocks)
    assert sorted(int(r) for rows, _ in blocks for r in rows) == [i for i in range(40) if i % 5]
    assert collection.vectors("anyrank-tiny").missing() == []


def test_pooling_merges_what_is_near():
    rng = np.random.default_rng(0)
    centres = np.linalg.qr(rng.normal(size=(8, 8)))[0][:3].astype(np.float32)
    labels = np.array([0, 1, 2, 0, 1, 2, 2, 2, 0])
    states = centres[labels] + 0.01 * rng.normal(size=(9, 8)).astype(np.float32)
    assert len({(a, b) for a, b in zip(clusters(states, 3), labels)}) == 3
    text = Tokens.of([states, states[:1], states[:0]], means=centres)
    half = pooled(text, 3)
    assert np.diff(half.indptr).tolist() == [3, 1, 0]
    assert np.linalg.norm(half.states, axis=1) == pytest.approx(1, abs=1e-5)
    assert half.near(text.take([0])) == pytest.approx(text.near(text.take([0])), abs=0.2)
    assert pooled(text, 1) is text
    with pytest.raises(InputError, match="dense vectors have no states"):
        pooled(Dense(states), 2)


def test_pooling_is_ward_clustering():
    """The same clusters as an implementation that compares all pairs at each step."""
    rng = np.random.default_rng(1)
    for n in (1, 2, 7, 12):
        states = rng.normal(size=(n, 4)).astype(np.float32)
        states /= np.linalg.norm(states, axis=1, keepdims=True)
        for count in range(1, n + 1):
            parts = [[i] for i in range(n)]
            while len(parts) > count:
                pairs = [(a, b) for a in range(len(parts)) for b in range(a)]
                best = min(
                    pairs,
                    key=lambda p: spread(states[parts[p[0]] + parts[p[1]]]) - sum(spread(states[parts[i]]) for i in p),
                )
                parts[best[1]] += parts.pop(best[0])
            labels = clusters(states, count)
            assert {frozenset(np.flatnonzero(labels == c).tolist()) for c in set(labels.tolist())} == set(
                map(frozenset, parts)
            )


def spread(states):
    return float(((states - states.mean(axis=0)) ** 2).sum())


@pytest.mark.parametrize("bag", [False], indirect=True, ids=["dense"])
def test_vectors_without_states_name_that_they_have_none_to_pool(tmp_path, make, bag):
    collection = build(make(3), tmp_path / "x")
    collection.encode(bag, "v")
    with pytest.raises(InputError, match="pool=2: dense vectors have no states of tokens to pool"):
        collection.encode(bag, "v", index="nearest", options={"pool": 2})
    assert collection.vectors("v").vector_store.options == {}
