"""The contract suites catch what they promise to catch."""

import pytest

from anyrank.core.groupings import Bubble, Pointwise, Tournament
from anyrank.testing import check_grouping, check_index


def endless(n):
    while True:
        yield [[0]] if n else []


def empty_group(n):
    yield [[]]
    return []


def twice_in_a_group(n):
    yield [[0, 0]] if n else []
    return []


def out_of_range(n):
    yield [[n]]
    return []


def doubled(n):
    yield from ()
    return [0, 0] if n else []


def unstable(n):
    (scores,) = (yield [list(range(n))]) if n else ([],)
    return sorted(range(n), key=lambda i: (-scores[i], -i))


def rising(n):
    yield from ()
    return {i: float(i) for i in range(n)}


def lazy(n):
    yield from ()
    return []


BROKEN = {
    endless: "no end",
    empty_group: "an empty group",
    twice_in_a_group: "holds an index twice",
    out_of_range: "out of range",
    doubled: "holds an index twice",
    unstable: "equal scores became the order",
    rising: "scores rise",
}


@pytest.mark.parametrize("grouping", BROKEN, ids=lambda g: g.__name__)
def test_a_broken_grouping_is_caught(grouping):
    with pytest.raises(AssertionError, match=BROKEN[grouping]):
        check_grouping(grouping)


def test_a_grouping_that_sorts_nothing_is_caught_by_the_oracle():
    check_grouping(lazy)
    with pytest.raises(AssertionError, match="the best 1 of 2 are wrong"):
        check_grouping(lazy, sizes=(2,), top=1, seeds=5)


@pytest.mark.parametrize("grouping", [Pointwise(), Bubble(), Tournament()], ids=repr)
def test_ours_pass(grouping):
    check_grouping(grouping, top=1, seeds=1)


class _Unfiltered:
    """An index that ignores a filter."""

    def search(self, queries, k, among=None):
        return [[("a", 2.0), ("b", 1.0)][:k] for _ in queries]


def test_an_index_that_ignores_a_filter_is_found_out():
    check_index(_Unfiltered(), ["q"], ["a", "b"], among={"year": 1}, passing=["a", "b"])
    with pytest.raises(AssertionError, match="b don't pass the filter"):
        check_index(_Unfiltered(), ["q"], ["a", "b"], among={"year": 1}, passing=["a"])
