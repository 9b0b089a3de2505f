"""Sessions of judging: estimates without bias, intervals that hold at any stop, verdicts, replays."""

import numpy as np
import pytest

from anyrank.core.errors import InputError
from anyrank.judging.bets import Bets
from anyrank.judging.pool import Measure, Pool
from anyrank.judging.predictions import Predictor
from anyrank.judging.session import Session


def collection(seed=0, queries=12, depth=5):
    """Two runs over random documents, and labels by which the first is better."""
    rng = np.random.default_rng(seed)
    runs = {name: {} for name in ("a", "b", "c")}
    labels = {}
    for q in range(queries):
        documents = [f"d{n}" for n in range(12)]
        for document in documents:
            labels[f"q{q}", document] = int(rng.integers(0, 4))
        noise = {"a": 1.5, "b": 6.0, "c": 6.0}
        for name, run in runs.items():
            score = {d: labels[f"q{q}", d] + noise[name] * rng.normal() for d in documents}
            run[f"q{q}"] = sorted(documents, key=lambda d: -score[d])[:depth]
    return runs, labels


def pool_of(runs, **options):
    return Pool.of(runs, Measure("SDCG@5"), **options)


def true_difference(pool, labels, pair=0):
    return float(pool.weights[pair] @ [pool.measure.gain(labels[i]) for i in pool.items])


def judge(session, labels, count=10**6, after=True):
    while len(session.judged) < count and (item := session.next(after=after)) is not None:
        session.record(labels[item])
    return session


def test_a_difference_of_sdcg_is_the_one_of_ir_measures():
    ir = pytest.importorskip("ir_measures")
    runs, labels = collection()
    pool = pool_of({k: runs[k] for k in "ab"})
    qrels = [ir.Qrel(q, d, g) for (q, d), g in labels.items()]
    measure = ir.parse_measure("SDCG(max_rel=3)@5")
    values = []
    for name in "ab":
        results = [ir.ScoredDoc(q, d, -n) for q, docs in runs[name].items() for n, d in enumerate(docs)]
        values.append(ir.calc_aggregate([measure], qrels, results)[measure])
    assert true_difference(pool, labels) == pytest.approx(values[0] - values[1], abs=1e-9)


@pytest.mark.parametrize("measure", ["SDCG@4", "P@4", "RBP@4"])
def test_discounts_fall_and_a_gain_is_at_most_one(measure):
    m = Measure(measure)
    assert (np.diff(m.discounts()) <= 1e-12).all()
    assert m.discounts().sum() <= 1 + 1e-12
    assert m.gain(0) == 0
    assert m.gain(3) == m.gain(9) == 1


def test_a_measure_that_is_no_sum_is_refused():
    with pytest.raises(InputError, match="SDCG@k, P@k and RBP@k"):
        Measure("nDCG@10")
    with pytest.raises(InputError, match="two or more, not 1"):
        Pool.of({"a": {"q": ["x"]}})
    with pytest.raises(InputError, match="nothing to judge"):
        Pool.of({"a": {"q": ["x"]}, "b": {"q": ["x"]}})


@pytest.mark.parametrize("count", [0, 7, 30])
def test_the_estimate_of_the_next_judgement_has_the_true_difference_as_its_expectation(count):
    """Over all documents that could be drawn, by their probabilities: whatever was judged, and by whichever labels of
    another judge."""
    runs, labels = collection(3)
    pool = pool_of(runs, every_pair=True)
    session = judge(Session(pool, labels=dict.fromkeys(pool.items[::2], 3)), labels, count)
    draw = session._drawn()
    gains = np.array([pool.measure.gain(labels[i]) for i in pool.items])
    left = np.isnan(session._gains)
    assert draw.chances.sum() == pytest.approx(1)
    assert (draw.chances[left] > 0).all()
    assert not draw.chances[~left].any()
    corrections = pool.weights[:, left] * (gains - draw.means)[left]  # chance x weight x error / chance
    truth = pool.weights @ gains
    assert draw.expected + corrections.sum(axis=1) == pytest.approx(truth, abs=1e-9)
    each = draw.expected[:, None] + pool.weights[:, left] * (gains - draw.means)[left] / draw.chances[left]
    assert (each >= draw.least[:, None] - 1e-9).all()
    assert (each <= draw.most[:, None] + 1e-9).all()


def test_everything_judged_gives_the_exact_difference():
    runs, labels = collection(1)
    pool = pool_of(runs, every_pair=True)
    session = judge(Session(pool), labels)
    assert session.next(after=True) is None
    assert session.remaining() == 0
    for n, d in enumerate(session.differences()):
        truth = true_difference(pool, labels, n)
        assert d.low == pytest.approx(truth, abs=1e-9) == d.high
        assert d.estimate == pytest.approx(truth, abs=1e-9)
        assert d.verdict == (d.first if truth > 0 else d.second)


