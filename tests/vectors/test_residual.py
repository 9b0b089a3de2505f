"""Compressed states: packing, buckets, centroids, and what is lost; figures of the specification."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from anyrank.core.errors import InputError
from anyrank.vectors import Tokens, join, vectors_class
from anyrank.vectors.residual import Codec, Residual, centroid_count, kmeans, nearest, pack, sample_size, unpack


def units(n, dim, seed=0):
    rows = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def rows():
    states = units(600, 16)
    texts = Tokens.of(np.split(states, [100, 100, 130, 599]), means=units(5, 16, 1))
    return texts, Residual.of(texts, Codec.fit(states, 32, bits=2))


@given(
    st.sampled_from([1, 2, 4, 8]).flatmap(
        lambda b: st.tuples(st.just(b), hnp.arrays(np.uint8, (3, 12), elements=st.integers(0, 2**b - 1)))
    )
)
def test_buckets_come_back_from_bytes(drawn):
    bits, buckets = drawn
    packed = pack(buckets, bits)
    assert packed.shape == (3, -(-12 * bits // 8))
    assert np.array_equal(unpack(packed, bits, 12), buckets)


def test_two_bits_keep_most_of_random_states():
    """On random data the cosine with the centroid alone is .34, with two bits a dimension .90 (measured by the
    specification)."""
    states = units(4000, 128)
    codec = Codec.fit(states, 128, bits=2)
    codes, packed = codec.encode(states)
    assert packed.shape == (4000, 32)
    assert np.einsum("nd,nd->n", codec.centroids[codes], states).mean() == pytest.approx(0.34, abs=0.03)
    cosines = {}
    for bits in (1, 2, 4):
        codec = Codec.fit(states, 128, bits=bits)
        reconstructed = codec.decode(*codec.encode(states))
        assert np.linalg.norm(reconstructed, axis=1) == pytest.approx(1, abs=1e-5)
        cosines[bits] = float(np.einsum("nd,nd->n", reconstructed, states).mean())
    assert cosines[2] == pytest.approx(0.90, abs=0.02)
    assert cosines[1] < cosines[2] < cosines[4]


def test_buckets_are_quantiles_of_the_remainders_held_out():
    """Of one cluster: cut-offs at i / 4 and weights half-way between."""
    states = units(4000, 8)
    codec = Codec.fit(states, 1, bits=2, seed=3)
    order = np.random.default_rng(3).permutation(4000)
    held = states[order[:200]] - codec.centroids[0]
    assert codec.cutoffs == pytest.approx(np.quantile(held, [0.25, 0.5, 0.75]), abs=1e-6)
    assert codec.weights == pytest.approx(np.quantile(held, [0.125, 0.375, 0.625, 0.875]), abs=1e-6)


def test_numbers_of_centroids_and_of_sampled_texts():
    assert centroid_count(100_000, 70.0) == 32768
    assert centroid_count(1, 1.0) == 16
    assert [sample_size(n) for n in (1, 1400, 8_841_823)] == [1, 1400, 521173]


def test_clusters_are_found():
    centres = np.eye(4, dtype=np.float32)
    points = np.repeat(centres, 50, axis=0) + np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32) * 0.01
    found = kmeans(points, 64, iterations=6)
    assert found.shape == (64, 4)
    assert (found @ centres.T).max(axis=0) == pytest.approx(1, abs=1e-3)
    assert len(kmeans(points[:3], 8)) == 3


def test_of_many_centroids_the_nearest_groups_are_compared():
    states, centroids = units(3000, 12), units(1500, 12, 1)
    exact = (states @ centroids.T).max(axis=1)
    best = np.einsum("nd,nd->n", states, centroids[nearest(states, centroids)])
    assert (best == pytest.approx(exact, abs=1e-6)) or np.mean(exact - best < 1e-6) > 0.9
    assert (exact - best).mean() < 0.01


def test_rows_score_as_their_reconstructed_states(rows):
    texts, compressed = rows
    queries = Tokens.of([units(3, 16, 5), units(2, 16, 6)], [np.ones(3), np.array([0.5, 2.0])], units(2, 16, 7))
    again = compressed.tokens()
    assert compressed.products(queries) == pytest.approx(again.products(queries), abs=1e-5)
    assert compressed.near(queries.take([1])) == pytest.approx(again.near(queries.take([1])), abs=1e-5)
    assert np.abs(again.near(queries.take([0])) - texts.near(queries.take([0]))).max() < 0.6
    assert np.array_equal(again.means, texts.means)


def test_rows_are_taken_cut_joined_and_stored(rows):
    _, compressed = rows
    halves = [compressed.part(0, 2), compressed.part(2, 5)]
    stored = {n: a.astype(np.float16) if n == "means" else a for n, a in compressed.arrays().items()}
    query = Tokens.of([units(3, 16, 5)], means=units(1, 16, 7))
    whole = compressed.near(query)
    for other in (join(halves), vectors_class("residual").from_arrays(stored, 16)):
        assert other.near(query) == pytest.approx(whole, abs=1e-3)
        assert other.take([4, 0, 0]).near(query) == pytest.approx(whole[[4, 0, 0]], abs=1e-3)
    assert (len(compressed), compressed.dim) == (5, 16)
    assert compressed.sizes.tolist() == [1600, 0, 480, 469 * 16, 16]


def test_what_does_not_fit_is_refused(rows):
    _, compressed = rows
    states = units(50, 16, 9)
    other = Residual.of(Tokens.of([states], means=states[:1]), Codec.fit(states, 8))
    with pytest.raises(InputError, match="different codecs"):
        join([compressed, other])
    with pytest.raises(InputError, match="bits=3: choose 1, 2, 4, 8"):
        Codec.fit(states, 8, bits=3)
    with pytest.raises(InputError, match="tokens query of 8 dimensions"):
        compressed.near(Tokens.of([units(2, 8)]))
