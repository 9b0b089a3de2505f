"""Texts in parts: windows, sentences, and QUITE's choice of sentences."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.passages import passages, quite, sentences, windows


def test_quite_takes_the_published_sentences():
    """The toy of the specification: picks #0 (5.0), #3 (2.5), #2 (1.5)."""
    importance = {"cheap": 1.0, "hotel": 2.0, "paris": 3.0}
    parts = [{"hotel", "paris", "view"}, {"paris", "metro"}, {"cheap", "hotel"}, {"cheap", "paris"}]
    assert quite(importance, parts, 3, 0.5) == [0, 3, 2]
    assert importance["paris"] == 3.0  # the argument stays


def test_quite_without_decay_repeats_the_heaviest_words_and_with_zero_covers_others():
    importance, parts = {"a": 2.0, "b": 1.0}, [{"a"}, {"a", "x"}, {"b"}]
    assert quite(importance, parts, 2, 1.0) == [0, 1]
    assert quite(importance, parts, 2, 0.0) == [0, 2]
    assert quite(importance, parts, 9, 0.5) == [0, 1, 2]
    assert quite({}, [{"a"}, {"b"}], 1) == [0]
    assert quite({"a": 1.0}, [], 3) == []


@given(st.integers(0, 60), st.integers(1, 12), st.data())
def test_windows_cover_all_and_none_is_within_another(n, size, data):
    stride = data.draw(st.integers(1, size))
    spans = windows(n, size, stride)
    assert {i for a, b in spans for i in range(a, b)} == set(range(n))
    assert all(b - a <= size for a, b in spans)
    assert all(c > a and d > b for (a, b), (c, d) in pairwise(spans))
    text = " ".join(map(str, range(n)))
    assert [p.split() for p in passages(text, size, stride)] == [list(map(str, range(a, b))) for a, b in spans]


def test_sentences_of_two_scripts_and_lines():
    assert sentences("升力是力。阻力呢？是的。") == ["升力是力。", "阻力呢？", "是的。"]
    assert sentences("One\n\nTwo 3.5 m. Three") == ["One", "Two 3.5 m.", "Three"]
    assert sentences("  ") == ["  "]