def test_intervals_cover_at_every_stop_and_shrink():
    """20 sessions: a wrong interval at any of the stops in at most one of them."""
    runs, labels = collection(5, queries=20)
    pool = pool_of({k: runs[k] for k in "ab"})
    truth = true_difference(pool, labels)
    wrong, widths = 0, {10: [], 40: []}
    for seed in range(20):
        session, missed = Session(pool, seed), False
        for stop in (10, 20, 40):
            (d,) = judge(session, labels, stop).differences()
            missed |= not d.low - 1e-9 <= truth <= d.high + 1e-9
            if stop in widths:
                widths[stop].append(d.high - d.low)
        wrong += missed
    assert wrong <= 1
    assert np.mean(widths[40]) < 0.8 * np.mean(widths[10])


def test_a_verdict_stays_and_its_interval_excludes_zero():
    runs, labels = collection(7, queries=30)
    session = judge(Session(pool_of({k: runs[k] for k in "ab"})), labels, after=False)
    assert session.decided
    assert session.next() is None
    count = len(session.judged)
    assert count < 0.7 * len(session.pool.items)
    for _ in range(3):
        (d,) = session.differences()
        assert d.verdict == "a"
        assert d.low >= 0
        judge(session, labels, len(session.judged) + 5)


def test_a_margin_ends_a_pair_that_is_level():
    runs, labels = collection(9)
    same = {"a": runs["a"], "b": {q: [docs[1], docs[0], *docs[2:]] for q, docs in runs["a"].items()}}
    session = judge(Session(pool_of(same), margin=0.1), labels, after=False)
    (d,) = session.differences()
    assert d.verdict == "level"
    assert -0.1 <= d.low <= d.high <= 0.1
    assert len(session.judged) < len(session.pool.items)


def test_a_session_follows_from_seed_and_labels():
    runs, labels = collection(2)
    pool = pool_of(runs)
    first, again = judge(Session(pool, 4), labels, 25), Session(pool, 4)
    again.replay(first.given)
    assert again.judged == first.judged
    assert again.differences() == first.differences()
    assert judge(Session(pool, 5), labels, 25).judged != first.judged
    shown = again.next()
    again.record(3)
    again.undo()
    assert again.next() == shown
    assert again.differences() == first.differences()
    with pytest.raises(InputError, match="for a pool of"):
        again.replay([0] * (len(pool.items) + 1))


def test_a_label_that_no_key_gives_is_refused():
    runs, _ = collection()
    session = Session(pool_of(runs))
    with pytest.raises(InputError, match="call next"):
        session.record(1)
    session.next()
    with pytest.raises(InputError, match="label 4 is not from 0 to 3"):
        session.record(4)
    with pytest.raises(InputError, match=r"alpha is 1\.5"):
        Session(pool_of(runs), alpha=1.5)


def test_another_judge_that_overrates_a_run_moves_the_estimate_by_less_than_its_error():
    runs, labels = collection(11, queries=30)
    two = {k: runs[k] for k in "bc"}
    pool = pool_of(two)
    flattered = {(q, d): min(labels[q, d] + (d in two["b"][q]), 3) for q, d in pool.items}
    moves = []
    for seed in range(5):
        plain, (d,) = (
            judge(Session(pool, seed), labels, 60).differences()[0],
            judge(Session(pool, seed, labels=flattered), labels, 60).differences(),
        )
        moves.append((d.estimate - plain.estimate) / plain.error)
    assert abs(np.mean(moves)) < 1


def test_a_perfect_other_judge_narrows_the_interval():
    runs, labels = collection(13, queries=30)
    pool = pool_of({k: runs[k] for k in "ab"})
    plain = judge(Session(pool), labels, 60).differences()[0]
    helped = judge(Session(pool, labels=labels), labels, 60).differences()[0]
    assert helped.high - helped.low < plain.high - plain.low
    assert helped.error < plain.error


def test_what_is_said_to_remain_falls_to_nothing():
    runs, labels = collection(7, queries=30)
    session = Session(pool_of({k: runs[k] for k in "ab"}))
    assert session.remaining() == len(session.pool.items)
    judge(session, labels, 20)
    middle = session.remaining()
    assert 0 < middle < len(session.pool.items)
    judge(session, labels, after=False)
    assert session.remaining() == 0


def test_predictions_learn_from_the_other_judge_and_from_the_query():
    votes = np.full(40, 0.5)
    owners = np.arange(40) // 10
    other = np.tile([0.0, 1.0], 20)
    judged = np.arange(0, 20)
    means, variances = Predictor.of(votes, owners, other).predict(judged, other[judged])
    assert means[21] > 0.7
    assert means[20] < 0.3
    assert (variances > 0).all()
    by_query, _ = Predictor.of(votes, owners).predict(judged, (owners[judged] == 0).astype(float))
    assert by_query[:10].mean() > by_query[20:].mean() > by_query[10:20].mean()


def test_no_labels_leave_the_bounds():
    assert Bets().interval(-0.4, 0.3) == (-0.4, 0.3)


def test_runs_that_differ_by_rounding_alone_are_level():
    rng = np.random.default_rng(0)
    members = {f"q{n}": [f"d{i}" for i in range(10)] for n in range(10)}
    for _ in range(5):
        orders = {q: [ids[i] for i in rng.permutation(10)] for q, ids in members.items()}
        session = Session(pool_of({"a": members, "b": orders}))
        while (session.next(after=False)) is not None:
            session.record(1)
        assert session.verdicts == ["level"]
