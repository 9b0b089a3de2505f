"""Questions, recency, relevance times recency, and the dated claim set."""

import json
import math
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from anyrank.cli import cli
from anyrank.core.errors import InputError
from anyrank.core.groupings import Whole
from anyrank.core.language import Completion
from anyrank.core.rerank import Rerank
from anyrank.core.trace import Usage
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.domains.forecasting.digest import Digested
from anyrank.domains.forecasting.judges import FLOOR, Relevance, Timely, scaled
from anyrank.domains.forecasting.questions import (
    Article,
    Forecast,
    Question,
    question_of,
    rankings,
    read_articles,
    read_questions,
)
from anyrank.domains.forecasting.reader_text import context, options, target
from anyrank.domains.forecasting.recency import Recency, learned
from anyrank.domains.forecasting.simulate import dated
from anyrank.testing import Oracle, ScriptedModel

START = datetime(2021, 1, 1, tzinfo=UTC)
SPAN = timedelta(days=100)


def question(accuracy, id="q", answer="yes", n=50):
    values = [accuracy(i / n) for i in range(n + 1)]
    forecasts = [Forecast(START + i / n * SPAN, (v if answer == "yes" else 1 - v,)) for i, v in enumerate(values)]
    return Question(id, "will it?", "bool", START, START + SPAN, answer, (), tuple(forecasts))


def s_curve(t, middle=0.4):
    return 1 / (1 + math.exp(-(t - middle) / 0.05))


def test_a_linear_accuracy_gives_a_constant_recency():
    curve = learned([question(lambda t: 0.3 + 0.6 * t), question(lambda t: 0.3 + 0.6 * t, answer="no")])
    assert curve.values == pytest.approx([0.6] * len(curve.values))
    assert curve.times[0] >= 0.05
    assert curve.times[-1] <= 0.97
    assert len(curve.times) == 99  # of 109 points from 0 to 1


def test_an_s_shaped_accuracy_peaks_where_it_is_steepest():
    curve = learned([question(s_curve)])
    peak = curve.times[max(range(len(curve.values)), key=curve.values.__getitem__)]
    assert peak == pytest.approx(0.4, abs=0.02)
    assert max(curve.values) == 1.0  # a slope of 5 is scaled
    assert curve.at(0.4) > 5 * curve.at(0.7)
    assert curve.at(-1) == curve.values[0]


def test_a_falling_accuracy_counts_nothing_and_numbers_are_left_out():
    assert set(learned([question(lambda t: 0.9 - 0.5 * t)]).values) == {0.0}
    number = Question("n", "how many?", "number", START, START + SPAN, 0.5, (), question(s_curve).forecasts)
    assert learned([number, question(lambda t: t)]).values == pytest.approx([1.0] * 99)
    with pytest.raises(InputError, match="none of 1 questions has an answer and two forecasts"):
        learned([number])


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_recency_is_between_0_and_1(values):
    forecasts = tuple(Forecast(START + i / (len(values) - 1) * SPAN, (v,)) for i, v in enumerate(values))
    curve = learned([Question("q", "?", "bool", START, START + SPAN, "yes", (), forecasts)])
    assert all(0 <= curve.at(t / 10) <= 1 for t in range(11))


def test_a_curve_is_stored_and_a_wrong_file_refused(tmp_path):
    curve = learned([question(s_curve)])
    curve.save(tmp_path / "c.json")
    assert Recency.load(tmp_path / "c.json") == curve
    (tmp_path / "c.json").write_text("{}")
    with pytest.raises(InputError, match=r"no recency curve \(there is no field 'times'\).*anyrank forecast curve"):
        Recency.load(tmp_path / "c.json")
    with pytest.raises(InputError, match="expected 0 to 1"):
        Recency((0.0,), (1.5,))


