"""Cut-offs keep their promises on queries they never saw, are refused elsewhere, and never cut in silence."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import anyrank as ar
from anyrank.core.errors import InputError
from anyrank.core.rerank import Rerank
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.cutoffs.calibration import Calibration, least_queries
from anyrank.cutoffs.features import features
from anyrank.cutoffs.fit import isotonic, logistic, reliability, sigmoid, temperature
from anyrank.cutoffs.risk import Pool, curve, p_value
from anyrank.cutoffs.stages import Cutoff, Probabilities
from anyrank.pipeline.arguments import Call
from anyrank.pipeline.describe import described
from anyrank.pipeline.named import Named
from anyrank.pipeline.parser import parse
from anyrank.pipeline.text import text


def pools(n, seed=0, size=30):
    """Rankings with scores that say something of relevance, and their judgements."""
    draw = np.random.default_rng(seed)
    rankings, qrels = [], {}
    for q in range(n):
        relevant = draw.random(size) < draw.choice([0.05, 0.2])
        scores = draw.normal(size=size) + 2.0 * relevant + draw.normal()
        order = np.argsort(-scores)
        ids = [f"{q}-{i}" for i in order]
        candidates = tuple(Candidate(id, "a text", float(s)) for id, s in zip(ids, scores[order]))
        rankings.append(Ranking(Query(f"q{q}", "?"), candidates))
        qrels[f"q{q}"] = {id: 1 for id, i in zip(ids, order) if relevant[i]}
    return rankings, qrels


def missed(made, kind, level, rankings, qrels):
    losses = []
    threshold = made.threshold(kind, level)
    for r in rankings:
        relevant = set(qrels[r.query.id])
        kept = {i for i, p in zip(r.ids, made.values(kind, r.scores)) if p >= threshold}
        if kind == "precision":
            losses.append(1 - len(kept & relevant) / len(kept) if kept else 0.0)
        elif relevant:
            losses.append(float(not kept & relevant) if kind == "any" else 1 - len(kept & relevant) / len(relevant))
    return float(np.mean(losses))


@pytest.mark.parametrize(("kind", "level"), [("recall", 0.9), ("any", 0.9), ("precision", 0.6)])
def test_the_promise_holds_on_queries_that_were_not_seen(kind, level):
    rankings, qrels = pools(240)
    draw, risks = np.random.default_rng(1), []
    for _ in range(6):
        order = draw.permutation(len(rankings))
        seen = [rankings[i] for i in order[:90]]
        made = Calibration.of(seen, qrels, "p", "f")
        risks.append(missed(made, kind, level, [rankings[i] for i in order[90:]], qrels))
    assert np.mean(risks) <= 1 - level + 2 * np.std(risks) / math.sqrt(len(risks))
    if kind == "recall":  # and not by keeping everything
        assert np.mean(risks) > 0.05


def test_all_methods_give_probabilities_that_hold_and_never_rise():
    rankings, qrels = pools(120)
    for method in ("platt", "temperature", "isotonic"):
        made = Calibration.of(rankings, qrels, "p", "f", method=method)
        assert made.reliability.ece < 0.02
        p = made.probabilities(rankings[0].scores)
        assert (np.diff(p) <= 0).all()
        assert 0 <= p.min() <= p.max() <= 1


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(-5, 5), st.booleans()), min_size=1, max_size=30))
def test_isotonic_never_falls_and_keeps_the_mean(pairs):
    x, y = np.array([p for p, _ in pairs]), np.array([float(b) for _, b in pairs])
    corners = isotonic(x, y)
    assert [p for _, p in corners] == sorted(p for _, p in corners)
    assert np.interp(x, *zip(*corners)).mean() == pytest.approx(y.mean())


def test_temperature_is_found_and_separable_labels_stay_finite():
    draw = np.random.default_rng(0)
    logits = draw.normal(size=4000) * 2
    labels = (draw.random(4000) < sigmoid(0.5 * logits)).astype(float)
    assert temperature(logits, labels) == pytest.approx(0.5, abs=0.06)
    model = logistic(np.array([[-1.0], [1.0]]), np.array([0.0, 1.0]))
    assert np.isfinite([*model.weights, model.bias]).all()


def test_curves_are_those_of_the_definition():
    pool = Pool(np.array([0.9, 0.5, 0.5, 0.1]), np.array([1.0, 0.0, 1.0, 0.0]))
    recall, some, precision = (curve(kind, [pool]) for kind in ("recall", "any", "precision"))
    assert recall.thresholds == (0.1, 0.5, 0.9)
    assert recall.losses == (0.0, 0.0, 0.5)
    assert some.losses == (0.0, 0.0, 0.0)
    assert precision.losses == pytest.approx((0.5, 1 / 3, 0.0))
    assert features([2.0, 2.0])[:, 1].tolist() == [0, 0]


def test_hoeffding_bentkus_falls_with_the_loss_and_is_1_above_alpha():
    values = [p_value(loss, 50, 0.2) for loss in (0.0, 0.05, 0.1, 0.2, 0.4)]
    assert values == sorted(values)
    assert values[0] == pytest.approx(0.8**50)
    assert values[-1] == 1


def test_reliability_of_right_probabilities_is_small():
    draw = np.random.default_rng(0)
    p = draw.random(5000)
    assert reliability(p, (draw.random(5000) < p).astype(float)).ece < 0.03


def test_too_few_queries_and_too_much_promised_are_refused():
    rankings, qrels = pools(60)
    with pytest.raises(InputError, match=r"at least 20 are needed for alpha=0\.1"):
        Calibration.of(rankings[:15], qrels, "p", "f")
    made = Calibration.of(rankings, qrels, "p", "f")
    with pytest.raises(InputError, match=r"recall=0.99 can't be promised by \d+ calibration queries .* it takes 99"):
        made.threshold("recall", 0.99)
    with pytest.raises(InputError, match=r"precision=0.99 can't be promised by 60"):
        made.threshold("precision", 0.99)
    with pytest.raises(InputError, match="a share between 0 and 1"):
        made.threshold("recall", 1.5)
    assert least_queries(0.1) == 9


@pytest.fixture
def file(tmp_path):
    """A calibration of the pipeline ``prior``."""
    rankings, qrels = pools(100)
    path = tmp_path / "cut.json"
    made = Calibration.of(rankings, qrels, *described(parse("prior", starts=False)), today="2026-11-29")
    made.save(path)
    assert Calibration.load(path) == made
    return path


def test_what_is_cut_stays_in_the_trace(file):
    ranking = pools(1, seed=5)[0][0]
    stage = parse(f'prior >> keep(recall=0.9, file="{file}")', starts=False)
    after = stage(ranking)
    step = after.trace[-1]
    assert 0 < len(after) < 30
    assert after.ids + list(step.cut) == ranking.ids
    assert step.name == "keep(recall=0.9)"
    assert f"{30 - len(after)} of 30 candidates were cut" in step.notes[0]
    assert "90% stay on average; calibrated on" in step.notes[0]
    assert "queries of 2026-11-29" in step.notes[0]
    assert after.cost.cut == step.cut
    assert after.to_dict()["trace"][-1]["cut"] == list(step.cut)


def test_nothing_relevant_is_an_answer(file):
    low = Ranking.of("q", ["x", "y"]).scored([-50.0, -60.0])
    after = parse(f'prior >> keep(any=0.9, file="{file}")', starts=False)(low)
    assert len(after) == 0
    assert after.trace[-1].notes[0].startswith("nothing relevant: all 2 candidates were cut")
    assert len(parse(f'prior >> keep(any=0.9, file="{file}")', starts=False)(Ranking.of("q", []))) == 0


def test_probabilities_and_a_least_one(file):
    ranking = pools(1, seed=5)[0][0]
    stage = parse(f'prior >> calibrated("{file}") >= 0.5', starts=False)
    after = stage(ranking)
    assert all(0.5 <= s <= 1 for s in after.scores)
    assert after.ids == ranking.ids[: len(after)]
    assert after.trace[-1].cut == tuple(ranking.ids[len(after) :])
    assert parse(text(stage), starts=False) == stage


def test_another_pipeline_is_refused_however_it_is_put_together(file):
    other = "the calibration is of the pipeline 'prior', and here it follows 'prior % 9'"
    with pytest.raises(InputError, match=other):
        parse(f'prior % 9 >> keep(recall=0.9, file="{file}")', starts=False)
    cut = parse(f'keep(recall=0.9, file="{file}")', starts=False)
    with pytest.raises(InputError, match=other):
        ar.pipeline("prior % 9") >> cut
    with pytest.raises(InputError, match=other):
        ar.pipeline("prior % 9") >> (cut >> ar.pipeline("prior"))
    assert ar.pipeline("prior") >> (cut % 3)
    with pytest.raises(InputError, match="write it after its pipeline, prior >> …"):
        cut(Ranking.of("q", ["x"]))
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "fingerprint": "another"}))
    with pytest.raises(InputError, match="other weights of 'prior'"):
        parse(f'prior >> calibrated("{file}")', starts=False)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{", "is no calibration"),
        ("[1]", "is no calibration"),
        ('{"format": 99}', "is of format 99, and this anyrank reads 1"),
        ('{"format": 1}', "make it anew by anyrank calibrate"),
    ],
)
def test_a_file_that_is_no_calibration_is_named(tmp_path, written, said):
    path = tmp_path / "cut.json"
    path.write_text(written)
    with pytest.raises(InputError, match=said):
        Calibration.load(path)


def test_a_weight_in_a_model_changes_the_fingerprint(tmp_path):
    model = tmp_path / "trees.txt"
    model.write_text("one")
    stage = parse("mini", starts=False)
    assert described(stage) == described(parse("mini()", starts=False))
    named = Named(Call("ltr", (("", str(model)),)), "after", stage)
    before = described(named)
    model.write_text("two")
    assert described(named)[0] == before[0]
    assert described(named)[1] != before[1]


def test_a_plain_score_can_be_a_cut_off_too():
    after = (ar.pipeline("prior") >= 2)(Ranking.of("q", ["x", "y", "z"]))
    assert after.ids == ["0", "1"]
    assert after.trace[-1].notes == ("1 of 3 candidates were cut, below the score 2",)
    with pytest.raises(InputError, match="a cut-off is a finite number"):
        _ = ar.pipeline("prior") >= math.nan


def test_nothing_is_cut_by_scores_that_no_judge_gave(file):
    def dead(groups):
        raise RuntimeError("no server")

    broken = Rerank(dead, name="dead")
    ranking = pools(1, seed=5)[0][0]
    cut = Cutoff(Calibration.load(file), kind="recall", level=0.9)
    after = (broken >> cut)(ranking)
    assert after.ids == ranking.ids
    assert after.trace[-1].notes == (
        "nothing was cut: dead did not judge all candidates, so its scores are not the calibrated ones",
    )
    after = (broken >> Probabilities(Calibration.load(file)) >= 0.5)(ranking)
    assert len(after) == 30
    assert "dead did not judge all candidates" in after.trace[1].notes[0]


def test_another_number_of_documents_is_noted(file):
    made = replace(Calibration.load(file), documents=1400)
    ranking = pools(1, seed=5)[0][0]
    for now, noted in ((1500, False), (11429, True), (0, False)):
        after = Cutoff(made, documents=now)(ranking)
        assert ("had 1,400 documents then, and has 11,429 now: calibrate again" in after.trace[0].notes[0]) is noted
