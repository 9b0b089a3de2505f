"""An encoder that keeps the vectors of texts."""

import numpy as np
import pytest

from anyrank.core.content import Image
from anyrank.core.trace import Usage
from anyrank.judges.encoder_cache import CachedEncoder
from anyrank.judges.similarity import Similarity
from anyrank.pipeline.context import Settings
from anyrank.pipeline.parser import parse
from anyrank.testing import check_encoder
from anyrank.vectors import Dense, Encoded, Sparse


class Letters:
    """An encoder of letters that counts what it reads."""

    name = "letters"

    def __init__(self, kind="dense"):
        self.read, self.kind = [], kind

    def encode(self, contents, *, query=False):
        self.read += [(str(c), query) for c in contents]
        rows = np.array([[str(c).count(x) for x in "abcdefgh"] for c in contents], np.float32).reshape(-1, 8)
        vectors = Dense(rows) if self.kind == "dense" else Sparse.from_weights(rows)
        return Encoded(vectors, Usage(len(contents), 3 * len(contents)))


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_a_document_is_read_once_and_a_query_each_time(kind):
    inner = Letters(kind)
    encoder = CachedEncoder(inner)
    first = encoder.encode(["abba", "cab", "abba"])
    again = encoder.encode(["cab", "deed", "abba"])
    assert [text for text, _ in inner.read] == ["abba", "cab", "deed"]
    plain = Letters(kind).encode(["cab", "deed", "abba"]).vectors
    for name, array in plain.arrays().items():
        assert np.array_equal(again.vectors.arrays()[name], array)
    assert (first.usage.calls, first.usage.cached, again.usage.calls, again.usage.cached) == (2, 1, 1, 2)
    assert again.usage.prompt_tokens == 3
    encoder.encode(["abba"], query=True)
    encoder.encode(["abba"], query=True)
    assert inner.read[-2:] == [("abba", True)] * 2
    assert len(encoder.encode([]).vectors) == 0


def test_mappings_are_kept_by_their_text_and_images_are_not_kept():
    inner = Letters()
    encoder = CachedEncoder(inner)
    encoder.encode([{"title": "ab", "text": "ba"}])
    encoder.encode([{"title": "ab", "text": "ba"}])
    assert len(inner.read) == 1
    picture = Image(b"x", "image/png")
    encoder.encode([picture])
    encoder.encode([picture])
    assert len(inner.read) == 3


def test_the_oldest_are_dropped_beyond_the_limit():
    inner = Letters()
    encoder = CachedEncoder(inner, limit=3 * 8 * 4)
    for text in ("a", "b", "c", "d"):
        encoder.encode([text])
    encoder.encode(["b", "c", "d"])
    assert len(inner.read) == 4
    encoder.encode(["a"])
    assert len(inner.read) == 5
    small = CachedEncoder(inner, limit=0)
    assert np.array_equal(small.encode(["a", "b"]).vectors.dense(), inner.encode(["a", "b"]).vectors.dense())


def test_it_is_an_encoder_and_a_pipeline_uses_it_if_it_is_to_remember():
    check_encoder(CachedEncoder(Letters()), ["abba", "cab", "deed"])
    judges = [parse("minilm", Settings(None, remember=r), starts=False) for r in (True, False)]
    kinds = [type(stage.stage.judge.encoder) for stage in judges]
    assert kinds[0] is CachedEncoder
    assert kinds[1] is not CachedEncoder
    assert isinstance(judges[0].stage.judge, Similarity)