def test_the_crowd_and_the_right_answer():
    q = question(lambda t: t, answer="no")
    assert q.crowd_at(START + 0.5 * SPAN) == pytest.approx(0.5)
    assert math.isnan(q.crowd_at(START - SPAN))
    choice = question_of({"id": 1, "question": "?", "qtype": "mc", "choices": ["x", "y"], "answer": "B",
                          "publish_time": "2021-01-01", "close_time": "2021-02-01T00:00:00+00:00",
                          "crowd": [{"timestamp": "2021-01-03", "forecast": [0.3, 0.7]}]})  # fmt: skip
    assert choice.truth((0.3, 0.7)) == 0.7
    assert choice.forecasts[0].at.day == 3
    assert (options(choice), target(choice)) == (["A", "B"], "B")
    with pytest.raises(InputError, match=r"closes .* before it opens"):
        question_of({"id": 1, "question": "?", "kind": "bool", "opened": "2021-02-01", "closed": "2021-01-01"})


def test_only_articles_of_the_questions_time_are_ranked():
    q = question(s_curve)
    dates = {"before": -0.1, "first": 0.0, "late": 0.9, "closing": 1.0}
    articles = [Article(name, "", name, START + t * SPAN) for name, t in dates.items()]
    articles.append(Article("other", "", "x", START + SPAN / 2, "another question"))
    (ranking,) = rankings([q], articles)
    assert ranking.ids == ["late", "first"]
    (ranking,) = rankings([q], articles, START + SPAN / 2)
    assert ranking.ids == ["first"]


def test_files_and_their_errors(tmp_path):
    line = '{"id": "q", "question": "?", "kind": "bool", "opened": "2021-01-01", "closed": "soon"}\n'
    (tmp_path / "q.jsonl").write_text(line.replace("soon", "2021-03-01") + line)
    with pytest.raises(InputError, match=r"q\.jsonl.*2.*closed: expected a date such as 2021-05-11, found 'soon'"):
        read_questions(tmp_path / "q.jsonl")
    (tmp_path / "a.jsonl").write_text('{"id": "a", "text": "x", "date": "2021-01-02"}\n{"id": "b"}\n')
    with pytest.raises(InputError, match=r"a\.jsonl.*2.*date: expected a date"):
        read_articles(tmp_path / "a.jsonl")


def timed(dates, texts=None):
    meta = {"opened": START.isoformat(), "closed": (START + SPAN).isoformat()}
    members = [
        Candidate(str(i), (texts or {}).get(i, f"text {i}"), -i, {"date": (START + t * SPAN).isoformat()})
        for i, t in enumerate(dates)
    ]
    return Ranking(Query("q", "will it?", meta), tuple(members))


def test_articles_are_ordered_by_the_product():
    curve = Recency((0.0, 0.5, 1.0), (0.0, 1.0, 0.0))
    truth = {"0": 0.9, "1": 0.5, "2": 1.0}
    after = Rerank(Timely(Oracle(truth), curve))(timed([0.1, 0.5, 0.95]))
    assert {c.id: round(c.score, 6) for c in after} == {"1": 0.5, "0": 0.18, "2": 0.1}
    below = Rerank(Timely(Oracle({"0": -1.0, "1": 0.5, "2": 1.0}), curve))
    with pytest.raises(InputError, match="below 0: set scale=True"):
        below(timed([0.1, 0.5, 0.9]))
    with pytest.raises(InputError, match="'0' has no date"):
        Rerank(Timely(Oracle({"0": 1.0}), curve))(Ranking(timed([]).query, (Candidate("0", "x"),)))
    whole = Rerank(Timely(Oracle({"0": -1.0, "1": 0.5, "2": 1.0}), curve, scale=True), Whole())
    assert whole(timed([0.1, 0.5, 0.9])).ids == ["1", "2", "0"]
    assert scaled([math.nan, 3.0, 3.0])[1:] == [1.0, 1.0]


def test_relevance_is_the_mean_of_grades():
    answers = iter(["4", "2", "I say 3", "0", "none", "Grade: 1"])
    stage = Rerank(Relevance(ScriptedModel(lambda p: next(answers)), samples=2), chunk=64)
    after = stage(timed([0.1, 0.2, 0.3]))
    # first samples of all articles, then second ones
    assert {c.id: c.score for c in after} == {"0": 0.5, "1": 0.5, "2": 0.5} or after.cost.usage.calls == 6
    assert after.cost.usage.calls == 6
    zero = Rerank(Relevance(ScriptedModel(lambda p: "0"), samples=1))(timed([0.1]))
    assert zero.scores == [FLOOR]
    silent = Rerank(Relevance(ScriptedModel(lambda p: "hm"), samples=1))(timed([0.1]))
    assert silent.status == "fallback"


