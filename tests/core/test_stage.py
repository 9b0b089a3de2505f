"""Stages and their operators: composition, fusion, branches, traces."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from anyrank.core.errors import InputError
from anyrank.core.fusion import RRF
from anyrank.core.limits import Limits
from anyrank.core.rerank import Rerank
from anyrank.core.stage import Branch, Cut, Each, Fuse, Keep, Limited, Stage, merge
from anyrank.core.trace import Step
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.testing import Scripted, check_stage

DOCS = {"d1": "apple profit", "d2": "google profit", "d3": "banana bread", "d4": "apple pie bread"}


@dataclass(frozen=True)
class Overlap(Limited):
    """Retrieval by the number of shared words."""

    k: int = 100
    asked: ClassVar[list[int]] = []

    def limit(self, k):
        return replace(self, k=min(k, self.k))

    def batch(self, rankings):
        self.asked.append(self.k)
        out = []
        for r in rankings:
            words = set(r.query.content.split())
            found = tuple(Candidate(i, t) for i, t in DOCS.items() if words & set(t.split()))
            scored = replace(r, candidates=found).scored([len(words & set(c.content.split())) for c in found])
            out.append(scored[: self.k].with_step(Step("overlap", 0.25)))
        return out


def length(q, members):
    return [float(len(c.content)) for c in members]


find, longer = Overlap(), Rerank(Scripted(length), name="longer")


def test_then_and_cut():
    out = (find % 2 >> longer)("apple bread")
    assert out.ids == ["d4", "d1"]
    assert [s.name for s in out.trace] == ["overlap", "longer"]
    assert find.asked[-1] == 2  # the retriever was told how many are wanted


def test_a_query_text_a_query_and_a_batch_start_a_pipeline():
    assert find(Query("x", "banana")).query.id == "x"
    assert [r.query.id for r in find.run(["apple", Query("own", "bread")])] == ["q1", "own"]


def test_sum_fuses_and_joins_traces():
    out = (find + longer)(find("apple bread"))
    assert sorted(out.ids) == ["d1", "d3", "d4"]
    assert [s.name for s in out.trace] == ["overlap", "overlap", "longer"]
    assert out.ids[0] == "d4"


def test_weights_count_and_alone_change_nothing():
    given = Ranking.of("q", ["aa", "b"], ["long", "short"])
    up, down = longer, Rerank(Scripted(lambda q, m: [-s for s in length(q, m)]))
    assert (up + 0.9 * down)(given).ids == ["long", "short"]
    assert (up + 1.1 * down)(given).ids == ["short", "long"]
    assert (2 * up)(given).ids == up(given).ids


def test_a_weight_outlives_a_cut_and_nests():
    given = Ranking.of("q", ["aa", "b"], ["long", "short"])
    up, down = longer, Rerank(Scripted(lambda q, m: [-s for s in length(q, m)]))
    assert (up + 0.9 * down % 2)(given).ids == ["long", "short"]
    assert (up + 1.1 * down % 2)(given).ids == ["short", "long"]
    assert (up + 0.1 * (9 * down))(given).ids == ["long", "short"]
    (2 * find % 3)("apple")
    assert find.asked[-1] == 3
    with pytest.raises(InputError, match="weight inf"):
        float("inf") * up
    with pytest.raises(InputError, match=r"weight 1e\+308: must be a number from -1e100 to 1e100"):
        1e308 * up


def test_a_chain_of_unions_is_one_union():
    a, b, c = (Each(lambda r, i=i: Ranking.of(r.query, "12", [f"{i}1", f"{i}2"])) for i in "abc")
    assert (a | b | c)("q").ids == ["a1", "b1", "c1", "a2", "b2", "c2"]


def test_union_pools_by_best_rank_without_mixing_scores():
    out = (find % 1 | Each(lambda r: Ranking(r.query, (Candidate("z"), Candidate("d1", "apple profit")))))("apple")
    assert out.ids == ["d1", "z"]


def test_merged_candidates_keep_all_content_and_meta():
    a = Each(lambda r: Ranking(r.query, (Candidate("x", None, 1.0, {"a": 1}),)))
    b = Each(lambda r: Ranking(r.query, (Candidate("x", "text", 1.0, {"b": 2}),)))
    (only,) = Fuse((a, b), RRF())("q")
    assert (only.content, only.meta) == ("text", {"a": 1, "b": 2})


def test_the_parts_of_a_fusion_share_the_limits_of_calls():
    judges = [Scripted(lambda query, members: [float(m.id) for m in members]) for _ in range(2)]
    ranking = replace(Ranking.of("q", "abcd"), limits=Limits(max_calls=5))
    after = Fuse(tuple(Rerank(j) for j in judges))(ranking)
    assert [len(j.log) for j in judges] == [4, 1]
    assert (after.cost.usage.calls, after.limits, after.status) == (5, Limits(max_calls=5), "partial")


def test_keep_remembers_the_score():
    out = (find >> Keep("first") >> longer)("apple bread")
    assert {c.id: c.meta["first"] for c in out} == {"d1": 1.0, "d3": 1.0, "d4": 2.0}


def test_branch_merges_under_the_original_query_in_one_batch():
    def split(r):
        return [Ranking(replace(r.query, id=f"{r.query.id}.{w}", content=w)) for w in r.query.content.split(" and ")]

    asked = len(find.asked)
    out = Branch(split, find % 1).batch([Ranking(Query("q", "google and banana")), Ranking(Query("p", "apple"))])
    assert [r.ids for r in out] == [["d2", "d3"], ["d1"]]
    assert [r.query.id for r in out] == ["q", "p"]
    assert len(find.asked) == asked + 1
    kept = Ranking.of("q", ["x"])
    assert Branch(lambda r: [], find)(kept) == kept


def test_contracts():
    rankings = [Ranking.of(Query("a", "apple"), list(DOCS.values()), list(DOCS)), Ranking(Query("b", "none"))]
    for stage in (longer, longer + find, longer | longer, Keep("x") >> longer, 2 * longer):
        check_stage(stage, rankings, permutes="find" not in repr(stage).lower() and "Overlap" not in repr(stage))


def test_stages_are_values():
    assert find % 3 >> longer == find % 3 >> longer
    assert repr(Cut(3)) == "Cut(k=3)"
    with pytest.raises(InputError, match="at least 1"):
        find % 0


def test_a_stage_needs_a_batch():
    with pytest.raises(TypeError):
        Stage()


def test_of_several_values_of_a_field_the_first_parts_counts():
    first, second = (
        Ranking(Query("q"), (Candidate("a", "x", 1.0, {"by": "first", "one": 1}),)),
        Ranking(Query("q"), (Candidate("a", "y", 1.0, {"by": "second", "two": 2}),)),
    )
    merged = merge(first, [first, second], RRF())
    assert merged[0].meta == {"by": "first", "one": 1, "two": 2}
    assert merged[0].content == "x"
    assert merge(first, [second, first], RRF())[0].meta["by"] == "second"
