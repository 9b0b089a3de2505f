"""Exploration adds the neighbours of what its judge likes, within a budget, and says so."""

import pytest
from tests.conftest import Bag

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.index.build import build
from anyrank.retrieve.explore import Explore
from anyrank.retrieve.stages import BM25
from anyrank.testing import Counting, Hostile, Oracle

THEMES = {"wing": "wing lift drag", "heat": "heat flow plate", "jet": "jet nozzle cone"}


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Three themes of ten documents each; one of each theme names the query's word."""
    documents = [
        Candidate(f"{theme}{n}", f"{words} {'query' if n == 0 else words} d{n}")
        for theme, words in THEMES.items()
        for n in range(10)
    ]
    built = build(iter(documents), tmp_path_factory.mktemp("explore") / "index")
    built.encode(Bag())
    return built


def stage(collection, judge, **options):
    return BM25(collection, 5) >> Explore(judge, collection.vectors("bag"), collection, **options)


def truth(theme):
    return Oracle({f"{t}{n}": 20.0 - n if t == theme else -float(n) for t in THEMES for n in range(10)})


def test_the_neighbours_of_the_best_are_added(collection):
    ranking = stage(collection, truth("heat"), budget=12, near=9, size=3)(Query("q", "query"))
    assert ranking.ids[:10] == [f"heat{n}" for n in range(10)]
    assert len(ranking) == 12
    assert list(ranking.scores) == sorted(ranking.scores, reverse=True)
    assert ranking.candidates[3].content.startswith("heat flow plate")
    step = ranking.trace[-1]
    assert (step.name, step.usage.calls, step.status) == ("explore", 12, "ok")
    assert step.notes == ("added 9 documents that no search had found, by their neighbours",)


def test_a_budget_of_what_came_in_is_a_reranking(collection):
    judge = Counting(truth("jet"))
    ranking = stage(collection, judge, budget=3, size=3)(Query("q", "query"))
    assert (ranking.ids[0], judge.groups, len(ranking)) == ("jet0", 3, 3)
    judge = Counting(truth("jet"))
    two = stage(collection, judge, budget=2, size=8)(Query("q", "query"))
    assert (judge.groups, len(two), set(two.ids)) == (2, 3, {"wing0", "heat0", "jet0"})


def test_many_queries_are_those_one_by_one(collection):
    queries = [Query("a", "query"), Query("b", "jet query"), Query("c", "absent"), Query("wing3", "lift")]
    explored = stage(collection, truth("wing"), budget=9, size=2, ignore_self=True)
    together = explored.run(queries)
    assert [r.ids for r in together] == [explored(q).ids for q in queries]
    assert (len(together[2]), len(together[0])) == (0, 9)
    given = Ranking(Query("wing3", "lift"), (Candidate("wing4", "wing", 1.0),))
    alone = Explore(truth("wing"), collection.vectors("bag"), collection, ignore_self=True)(given)
    assert "wing3" not in alone.ids
    assert len(alone) == 29


def test_a_failing_judge_leaves_the_order(collection):
    ranking = stage(collection, Hostile(0, ("raise",)), budget=9, size=2)(Query("q", "query"))
    assert ranking.ids == BM25(collection, 5)(Query("q", "query")).ids
    assert ranking.trace[-1].status == "fallback"


def test_a_budget_is_a_number(collection):
    with pytest.raises(InputError, match="budget=0: must be at least 1"):
        Explore(truth("wing"), collection.vectors("bag"), collection, budget=0)
