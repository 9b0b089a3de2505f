"""The judge of reports: a scripted model with hand-computed figures, unreadable answers, and replay from the cache."""

import json

import pytest

from anyrank.benchmarks.base import MissingData
from anyrank.benchmarks.report_judge import Report, ReportJudge, json_object
from anyrank.benchmarks.report_scores import CRITERIA, citation_precision, citation_recall, key_point_rates, quality
from anyrank.benchmarks.researchy import judge, read_key_points, read_reports
from anyrank.core.errors import InputError, ModelError
from anyrank.core.language import Completion
from anyrank.llm.cache import Cached
from anyrank.testing import ScriptedModel

A, B, C = "http://a.org/1", "http://b.org/2", "http://c.org/3"
REPORTS = [
    Report("1", "why lift?", f"Air is turned [{A}]. Wings are bent [{B}]. Birds fly [{C}]. It is so."),
    Report("2", "why drag?", "No source at all."),
]
POINTS = {"1": ["air is turned", "speed matters", "wings are flat"], "2": ["friction"]}
SOURCES = {A: f"air is turned, see {A}", B: "some are bent", C: "fish swim"}
LABELS = {"air is turned": "supported", "speed matters": "omitted", "wings are flat": "contradicted"}
CLAIMS = [
    {"claim": "air is turned", "sources": [A]},
    {"claim": "wings are bent", "sources": [B, "http://not-in-the-report.org"]},
    {"claim": "birds fly", "sources": [C]},
    {"claim": "it is so", "sources": []},
]


def script(prompt):
    """The judge's answer to each form of request."""
    text = prompt[0].content
    if "Point: " in text:
        point = text.split("Point: ")[1].split("\n")[0]
        return json.dumps({"label": LABELS.get(point, "omitted")})
    if "List every factual claim" in text:
        return "Here it is:\n" + json.dumps({"claims": CLAIMS})
    if "How far do the sources" in text:
        assert A not in text  # URLs are taken out of the sources
        claim = text.split("Claim: ")[1].split("\n")[0]
        return json.dumps({"support": {"air is turned": "full", "wings are bent": "partial"}.get(claim, "none")})
    assert "Rate one criterion" in text
    return json.dumps({"rating": 6 if "clarity" in text.split("alone, ")[1][:8] else 3, "justification": "so"})


def test_a_scripted_judge_gives_the_figures_worked_by_hand():
    model = ScriptedModel(script)
    result = judge(REPORTS, ReportJudge(model), POINTS, SOURCES)
    assert result.reports == 2
    assert result.figures["key points supported"] == pytest.approx((1 / 3 + 0) / 2)
    assert result.figures["key points omitted"] == pytest.approx((1 / 3 + 1) / 2)
    assert result.figures["key points contradicted"] == pytest.approx((1 / 3 + 0) / 2)
    assert result.figures["citation recall"] == pytest.approx((3 / 4 + 0) / 2)
    assert result.figures["citation precision"] == pytest.approx(((1 + 0.5 + 0) / 3 + 0) / 2)
    # clarity 6, the other five 3; the second report has no URL, so its support is 0 without a call
    assert result.figures["quality"] == pytest.approx((21 / 60 + 18 / 60) / 2)
    assert result.figures["support"] == pytest.approx(0.15)
    asked = [p[0].content for _, p, _ in model.log]
    assert sum("Rate one criterion" in a for a in asked) == 2 * len(CRITERIA) - 1
    assert all(settings[2] == 0.0 for _, _, settings in model.log)


def test_the_same_reports_are_judged_again_from_the_cache_alone(tmp_path):
    model = ScriptedModel(script)
    first = judge(REPORTS, ReportJudge(Cached(model, tmp_path / "judge.db", "scripted")), POINTS, SOURCES)
    calls = len(model.log)
    again = judge(REPORTS, ReportJudge(Cached(model, tmp_path / "judge.db", "scripted")), POINTS, SOURCES)
    assert again == first
    assert len(model.log) == calls


@pytest.mark.parametrize(
    "answer", ["", "I can't.", "[1, 2]", '{"label": 7, "claims": "x", "rating": 99}', '{"rating": true']
)
def test_answers_that_can_not_be_read_count_against_the_report(answer):
    result = judge(REPORTS, ReportJudge(ScriptedModel(lambda p: answer)), POINTS, SOURCES)
    assert result.figures["key points omitted"] == 1
    assert result.figures["citation recall"] == result.figures["citation precision"] == result.figures["quality"] == 0


