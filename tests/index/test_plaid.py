"""Compressed states in a collection: PLAID's stages, WARP's scores, filters, changes, damage."""

import numpy as np
import pytest

from anyrank.core.errors import InputError
from anyrank.core.trace import Usage
from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.index.check import check
from anyrank.index.collection import Collection
from anyrank.index.info import parts_of
from anyrank.index.plaid import Effort, Lists, _imputed
from anyrank.testing.contracts import check_index
from anyrank.vectors import Encoded, Tokens
from anyrank.vectors.base import single
from anyrank.vectors.residual import Codec, Residual

N, DIM = 120, 16
WORDS = np.random.default_rng(0).normal(size=(60, DIM)).astype(np.float32)
WORDS /= np.linalg.norm(WORDS, axis=1, keepdims=True)


class States:
    """A state a word, the word's own vector and something of its neighbour's; a mean a text."""

    name = "states"

    def encode(self, contents, *, query=False):
        rows = [self.states(str(c)) for c in contents]
        means = np.stack([r.sum(axis=0) / max(len(r), 1) for r in rows])
        weights = [np.linspace(1, 2, len(r)) for r in rows] if query else None
        return Encoded(Tokens.of(rows, weights, means), Usage(calls=len(contents)))

    @staticmethod
    def states(text):
        ids = [int(w) for w in text.split()]
        rows = WORDS[ids] + 0.3 * WORDS[np.roll(ids, 1)] if ids else np.zeros((0, DIM))
        return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(np.float32)


def texts(n, seed=0):
    rng = np.random.default_rng(seed)
    return [Candidate(f"d{i}", " ".join(map(str, rng.integers(0, 60, 4 + i % 9))), meta={"n": i}) for i in range(n)]


QUERIES = ["3 14 15", "9 26", "5 35 8 9 7"]


@pytest.fixture
def made(tmp_path):
    def make(**options):
        collection = build(texts(N), tmp_path / "x")
        collection.encode(States(), index="plaid", options=options, shard=50)
        return Collection.open(collection.path)

    return make


def queries():
    return States().encode(QUERIES, query=True).vectors


def best(results):
    return [[i for i, _ in r] for r in results]


def exact(collection, among=None, k=10):
    return collection.vectors("states", exact=True).search(queries(), k, among)


def test_without_pruning_it_is_exact_search_over_reconstructed_states(made):
    """All cells, no threshold, candidates >= 4 N."""
    collection = made(bits=4, cells=10_000, threshold=-1.0, candidates=4 * N)
    index = collection.vectors("states")
    assert len(index.vector_store.shards()) == 3
    expected = exact(collection, k=N)
    for one, other in zip(index.search(queries(), N), expected):
        assert [i for i, _ in one] == [i for i, _ in other]
        assert [s for _, s in one] == pytest.approx([s for _, s in other], abs=1e-5)
    rows = index.vector_store.shards()[0]
    assert isinstance(rows.vectors, Residual)
    whole = rows.vectors.tokens().near(queries().take([0]))
    assert whole == pytest.approx(rows.vectors.near(queries().take([0])), abs=1e-5)


@pytest.mark.parametrize("scoring", ["plaid", "warp"])
def test_pruned_searches_find_most_of_the_best(made, scoring):
    collection = made(bits=4, scoring=scoring, candidates=80, cells={"plaid": 4, "warp": 16}[scoring])
    index = collection.vectors("states")
    found, expected = best(index.search(queries(), 5)), best(exact(collection, k=5))
    assert np.mean([len(set(a) & set(b)) for a, b in zip(found, expected)]) >= 4
    check_index(index, queries(), [f"d{i}" for i in range(N)])
    assert index.describe()["covered"] == N
    assert index.describe()["states"] == sum(len(t.content.split()) for t in texts(N))


