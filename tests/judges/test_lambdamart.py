"""LambdaMART over features: tables, training, files that LightGBM reads, notes on missing features, and the command."""

import json
import random

import numpy as np
import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.core.errors import InputError
from anyrank.core.groupings import Whole
from anyrank.core.rerank import Rerank
from anyrank.core.stage import Keep
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.judges.features import Features, Statistics
from anyrank.judges.lambdamart import LambdaMart
from anyrank.pipeline.parser import parse

FAST = {"min_data_in_leaf": 2, "num_leaves": 4}


def call(*args):
    result = CliRunner().invoke(cli, ["ltr", *map(str, args)], standalone_mode=False)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def vectors(queries=30, n=8, seed=1):
    """Rankings whose grade is the first of three numbers, the others noise."""
    rng = random.Random(seed)
    rankings, grades = [], []
    for q in range(queries):
        rows = [(rng.randrange(4), rng.random(), rng.random()) for _ in range(n)]
        members = tuple(Candidate(f"{q}-{i}", None, float(n - i), {"features": row}) for i, row in enumerate(rows))
        rankings.append(Ranking(Query(str(q)), members))
        grades.append(tuple(row[0] for row in rows))
    return rankings, grades


def test_the_table_of_words_and_scores():
    docs = [
        Candidate("a", {"title": "Wing lift", "text": "lift of a swept wing", "year": 1950}, 3.0, {"views": 7}),
        Candidate("b", {"text": "heat of plates", "year": 1960}, 1.0),
    ]
    ranking = Keep("bm25").batch([Ranking(Query("q", "lift of wings"), tuple(docs))])[0]
    features = Features.of([ranking])
    assert features.fields == ("text", "title")
    table = dict(zip(features.names, features.table(ranking.query, ranking.candidates).T.tolist()))
    assert table["score"] == table["meta.bm25"] == [3.0, 1.0]
    assert table["score.less best"] == [0.0, -2.0]
    assert table["rank"] == [1.0, 2.0]
    assert table["field.year"] == [1950.0, 1960.0]
    assert table["query.terms"] == [2.0, 2.0]
    assert table["text.terms"] == [2.0, 0.0]
    assert table["text.length"] == [5.0, 2.0]
    idf = np.log(1 + (2 - 1 + 0.5) / 1.5)
    assert table["text.idf"][0] == pytest.approx(2 * idf)
    norm = 1.2 * (1 - 0.75 + 0.75 * 5 / 3.5)
    assert table["text.bm25"][0] == pytest.approx(2 * idf * 2 * 2.2 / (2 + norm))
    assert table["meta.views"][0] == 7
    assert np.isnan(table["meta.views"][1])
    assert np.isnan(table["title.bm25"][1])
    assert Features.from_dict(json.loads(json.dumps(features.as_dict()))) == features
    with pytest.raises(InputError, match="no family of features 'word'"):
        Features.of([ranking], ["word"])
    with pytest.raises(InputError, match="no features of the families vector"):
        Features.of([ranking], ["vector"])
    assert Statistics(10, {"x": 3}).idf("x") == pytest.approx(np.log(1 + 7.5 / 3.5))


