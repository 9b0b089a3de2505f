"""Trainings of several seeds compared by their validation files."""

import json

import pytest

from anyrank.core.errors import InputError
from anyrank.evaluate import compare_trainings, evaluate
from anyrank.evaluate.comparisons import Statistics

QRELS = {f"q{i}": {"good": 1} for i in range(10)}


def written(path, ranks, named=True):
    """A validation file in which query i finds the good document at ranks[i % len(ranks)]."""
    after = {q: [*["x", "y", "z"][: ranks[i % len(ranks)] - 1], "good"] for i, q in enumerate(QRELS)}
    before = {q: ["x", "y", "z", "good"] for q in QRELS}
    text = evaluate({"before": before, "after": after}, QRELS, ["RR"], samples=50).table("json")
    path.write_text(json.dumps({"": json.loads(text)}) if named else text)
    return path


@pytest.fixture
def files(tmp_path):
    return {
        "infonce": [written(tmp_path / "a1", [1, 2]), written(tmp_path / "a2", [1, 1], named=False)],
        "ranknet": [written(tmp_path / "b1", [3]), written(tmp_path / "b2", [4])],
    }


def test_a_query_has_the_mean_over_the_seeds_and_trainings_are_paired(files):
    e = compare_trainings(files, statistics=Statistics(samples=200))
    assert e.values["infonce"]["RR"] == tuple([1.0, 0.75] * 5)
    assert e.mean("ranknet", "RR") == pytest.approx((1 / 3 + 1 / 4) / 2)
    c = e.compared("ranknet", "RR")
    assert (c.wins, c.ties, c.losses, c.significant) == (0, 0, 10, True)
    assert c.low <= c.difference <= c.high < 0
    assert e.winner("RR") == "infonce"
    assert "infonce: 2 seeds, RR 0.7500 to 1.0000, deviation 0.1768." in e.table()
    before = compare_trainings(files, run="before", baseline="ranknet", statistics=Statistics(samples=50))
    assert before.mean("infonce", "RR") == 0.25
    assert before.baseline == "ranknet"


def test_the_value_of_three_seeds_is_their_mean(tmp_path):
    seeds = [written(tmp_path / str(rank), [rank]) for rank in (1, 3, 4)]
    e = compare_trainings({"infonce": seeds}, statistics=Statistics(samples=50))
    assert e.mean("infonce", "RR") == pytest.approx((1 + 1 / 3 + 1 / 4) / 3)


def test_files_that_do_not_fit_are_named(files, tmp_path):
    (tmp_path / "bad").write_text('{"a": 1}')
    other = evaluate({"after": {"q0": ["good"]}}, {"q0": {"good": 1}}, ["RR"], samples=20).table("json")
    (tmp_path / "other").write_text(other)
    (tmp_path / "two").write_text(json.dumps({"dev": json.loads(other), "test": json.loads(other)}))
    for paths, options, says in (
        ([tmp_path / "absent"], {}, "absent: can't be read"),
        ([tmp_path / "bad"], {}, "bad: this is no validation file"),
        ([*files["infonce"], tmp_path / "other"], {}, "other: its queries or measures are not those of the first"),
        (files["infonce"], {"run": "middle"}, "no run 'middle', but before, after"),
        ([tmp_path / "two"], {}, "name the validation set: there are 'dev', 'test'"),
        ([], {}, "nothing to compare"),
    ):
        with pytest.raises(InputError, match=says):
            compare_trainings({"a": paths}, **options)
    assert compare_trainings({"a": [tmp_path / "two"]}, validation="dev").mean("a", "RR") == 1.0
