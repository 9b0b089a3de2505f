"""Fixed-dimensional encodings: the closed form without hyperplanes, buckets, filling, and their use by name."""

import numpy as np
import pytest

from anyrank.backends.fde import FixedEncoder, gray
from anyrank.core.errors import InputError
from anyrank.core.types import Candidate
from anyrank.hub.open import is_allowed, open_model
from anyrank.index.build import build
from anyrank.pipeline.parser import Settings, parse
from anyrank.testing.contracts import check_encoder
from anyrank.vectors import Encoded, Tokens


def states(seed, *sizes, dim=16):
    rng = np.random.default_rng(seed)
    rows = [rng.normal(size=(n, dim)).astype(np.float32) for n in sizes]
    return [r / np.linalg.norm(r, axis=1, keepdims=True) for r in rows]


class Given:
    """An encoder of texts that are known."""

    name = "given"

    def __init__(self, tokens):
        self.tokens = tokens

    def encode(self, contents, *, query=False):
        return Encoded(self.tokens.take([int(c) for c in contents]))


def test_without_hyperplanes_a_score_is_the_closed_form():
    """0 projections, 1 repetition: the sum of the query's states times the mean of the document's, exactly."""
    queries, documents = Tokens.of(states(0, 3, 5)), Tokens.of(states(1, 4, 9, 1))
    plain = FixedEncoder(Given(documents), repetitions=1, planes=0, block=0)
    scores = plain.fixed(documents).products(plain.fixed(queries, query=True))
    expected = [[q.sum(axis=0) @ d.mean(axis=0) for d in states(1, 4, 9, 1)] for q in states(0, 3, 5)]
    assert scores == pytest.approx(np.array(expected), abs=1e-5)


def test_blocks_are_sums_means_and_the_nearest_state_of_an_empty_bucket():
    rows = np.array([[1.0, 2.0], [2.0, 1.0], [-1.0, 3.0]], dtype=np.float32)
    tokens = Tokens.of([rows])
    encoder = FixedEncoder(Given(tokens), repetitions=1, planes=2, block=0)
    normals = np.random.default_rng(0).standard_normal((2, 2), dtype=np.float32)
    buckets = gray(rows @ normals > 0)
    query, document = (encoder.fixed(tokens, query=q).array.reshape(4, 2) for q in (True, False))
    codes = np.arange(4) ^ (np.arange(4) >> 1)
    for bucket in range(4):
        mine = rows[buckets == bucket]
        assert query[bucket] == pytest.approx(mine.sum(axis=0))
        if len(mine):
            assert document[bucket] == pytest.approx(mine.mean(axis=0))
        else:
            distance = [int(codes[bucket] ^ codes[b]).bit_count() for b in buckets]
            assert document[bucket] == pytest.approx(rows[int(np.argmin(distance))])
    assert len(set(buckets.tolist())) > 1


def test_repetitions_come_nearer_to_the_exact_score():
    """60 random documents: the correlation with MaxSim grows with the repetitions (.52 to .74 from 1 to 10, measured
    by the specification)."""
    queries, documents = Tokens.of(states(2, *[8] * 20)), Tokens.of(states(3, *[30] * 60))
    exact = documents.products(queries)

    def correlation(repetitions):
        encoder = FixedEncoder(Given(documents), repetitions=repetitions, planes=4, block=0)
        scores = encoder.fixed(documents).products(encoder.fixed(queries, query=True))
        return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(scores, exact)])

    few, many = correlation(1), correlation(10)
    assert few > 0.2
    assert many > few + 0.1


def test_weights_and_means_count():
    rows, means = states(4, 3, 2), np.stack(states(5, 2)).reshape(2, 16)
    documents = Tokens.of(rows, means=means)
    query = Tokens.of(rows[:1], [np.array([1.0, 0.0, 2.0])], 3 * means[:1])
    encoder = FixedEncoder(Given(documents), repetitions=1, planes=0, block=0)
    near = encoder.fixed(documents).near(encoder.fixed(query, query=True))
    weighted = rows[0][0] + 2 * rows[0][2]
    assert near == pytest.approx([weighted @ r.mean(axis=0) + 3 * means[0] @ m for r, m in zip(rows, means)], abs=1e-5)


def test_by_name_it_is_stored_searched_and_rescored(tmp_path):
    texts = ["Banks pay interest.", "The steep bank of a river.", "Soup needs salt.", ""]
    collection = build([Candidate(str(i), t) for i, t in enumerate(texts)], tmp_path / "x")
    name = "fde:tiny#repetitions=4,planes=3"
    encoder = open_model(name)
    assert open_model(name) is encoder
    check_encoder(encoder, texts)
    assert encoder.encode(["x"]).vectors.dim == 4 * 8 * 16 + 128
    collection.encode(encoder, "_fde+3Atiny+23repetitions+3D4+2Cplanes+3D3")
    collection.encode(open_model("anyrank-tiny"))
    found = parse(f'search("{name}") % 3 >> tiny', Settings(collection))("do banks pay interest")
    assert found.ids == parse("tiny % 3", Settings(collection))("do banks pay interest").ids
    assert found.ids[0] == "0"
    (only,) = parse('fde("tiny", repetitions=4, planes=3) % 1', Settings(collection)).batch([found])
    assert only.ids == ["0"]


def test_what_is_wrong_is_named():
    with pytest.raises(InputError, match="minilm makes dense vectors"):
        open_model("fde:minilm").encode(["x"])
    for name, message in [
        ("fde:tiny#plane=3", "'plane=3' is no setting: there are repetitions, planes, block, seed"),
        ("fde:tiny#planes=x", "is no setting"),
        ("fde:tiny#planes=11", "planes=11"),
    ]:
        with pytest.raises(InputError, match=message):
            open_model(name)
    assert is_allowed("fde:mini#planes=2", ["mini"])
    assert not is_allowed("fde:mini", ["minilm"])
    assert FixedEncoder(open_model("tiny"), planes=3).name == "fde:anyrank-tiny#planes=3"
