"""The query itself is left out of its results, wherever a pipeline searches, and as many results are left."""

import pytest

from anyrank.core.types import Candidate, Query, Ranking
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.pipeline.parser import Settings, parse
from anyrank.pipeline.text import text
from anyrank.retrieve.ignore_self import IgnoreSelf, without_self


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("self") / "ix"
    words = ["wing lift", "wing drag", "wing heat", "lift wing lift", "cone", "wing cone body"]
    build((Candidate(f"d{i}", w) for i, w in enumerate(words)), folder)
    return Collection.open(folder)


@pytest.mark.parametrize("pipeline", ["bm25", "bm25 % 3", "bm25(k=3)", "bm25 + bm25", "bm25 % 3 >> prior", "cut(3)"])
def test_the_query_is_left_out_and_the_number_of_results_stays(collection, pipeline):
    if pipeline == "cut(3)":
        pipeline = "rrf(bm25, bm25) >> cut(3)"
    query = Ranking(Query("d0", "wing lift"))
    with_self = parse(pipeline, Settings(collection)).batch([query])[0].ids
    without = parse(pipeline, Settings(collection, ignore_self=True)).batch([query])[0].ids
    assert "d0" in with_self
    assert "d0" not in without
    others = parse("bm25", Settings(collection)).batch([query])[0].ids
    others.remove("d0")
    assert without == others[: len(without)]
    assert len(without) == min(len(with_self), len(others))


def test_a_stage_that_ignores_the_query_has_the_same_text(collection):
    stage = parse("bm25 % 3", Settings(collection, ignore_self=True))
    assert text(stage) == "bm25 % 3"
    assert stage == parse("bm25 % 3", Settings(collection))


def test_a_query_that_is_no_document_loses_nothing(collection):
    query = Ranking(Query("elsewhere", "wing"))
    both = [parse("bm25 % 2", Settings(collection, ignore_self=on)).batch([query])[0] for on in (False, True)]
    assert both[0].ids == both[1].ids
    assert len(both[1]) == 2


def test_limits_are_the_least(collection):
    stage = parse("bm25(k=4)", Settings(collection, ignore_self=True)).stage
    assert isinstance(stage, IgnoreSelf)
    assert (stage.limit(2).k, stage.limit(9).k, stage.limit(2).stage.k) == (2, 4, 3)


def test_candidates_and_matches_lose_the_query_alone(collection):
    given = Ranking.of(Query("b"), ["x", "y", "z"], ids=["a", "b", "c"])
    assert without_self(given).ids == ["a", "c"]
    assert without_self(given).scores == [3.0, 1.0]
    other = Ranking.of(Query("q"), ["x"], ids=["a"])
    assert without_self(other) is other
    searched = parse("bm25", Settings(collection)).batch([Ranking(Query("d0", "wing"))])[0]
    left = without_self(searched)
    assert left.matches is not None
    assert left.trace == searched.trace
    assert [c.content for c in left] == [c.content for c in searched if c.id != "d0"]
