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
from anyrank.evaluate.support import measure_name

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


# ids, scores and programs behind the measures

GRADES = {"PLAIN-12": {"doc a": 2, "b\0": 0, "c\ud800": 1, "d": 3}, "x y": {"e": 1}}
ORDERS = {"PLAIN-12": ["b\0", "d", "unjudged", "c\ud800", "doc a"], "x y": ["f", "e"]}
NUMBERED = {"1": {"1": 2, "2": 0, "3": 1, "4": 3}, "2": {"5": 1}}
SCORED = {"1": {"2": 5.0, "4": 4.0, "9": 3.0, "3": 2.0, "1": 1.0}, "2": {"8": 2.0, "5": 1.0}}


@pytest.mark.parametrize("name", ["ERR@10", "nDCG(dcg='exp-log2')@10", "Compat", "RBP(rel=1)", "Judged@3", "Bpref",
                                  "RR@10", "INST(max_rel=3)", "nDCG@10"])  # fmt: skip
def test_ids_of_any_text_are_measured_as_numbers_are(name):
    theirs = {m.query_id: m.value for m in ir_measures.iter_calc([parse(name)], NUMBERED, SCORED)}
    (ours,) = Meter([name], GRADES)(ORDERS).values()
    assert ours == [pytest.approx(theirs[q], abs=1e-9) for q in NUMBERED]


def test_without_a_cut_off_the_graded_measures_of_gdeval_see_the_whole_list():
    for name in ("ERR", "nDCG(dcg='exp-log2')"):
        whole, cut = Meter([name, name + "@50"], GRADES)(ORDERS).values()
        assert whole == cut


def test_unretrieved_documents_are_below_retrieved_ones():
    """Compatibility takes what was not retrieved to have the score 0, so that scores must be above 0."""
    qrels, run = {"q": {"a": 1, "b": 1, "c": 1}}, {"q": ["c", "b", "x"]}
    assert Meter(["Compat"], qrels)(run)["Compat"] == [
        pytest.approx(ir_measures.Compat.calc_aggregate(qrels, {"q": {"c": 3.0, "b": 2.0, "x": 1.0}}))
    ]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("RBP", "cwl_eval computes it with rel, such as RBP(rel=1)"),
        ("RBP@10", "such as RBP(rel=1), without a cut-off"),
        ("RBP(p=1)", "such as RBP(p=1.0, rel=1)"),
        ("INST", "it needs max_rel (maximum relevance score), such as INST(max_rel=3)"),
        ("SDCG@10", "such as SDCG(max_rel=3)@10"),
        ("IPrec", "such as IPrec@0.5"),
        ("P", "it needs cutoff (ranking cutoff threshold), such as P@10"),
        ("NumRel(rel=2)", "pytrec_eval computes it with rel=1"),
        ("RR(rel='2')", "rel='2': expected a whole number"),
        ("RR(rel=True)", "rel=True: expected a whole number"),
        ("nDCG(dcg='exp')@10", "expected one of 'log2', 'exp-log2'"),
        ("INST(max_rel=0)", "expected more than min_rel"),
        ("RBP(p=1.5, rel=1)", "p=1.5: expected a share between 0 and 1"),
        ("IPrec@2", "recall=2.0: expected a share"),
        ("nDCG(gains={'a': 1})@10", "gains: expected grades and gains that are whole numbers, found 'a': 1"),
        ("nDCG(gains={1: 0.5})@10", "found 1: 0.5"),
        ("nDCG@2.5", "cutoff=2.5: expected a whole number"),
    ],
)
def test_an_error_names_the_parameters_that_a_measure_needs(name, says):
    with pytest.raises(InputError) as caught:
        parse(name)
    assert says in str(caught.value)
    assert "object at 0x" not in str(caught.value)


def test_an_error_names_the_package_that_a_measure_needs(monkeypatch):
    for provider in (ir_measures.cwl_eval, ir_measures.pyndeval, ir_measures.gdeval):
        monkeypatch.setattr(provider, "_is_available", False)
    for name, says in (
        ("RBP(rel=1)", "cwl-eval, which is not installed: pip install 'anyrank[eval]'"),
        ("alpha_nDCG@10", "pyndeval, which is not installed: pip install 'anyrank[eval]'"),
        ("ERR@10", "the program perl, which is not installed"),
        ("RBP", "with rel, such as RBP(rel=1) (and the package cwl-eval"),
    ):
        with pytest.raises(InputError) as caught:
            parse(name)
        assert says in str(caught.value)


def test_every_measure_has_a_name_without_addresses():
    for kind in set(map(id, ir_measures.measures.registry.values())):
        measure = next(m for m in ir_measures.measures.registry.values() if id(m) == kind)
        assert "0x" not in measure_name(measure)
    assert measure_name(ir_measures.INST(max_rel=3)) == "INST(max_rel=3)"
    assert measure_name(ir_measures.nDCG(gains={1: 0, 3: 5}) @ 10) == "nDCG(gains={1:0,3:5})@10"
    assert str(parse(ir_measures.nDCG @ 10)) == "nDCG@10"
    assert [*Meter(["nDCG(gains={1:1,2:5})@10"], GRADES).measures] == ["nDCG(gains={1:1,2:5})@10"]


