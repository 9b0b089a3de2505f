"""Candidates without content come last in every method, are shown to no judge, and are counted in a note."""

import math

import pytest

from anyrank.core.content import Image, is_blank
from anyrank.core.groupings import Bubble, Heap, MergeSort, Pointwise, Sliding, Tournament
from anyrank.core.rerank import Rerank
from anyrank.core.types import Candidate, Judgement, Query, Ranking
from anyrank.judges.both_orders import BothOrders
from anyrank.judges.passages import Passages
from anyrank.papers import load, names
from anyrank.shortcuts import pipeline
from anyrank.testing import Scripted
from anyrank.testing.llm import OracleModel

BLANK = ["", " ", "\n\t ", "\u200b", "\ufeff \u00ad", "\u3000", {"text": ""}, {"title": " ", "text": None}, ("", " "),
         [], {}, {"title": "", "body": "\u2060"}, math.nan, {"text": "", "year": 1958}]  # fmt: skip
FULL = ["a", ".", "0", {"title": "a", "text": ""}, ("", "a"), 0, 7.5, {"image": "cat.jpg"}, Image("cat.jpg"),
        {"name": "a"}, None, ("", Image("cat.jpg"))]  # fmt: skip


@pytest.mark.parametrize("content", BLANK, ids=repr)
def test_blank_contents(content):
    assert is_blank(content)


@pytest.mark.parametrize("content", FULL, ids=repr)
def test_contents_that_are_not_blank(content):
    assert not is_blank(content)


def likes_short(query, members):
    """A judge that would put an empty text first."""
    return [-float(len(str(c.content))) for c in members]


@pytest.mark.parametrize(
    "grouping",
    [Pointwise(), Sliding(3, 1), Heap(2, 9), Bubble(2, 9), Tournament(4, 2), MergeSort(), Sliding(2, 1, 9)],
    ids=repr,
)
@pytest.mark.parametrize("depth", [None, 4])
def test_blank_candidates_come_last_and_no_judge_sees_them(grouping, depth):
    ranking = Ranking.of("q", ["", "cccc", " ", "bbb", "aa", {"text": ""}, "z"])
    judge = Scripted(likes_short)
    after = Rerank(judge, grouping, depth=depth)(ranking)
    blank = ["0", "2", "5"] if depth is None else ["0", "2"]
    assert after.ids[-len(blank) :] == blank
    assert sorted(after.ids) == sorted(ranking.ids)
    assert after.scores == sorted(after.scores, reverse=True)
    assert after.status == "ok"
    assert not set(blank) & {i for group in judge.log for i in group}
    assert after.trace[-1].notes == (f"{len(blank)} of 7 candidates have no content: they come last",)


def test_a_list_of_blank_candidates_stays_and_costs_nothing():
    ranking = Ranking.of("q", ["", " "])
    judge = Scripted(likes_short)
    after = Rerank(judge)(ranking)
    assert (after.ids, after.status, judge.log) == (["0", "1"], "ok", [])
    assert after.trace[-1].notes == ("2 of 2 candidates have no content: they come last",)


def test_a_list_that_no_judge_scored_keeps_its_order_with_its_blank_candidates():
    after = Rerank(lambda groups: [Judgement([math.nan] * len(m)) for _, m in groups])(Ranking.of("q", ["", "a", "b"]))
    assert (after.ids, after.status) == (["0", "1", "2"], "fallback")


@pytest.mark.parametrize("wrap", [BothOrders, Passages, lambda judge: judge])
def test_wrapped_judges_see_no_blank_candidates(wrap):
    judge = Scripted(likes_short)
    after = Rerank(wrap(judge), Sliding(2, 1, 4) if wrap is BothOrders else Pointwise())(
        Ranking.of("q", ["", "bb", "a"])
    )
    assert after.ids == ["2", "1", "0"]
    assert not any("0" in group for group in judge.log)


@pytest.mark.parametrize(
    "text", ["mini", "minilm", "splade", "tiny", "passages('splade')", "minilm + splade", "mini % 9"]
)
def test_shipped_models_put_blank_texts_last(text):
    documents = ["", "Paris is the capital of France.", "  \n", "Lyon is a large city.", "\u200b"]
    after = pipeline(text)(Ranking.of("capital of France", documents))
    assert after.ids == ["1", "3", "0", "2", "4"]
    assert after.status == "ok"
    assert "3 of 5 candidates have no content: they come last" in after.cost.notes


@pytest.mark.parametrize("name", sorted(names()))
def test_methods_of_the_literature_put_blank_texts_last(name):
    system = load(name)
    texts = {"a": "text of a", "b": " ", "c": "text of c", "d": "", "e": "text of e"}
    ranking = Ranking(
        Query("q", "question"), tuple(Candidate(i, t, 5.0 - n, {"bm25": 1.0}) for n, (i, t) in enumerate(texts.items()))
    )
    truth = {i: float(n) for n, i in enumerate(texts)}
    backend = (
        OracleModel(truth)
        if system.CARD.capabilities != ("judge",)
        else Scripted(lambda q, m: [truth[c.id] for c in m])
    )
    after = system.build(backend)(ranking)
    assert after.ids[3:] == ["b", "d"]
    assert after.ids[:3] == ["e", "c", "a"]
