"""Tuning an index and given runs, from the space of pipelines to the report."""

import json
import random

import numpy as np
import pytest
from click.testing import CliRunner
from tests.conftest import WORDS, corpus

from anyrank.cli.tune import tune_command
from anyrank.core.errors import InputError
from anyrank.core.types import Query
from anyrank.index.build import build
from anyrank.pipeline.context import Settings
from anyrank.pipeline.parser import parse
from anyrank.tuning.cost import Cost, CostModel, Line
from anyrank.tuning.measures import Graded, Measure
from anyrank.tuning.space import fusion, grid, of_runs, space
from anyrank.tuning.table import ScoreTable
from anyrank.tuning.tune import costs_of, judged_queries, measured_costs, parts_of, tune

QUERIES = [Query(f"q{n}", f"{WORDS[n]} {WORDS[(n * 3 + 1) % 16]}") for n in range(12)]


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    return build(iter(corpus(60)), tmp_path_factory.mktemp("tune") / "index")


@pytest.fixture(scope="module")
def qrels():
    rng = random.Random(0)
    documents = corpus(60)
    return {
        q.id: {d.id: min(sum(w in d.content.split() for w in q.content.split()), 1) for d in rng.sample(documents, 40)}
        for q in QUERIES
    }


def spaces():
    return space(["bm25", "bm25(b=0)", "bm25(title=1, smoothing=0)"], step=4)


def test_the_values_of_a_space_are_those_of_its_pipelines(collection, qrels):
    tried = spaces()
    table = ScoreTable(QUERIES, collection)
    tried.run(table)
    graded, measure = Graded.by(qrels, [q.id for q in QUERIES], table.ids), Measure()
    values = tried.values(table, graded, measure)
    assert values.shape == (12, len(tried.texts)) == (12, len(tried.points))
    assert len(set(tried.texts)) == len(tried.texts)
    for position, text in enumerate(tried.texts):
        lists = [r.documents[:10] for r in table.lists(text)]
        alone = [measure.values(graded.of(q, top)[None], graded.all[q])[0] for q, top in enumerate(lists)]
        assert values[:, position] == pytest.approx(alone, abs=1e-9), text


def test_rerankers_are_tried_at_every_depth_alone_and_with_the_scores_so_far():
    tried = space(["bm25", "minilm"], ["tiny", "mini"], depths=(10, 50), step=4)
    for text in (
        "bm25",
        "0.25 * bm25 + 0.75 * minilm",
        "bm25 % 10 >> mini",
        "(bm25 + minilm) % 50 >> 0.25 * prior + 0.75 * tiny",
        "minilm % 50 >> tiny + mini",
        "bm25 % 50 >> prior + tiny + mini",
        "bm25 % 50 >> tiny % 10 >> mini",
        "(bm25 + minilm) % 50 >> tiny % 10 >> prior + mini",
    ):
        assert text in tried.texts
        parse(text, Settings(), _Known())
    even = tried.texts[tried.default]
    assert even == "bm25 + minilm"
    at = {text: tried.points[i] for i, text in enumerate(tried.texts)}
    near = np.abs(at["bm25 % 10 >> mini"] - at["bm25 % 50 >> mini"]).sum()
    assert 0 < near < np.abs(at["bm25 % 10 >> mini"] - at["bm25"]).sum()
    with pytest.raises(InputError, match="the default 'splade' is none of the"):
        space(["bm25"], default="splade")
    with pytest.raises(InputError, match="5 searches to fuse: give 1 to 4"):
        space(list("abcde"))


class _Known(dict):
    """Names of pipelines, whose parts build nothing."""

    def __missing__(self, name):
        from anyrank.pipeline.explain import _Plans
        from anyrank.pipeline.table import names

        return _Plans(names())[name]

    def __contains__(self, name):
        from anyrank.pipeline.table import names

        return name in names()


def test_every_weight_of_a_grid_is_there_and_sums_up_to_one():
    weights = grid(4)
    assert len({tuple(row) for row in weights.round(9).tolist()}) == len(weights) == 286
    assert np.allclose(weights.sum(axis=1), 1)
    assert fusion(["a", "b"], [0.5, 0.5]) == "a + b"
    assert fusion(["a % 3 >> b", "c"], [0.2, 0.8]) == "0.2 * (a % 3 >> b) + 0.8 * c"


def model():
    cost = CostModel()
    cost.searches = {"a": Cost(2, 1, 3), "b": Cost(10, 9, 20, 7)}
    cost.rerankers = {"mini": Line(Cost(1, 1, 1, 5), Cost(0.5, 0.4, 0.8, 100))}
    return cost


def test_costs_are_those_of_the_parts():
    tried = space(["a", "b"], ["mini"], depths=(10, 20), step=4)
    cost = dict(zip(tried.texts, costs_of(tried, model())))
    assert cost["a"] == Cost(2, 1, 3)
    assert cost["a + b"] == Cost(12, 10, 23, 7)
    assert cost["(a + b) % 20 >> mini"] == Cost(23, 19, 40, 2012)
    assert cost["a % 10 >> prior + mini"].ms == 8