def test_grades_beyond_a_program_are_named():
    with pytest.raises(InputError, match=r"takes grades up to 4, and query 'q' grades document 'd' 5"):
        Meter(["ERR@10"], {"q": {"d": 5}})


def test_grades_beyond_a_measure_s_parameter_are_named(capsys):
    with pytest.raises(
        InputError, match=r"takes grades up to 3, and query 'q' grades document 'd' 5: give a larger max_rel"
    ):
        Meter(["INST(max_rel=3)"], {"q": {"d": 5}})
    Meter(["INST(max_rel=9)"], {"q": {"d": 5}})({"q": ["d"]})
    assert capsys.readouterr().err == ""


def test_a_failing_provider_is_named_with_measure_and_query(monkeypatch):
    with pytest.raises(
        InputError, match=r"'Accuracy' can't be computed for query 'b': all of its results are relevant"
    ):
        Meter(["nDCG", "Accuracy"], {"a": {"x": 1}, "b": {"x": 1}})({"a": ["y", "x"], "b": ["x"]})

    def broken(self, run):
        raise KeyError("/usr/lib/secret.pl at <object object at 0x7f00>")
        yield

    monkeypatch.setattr(type(ir_measures.compat.evaluator([ir_measures.Compat], {})), "_iter_calc", broken)
    with pytest.raises(
        InputError, match=r"'Compat' can't be computed for query 'a' by compat \(KeyError: '…/secret.pl at"
    ) as e:
        Meter(["Compat"], {"a": {"x": 1}})({"a": ["x"]})
    assert "0x" not in str(e.value)


def test_a_measure_without_a_value_is_named(monkeypatch):
    evaluator = type(ir_measures.compat.evaluator([ir_measures.Compat], {}))
    monkeypatch.setattr(
        evaluator, "_iter_calc", lambda self, run: iter([ir_measures.Metric("0", ir_measures.Compat, float("nan"))])
    )
    with pytest.raises(InputError, match="'Compat' has no value for query 'a'"):
        Meter(["Compat"], {"a": {"x": 1}})({"a": ["x"]})


# diversity

SUBTOPICS = {"q": {"a": {"1": 1, "2": 0}, "b": {"1": 1}, "c": {"2": 1, "3": 1}, "d": {"4": 0}}}
DIVERSE = ["alpha_nDCG@3", "alpha_DCG@3", "ERR_IA@3", "nERR_IA@3", "NRBP", "nNRBP", "AP_IA", "P_IA@3", "StRecall@3"]


@pytest.mark.parametrize("name", DIVERSE)
def test_diversity_is_that_of_pyndeval(name):
    pyndeval = pytest.importorskip("pyndeval")
    order = ["b", "a", "x", "c"]
    theirs = {"AP_IA": "MAP-IA", "StRecall@3": "strec@3"}.get(name, name.replace("_", "-"))
    rows = [pyndeval.SubtopicQrel("q", s, d, g) for d, gs in SUBTOPICS["q"].items() for s, g in gs.items()]
    run = [pyndeval.ScoredDoc("q", d, float(-i)) for i, d in enumerate(order)]
    expected = pyndeval.ndeval(rows, run, measures=[theirs])["q"][theirs]
    assert Meter([name], SUBTOPICS)({"q": order})[name] == [pytest.approx(expected, abs=1e-9)]


def test_novelty_counts_only_where_subtopics_are_kept():
    same, new = (
        Meter(["alpha_nDCG@2"], SUBTOPICS)({"q": ["b", "a"]}),
        Meter(["alpha_nDCG@2"], SUBTOPICS)({"q": ["b", "c"]}),
    )
    assert new["alpha_nDCG@2"][0] > same["alpha_nDCG@2"][0]
    assert Meter(["P@3", "AP"], SUBTOPICS)({"q": ["a", "d", "c"]})["P@3"] == [pytest.approx(2 / 3)]


@pytest.mark.parametrize("name", DIVERSE)
def test_diversity_without_subtopics_is_refused_with_the_reason(name):
    with pytest.raises(InputError, match="needs judgements by subtopic, and these have none"):
        Meter([name], {"q": {"a": 1}})


def test_judged_documents_alone_are_measured_for_novelty():
    name = "alpha_nDCG(judged_only=True)@2"
    assert (
        Meter([name], SUBTOPICS)({"q": ["x", "y", "b", "c"]})[name]
        == Meter(["alpha_nDCG@2"], SUBTOPICS)({"q": ["b", "c"]})["alpha_nDCG@2"]
    )