@pytest.mark.parametrize("scoring", ["plaid", "warp"])
def test_a_filter_never_leaves_fewer_than_there_are(made, scoring):
    index = (collection := made(bits=2, scoring=scoring, candidates=16)).vectors("states")
    for least, count in (0, 120), (60, 60), (110, 10), (117, 3), (500, 0):
        for k in (1, 10, 200):
            results = index.search(queries(), k, f"n >= {least}")
            assert [len(r) for r in results] == [min(k, count)] * 3, (least, k)
            assert all(int(i[1:]) >= least for r in best(results) for i in r)
    few = "n >= 117"
    assert best(index.search(queries(), 10, few)) == best(exact(collection, few))


def test_changed_and_deleted_documents_are_not_found(made):
    collection = made(bits=4)
    text = texts(N)[7].content
    query = States().encode([text], query=True).vectors
    assert best(collection.vectors("states").search(query, 1)) == [["d7"]]
    collection.delete(["d7"])
    assert "d7" not in best(collection.vectors("states").search(query, N))[0]
    collection.update([Candidate("d8", text), Candidate("new", " ")], {"states": States()})
    found = best(collection.vectors("states").search(query, N))[0]
    assert found[0] == "d8"
    assert len(found) == N - 1  # the blank one is never found
    again = Collection.open(collection.path).vectors("states")
    assert best(again.search(query, N))[0] == found
    assert [s.name for s in again.vector_store.shards()] == list(again.lists.shards)


def test_the_codec_is_fitted_once_and_shared(made):
    collection = made(bits=2, pool=2)
    folder = collection.path / "vectors" / "states"
    before = (folder / "common" / "centroids.npy").read_bytes()
    collection.update([Candidate("e", "1 2 3 4 5 6")], {"states": States()})
    assert (folder / "common" / "centroids.npy").read_bytes() == before
    shards = collection.vectors("states").vector_store.shards()
    assert len({id(s.vectors.codec.centroids) for s in shards}) == 1
    assert len(shards[-1].vectors.codes) == 3
    assert not (folder / "shard-000001" / "centroids.npy").exists()


@pytest.mark.parametrize(
    ("part", "file"), [("common", "centroids.npy"), ("plaid", "members.npy"), ("shard-000002", "residuals.npy")]
)
def test_a_flipped_byte_names_the_cure_and_words_still_serve(made, part, file):
    collection = made(bits=4)
    expected = best(collection.vectors("states").search(queries(), 5))
    path = collection.path / "vectors" / "states" / part / file
    data = bytearray(path.read_bytes())
    data[-1] ^= 16
    path.write_bytes(data)
    collection = Collection.open(collection.path)
    with pytest.raises(InputError, match=rf"{file}.*--encode states"):
        collection.vectors("states").search(queries(), 5)
    assert any(file in str(p) for p in check(collection.path).problems)
    assert collection.lexical.search(["3 14"], 3)
    collection.encode(States())
    assert check(collection.path).problems == []
    again = collection.vectors("states")
    assert len(best(again.search(queries(), 5))[0]) == 5
    if part != "common":
        assert best(again.search(queries(), 5)) == expected
    assert again.vector_store.options["bits"] == 4


def test_states_whose_description_is_lost_get_a_codec_of_their_own_again(made):
    collection = made(bits=8)
    (collection.path / "vectors" / "states" / "vectors.json").unlink()
    again = Collection.open(collection.path)
    again.encode(States(), index="plaid", options={"bits": 2})
    assert again.vectors("states").vector_store.common()["weights"].size == 4
    assert not check(collection.path).problems
    assert all(len(set(found.ids)) == len(found) == 10 for found in again.vectors("states").search(queries(), 10))


