"""The trace beside a run comes back as it was, and never for another run."""

import json

import pytest

from anyrank.core.errors import InputError
from anyrank.core.trace import Step, Usage
from anyrank.core.types import Query, Ranking
from anyrank.io.runs import write_run
from anyrank.io.traces import read_traces, trace_path, write_traces

STEPS = (
    Step("bm25", 0.25, Usage(), ("a note",)),
    Step("judge", 0.5, Usage(3, 20, 5, 1, 2, 1, {"missing": 4}), untouched=True),
)


@pytest.fixture
def run(tmp_path):
    rankings = [Ranking.of(Query(q), ["x"], ids=["d"]).with_step(*STEPS) for q in ("q1", "é\u2028")]
    path = tmp_path / "bm25.trec"
    write_run(path, rankings[:1])
    write_traces(path, rankings)
    return path


def test_a_trace_comes_back(run):
    assert read_traces(run) == {"q1": STEPS, "é\u2028": STEPS}
    assert trace_path(run).name == "bm25.trec.trace.jsonl"


def test_a_trace_of_another_state_of_the_run_is_not_read(run):
    run.write_text("q1 Q0 e 1 2 t\n")
    assert read_traces(run) is None
    trace_path(run).unlink()
    assert read_traces(run) is None


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"query": "q"}', '{"query": "q", "trace": [{}]}', '{"query": "q", "trace": 5}']
)
def test_a_damaged_trace_is_named_with_its_line(run, line):
    path = trace_path(run)
    path.write_text(path.read_text().splitlines()[0] + "\n" + line + "\n")
    with pytest.raises(InputError, match=r"bm25\.trec\.trace\.jsonl:2: "):
        read_traces(run)


def test_a_trace_of_an_unknown_format_is_not_read(run):
    first, *rest = trace_path(run).read_text().splitlines()
    trace_path(run).write_text("\n".join([json.dumps(json.loads(first) | {"format": 9}), *rest]) + "\n")
    assert read_traces(run) is None