def test_trees_learn_and_their_file_is_lightgbms(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    rankings, grades = vectors()
    model = LambdaMart.fit(rankings, grades, rounds=20, settings=FAST)
    assert next(iter(model.importances)) == "vector.0"
    assert sum(model.importances.values()) == pytest.approx(1)
    test, truth = vectors(5, seed=2)
    out = Rerank(model, Whole()).batch(test)
    for ranked, given, values in zip(out, test, truth):
        grade = dict(zip(given.ids, values))
        assert sorted(ranked.ids) == sorted(given.ids)
        assert [grade[i] for i in ranked.ids] == sorted(values, reverse=True)
    model.save(tmp_path / "m.txt")
    again = LambdaMart.load(tmp_path / "m.txt")
    assert again.features == model.features
    assert again.facts == model.facts
    stage = parse(f"ltr({str(tmp_path / 'm.txt')!r})", starts=False)
    assert [r.scores for r in stage.batch(test)] == [r.scores for r in out]
    table = model.features.table(test[0].query, test[0].candidates)
    theirs = lightgbm.Booster(model_file=str(tmp_path / "m.txt")).predict(table, raw_score=True)
    assert theirs.tolist() == list(model([(test[0].query, test[0].candidates)])[0].scores)
    model.booster.save_model(str(tmp_path / "plain.txt"))  # without our line: columns are positions of vectors
    assert [r.ids for r in Rerank(LambdaMart.load(tmp_path / "plain.txt"), Whole()).batch(test)] == [r.ids for r in out]


def test_missing_features_are_noted_and_lose_nobody():
    pytest.importorskip("lightgbm")
    rankings, grades = vectors()
    model = LambdaMart.fit(rankings, grades, rounds=5, settings=FAST)
    test = vectors(1, seed=3)[0][0]
    bare = Ranking(test.query, (*test.candidates[:7], Candidate("bare")))
    out = Rerank(model, Whole())(bare)
    assert sorted(out.ids) == sorted(bare.ids)
    assert out.status == "ok"
    assert "missing features of 8 candidates: vector.0 of 1, vector.1 of 1" in out.trace[-1].notes[0]
    holes = [Ranking(r.query, (*r.candidates[:7], Candidate("x", score=-1.0))) for r in rankings]
    used_to_it = LambdaMart.fit(holes, grades, rounds=5, settings=FAST)
    assert not Rerank(used_to_it, Whole())(bare).trace[-1].notes


def test_what_can_not_be_trained_on_is_named():
    pytest.importorskip("lightgbm")
    rankings, grades = vectors(3)
    with pytest.raises(InputError, match="nothing to learn an order from"):
        LambdaMart.fit(rankings, [[1] * 8] * 3)
    with pytest.raises(InputError, match=r"the grade 0\.5 is no whole number"):
        LambdaMart.fit(rankings, [*grades[:2], [0.5, *grades[2][1:]]])
    with pytest.raises(InputError, match="7 grades for 8 candidates"):
        LambdaMart.fit(rankings, [*grades[:2], grades[2][:7]])


@pytest.mark.parametrize("text", ["", "tree\nbroken", "[1]"])
def test_files_that_are_no_models_are_named(tmp_path, text):
    pytest.importorskip("lightgbm")
    (tmp_path / "m").write_text(text)
    with pytest.raises(InputError, match="LightGBM"):
        LambdaMart.load(tmp_path / "m")
    with pytest.raises(InputError, match="anyrank ltr train"):
        LambdaMart.load(tmp_path / "absent")


def test_the_commands_train_explain_and_measure(tmp_path):
    pytest.importorskip("lightgbm")
    pytest.importorskip("ir_measures")
    from anyrank.io.libsvm import write_libsvm

    for name, seed in (("train", 1), ("test", 2)):
        rankings, grades = vectors(40, seed=seed)
        rows = [(r.query.id, c.id, g, c.meta["features"]) for r, v in zip(rankings, grades) for c, g in zip(r, v)]
        write_libsvm(tmp_path / name, rows)
    out = tmp_path / "m.txt"
    done = call("train", tmp_path / "train", "-o", out, "--rounds", 20, "--set", "min_data_in_leaf=2", "--valid", 0.2)
    assert "queries held out: nDCG@10 as given" in done.stderr
    assert call("explain", out).stdout.split()[1] == "vector.1"
    assert json.loads(call("explain", out, "--json").stdout)["facts"]["seed"] == 0
    table = call("eval", out, tmp_path / "test", "-o", tmp_path / "run").stdout
    assert "ltr" in table
    assert (tmp_path / "run").read_text().count("\n") == 320
    for args, message in (
        (["demo"], "needs --index and --pipeline"),
        ([tmp_path / "train", "--split", "x"], "go with a collection"),
        ([tmp_path / "train", "--set", "x"], "NAME=VALUE"),
    ):
        with pytest.raises(InputError, match=message):
            call("train", *args, "-o", tmp_path / "y")


@pytest.mark.parametrize("setting", [{"num_leaves": "x"}, {"objective": "nonsense"}])
def test_settings_that_lightgbm_refuses_are_input_errors(setting):
    pytest.importorskip("lightgbm")
    rankings, grades = vectors(4)
    with pytest.raises(InputError, match=r"refuses its settings .*(num_leaves=x|objective=nonsense)"):
        LambdaMart.fit(rankings, grades, rounds=2, settings=FAST | setting)


def test_a_setting_that_lightgbm_would_ignore_is_an_error():
    pytest.importorskip("lightgbm")
    with pytest.raises(InputError, match=r"no parameter 'num_leafs': did you mean num_leaves\?"):
        LambdaMart.fit(*vectors(5), settings={"num_leafs": 3})


def test_a_feature_file_of_another_width_is_not_measured_in_silence(tmp_path):
    pytest.importorskip("lightgbm")
    model = LambdaMart.fit(*vectors(10), rounds=2, settings=FAST)
    model.save(tmp_path / "m.txt")
    data = tmp_path / "data"
    data.write_text("1 qid:1 0:1 1:2 2:1 3:9\n0 qid:1 0:2 1:1\n")
    with pytest.raises(InputError, match="read features 0 to 2, and the file has them up to 3"):
        call("eval", tmp_path / "m.txt", data)
    data.write_text("1 qid:1 0:1 1:2\n0 qid:1 0:2 1:1\n")
    assert "the highest of the file that isn't 0 is 1" in call("eval", tmp_path / "m.txt", data).stderr


def test_candidates_without_any_feature_of_the_trees_are_an_error():
    """Not a note beside scores that are all alike."""
    pytest.importorskip("lightgbm")
    model = LambdaMart.fit(*vectors(10), rounds=2, settings=FAST)
    with pytest.raises(InputError, match=r"have none of the features of the trees \(vector\.0, "):
        model([(Query("q", "a wing"), [Candidate("a", "lift"), Candidate("b", "drag")])])


def test_trees_without_a_split_are_told(tmp_path):
    pytest.importorskip("lightgbm")
    (tmp_path / "few.txt").write_text("2 qid:1 1:0.5\n0 qid:1 1:0.1\n")
    words = ["ltr", "train", str(tmp_path / "few.txt"), "-o", str(tmp_path / "m.txt"), "--valid", "0", "--rounds", "2"]
    assert "note: the trees have no split" in CliRunner().invoke(cli, words).stderr
