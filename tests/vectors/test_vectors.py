"""Vectors: the same contract for every kind, and what is a kind's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from anyrank.core.errors import InputError
from anyrank.vectors import (
    Dense,
    Encoded,
    Sparse,
    Tokens,
    Vectors,
    as_vectors,
    join,
    kinds,
    vectors_class,
)
from anyrank.vectors.base import single
from anyrank.vectors.coil import Coil

DIM = 6
halves = st.integers(-16, 16).map(lambda n: n / 8)  # exact in half precision, and so are sums of their products
sparse_rows = st.dictionaries(st.integers(0, DIM - 1), halves.filter(bool), max_size=DIM)
dense_rows = hnp.arrays(np.float32, DIM, elements=halves)
token_rows = st.integers(0, 4).flatmap(lambda n: hnp.arrays(np.float32, (n, DIM), elements=halves))
WEIGHTED = "tokens with weights"
MEANS = "tokens with means"
WHOLE = "coil with whole texts"
coil_rows = st.tuples(st.lists(st.integers(0, 3), max_size=4), hnp.arrays(np.float32, (4, DIM), elements=halves))


def made(kind, rows):
    """Vectors of a kind from its rows."""
    if kind == "dense":
        return Dense(np.array(rows, dtype=np.float32).reshape(-1, DIM))
    if kind == "sparse":
        return Sparse.of(rows, DIM)
    if kind.startswith("coil"):  # the last state is the whole text's
        whole = np.array([[0.0] * DIM, *(states[-1] for _, states in rows)], dtype=np.float32)
        parts = [([], np.zeros((0, DIM))), *((terms, states[: len(terms)]) for terms, states in rows)]
        return Coil.of(parts, whole if kind == WHOLE else None).part(1, len(rows) + 1)
    weights = [np.zeros(0), *(np.arange(1, len(r) + 1, dtype=np.float32) / 4 for r in rows)]
    means = np.stack([np.zeros(DIM), *map(mean, rows)]) if kind == MEANS else None
    rows = [np.zeros((0, DIM)), *rows]
    return Tokens.of(rows, weights if kind == WEIGHTED else None, means).part(1, len(rows))


def mean(states):
    """A vector for a whole text: exact in half precision."""
    return states.sum(axis=0) / 4


def score(kind, query, row):
    """The score of one row for a query's row, by hand."""
    if kind == "dense":
        return float(np.dot(query, row))
    if kind == "sparse":
        return sum(weight * row.get(term, 0.0) for term, weight in query.items())
    if kind.startswith("coil"):
        terms = sum(max([0.0, *(float(q @ s) for u, s in zip(*row) if u == t)]) for t, q in zip(*query))
        return terms + (float(query[1][-1] @ row[1][-1]) if kind == WHOLE else 0.0)
    weights = np.arange(1, len(query) + 1) / 4 if kind == WEIGHTED else np.ones(len(query))
    best = float(sum(w * max(q @ s for s in row) for w, q in zip(weights, query))) if len(row) else 0.0
    return best + float(mean(query) @ mean(row)) if kind == MEANS else best


ROWS = {"dense": dense_rows, "sparse": sparse_rows, "tokens": token_rows, WEIGHTED: token_rows, MEANS: token_rows}
ROWS |= {"coil": coil_rows, WHOLE: coil_rows}
every = pytest.mark.parametrize("kind", list(ROWS))


def equal(a: Vectors, b: Vectors) -> bool:
    one, other = a.arrays(), b.arrays()
    return type(a) is type(b) and list(one) == list(other) and all(np.array_equal(one[n], other[n]) for n in one)


@every
@given(data=st.data())
def test_near_and_products_are_the_scores_by_hand(kind, data):
    queries, rows = (data.draw(st.lists(ROWS[kind], min_size=n, max_size=5)) for n in (1, 0))
    vectors, asked = made(kind, rows), made(kind, queries)
    expected = np.array([[score(kind, q, r) for r in rows] for q in queries]).reshape(len(queries), len(rows))
    assert vectors.products(asked) == pytest.approx(expected)
    assert vectors.products(asked.take([])).shape == (0, len(rows))
    for q in range(len(queries)):
        near = vectors.near(asked.take([q]))
        assert near.dtype == np.float32
        assert near == pytest.approx(expected[q])


@every
@given(data=st.data())
def test_rows_are_taken_cut_and_joined(kind, data):
    rows = data.draw(st.lists(ROWS[kind], min_size=1, max_size=5))
    vectors = made(kind, rows)
    picked = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6))
    start = data.draw(st.integers(0, len(rows)))
    stop = data.draw(st.integers(start, len(rows)))
    assert (vectors.dim, len(vectors), vectors.kind) == (DIM, len(rows), kind.split()[0])
    assert equal(vectors.take(picked), made(kind, [rows[i] for i in picked]))
    assert equal(vectors.part(start, stop), made(kind, rows[start:stop]))
    assert equal(join([vectors.part(0, start), vectors.part(start, len(rows))]), vectors)
    assert equal(join([vectors]), vectors)