def test_articles_are_replaced_by_summaries():
    model = ScriptedModel(lambda p: "short" if "text 0" in p[0].content else " ")
    after = Digested(model, words=1)(timed([0.1, 0.2]))
    assert [c.meta["summary"] for c in after] == ["short", "text"]
    assert after.cost.usage.repairs == {"no summary": 1}


def test_the_readers_text():
    q = Question("c", "who?", "choice", START, START + SPAN, "A", ("x", "y"))
    assert context(q, "news", "it is x", "2021-02-03T00:00", 0.5) == (
        "question: who? start time: 2021-01-01 expiry time: 2021-04-11 choices: A: x | B: y | news date: 2021-02-03 "
        "title: news question-news content relevance: high context: it is x"
    )
    number = Question("n", "how much?", "number", START, START + SPAN, 0.5)
    assert (len(options(number)), target(number)) == (20, "K")


CLAIMS = [
    {"claim_id": i, "claim": f"claim {i}", "claim_label": label,
     "evidences": [{"evidence_label": label, "evidence": f"decisive {i}"},
                   {"evidence_label": "NOT_ENOUGH_INFO", "evidence": f"other {i}"}]}
    for i, label in enumerate(["SUPPORTS", "REFUTES", "SUPPORTS", "DISPUTED", "REFUTES"] * 8)
]  # fmt: skip


def test_decisive_evidence_comes_when_accuracy_rises():
    data = dated(CLAIMS, others=10, seed=3)
    assert len(data.questions) == 32  # disputed claims are left out
    assert data == dated(CLAIMS, others=10, seed=3)
    curve = learned(data.questions)
    places = {q.id: q for q in data.questions}
    values = {True: [], False: []}
    for a in data.articles:
        values[a.id in data.decisive[a.question]].append(curve.at(places[a.question].elapsed(a.date)))
    means = {k: sum(v) / len(v) for k, v in values.items()}
    assert means[True] > 2 * means[False]
    assert all(len(ids) == 1 for ids in data.decisive.values())


def test_the_error_of_a_model_is_told():
    refused = ScriptedModel(lambda prompt: Completion("", Usage(calls=1), "error", error="HTTP 400: no such model"))
    articles = [Candidate("a", "storm", meta={"date": START.isoformat()})]
    ranking = Ranking(question(s_curve).query(), tuple(articles))
    flat = Recency((0.0, 1.0), (1.0, 1.0))
    judged = Rerank(Timely(Relevance(refused), flat), Whole())(ranking)
    assert (judged.status, judged.cost.notes) == ("fallback", ("HTTP 400: no such model",))
    (digested,) = Digested(refused).batch([ranking])
    assert digested.trace[-1].notes == ("1 articles have no summary: HTTP 400: no such model",)
    assert digested[0].meta["summary"] == "storm"


def test_questions_without_articles_and_articles_given_twice_are_told(tmp_path):
    record = {"id": "q", "question": "will it?", "kind": "bool", "opened": "2021-01-01", "closed": "2021-04-11"}
    articles = [{"id": "a", "text": "storm", "date": date, "question": q} for date, q in (("2022-01-01", "q"),) * 2]
    (tmp_path / "q.jsonl").write_text(json.dumps(record) + "\n")
    (tmp_path / "a.jsonl").write_text(json.dumps(articles[0]) + "\n")
    words = ["forecast", "rank", str(tmp_path / "q.jsonl"), str(tmp_path / "a.jsonl")]
    result = CliRunner().invoke(cli, words)
    assert "note: 1 of 1 questions have no article that was published in their time" in result.stderr
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(a) + "\n" for a in articles))
    with pytest.raises(InputError, match=r"a.jsonl:2: the article 'a' comes twice for 'q'"):
        CliRunner().invoke(cli, words, catch_exceptions=False)
