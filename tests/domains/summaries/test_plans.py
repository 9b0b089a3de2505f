"""EDUs, plans of them and beams, by hand and by property."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.domains.summaries.beams import beam_search
from anyrank.domains.summaries.edus import by_rules
from anyrank.domains.summaries.overlap import similarity
from anyrank.domains.summaries.plans import (
    aligned_plan,
    corrupted,
    coverage,
    greedy_plan,
    marked,
    oracle_plan,
    soft_labels,
)

TEXT = st.text(alphabet="ab ,.;:!?—\n\"'", max_size=80) | st.sampled_from(
    [
        "He left, because it rained hard, and they stayed.",
        "while when which",
        ". . .",
        "Although it rained, we won; so?",
    ]
)


@given(TEXT)
def test_edus_joined_are_the_text(text):
    (edus,) = by_rules([text])
    assert " ".join(edus) == " ".join(text.split())
    assert all(edu.strip() for edu in edus)


@pytest.mark.parametrize(
    ("text", "edus"),
    [
        ("He left the house because it rained all day.", ["He left the house", "because it rained all day."]),
        ("The man, who was 40, said no. He left.", ["The man, who was 40, said no.", "He left."]),
        ("They won the cup; the city celebrated.", ["They won the cup;", "the city celebrated."]),
        ("Although it had rained, they played on, and won the match.",
         ["Although it had rained, they played on,", "and won the match."]),
        ('"It is over." The fans went home.', ['"It is over."', "The fans went home."]),
        ("", []),
    ],
)  # fmt: skip
def test_rules(text, edus):
    assert by_rules([text]) == [edus]


SOURCE = [
    "the storm hit the coast",
    "schools were closed",
    "the mayor spoke",
    "power was lost in 40 homes",
    "it rained",
]


@pytest.mark.parametrize(
    ("target", "aligned", "greedy", "oracle"),
    [
        (["schools were closed"], [1], [1], [1]),
        (["the storm hit", "power was lost"], [0, 3], [0, 3], [0, 3]),
        (["schools closed after the storm hit the coast"], [0], [0, 1], [0, 1]),
        (["nothing here matches"], [], [], []),
        (["the mayor spoke", "the mayor said it rained"], [2, 4], [2, 4], [2, 4]),
    ],
)
def test_oracle_plans_by_hand(target, aligned, greedy, oracle):
    assert aligned_plan(SOURCE, target) == aligned
    assert greedy_plan(SOURCE, target) == greedy
    assert oracle_plan(SOURCE, target) == oracle


def test_the_oracle_keeps_the_better_of_both():
    rng = random.Random(0)
    words = ["storm", "coast", "school", "mayor", "power", "home", "rain", "cup"]
    better = 0
    for _ in range(60):
        source = [" ".join(rng.choices(words, k=3)) for _ in range(6)]
        target = [" ".join(rng.choices(words, k=3)) for _ in range(2)]
        values = [coverage(source, p(source, target), target) for p in (aligned_plan, greedy_plan)]
        assert coverage(source, oracle_plan(source, target), target) == max(values)
        better += values[0] != values[1]
    assert better > 10  # the two do differ


def test_soft_labels_are_the_greatest_similarity():
    assert soft_labels(["a b", "c d", "x"], ["a b", "c e"]) == [1.0, 0.25, 0.0]
    assert soft_labels(["a"], []) == [0.0]


SMALL = st.lists(st.lists(st.sampled_from("abcd"), max_size=4).map(" ".join), max_size=5)


@given(SMALL, SMALL)
def test_plans_by_shared_ngrams_are_those_by_comparing_every_pair(source, target):
    near = [[similarity(s, t) for s in source] for t in target]
    labels = [max(column) for column in zip(*near)] if target else [0.0] * len(source)
    assert soft_labels(source, target) == labels
    assert aligned_plan(source, target) == sorted({row.index(max(row)) for row in near if row and max(row) > 0})
    plan, best = [], 0.0
    while True:
        values = {i: coverage(source, sorted([*plan, i]), target) for i in range(len(source)) if i not in plan}
        if not values or max(values.values()) <= best:
            break
        best = max(values.values())
        plan.append(next(i for i, v in values.items() if v == best))
    assert greedy_plan(source, target) == sorted(plan)


def test_marks_and_wrong_plans():
    assert marked(["a", "b"]) == "<e>a</e> <e>b</e>"
    with pytest.raises(InputError, match="names EDU 2, but there are 2"):
        marked(["a", "b"], [2])
    rng = random.Random(1)
    for _ in range(30):
        assert not set(corrupted([1, 3], 8, "random", rng)) & {1, 3}
        swapped = corrupted([1, 3], 8, "swap", rng)
        assert len(set(swapped) & {1, 3}) == 1
        assert swapped == sorted(set(swapped))
        assert len(swapped) == 2
    assert corrupted([0, 1], 2, "random", rng) == [0, 1]  # there are no others


def tree(table):
    """A model of next symbols whose log-probabilities depend on the last symbol alone."""
    log = np.log(np.array(table))
    return lambda prefixes: np.stack([log[p[-1] + 1 if p else 0] for p in prefixes])


def every(step, end, most):
    """All sequences and their sums, by enumeration."""
    out, todo = [], [((), 0.0)]
    while todo:
        symbols, total = todo.pop()
        row = step([symbols])[0]
        out.append((total + row[end], symbols))
        if len(symbols) < most:
            todo += [((*symbols, s), total + row[s]) for s in range(end)]
    return sorted(out, reverse=True)


@given(st.integers(0, 1000))
def test_a_wide_beam_finds_the_best_sequences(seed):
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.ones(3), size=3)  # two symbols and the end, after nothing, after 0, after 1
    beams = beam_search(tree(table), 16, 2, most=3)
    assert [b.symbols for b in beams] == [s for _, s in every(tree(table), 2, 3)][: len(beams)]
    assert len(beams) == 15  # all sequences of up to 3 of two symbols
    assert [b.logprob for b in beams] == pytest.approx([p for p, _ in every(tree(table), 2, 3)])


def test_diverse_groups_avoid_each_others_symbols():
    step = tree([[0.5, 0.3, 0.15, 0.05]] * 4)
    plain = beam_search(step, 3, 3, most=2)
    diverse = beam_search(step, 3, 3, groups=3, penalty=5.0, most=2)
    assert len({b.symbols[0] for b in plain}) < 3
    assert sorted(b.symbols for b in diverse) == [(0, 0), (1, 1), (2, 2)]
    assert beam_search(step, 1, 3, most=2)[0].symbols == (0, 0)
    with pytest.raises(InputError, match="3 beams in 2 groups"):
        beam_search(step, 3, 3, groups=2)


def test_bounds_on_length_and_the_length_exponent():
    step = tree([[0.2, 0.1, 0.7]] * 3)
    assert beam_search(step, 1, 2, most=3)[0].symbols == ()
    assert {len(b.symbols) for b in beam_search(step, 4, 2, least=2, most=3)} <= {2, 3}
    assert len(beam_search(step, 4, 2, least=1, most=3, alpha=3.0)[0].symbols) == 3
