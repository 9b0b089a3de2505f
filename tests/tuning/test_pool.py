"""Thousands of fusions measured at once are those measured one by one, by ir_measures' values."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.tuning.measures import Graded, Measure
from anyrank.tuning.pool import Pool, measured
from anyrank.tuning.table import ScoreTable


def toy(seed, queries=6, documents=30):
    rng = random.Random(seed)
    runs = {
        name: {
            f"q{q}": sorted(
                ((f"d{d}", float(rng.randrange(12))) for d in rng.sample(range(documents), rng.randrange(documents))),
                key=lambda pair: -pair[1],
            )
            for q in range(queries)
        }
        for name in "abc"
    }
    qrels = {
        f"q{q}": {f"d{d}": rng.choice([0, 0, 1, 2, -1]) for d in range(0, documents + 5, 2)} for q in range(queries)
    }
    return ScoreTable.of_runs(runs, list(qrels)), qrels


@given(st.integers(0, 10_000))
@settings(max_examples=8, deadline=None)
def test_fusions_at_once_are_the_pipelines(seed):
    table, _ = toy(seed)
    parts = {name: table.lists(f"{name} % 12") for name in "abc"}
    weights = np.random.default_rng(seed).choice([0.0, 0.3, 0.7, 1.0, -0.5], (5, 3))
    pools = [Pool.of(rows) for rows in zip(*parts.values())]
    for i, row in enumerate(weights.tolist()):
        text = " + ".join(f"{w} * (({name}) % 12)" for w, name in zip(row, "abc"))
        for pool, best in zip(pools, table.lists(text)):
            scores = dict(zip(pool.documents.tolist(), pool.scores(weights)[i]))
            assert np.allclose([scores[d] for d in best.documents[:8].tolist()], best.scores[:8])
            top = pool.top(weights, 8)[i]
            assert np.allclose([scores[d] for d in pool.documents[top].tolist()], best.scores[:8])


@pytest.mark.parametrize("name", ["nDCG@10", "nDCG@3", "RR@10", "RR(rel=2)@5", "P@5", "R@10", "Success@2"])
def test_values_are_those_of_ir_measures(name):
    pytest.importorskip("ir_measures")
    from anyrank.evaluate.measures import Meter

    table, qrels = toy(1, queries=30)
    graded = Graded.by(qrels, [q.id for q in table.queries], table.ids)
    values = measured({"a": table.lists("a")}, np.ones((1, 1)), graded, Measure.of(name))[:, 0]
    lists = {q: list(docs) for q, docs in table.run("a").items()}
    assert values.tolist() == pytest.approx(Meter([name], qrels)(lists)[str(Measure.of(name))])


def test_a_measure_that_no_choice_is_made_by():
    with pytest.raises(InputError, match="a choice can't be made by 'AP'"):
        Measure.of("AP")
