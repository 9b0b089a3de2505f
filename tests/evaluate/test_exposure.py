"""Exposure by groups and expected exposure, worked out by hand, and the option of the command."""

import json

import pytest
from click.testing import CliRunner

from anyrank.core.errors import InputError
from anyrank.evaluate.exposure import UNKNOWN, expected_exposure, group_exposure
from anyrank.evaluate.inputs import Judgements


def test_groups_share_the_exposure():
    judged = Judgements.of({"q": {"a": 0, "b": 1, "c": 1}, "r": {"z": 1}})
    run = {"q": ["a", "b", "c"], "r": ["a"], "s": []}
    first, second, other = group_exposure(run, {"a": "x", "b": "y"}, judged, depth=3)
    assert (first.group, second.group, other.group) == (UNKNOWN, "x", "y")
    total = 1 + 0.6309297535714575 + 0.5
    assert first.exposure == pytest.approx(0.5 / total / 2)
    assert second.exposure == pytest.approx((1 / total + 1) / 2)
    assert sum(p.exposure for p in (first, second, other)) == pytest.approx(1)
    assert [p.relevant for p in (first, second, other)] == [0.5, 0.0, 0.5]  # of q alone: r has none in its results
    assert second.ratio is None
    assert other.ratio == pytest.approx(0.6309297535714575 / total / 2 / 0.5)
    assert second.candidates == pytest.approx((1 / 3 + 1) / 2)
    assert [p.relevant for p in group_exposure(run, {})] == [None]
    with pytest.raises(InputError, match="depth of 0"):
        group_exposure(run, {}, depth=0)


def test_expected_exposure_by_hand():
    judged = Judgements.of({"q": {"a": 1, "b": 0}})
    right = expected_exposure([{"q": ["a", "b"]}], judged, patience=0.5)
    assert (right.loss, right.disparity, right.relevance) == (0.0, 1.25, 1.25)
    wrong = expected_exposure([{"q": ["b", "a"]}], judged, patience=0.5)
    assert wrong.loss == pytest.approx(2 * 0.25)
    assert wrong.loss == pytest.approx(wrong.disparity - 2 * wrong.relevance + 1.25)
    with pytest.raises(InputError, match="no query has both"):
        expected_exposure([{}], judged)


def test_eval_prints_the_exposure_of_a_field(tmp_path):
    pytest.importorskip("ir_measures")
    from anyrank.cli import cli

    docs = [{"_id": "a", "text": "x", "lang": "en"}, {"_id": "b", "text": "y", "lang": "de"}]
    (tmp_path / "docs.jsonl").write_text("".join(json.dumps(d) + "\n" for d in docs))
    (tmp_path / "run").write_text("q Q0 a 1 2 t\nq Q0 b 2 1 t\n")
    (tmp_path / "qrels").write_text("q 0 b 1\n")
    args = ["eval", tmp_path / "qrels", tmp_path / "run", "--exposure", "lang", "--documents", tmp_path / "docs.jsonl"]
    done = CliRunner().invoke(cli, list(map(str, args)))
    assert done.exit_code == 0
    assert "run: en 0.613 of the exposure, 0.500 of the results, 0.000 of the relevant" in done.stderr
    assert "run: de 0.387 of the exposure, 0.500 of the results, 1.000 of the relevant, ratio 0.387" in done.stderr
    assert "run: expected exposure loss" in done.stderr
    done = CliRunner().invoke(cli, list(map(str, args[:-2])), standalone_mode=False)
    assert "--exposure needs --documents" in str(done.exception)
