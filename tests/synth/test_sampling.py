"""Sizes of clusters by DUQGen, and the choice within them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.synth.sampling import elbow, mmr, number_of_clusters, sample, sample_sizes, unit
from anyrank.vectors.residual import kmeans, nearest


def test_the_sizes_of_duqgen():
    """Measured on its program: 50, 30, 15 and 5 documents; 20 and 4 samples."""
    assert sample_sizes([50, 30, 15, 5], 20) == [10, 6, 3, 1]
    assert sample_sizes([50, 30, 15, 5], 4) == [1, 1, 1, 1]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.data())
def test_sizes_sum_up_and_every_cluster_gives_some_and_none_more_than_it_has(clusters, data):
    n = data.draw(st.integers(len(clusters), sum(clusters)))
    sizes = sample_sizes(clusters, n)
    assert sum(sizes) == n
    assert all(1 <= s <= c for s, c in zip(sizes, clusters))


def test_too_few_or_too_many_are_an_error():
    with pytest.raises(InputError, match="3 documents can't be sampled from 10 in 4 clusters"):
        sample_sizes([4, 3, 2, 1], 3)
    with pytest.raises(InputError, match="expected from 1 to 2"):
        sample_sizes([2], 3)


def test_mmr_with_weight_one_is_the_order_of_relevance():
    assert mmr([0.1, 0.9, 0.5], np.eye(3, dtype=np.float32), 3) == [1, 2, 0]


def points(seed=0):
    """Five directions, one of them rare, with noise."""
    rng = np.random.default_rng(seed)
    centres = np.eye(5, 16)
    sizes = [60, 60, 60, 60, 6]
    return np.concatenate([centres[i] + rng.normal(0, 0.03, (n, 16)) for i, n in enumerate(sizes)]).astype(np.float32)


def test_every_cluster_is_sampled_and_diversity_is_above_that_of_a_uniform_draw():
    x = points()
    rows = sample(x, 10, 5)
    assert len(set(rows)) == 10
    mine = nearest(unit(x), kmeans(unit(x), 5, 100, 420))
    assert set(mine[rows]) == set(mine), "every cluster gives one"
    uniform = [np.random.default_rng(s).choice(len(x), 10, replace=False) for s in range(30)]

    def likeness(rows):
        v = unit(x)[list(rows)]
        return float((v @ v.T).mean())

    assert likeness(rows) < np.mean([likeness(u) for u in uniform])


def test_the_sample_is_the_same_each_time():
    assert sample(points(), 12, 4) == sample(points(), 12, 4)


def test_the_elbow_is_at_the_true_number():
    assert number_of_clusters(points(), 200, (1, 2, 5, 50, 100)) in (5, 50)
    assert elbow([3.0]) == 0
