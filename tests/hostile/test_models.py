"""Every method that asks a model, over every model that misbehaves: no candidate is lost, and the trace says what
happened."""

import math
from itertools import pairwise

import pytest

from anyrank.cli.common import report_status
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.papers import load, names

from .models import MODELS

METHODS = sorted(names())
DOCUMENTS = tuple(Candidate(f"d{i}", f"text of document {i}", 12.0 - i, {"bm25": 12.0 - i}) for i in range(12))


def test_the_matrix_is_large_enough():
    assert len(METHODS) >= 23
    assert len(MODELS) >= 14


@pytest.mark.parametrize("fault", MODELS)
@pytest.mark.parametrize("method", METHODS)
def test_a_method_over_a_model_that_misbehaves(method, fault):
    row = MODELS[fault]
    model = row.make()
    before = [Ranking(Query(f"q{i}", "a question"), DOCUMENTS) for i in range(2)]
    after = load(method).build(model).batch(before)
    assert len(after) == 2
    for old, new in zip(before, after):
        assert sorted(new.ids) == sorted(old.ids)
        assert all(map(math.isfinite, new.scores))
        assert all(a >= b for a, b in pairwise(new.scores))
        step = new.trace[-1]
        assert new.status in row.statuses
        if new.status == "fallback":
            assert new.ids == old.ids
            assert new.cost.untouched
        if new.status in ("partial", "fallback"):
            assert step.notes
            assert step.failed
        assert all(len(note) <= 400 for note in step.notes)
        assert step.usage.mended <= max(step.usage.calls + step.usage.cached, step.usage.mended and 1)
    calls = sum(r.cost.usage.calls for r in after)
    if row.counted:
        assert calls == model.reported
    else:
        assert calls <= model.prompts
    assert report_status(after) == int(any(r.status in ("partial", "fallback") for r in after))
