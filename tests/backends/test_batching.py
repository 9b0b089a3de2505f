"""Batches: bounded, complete, in any order put back."""

from hypothesis import given
from hypothesis import strategies as st

from anyrank.backends.onnx.batching import SLICE_CHARS, SLICE_TEXTS, cuts, shortened, slices


@given(st.lists(st.integers(1, 60), max_size=80), st.integers(1, 200))
def test_every_text_once_and_no_batch_over_the_budget(lengths, budget):
    batches = list(cuts(lengths, budget))
    assert sorted(i for b in batches for i in b) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget


def test_slices_are_bounded_in_texts_and_characters():
    many = ["a"] * (SLICE_TEXTS * 2 + 5)
    assert [len(r) for r in slices(many)] == [SLICE_TEXTS, SLICE_TEXTS, 5]
    long = ["b" * (SLICE_CHARS // 2)] * 3 + [("c" * SLICE_CHARS, "d")]
    assert [list(r) for r in slices(long)] == [[0, 1], [2], [3]]
    assert list(slices([])) == []


def test_endless_texts_are_cut_before_they_are_tokenised():
    assert shortened("x" * 1000, 10) == ("x" * 640, True)
    assert shortened("short", 10) == ("short", False)
    assert shortened(("q", "x" * 1000), 10) == (("q", "x" * 640), True)
