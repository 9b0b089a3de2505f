"""Rankings of matches: the same values as rankings of candidates, and documents are read only when somebody looks."""

import pickle
from copy import copy, deepcopy
from dataclasses import FrozenInstanceError, asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.fusion import RRF, Borda, Combine, Interleave
from anyrank.core.limits import Limits
from anyrank.core.matches import Matches, Reader
from anyrank.core.rerank import Rerank
from anyrank.core.stage import Cut, Each, Fuse, Keep, merge
from anyrank.core.trace import Step
from anyrank.core.types import Candidate, Judgement, Query, Ranking, read_together
from anyrank.io.runs import write_run
from anyrank.testing import Scripted

QUERY = Query("q", "what?")


class Table:
    """Documents t0, t1, … that count how often they are read."""

    def __init__(self):
        self.calls = []

    def ids(self, rows):
        return [f"t{r}" for r in rows]

    def documents(self, rows):
        self.calls.append(list(rows))
        return [(f"text {r}", {"row": r}) for r in rows]

    @property
    def read(self):
        return [r for rows in self.calls for r in rows]


def found(source, rows, scores=None, query=QUERY, reader=None):
    values = np.array(scores if scores is not None else range(len(rows), 0, -1), dtype=np.float64)
    return Ranking.of_matches(query, Matches(np.array(rows, dtype=np.int64), values, reader or Reader(source)))


def plain(rows, scores=None, query=QUERY):
    values = scores if scores is not None else [float(s) for s in range(len(rows), 0, -1)]
    return Ranking(query, tuple(Candidate(f"t{r}", f"text {r}", s, {"row": r}) for r, s in zip(rows, values)))


def test_they_are_the_values_that_they_stand_for():
    lazy, eager = found(Table(), [3, 1, 2]), plain([3, 1, 2])
    assert lazy == eager
    assert eager == lazy
    assert repr(lazy) == repr(eager)
    assert lazy != plain([3, 2, 1])
    assert isinstance(lazy.candidates, tuple)
    assert list(lazy) == list(eager) == list(lazy.candidates)
    assert (lazy[0], lazy[-1], lazy[1:], len(lazy)) == (eager[0], eager[-1], eager[1:], 3)
    assert hash(found(Table(), [])[:0].query.id) == hash("q")
    with pytest.raises(FrozenInstanceError):
        lazy.trace = ()
    with pytest.raises(AttributeError, match="nothing"):
        _ = lazy.nothing


