"""MMR and xQuAD: orders worked out by hand, permutations, aspects from the query, and their names in pipelines."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.core.trace import Usage
from anyrank.core.types import Candidate, Judgement, Query, Ranking
from anyrank.judges.diversify import Mmr, Xquad, aspects_of, cosines, mmr_order, xquad_order
from anyrank.papers.multi_query import fused
from anyrank.pipeline.explain import explain
from anyrank.pipeline.parser import parse
from anyrank.vectors import Encoded
from anyrank.vectors.dense import Dense

VECTORS = {"a": (3, 0), "b": (1, 0.1), "c": (0, 2)}


class Encoder:
    name = "toy"

    def encode(self, contents, *, query=False):
        return Encoded(Dense(np.array([VECTORS[c] for c in contents], dtype=np.float32)), Usage(calls=len(contents)))


def covers(groups):
    """A judge: whether a text holds the query's letter."""
    return [Judgement([float(q.content in c.content) for c in members]) for q, members in groups]


def broken(groups):
    raise RuntimeError("no model")


def test_mmr_by_hand():
    # cosines: a.b = 3/sqrt(9*1.01) = .995, a.c = 0, b.c = .1/sqrt(1.01) = .0995; relevances 1, .5, 0
    ranking = Ranking.of("q", ["a", "b", "c"])
    out = Mmr(Encoder(), lam=0.5)(ranking)
    assert [c.content for c in out] == ["a", "c", "b"]
    assert out.scores == pytest.approx([0.5, 0.0, 0.25 - 0.5 * 0.99504], abs=1e-4)
    assert out.trace[-1].usage.calls == 3
    assert Mmr(Encoder(), lam=1.0)(ranking).ids == ranking.ids
    assert Mmr(Encoder(), lam=0.0, depth=2)(ranking).ids == ranking.ids
    assert cosines(Dense(np.zeros((2, 2), dtype=np.float32))).tolist() == [[0, 0], [0, 0]]


def test_xquad_by_hand():
    query = Query("q", "letters", {"aspects": {"x": 3, "y": 1}})
    ranking = Ranking.of(query, ["xx", "x", "y"])
    out = Xquad(covers, lam=0.5)(ranking)
    # relevances 1, .5, 0; x covers .75, y .25. First: .5 + .375; then "x" .25 + 0 against "y" 0 + .125
    assert [c.content for c in out] == ["xx", "x", "y"]
    assert out.scores == pytest.approx([0.875, 0.25, 0.125])
    assert [c.content for c in Xquad(covers, lam=0.9)(ranking)] == ["xx", "y", "x"]


def test_aspects_are_the_meta_s_or_a_rewriter_s():
    written, _ = fused(Query("q", "jaguar"), ["the car", "the cat"])
    assert aspects_of(written) == {"the car": 1.0, "the cat": 1.0}
    assert aspects_of(Query("q", "jaguar", {"queries": ["a", "b", ""]})) == {"a": 1.0, "b": 1.0}
    with pytest.raises(InputError, match="weights"):
        aspects_of(Query("q", "jaguar", {"aspects": {"a": 0}}))
    assert aspects_of(Query("q", "jaguar", {"aspects": {"a": 1e308, "b": 5e307, " ": 1}})) == {"a": 1.0, "b": 0.5}
    for wrong in ("one", [None], [{"a": 1}], True, {"a": "x"}, {"a": float("nan")}):
        with pytest.raises(InputError, match="aspects"):
            aspects_of(Query("q", "jaguar", {"aspects": wrong}))
    out = Xquad(covers)(Ranking.of("no aspects", ["a", "b"]))
    assert out.ids == ["0", "1"]
    assert "has no aspects" in out.trace[-1].notes[0]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=7), st.floats(0, 1), st.integers(0, 99))
def test_both_take_everyone_once(relevance, lam, seed):
    rng = np.random.default_rng(seed)
    n = len(relevance)
    assert sorted(mmr_order(relevance, rng.uniform(-1, 1, (n, n)), lam)) == list(range(n))
    order = xquad_order(relevance, rng.uniform(0, 1, (3, n)), [0.2, 0.3, 0.5], lam)
    assert sorted(order) == list(range(n))
    assert list(order.values()) == sorted(order.values(), reverse=True)


@pytest.mark.parametrize("stage", [Mmr(Encoder(), depth=3), Xquad(covers, depth=3)])
def test_who_has_no_content_comes_last_of_the_head(stage):
    texts = (Candidate("1", "", 4.0), Candidate("2", "a", 3.0), Candidate("3", "b", 2.0), Candidate("4", "c", 1.0))
    out = stage(Ranking(Query("q", "a", {"aspects": ["a", "b"]}), texts))
    assert out.ids == ["2", "3", "1", "4"]
    assert out.trace[-1].notes == ("1 candidates without content come last",)


def test_a_judge_that_fails_leaves_the_order():
    out = Xquad(broken)(Ranking.of(Query("q", "x", {"aspects": ["a"]}), ["a", "b"]))
    assert out.ids == ["0", "1"]
    assert out.status == "fallback"
    assert out.trace[-1].notes == ("RuntimeError: no model",)


def test_names_in_pipelines():
    ranking = Ranking.of("wing", ["a wing of a plane", "the wing of a plane", "heat of plates"])
    out = parse("mmr('minilm', lam=0.5)", starts=False)(ranking)
    assert out.ids == ["0", "2", "1"]
    assert explain("bm25 % 50 >> mmr('minilm')")[1].calls == 50
    assert "each aspect" in explain("bm25 % 50 >> xquad('minilm')")[1].formula
    assert "lightgbm" in explain("bm25 % 50 >> ltr('m.txt')")[1].needs[0].what
    for text, message in (("mmr('minilm', lam=2)", "from 0 to 1"), ("xquad('minilm', depth=0)", "at least 1")):
        with pytest.raises(InputError, match=message):
            parse(text, starts=False)
