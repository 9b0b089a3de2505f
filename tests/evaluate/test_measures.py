"""Measures by name; cut runs are measured as whole ones are; order and ties."""

import sys

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrank.core.errors import InputError, MissingExtra
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.evaluate.inputs import lists
from anyrank.evaluate.measures import Meter, parse

NAMES = ["nDCG@10", "nDCG@3", "nDCG", "AP", "AP@5", "RR", "RR@3", "RR(rel=2)@5", "R@4", "P(rel=2)@3", "Rprec", "Bpref",
         "Success@2", "Judged@5", "nDCG(judged_only=True)@3", "P(judged_only=True)@2"]  # fmt: skip
DOCS = [f"d{i}" for i in range(12)]
qrels = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3"]),
    st.dictionaries(st.sampled_from(DOCS), st.integers(0, 3), min_size=1),
    min_size=1,
)
orders = st.dictionaries(st.sampled_from(["q1", "q2", "q3", "q4"]), st.lists(st.sampled_from(DOCS), unique=True))


@settings(max_examples=60, deadline=None)
@given(qrels, orders)
def test_values_are_those_of_ir_measures_on_the_whole_run(qrels, run):
    scored = {q: {d: float(-i) for i, d in enumerate(docs)} for q, docs in run.items() if docs}
    ours = Meter(NAMES, qrels)(run)
    for name in NAMES:
        expected = {m.query_id: m.value for m in ir_measures.parse_measure(name).iter_calc(qrels, scored)}
        assert ours[name] == pytest.approx([expected[q] for q in qrels]), name


def test_names_come_back_canonical():
    assert [str(parse(n)) for n in (" nDCG@10", "RR( rel = 2 )@10", "MAP", "Judged@10")] == [
        "nDCG@10", "RR(rel=2)@10", "AP", "Judged@10",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ndgc@10", "did you mean nDCG"),
        ("zzzzzz", "there are nDCG, AP"),
        ("nDCG@", "write it as nDCG@10"),
        ("nDCG @ k", "write it as"),
        ("__import__('os').system('true')", "write it as"),
        ("nDCG(foo=3)@10", "nDCG takes cutoff"),
        ("P", "'P'"),
        ("nDCG@-1", "at least 1, not -1"),
        ("1 + 1", "write it as"),
        ("alpha_nDCG@10", "needs judgements by subtopic"),
    ],
)
def test_bad_names_say_what_to_write(name, says):
    with pytest.raises(InputError, match=says.replace("(", r"\(")):
        Meter([name], {"q": {"d": 1}})


def test_rankings_are_judged_as_they_stand():
    r = Ranking(Query("q"), tuple(Candidate(d, None, s) for d, s in (("b", 1.0), ("a", 1.0), ("c", 9.0))))
    assert lists([r]) == ({"q": ["b", "a", "c"]}, 0)
    assert lists([r], ties="trec_eval") == ({"q": ["c", "b", "a"]}, 1)


@given(
    st.lists(st.tuples(st.sampled_from(DOCS), st.sampled_from([0.1, 0.2, 1.0, 1.0 + 1e-9])), unique_by=lambda x: x[0])
)
def test_trec_eval_ties_are_those_of_trec_eval(docs):
    order, _ = lists({"q": dict(docs)}, ties="trec_eval")
    if docs:
        for d in DOCS:
            measure = ir_measures.RR
            theirs = measure.calc_aggregate({"q": {d: 1}}, {"q": dict(docs)})
            assert theirs == pytest.approx(1 / (order["q"].index(d) + 1) if d in order["q"] else 0)


def test_bad_runs_are_named():
    with pytest.raises(InputError, match=r"run 'x', query 'q': the score of 'b' is nan"):
        lists({"q": {"a": 1.0, "b": float("nan")}}, "x")
    with pytest.raises(InputError, match="query 'q' appears twice"):
        lists([Ranking(Query("q")), Ranking(Query("q"))])
    with pytest.raises(InputError, match="given or trec_eval"):
        lists({}, ties="random")


def test_without_ir_measures_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    with pytest.raises(MissingExtra, match=r"anyrank\[eval\]"):
        parse("nDCG@10")