@pytest.mark.parametrize("way", [copy, deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_they_are_copied_and_pickled(way):
    lazy = found(Table(), [3, 1]).with_step(Step("a"))
    assert way(lazy) == plain([3, 1]).with_step(Step("a"))
    assert way(lazy[0]) == plain([3, 1])[0]
    assert type(pickle.loads(pickle.dumps(lazy[0]))) is Candidate


def test_a_ranking_as_a_dict_has_the_fields_of_any(tmp_path):
    source = Table()
    source.open = (tmp_path / "file").open("w")  # a source can't be copied
    with source.open:
        assert asdict(found(source, [3, 1])) == asdict(plain([3, 1]))
    assert list(asdict(plain([3]))) == ["query", "candidates", "trace", "limits"]


def test_ids_scores_cuts_orders_steps_fusions_and_runs_read_nothing(tmp_path):
    table = Table()
    one, other = found(table, [3, 1, 2]), found(table, [2, 5, 3])
    assert (one.ids, one.scores, len(one)) == (["t3", "t1", "t2"], [3.0, 2.0, 1.0], 3)
    for stage in (Cut(2), Keep("first"), Each(lambda r: r.with_step(Step("x")).ordered([2]).scored([1, 2, 3]))):
        stage(one)
    for method in (Combine(), RRF(), Borda(), Interleave(), lambda runs, weights: RRF()(runs, weights)):
        assert len(merge(Ranking(QUERY), [one, other], method)) == 4
    assert len(merge(Ranking(QUERY), [one, replace(other, trace=(Step("x"),))], RRF())) == 4
    write_run(tmp_path / "run", [one])
    kept = [c.rescored(9.0) for c in one.candidates]
    assert [(c.id, c.score) for c in kept] == [("t3", 9.0), ("t1", 9.0), ("t2", 9.0)]
    assert table.calls == []


def test_a_document_is_read_once_when_somebody_looks():
    table = Table()
    ranking = found(table, [3, 1, 2])
    assert ranking[1].content == "text 1"
    assert table.read == [1]
    assert ranking.ordered([1]).with_step(Step("x"))[:1][0].meta == {"row": 1}
    assert table.read == [1]
    assert [c.content for c in ranking] == ["text 3", "text 1", "text 2"]
    assert sorted(table.read) == [1, 2, 3]


def test_documents_needed_together_are_read_at_the_first_look_at_one():
    table = Table()
    reader = Reader(table)
    a, b = found(table, [3, 1], reader=reader), found(table, [1, 2], reader=reader)
    assert a[0].content == "text 3"
    read_together([*a, *b, *plain([7])])
    assert table.calls == [[3]]  # nobody looked yet
    assert b[1].content == "text 2"
    assert [sorted(rows) for rows in table.calls] == [[3], [1, 2]]
    assert [c.content for r in (a, b) for c in r] == ["text 3", "text 1", "text 1", "text 2"]
    assert len(table.calls) == 2


class LooksAtNone:
    """A judge that knows which candidates are blank without reading any."""

    scores_blank = True

    def __call__(self, groups):
        return [Judgement([0.0] * len(cs)) for _, cs in groups]


def test_a_reranker_reads_all_its_texts_at_once_and_none_for_a_judge_that_looks_at_none():
    table = Table()
    ranking = found(table, [3, 1, 2])
    Rerank(LooksAtNone())(ranking)
    assert table.calls == []
    Rerank(lambda groups: [Judgement([float(len(c.content)) for c in cs]) for _, cs in groups])(ranking)
    assert [sorted(rows) for rows in table.calls] == [[1, 2, 3]]


def test_a_candidate_is_replaced_noted_and_rescored_like_any():
    lazy, eager = found(Table(), [3])[0], plain([3])[0]
    for change in (
        lambda c: replace(c, score=5.0),
        lambda c: replace(c, content=None),
        lambda c: replace(c, meta={"x": 1}),
        lambda c: c.rescored(2.0),
        lambda c: c.noted({"row": 0, "y": 2}).noted({"y": 3}).rescored(7.0),
    ):
        assert change(lazy) == change(eager)
    assert isinstance(lazy, Candidate)
    with pytest.raises(AttributeError):
        lazy.content = "x"


rows = st.lists(st.integers(0, 9), unique=True, max_size=8)
halves = st.integers(-6, 6).map(lambda n: n / 2)


@given(parts=st.lists(rows, min_size=1, max_size=4), data=st.data())
def test_fused_columns_are_the_fused_candidates(parts, data):
    """The same scores, and the same order of ties."""
    scores = [sorted(data.draw(st.lists(halves, min_size=len(p), max_size=len(p))), reverse=True) for p in parts]
    weights = data.draw(st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=len(parts), max_size=len(parts)))
    table = Table()
    lazy = [found(table, p, s) for p, s in zip(parts, scores)]
    eager = [plain(p, s) for p, s in zip(parts, scores)]
    for method in (Combine(), Combine("mnz", "minmax", "zero"), Combine("max", "none"), RRF(), Borda(), Interleave()):
        for columns in (method, lambda runs, weights, method=method: method(runs, weights)):
            one, other = (merge(Ranking(QUERY), p, columns, weights) for p in (lazy, eager))
            assert (one.ids, one.scores) == (other.ids, other.scores)
    assert one == other


def test_a_fusion_reads_a_document_that_only_another_part_had_read_no_second_time():
    table = Table()
    one, other = found(table, [3, 1]), found(table, [2, 1])
    assert [c.content for c in other] == ["text 2", "text 1"]
    assert sorted(c.content for c in merge(Ranking(QUERY), [one, other], RRF())) == ["text 1", "text 2", "text 3"]
    assert sorted(table.read) == [1, 2, 3]


def test_sources_mix():
    mixed = merge(Ranking(QUERY), [found(Table(), [3, 1]), found(Table(), [1, 2]), plain([9])], RRF())
    assert sorted((c.id, c.content) for c in mixed) == [(f"t{r}", f"text {r}") for r in (1, 2, 3, 9)]


def test_a_reranker_below_its_depth_reads_nothing():
    table = Table()
    stage = Rerank(Scripted(lambda q, members: [float(c.content[-1]) for c in members]), depth=2)
    after = stage(found(table, [1, 3, 2, 4]))
    assert after.ids == ["t3", "t1", "t2", "t4"]
    assert sorted(table.read) == [1, 3]
    both = Fuse((stage, stage), RRF())(found(table, [1, 3, 2, 4]))
    assert both.ids == after.ids


def test_limits_travel():
    limits = Limits(max_calls=3)
    ranking = Ranking.of_matches(QUERY, found(Table(), [1, 2]).matches, (), limits)
    steps = (ranking[:1], ranking.ordered([1]), ranking.with_step(Step("x")), replace(ranking, trace=()))
    assert {r.limits for r in steps} == {limits}
    assert merge(Ranking(QUERY, limits=limits), [ranking], RRF()).limits == limits
    assert merge(Ranking(QUERY, limits=limits), [plain([1])], RRF()).limits == limits


def test_matches_are_pairs():
    matches = found(Table(), [3, 1], [0.5, 0.25]).matches
    assert matches == [("t3", 0.5), ("t1", 0.25)]
    assert (matches[0], matches[1:], repr(matches)) == (("t3", 0.5), [("t1", 0.25)], "[('t3', 0.5), ('t1', 0.25)]")
    assert matches != [("t3", 0.5)]
    assert matches != "t3"
