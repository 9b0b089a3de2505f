"""The data that bench/bench_training.py compares ways to train on."""

from pathlib import Path

import pytest

from anyrank.train.group import Group

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def bench(monkeypatch):
    pytest.importorskip("transformers")
    monkeypatch.syspath_prepend(BENCH)
    import bench_training

    return bench_training


def rows():
    """Queries of three relevant texts, the best of BM25's by far, and nine others."""
    ids = tuple(f"d{i}" for i in range(12))
    labels, priors = (1.0,) * 3 + (0.0,) * 9, tuple(float(40 - 3 * i) for i in range(12))
    return [Group(f"query {q}", ids, labels, f"q{q}", ids, priors) for q in range(5)]


@pytest.mark.parametrize("name", ["random", "top", "absolute margin 2", "top, MiniLM agrees"])
def test_no_negative_is_judged_relevant(bench, name):
    judged = rows()
    found = bench.negatives(judged, {g.id: g for g in judged}, 5, *bench.MINING[name], seed=0)
    assert len(found) == 5
    for g in found:
        assert g.labels == (1.0, *[0.0] * bench.NEGATIVES)
        assert {"d0", "d1", "d2"}.isdisjoint(g.ids[1:])


def test_curricula_know_the_whole_run(bench, tmp_path):
    from anyrank.train.groups import write_groups

    write_groups(tmp_path / "judged.jsonl", rows())
    found = bench.variants("curricula", tmp_path, 5)
    (group,) = [g for g in found["recip"].groups(0) if g.id == "q0"]
    best, worst = (group.take([0, *[i for i, d in enumerate(group.ids) if d == other]]) for other in group.ids[1:3])
    assert found["none"].weigh is None
    at = [1 / (1 + int(d[1:])) for d in (group.ids[0], group.ids[1])]
    assert found["recip"].weigh([best], 0)[0] == pytest.approx((at[0] - at[1] + 1) / 2)
    assert found["recip"].weigh([best], 0) != found["recip"].weigh([worst], 0)