@every
@given(data=st.data())
def test_rows_come_back_from_stored_arrays(kind, data):
    vectors = made(kind, data.draw(st.lists(ROWS[kind], min_size=1, max_size=4)))
    stored = {n: a.astype(np.float16) if a.dtype.kind == "f" else a for n, a in vectors.arrays().items()}
    back = vectors_class(vectors.kind).from_arrays(stored, DIM)
    assert equal(back.part(0, len(vectors)), vectors)
    assert equal(back.take(range(len(vectors))), vectors)
    for part in (back.part(0, 1), back.take([0])):
        assert {a.dtype for a in part.arrays().values() if a.dtype.kind == "f"} <= {np.dtype(np.float32)}


def test_a_kind_is_a_file():
    assert kinds() == ("coil", "dense", "residual", "sparse", "tokens")
    assert [vectors_class(k).__name__ for k in kinds()] == ["Coil", "Dense", "Residual", "Sparse", "Tokens"]
    with pytest.raises(InputError, match="unknown kind 'binary'"):
        vectors_class("binary")


@pytest.mark.parametrize("a", ["coil", "dense", "sparse", "tokens"])
@pytest.mark.parametrize("b", ["coil", "dense", "sparse", "tokens"])
def test_kinds_and_dimensions_do_not_mix(a, b):
    rows = {
        "dense": [np.ones(DIM)],
        "sparse": [{0: 1.0}],
        "tokens": [np.ones((2, DIM))],
        "coil": [([1], np.ones((1, DIM)))],
    }
    one, other = made(a, rows[a]), made(b, rows[b])
    if a == b:
        small = {
            "dense": Dense(np.ones((1, 2), np.float32)),
            "sparse": Sparse.of([{0: 1.0}], 2),
            "tokens": Tokens.of([np.ones((1, 2))]),
            "coil": Coil.of([([1], np.ones((1, 2)))]),
        }
        other = small[b]
    with pytest.raises(InputError, match="different kinds or dimensions"):
        join([one, other])
    with pytest.raises(InputError, match=f"a {b} query of {other.dim} dimensions can't be compared with {a} rows of 6"):
        one.near(other)


def test_means_go_with_means_alone():
    with_means, without = made(MEANS, [np.ones((2, DIM))]), made("tokens", [np.ones((2, DIM))])
    with pytest.raises(InputError, match="1 of 2 parts of token vectors have means"):
        join([with_means, without])
    assert with_means.near(without) == without.near(with_means) == without.near(without) == pytest.approx(2 * DIM)


def test_padding_does_not_count():
    """The masked example of PyLate's `colbert_scores`: a masked state is left out. PyLate multiplies by the mask
    instead, so that padding counts 0; a text whose states are all unlike the query's scores below 0 here."""
    queries = [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0]]  # the third state of the last is masked
    documents = [[10.0, 0.0, 1.0], [0.0, 10.0], [1.0, 0.0, 1000.0]]  # [100] of the second is masked
    asked, texts = (Tokens.of([np.array(row)[:, None] for row in rows]) for rows in (queries, documents))
    assert texts.products(asked).tolist() == [[10, 10, 1000], [20, 20, 2000], [0, 0, 0]]
    assert Tokens.of([np.array([[-1.0]])]).near(asked.take([0])).tolist() == [-1]


def test_many_states_are_compared_in_blocks():
    """A text of more states than a block holds, and texts without any between blocks."""
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(n, 4)).astype(np.float32) for n in (5000, 0, 3000, 9000, 0, 1)]
    vectors, query = Tokens.of(rows), Tokens.of([rng.normal(size=(3, 4)).astype(np.float32)])
    expected = [float((query.states @ r.T).max(axis=1).sum()) if len(r) else 0.0 for r in rows]
    assert vectors.near(query) == pytest.approx(expected, rel=1e-5)


@given(st.lists(st.floats(width=16, allow_nan=False), max_size=20))
def test_half_precision_becomes_single(numbers):
    halves = np.array(numbers, dtype=np.float16)
    assert np.array_equal(single(halves), halves.astype(np.float32))
    assert np.array_equal(single(halves[::2]), halves[::2].astype(np.float32))


def test_an_array_counts_as_dense_vectors():
    rows = np.arange(6, dtype=np.float64).reshape(2, 3)
    dense = Encoded(rows).vectors
    assert isinstance(dense, Dense)
    assert as_vectors(dense) is dense
    assert (dense.shape, dense.dtype, dense[1].tolist()) == ((2, 3), np.float32, [3, 4, 5])
    assert np.array_equal(np.asarray(dense), rows)
    assert np.array_equal(np.asarray(dense, dtype=np.float64), rows)
    assert np.linalg.norm(dense, axis=1) == pytest.approx(np.linalg.norm(rows, axis=1))
    with pytest.raises(InputError, match="this encoder makes sparse ones"):
        Sparse.of([{}], 3).dense()
