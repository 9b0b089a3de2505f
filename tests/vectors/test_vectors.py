"""Vectors: sparse rows, products, joining."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.vectors import Sparse, concat, dots, take

DIM = 12
rows = st.lists(st.dictionaries(st.integers(0, DIM - 1), st.floats(0.125, 8, width=16), max_size=6), max_size=6)


def dense(rows):
    out = np.zeros((len(rows), DIM), dtype=np.float32)
    for i, row in enumerate(rows):
        for k, v in row.items():
            out[i, k] = v
    return out


@given(docs=rows, query=rows.filter(bool))
def test_sparse_products_equal_dense_ones(docs, query):
    sparse = dots(Sparse.of(query[:1], DIM), Sparse.of(docs, DIM))
    assert sparse == pytest.approx(dots(dense(query[:1]), dense(docs)), abs=1e-3)


@given(docs=rows, data=st.data())
def test_take_and_concat(docs, data):
    v = Sparse.of(docs, DIM)
    picked = data.draw(st.lists(st.integers(0, len(docs) - 1), max_size=5)) if docs else []
    part = take(v, picked)
    assert [part.row(i) for i in range(len(part))] == [docs[i] for i in picked]
    joined = concat([part, v])
    assert [joined.row(i) for i in range(len(joined))] == [docs[i] for i in picked] + docs
    assert np.array_equal(concat([dense(docs), dense(docs)]), np.concatenate([dense(docs)] * 2))


def test_mixed_kinds_are_refused():
    with pytest.raises(InputError, match="different kinds"):
        concat([Sparse.of([{}], DIM), dense([{}])])
    with pytest.raises(InputError, match="sparse"):
        dots(dense([{}]), Sparse.of([{}], DIM))
