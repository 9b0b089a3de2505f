"""The score table equals the pipeline really run; its files are found again, and only by what made them."""

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.conftest import WORDS, Bag, corpus

from anyrank.core.rerank import Rerank
from anyrank.core.types import Candidate, Query
from anyrank.index.build import build
from anyrank.judges.similarity import Similarity
from anyrank.pipeline.arguments import Call
from anyrank.pipeline.context import Settings
from anyrank.pipeline.parser import parse
from anyrank.pipeline.parts import Part
from anyrank.pipeline.table import names
from anyrank.retrieve.stages import VectorSearch
from anyrank.testing import Hostile
from anyrank.tuning.fingerprint import files, fingerprint
from anyrank.tuning.table import ScoreTable


class Names(dict):
    """The table of names with fakes."""

    def __missing__(self, name):
        return names()[name]

    def __contains__(self, name):
        return dict.__contains__(self, name) or name in names()


class Counted:
    """A judge of its own taste, which some documents have no score of; it counts the pairs that it sees."""

    def __init__(self):
        self.pairs, self.faults = 0, ("nan", "fine", "fine", "raise")

    def __call__(self, groups):
        self.pairs += len(groups)
        return Hostile(3, self.faults)(groups)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    documents = [*corpus(60), Candidate("blank", " "), Candidate("twin", corpus(1)[0].content)]
    collection = build(iter(documents), tmp_path_factory.mktemp("tuning") / "index")
    bag, judge = Bag(), Counted()
    collection.encode(bag)

    def search(settings, *, k=1000):
        return VectorSearch(settings.collection.vectors("bag"), bag, settings.collection, k)

    def score(settings, *, depth=None):
        return Rerank(Similarity(bag, settings.collection.vectors("bag")), depth=depth)

    def taste(settings, *, depth=None):
        return Rerank(judge, depth=depth)

    return collection, {"bag": Part("", search, score), "taste": Part("", then=taste)}, judge


QUERIES = [Query(f"q{n}", f"{WORDS[n]} {WORDS[n + 1]} {WORDS[2 * n]}") for n in range(7)]
WEIGHTS = st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, -1.0])
SEARCHES = st.builds("{} % {}".format, st.sampled_from(["bm25", "bag", "bm25(title=1)"]), st.integers(1, 30))
WEIGHED = st.builds("{} * ({})".format, WEIGHTS, SEARCHES)
FIRST = st.one_of(
    SEARCHES,
    st.lists(WEIGHED, min_size=2, max_size=3).map(" + ".join),
    st.builds("{}({}, {})".format, st.sampled_from(["rrf", "minmax", "borda", "combmnz", "union"]), SEARCHES, SEARCHES),
)
SCORERS = st.sampled_from(["bag", "taste", "prior", "taste(depth=7)", "bag(depth=3)"])
SECOND = st.one_of(
    SCORERS, st.lists(st.builds("{} * {}".format, WEIGHTS, SCORERS), min_size=2, max_size=3).map(" + ".join)
)
PIPELINES = st.one_of(
    FIRST,
    st.builds("({}) % {}".format, FIRST, st.integers(1, 40)),
    st.builds("({}) % {} >> {}".format, FIRST, st.integers(1, 40), SECOND),
    st.builds("({}) % {} >> {} >> cut({}) >> {}".format, FIRST, st.integers(1, 40), SECOND, st.integers(1, 9), SECOND),
)


@given(st.lists(PIPELINES, min_size=1, max_size=3))
@settings(max_examples=25, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_a_pipeline_from_the_table_is_the_pipeline_really_run(world, pipelines):
    collection, fakes, _ = world
    table = ScoreTable(QUERIES, collection, names=fakes)
    for text in pipelines:
        run = parse(text, Settings(collection), Names(fakes)).run(QUERIES)
        for query, ranking, result in zip(QUERIES, run, table.lists(text)):
            assert [table.ids[d] for d in result.documents] == ranking.ids, (query.id, text)
            assert np.allclose(result.scores, ranking.scores, rtol=1e-6, atol=1e-6), (query.id, text)


@pytest.mark.parametrize(
    "text", ["bm25 % 3 >> rm3 >> bm25 % 20 >> bag", 'bm25 % 5 >> keep("a") >> taste', "bm25 + bag >> taste"]
)
def test_what_cannot_be_computed_is_run_as_it_stands(world, text):
    collection, fakes, _ = world
    table = ScoreTable(QUERIES, collection, names=fakes)
    for _ in range(2):
        run = parse(text, Settings(collection), Names(fakes)).run(QUERIES)
        assert [list(table.run(text)[q.id]) for q in QUERIES] == [r.ids for r in run]


def test_scores_are_kept_by_what_they_depend_on(world, tmp_path, monkeypatch):
    collection, fakes, judge = world
    monkeypatch.setattr(judge, "faults", ("fine",))
    depths = ["bm25 % 20 >> taste", "bm25 % 10 >> taste", "bm25 % 15 >> 2 * taste + prior"]

    def results(queries=QUERIES):
        table = ScoreTable(queries, collection, tmp_path, names=fakes)
        judge.pairs = 0
        return [table.run(text) for text in depths], judge.pairs

    first, pairs = results()
    assert 0 < pairs <= 20 * len(QUERIES)
    assert results() == (first, 0)
    more, added = results([*QUERIES, Query("new", "wing")])
    assert {q: more[0][q] for q in first[0]} == first[0]
    assert 0 < added <= 20
    (tmp_path / next(iter(sorted(tmp_path.iterdir()))).name).write_bytes(b"damaged")
    assert results()[0] == first
    files = len(list(tmp_path.iterdir()))
    collection.add([Candidate("added", "wing wing lift")])
    try:
        changed, _ = results()
        assert any("added" in docs for docs in changed[0].values())
        assert len(list(tmp_path.iterdir())) == 2 * files
    finally:
        collection.delete(["added"])


def test_pairs_that_a_judge_failed_on_are_tried_again(world, tmp_path, monkeypatch):
    collection, fakes, judge = world
    monkeypatch.setattr(judge, "faults", ("nan",))
    failed = ScoreTable(QUERIES, collection, tmp_path, names=fakes).run("bm25 % 9 >> taste")
    assert failed == ScoreTable(QUERIES, collection, names=fakes).run("bm25 % 9")
    monkeypatch.setattr(judge, "faults", ("fine",))
    assert ScoreTable(QUERIES, collection, tmp_path, names=fakes).run("bm25 % 9 >> taste") != failed


def test_a_model_is_known_by_its_files(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "weights.bin").write_bytes(bytes(range(256)) * 4000)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")
    (tmp_path / "b" / "weights.bin").write_bytes(bytes(range(255, -1, -1)) * 4000)
    assert files(tmp_path / "a") != files(tmp_path / "b")
    named = [fingerprint("model", [Call("model", (("", str(tmp_path / name)),))], None) for name in "ab"]
    assert named[0] != named[1]


def test_runs_are_stages_of_their_names():
    runs = {"a": {"q": [("x", 3.0), ("y", 2.0), ("z", 1.0)]}, "b": {"q": [("z", 9.0)], "other": [("x", 1.0)]}}
    table = ScoreTable.of_runs(runs, ["q", "absent"])
    assert list(table.run("a % 2 + 5 * b")["q"]) == ["x", "y", "z"]
    assert table.run("a")["absent"] == {}
    with pytest.raises(ValueError, match="the run 'bm25' can't be a stage's name"):
        ScoreTable.of_runs({"bm25": runs["a"]}, ["q"])
    with pytest.raises(ValueError, match="no stage is called 'mono'"):
        table.lists("a % 2 >> mono")
