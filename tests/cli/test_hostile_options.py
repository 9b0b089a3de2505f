"""Options and inputs of the commands that choose, judge and calibrate which are wrong in ways that slip through."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.core.errors import InputError
from anyrank.evaluate.drift import read_answered
from anyrank.judging.pool import Measure as SumMeasure
from anyrank.tuning.measures import Measure
from anyrank.tuning.space import space


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tune", "x.index", "--seed", "-1"], "--seed"),
        (["judge", "a", "b", "--queries", "q", "-o", "o", "--seed", "-1"], "--seed"),
        (["judge", "a", "b", "--queries", "q", "-o", "o", "--margin", "-1"], "--margin"),
        (["judge", "a", "b", "--queries", "q", "-o", "o", "--repeats", "2"], "--repeats"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, message):
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_alpha_that_is_no_number_and_an_unknown_measure_are_told_before_the_work():
    run = CliRunner().invoke
    nan = run(cli, ["calibrate", "x.index", "--data", "demo", "--alpha", "nan", "-o", "cut.json"])
    assert isinstance(nan.exception, InputError)
    assert "--alpha is nan" in str(nan.exception)
    unknown = run(cli, ["tune", "x.index", "--queries", "demo", "-m", "XX"])
    assert "can't be made by 'XX'" in str(unknown.exception)


def test_depths_beyond_all_documents_cost_no_memory():
    assert Measure.of("nDCG@99999999999").values(np.array([[1.0]]), np.array([1.0])).tolist() == [1.0]
    with pytest.raises(InputError, match="at most 100,000"):
        SumMeasure("P@99999999999")


def test_a_search_or_reranker_named_twice_is_tried_once():
    assert space(["bm25", "bm25"], ["mini", "mini"], [10, 10]).texts == space(["bm25"], ["mini"], [10]).texts


def test_scores_too_large_for_a_number_are_named_by_line(tmp_path):
    row = {"query": "wing", "ranking": [{"id": "a", "score": 10**400}], "trace": []}
    (tmp_path / "old.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError, match=r"old\.jsonl:1: is no answer"):
        read_answered(tmp_path / "old.jsonl")
