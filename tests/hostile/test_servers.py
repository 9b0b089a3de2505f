"""Six methods over a server that misbehaves in every way of the table: no candidate is lost, calls and tokens are
those of the requests that were made, and the exit code is as documented."""

import json
import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from click.testing import CliRunner

from anyrank.backends.openai import OpenAI, Patience, open_address
from anyrank.cli import cli
from anyrank.cli.common import report_status
from anyrank.core.errors import AnyrankError, InputError, ModelError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.papers import load

from .faults import FAULTS
from .server import hostile

METHODS = {
    "rankgpt": {},
    "lrl": {},
    "setwise": {"k": 2},
    "prp": {"sort": "heap", "k": 1},
    "first": {},
    "qwen3_reranker": {},
}
DOCUMENTS = tuple(Candidate(f"d{i}", f"text of document {i}", 3.0 - i) for i in range(3))
QUICK, SLOW = Patience(timeout=0.15, retries=0, pause=0.0), Patience(timeout=20.0, retries=0, pause=0.0)


@pytest.fixture(scope="module")
def server():
    with hostile({name: fault.send for name, fault in FAULTS.items()}) as running:
        yield running


def test_the_matrix_is_large_enough():
    assert len(FAULTS) >= 57
    assert len(METHODS) == 6


def check(old: Ranking, new: Ranking, fault) -> None:
    assert sorted(new.ids) == sorted(old.ids)
    assert all(map(math.isfinite, new.scores))
    assert all(a >= b for a, b in pairwise(new.scores))
    assert new.status in fault.statuses
    if new.status == "fallback":
        assert new.ids == old.ids
        assert new.cost.untouched
        assert new.trace[-1].notes
    assert 0 <= new.cost.usage.tokens < 2_000_000
    assert sum(map(len, new.trace[-1].notes)) < 2000
    assert report_status([new]) == int(new.status in ("partial", "fallback"))


@pytest.mark.parametrize("row", FAULTS)
def test_methods_over_a_server_that_misbehaves(row, server):
    fault, before = FAULTS[row], Ranking(Query("q", "a question"), DOCUMENTS)
    statuses: Counter[str] = Counter()
    for method, options in METHODS.items():
        requests = server.requests[row]
        model = OpenAI("m", server.url(row), patience=QUICK if fault.hangs else SLOW, prefill="server")
        stage = load(method).build(model, **options)
        if fault.refused:
            with pytest.raises(ModelError):
                stage(before)
            continue
        try:
            after = stage(before)
        except ModelError:  # a server that reports no log-probabilities at all can't serve a method that needs them
            assert method in ("first", "qwen3_reranker")
            continue
        check(before, after, fault)
        statuses[after.status] += 1
        made = server.requests[row] - requests
        assert 0 < after.cost.usage.calls <= made <= 2 * after.cost.usage.calls + 2
    assert fault.refused or statuses


@pytest.mark.parametrize(
    ("row", "code"),
    [("chunked", 0), ("usage null", 0), ("500", 1), ("hangs", 1), ("401", 3), ("404", 3), ("closes at once", 1)],
)
def test_exit_codes_are_as_documented(row, code, server, monkeypatch):
    quick = lambda address: replace(open_address(address), patience=QUICK if FAULTS[row].hangs else SLOW)  # noqa: E731
    monkeypatch.setattr("anyrank.backends.openai.open_address", quick)
    line = json.dumps({"query": "a question", "documents": [c.content for c in DOCUMENTS]})
    result = CliRunner().invoke(
        cli,
        ["rerank", "--method", "rankgpt", "--model", f"openai:m@{server.url(row)}"],
        input=line,
        standalone_mode=False,
    )
    if isinstance(result.exception, AnyrankError):
        assert (2 if isinstance(result.exception, InputError) else 3) == code
        return
    assert result.exception is None
    assert result.return_value == code
    (ranked,) = map(json.loads, result.stdout.splitlines())
    assert sorted(item["id"] for item in ranked["ranking"]) == ["0", "1", "2"]
    assert ranked["cost"]["untouched"] is (code == 1)