def test_a_cascade_costs_its_two_rerankers():
    tried, costs = space(["a"], ["cheap", "mini"], depths=(10, 20)), model()
    costs.rerankers["cheap"] = Line(Cost(0, 0, 0), Cost(0.1, 0.1, 0.1, 10))
    cost = dict(zip(tried.texts, costs_of(tried, costs)))
    assert cost["a % 20 >> cheap % 10 >> mini"] == Cost(2 + 2 + 6, 1 + 2 + 5, 3 + 2 + 9, 200 + 1005)
    assert not any("mini % 10 >> cheap" in text for text in tried.texts)


def runs(queries=30, seed=0):
    rng = np.random.default_rng(seed)
    qrels = {f"q{q}": {f"d{d}": int(d < 6) for d in range(30)} for q in range(queries)}

    def run(skill):
        out = {}
        for q in qrels:
            scores = rng.normal(0, 1, 30) + skill * (np.arange(30) < 6)
            out[q] = sorted(((f"d{d}", float(s)) for d, s in enumerate(scores)), key=lambda pair: -pair[1])
        return out

    return {"a": run(2.0), "b": run(0.0)}, qrels


def test_runs_of_which_one_is_bad_have_a_winner_and_the_same_runs_have_none(check_page):
    pytest.importorskip("jinja2")
    from anyrank.tuning.page import tuning_page

    given, qrels = runs()
    table = ScoreTable.of_runs(given, list(qrels))
    tuning = tune(table, qrels, of_runs(["a", "b"]))
    assert (tuning.choice.winner, tuning.default) == (True, "a + b")
    assert tuning.recommended in ("a", "0.9 * a + 0.1 * b", "0.8 * a + 0.2 * b", "0.7 * a + 0.3 * b")
    check_page(tuning_page(tuning))
    same = ScoreTable.of_runs({"a": given["a"], "b": given["a"]}, list(qrels))
    nothing = tune(same, qrels, of_runs(["a", "b"]))
    assert nothing.verdict.startswith("nothing beats the default")
    assert nothing.recommended == "a + b"


def test_budgets_leave_out_what_is_too_slow(check_page):
    given, qrels = runs()
    table, tried = ScoreTable.of_runs(given, list(qrels)), of_runs(["a", "b"])
    result = tune(table, qrels, tried, costs=model(), max_ms=5)
    assert (result.tried, result.default, result.recommended) == (1, "a", "a")
    assert "the default a + b takes 12 ms, above the budget" in result.notes[0]
    assert tune(table, qrels, tried, costs=model(), max_tokens=3).default == "a"
    with pytest.raises(InputError, match="no pipeline keeps the budget: the fastest takes 2 ms"):
        tune(table, qrels, tried, costs=model(), max_ms=1)
    front = tune(table, qrels, tried, costs=model())
    assert any(role.startswith("within 2 ms") for row in front.rows for role in row.roles)
    json.dumps(front.as_dict())


def test_an_index_is_timed_and_searched_by_its_parts(collection, qrels):
    assert parts_of(collection) == ["bm25", "bm25 % 5 >> rm3 >> bm25"]
    tried = spaces()
    costs = measured_costs(collection, tried, QUERIES, Settings(), check=["bm25"])
    assert set(costs.searches) == {"bm25", "bm25(b=0)", "bm25(title=1, smoothing=0)"}
    assert costs.off >= 1
    assert costs.checks[0][0] == "bm25"
    with pytest.raises(InputError, match="no query has a relevant document"):
        judged_queries(QUERIES, {"other": {"d1": 1}})


def test_the_command_tunes_given_runs(tmp_path):
    pytest.importorskip("ir_measures")
    pytest.importorskip("jinja2")
    given, qrels = runs(12)
    (tmp_path / "qrels.txt").write_text(
        "".join(f"{q} 0 {d} {g}\n" for q, docs in qrels.items() for d, g in docs.items())
    )
    for name, run in given.items():
        rows = [f"{q} Q0 {d} {r} {s} {name}\n" for q, docs in run.items() for r, (d, s) in enumerate(docs, 1)]
        (tmp_path / f"{name}.1.trec").write_text("".join(rows))
    arguments = ["--run", f"{tmp_path}/a.1.trec", "--run", f"{tmp_path}/b.1.trec"]
    arguments += ["--qrels", f"{tmp_path}/qrels.txt", "--html", f"{tmp_path}/tune.html"]
    done = CliRunner().invoke(tune_command, arguments)
    assert done.exit_code == 0, done.output
    assert "11 pipelines by nDCG@10 on 12 judged queries" in done.output
    assert "default: a_1 + b_1" in done.output
    assert (tmp_path / "tune.html").read_text().startswith("<!doctype html>")