def test_queries_without_key_points():
    labels = [["supported", "omitted"], [], ["contradicted"], ["supported"]]
    ours, theirs = key_point_rates(labels), key_point_rates(labels, as_published=True)
    assert ours == {"supported": 0.5, "omitted": pytest.approx(1 / 6), "contradicted": pytest.approx(1 / 3)}
    assert theirs["supported"] == pytest.approx(0.375)
    assert sum(theirs.values()) == pytest.approx(0.75)  # their quirk: the rates no longer add up to 1
    assert key_point_rates([]) == {"supported": 0, "omitted": 0, "contradicted": 0}


def test_figures_of_labels():
    assert citation_recall([[["u"], []], []]) == [0.5, 0]
    assert citation_precision([["full", "partial", "none"], []]) == [0.5, 0]
    assert quality([dict.fromkeys(CRITERIA, 10), {}]) == [1, 0]


def test_key_points_are_extracted_then_merged():
    def answers(prompt):
        text = prompt[0].content
        return json.dumps({"points": ["merged"] if "Merge points" in text else [text.split("Document:\n")[1][:3]]})

    model = ScriptedModel(answers)
    assert ReportJudge(model).key_points("q", ["one…", "two…"]) == ["merged"]
    assert "1. one\n2. two" in model.log[-1][1][0].content
    assert ReportJudge(ScriptedModel(lambda p: "")).key_points("q", ["one"]) == []


def test_a_source_that_is_not_known_supports_nothing():
    supports = ReportJudge(ScriptedModel(script)).supports([[("air is turned", ("http://else.org",))]], SOURCES)
    assert supports == [["none"]]


def test_reports_and_key_points_are_read_from_folders(tmp_path):
    for name, text in {"7.q": "why?", "7.a": "so", "8.q": "how?", "8.a": "thus"}.items():
        (tmp_path / name).write_text(text)
    assert read_reports(tmp_path) == [Report("7", "why?", "so"), Report("8", "how?", "thus")]
    (tmp_path / "7_aggregated.json").write_text(json.dumps({"points": [{"point_content": "a", "point_number": 1}]}))
    assert read_key_points(tmp_path, ["7", "8"]) == {"7": ["a"]}
    with pytest.raises(MissingData, match="no key points"):
        read_key_points(tmp_path, ["9"])
    (tmp_path / "8.q").unlink()
    with pytest.raises(InputError, match=r"8\.a has no 8\.q"):
        read_reports(tmp_path)
    with pytest.raises(MissingData, match="no reports"):
        read_reports(tmp_path / "none")


def test_the_first_object_is_taken():
    assert json_object('x {broken {"a": {"b": 1}} {"c": 2}') == {"a": {"b": 1}}
    assert json_object("{" * 5000) is None


def test_a_judge_that_answers_nothing_is_an_error_and_missing_answers_are_counted():
    failure = Completion("", finish="error", error="HTTP 500")
    with pytest.raises(ModelError, match="no answer to 16 requests: HTTP 500"):
        judge(REPORTS, ReportJudge(ScriptedModel(lambda p: failure)), POINTS, {})
    some = judge(
        REPORTS, ReportJudge(ScriptedModel(lambda p: failure if "Point: " in p[0].content else "{}")), POINTS, {}
    )
    assert some.answers == {"failed": 4, "read": 12}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"points": "abc"}', "points is str"),
        ('{"points": [{"x": 1}]}', "a key point is"),
        ('{"points": [" "]}', "a key"),
    ],
)
def test_key_points_of_another_form_are_errors(tmp_path, text, message):
    (tmp_path / "1_aggregated.json").write_text(text)
    with pytest.raises(InputError, match=rf"1_aggregated\.json: {message}"):
        read_key_points(tmp_path, ["1"])
    (tmp_path / "1_aggregated.json").write_text('[{"point_content": "a"}, {"point_content": "b"}]')
    assert read_key_points(tmp_path, ["1"]) == {"1": ["a", "b"]}


def test_reports_that_are_no_text_or_have_no_question_are_errors(tmp_path):
    (tmp_path / "1.a").write_bytes(b"caf\xe9")
    (tmp_path / "1.q").write_text("why?")
    with pytest.raises(InputError, match=r"1\.a:1: byte 0xe9"):
        read_reports(tmp_path)
    (tmp_path / "1.a").write_text("")
    (tmp_path / "1.q").write_text(" ")
    with pytest.raises(InputError, match=r"1\.q: the question is empty"):
        read_reports(tmp_path)
