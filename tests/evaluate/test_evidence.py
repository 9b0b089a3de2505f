"""MultiHop-RAG's figures, with the departures of its script from the usual measures."""

import pytest

from anyrank.evaluate.evidence import MultiHop, evidence_recall, multihop


def test_a_fact_is_found_whatever_the_spaces_and_line_ends():
    assert multihop([["x", "The cat\nsat on  mats."]], [["cat sat on mats"]]) == MultiHop(1.0, 1.0, 0.5, 0.5)


def test_average_precision_does_not_accumulate():
    # the usual one would be (1/1 + 2/3) / 2; a fact that comes again adds nothing
    assert multihop([["a", "a", "b"]], [["a", "b"]]).map_10 == pytest.approx((1 / 1 + 1 / 3) / 2)
    # two facts in one chunk count both at its rank
    assert multihop([["-", "a b"]], [["a", "b"]]).map_10 == pytest.approx((2 / 2) / 2)
    # as often as it is listed, a fact is found once
    assert multihop([["a"]], [["a", "a"]]).map_10 == pytest.approx(1 / 2)


def test_rank_11_adds_to_map_alone_and_rank_12_to_nothing():
    ten = ["-"] * 10
    assert multihop([[*ten, "a"]], [["a"]]) == MultiHop(0.0, 0.0, 0.0, pytest.approx(1 / 11))
    assert multihop([[*ten, "a"]], [["a"]], map_ranks=10) == MultiHop(0.0, 0.0, 0.0, 0.0)
    assert multihop([[*ten, "-", "a"]], [["a"]]) == MultiHop(0.0, 0.0, 0.0, 0.0)
    assert multihop([["-"] * 4 + ["a"]], [["a"]]) == MultiHop(0.0, 1.0, 0.2, 0.2)


def test_null_queries_are_left_out_and_many_facts_count_as_ten():
    assert multihop([["a"], ["b"]], [["a"], []]).hits_10 == 1.0
    assert multihop([[]], [[]]) == MultiHop(0.0, 0.0, 0.0, 0.0)
    facts = [f"f{i}." for i in range(12)]
    assert multihop([[" ".join(facts)]], [facts]).map_10 == pytest.approx(12 / 10)


def test_evidence_recall():
    assert evidence_recall([], ["a"]) == 0.0
    assert evidence_recall(["b", "a"], ["a", "b"]) == 1.0
    assert evidence_recall(["b"], []) == 1.0