def test_a_shard_without_its_checksums_is_named_and_made_again(made):
    collection = made()
    before = collection.vectors("states").search(queries(), 10)
    (collection.path / "vectors" / "states" / "shard-000002" / "checksums.json").unlink()
    with pytest.raises(InputError, match=r"shard-000002/checksums.json: is missing: make them again with .*states`"):
        Collection.open(collection.path).vectors("states").search(queries(), 10)
    assert ["checksums.json" in str(problem) for problem in check(collection.path).problems] == [True]
    (part,) = [p for p in parts_of(Collection.open(collection.path)) if p.name == "vectors of states"]
    assert part.damaged
    again = Collection.open(collection.path)
    again.encode(States())
    assert not check(collection.path).problems
    after = again.vectors("states").search(queries(), 10)
    assert [sorted(found.ids) for found in after] == [sorted(found.ids) for found in before]


def test_a_shard_of_the_same_name_is_listed_again(made):
    collection = made(bits=4)
    store = collection.vectors("states").vector_store
    store.drop(["shard-000003"])
    assert Lists.open(store) is None
    collection = Collection.open(collection.path)
    collection.delete(["d0"])
    collection.encode(States())
    index = collection.vectors("states")
    assert best(index.search(queries(), N)) == best(exact(collection, k=N))


def test_options_are_checked(made, tmp_path):
    collection = made(bits=2)
    for options, message in [
        ({"bit": 2}, "no option 'bit'"),
        ({"bits": 3}, "bits=3: choose 1, 2, 4, 8"),
        ({"pool": 0}, "pool=0"),
        ({"scoring": "x"}, "choose plaid or warp"),
        ({"threshold": "x"}, "threshold='x'"),
        ({"bits": 4}, "stored with bits=2, not 4"),
    ]:
        with pytest.raises(InputError, match=message):
            collection.encode(States(), index="plaid", options=options)
    with pytest.raises(InputError, match="stored with bits=2, not None"):
        collection.encode(States(), index="nearest")
    collection.encode(States(), index="plaid", options={"bits": 2, "scoring": "warp"})
    assert collection.vectors("states").scoring == "warp"
    assert len(collection.vectors("states").search(queries(), 3)[0]) == 3

    class Flat:
        name = "flat"

        def encode(self, contents, *, query=False):
            return Encoded(np.ones((len(contents), 3), np.float32))

    with pytest.raises(InputError, match="compresses states of tokens"):
        collection.encode(Flat(), index="plaid")


def test_the_imputed_score_is_that_of_the_centroid_that_fills_the_bound():
    """8 x 500,000 states: the bound is 2,000."""
    products = np.array([[0.9, 0.1], [0.7, 0.4], [0.5, 0.8], [0.3, 0.2]], dtype=np.float32)
    starts = np.array([0, 1500, 2100, 2600, 500_000])
    lists = Lists(starts, starts, starts, starts, np.zeros(500_000, np.uint8), {})
    assert _imputed(products, lists, 10).tolist() == pytest.approx([0.7, 0.2])


def test_defaults_by_k():
    assert [Effort.of(k, {}) for k in (10, 11, 100, 101, 5000)] == [
        Effort(1, 0.5, 256),
        Effort(2, 0.45, 1024),
        Effort(2, 0.45, 1024),
        Effort(4, 0.4, 4096),
        Effort(4, 0.4, 20_000),
    ]


def test_warp_adds_remainders_straight_from_the_buckets(made):
    """With every centroid probed nothing is imputed: a score is MaxSim over centroids plus remainders."""
    collection = made(bits=4, scoring="warp", cells=10_000, candidates=8)
    index = collection.vectors("states")
    found = index.search(queries(), N)
    codec = Codec(*(index.vector_store.common()[n] for n in Residual.shared))
    for q, result in enumerate(found):
        query, expected = queries().take([q]), {}
        for shard in index.vector_store.shards():
            v = shard.vectors
            states = codec.centroids[v.codes] + codec.remainders(np.asarray(v.residuals))
            plain = Tokens(np.asarray(v.indptr), states, None, single(v.means)).near(query)
            expected |= dict(zip(shard.rows.tolist(), plain.tolist()))
        rows = dict(zip(result.rows.tolist(), result.scores.tolist()))
        assert rows == pytest.approx({r: expected[r] for r in rows}, abs=1e-4)
