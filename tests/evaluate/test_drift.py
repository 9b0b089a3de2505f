"""Drift is found where it was planted, and seldom where there is none."""

import json
import random

import pytest

from anyrank.core.errors import InputError
from anyrank.core.trace import Step, Usage
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.evaluate.drift import Answered, drift, language_of, read_answered
from anyrank.io.runs import write_run
from anyrank.io.traces import write_traces


def period(n, seed, shift=0.0, cut=0.1, dead=0.02, text="what is lift"):
    draw = random.Random(seed)
    out = []
    for _ in range(n):
        scores = tuple(sorted((draw.gauss(shift, 1) for _ in range(12)), reverse=True))
        failed = draw.random() < dead
        usage = Usage(calls=0 if failed else 12, truncated=3 * (draw.random() < cut), fallback=failed)
        out.append(Answered(text, scores, (Step("mini", usage=usage),)))
    return out


def test_no_drift_is_seldom_an_alarm():
    alarms = sum(drift(period(40, s), period(40, s + 1000)).drifted for s in range(12))
    assert alarms <= 2  # at most 5 % in expectation


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"shift": 1.0}, "best score"),
        ({"cut": 0.6}, "queries with truncated texts"),
        ({"dead": 0.4}, "queries not fully judged"),
        ({"text": "Wie hoch ist der Berg und wo liegt er?"}, "language de"),
    ],
)
def test_what_changed_is_named(changed, name):
    result = drift(period(80, 1), period(80, 2, **changed))
    assert name in [c.name for c in result.changes if c.drifted]
    assert f"{name} " in str(result)
    assert json.loads(json.dumps(result.as_dict()))["drifted"]


def test_the_three_forms_of_a_period_read_alike(tmp_path):
    rankings = []
    for q in range(6):
        candidates = tuple(Candidate(f"d{i}", "", float(9 - i - q)) for i in range(3))
        step = Step("mini", usage=Usage(calls=3), cut=("d9",), notes=("1 was cut",))
        rankings.append(Ranking(Query(f"q{q}", "what is lift"), candidates, (step,)))
    lines = tmp_path / "a.jsonl"
    lines.write_text("".join(json.dumps(r.to_dict(texts=False)) + "\n" for r in rankings))
    run = tmp_path / "run.trec"
    write_run(run, rankings)
    write_traces(run, rankings)
    texts = {f"q{q}": "what is lift" for q in range(6)}
    assert read_answered(lines) == read_answered(run, texts) == read_answered(f"{run}.trace.jsonl", texts)
    run.unlink()
    assert [a.scores for a in read_answered(f"{run}.trace.jsonl")] == [None] * 6


def test_errors_name_the_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"query": "q", "trace": []}\n{"x": 1}\n')
    with pytest.raises(InputError, match=r"a.jsonl:2: is no answer with its trace \(there is no field 'trace'\)"):
        read_answered(path)
    path.write_text('{"query": "q", "trace": []}\n')
    with pytest.raises(InputError, match="1 queries: at least 5"):
        read_answered(path)
    same = [Answered("", None, ())] * 6
    with pytest.raises(InputError, match="nothing to test"):
        drift(same, same)


def test_languages_by_script_and_function_words():
    assert language_of("123") == ""
    assert language_of("quelle est la hauteur de la montagne et où est elle") == "fr"
