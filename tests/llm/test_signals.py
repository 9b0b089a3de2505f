"""Signals: golden values, what is asked of a backend, usage."""

import math

import numpy as np
import pytest

from anyrank.core.errors import InputError
from anyrank.core.groupings import Sliding
from anyrank.core.language import Completion, LogProbs, TokenWeights
from anyrank.core.rerank import Rerank
from anyrank.core.trace import Usage
from anyrank.core.types import Candidate, Judgement, Query, Ranking
from anyrank.judges.presentation import Presented
from anyrank.judges.votes import Votes
from anyrank.llm import templates
from anyrank.llm.attention import Attention, calibrated, spans_of
from anyrank.llm.capabilities import offers
from anyrank.llm.first_token import FirstToken
from anyrank.llm.generation import Generated
from anyrank.llm.labels import Labels
from anyrank.llm.pointwise import QueryLikelihood, TokenLogit, YesNo, odds, sigmoid
from anyrank.llm.preference import Preferred
from anyrank.llm.prompts import Template
from anyrank.testing import OracleModel, Scripted, ScriptedModel, check_judge, toy
from anyrank.testing.llm import flat


def group(n):
    return Query("q", "x"), [Candidate(f"d{i}", f"text of d{i}", float(n - i)) for i in range(n)]


def test_signals_keep_the_judges_contract():
    ranking, truth = toy(30)
    model = OracleModel(truth)
    c = ranking.candidates
    lists = [(ranking.query, list(c[:5])), (ranking.query, list(c[5:17])), (ranking.query, list(c[17:19]))]
    pairs = [(ranking.query, list(c[i : i + 2])) for i in range(0, 8, 2)]
    for judge in (
        Generated(model, templates.LISTWISE), Generated(model, templates.CONVERSATION),
        Generated(model, templates.NAMED), Generated(model, templates.SETWISE),
        Generated(model, templates.REASONING), FirstToken(model, templates.FIRST_TOKEN),
        FirstToken(model, templates.FIRST_TOKEN, spaced=True), YesNo(model, templates.YES_NO),
        QueryLikelihood(model, templates.QUESTION), TokenLogit(model, templates.RANK_T5),
        Attention(model, templates.ATTENTION), Presented(Generated(model, templates.LISTWISE)),
        Votes(Generated(model, templates.SETWISE), 3),
    ):  # fmt: skip
        check_judge(judge, lists)
    for judge in (
        Preferred(model, templates.DUO_T5),
        Generated(model, templates.PAIR),
        FirstToken(model, templates.PAIR_TOKEN),
    ):
        check_judge(judge, pairs)


@pytest.mark.parametrize(
    ("template", "n", "options"),
    [
        (templates.FIRST_TOKEN, 3, ["A", "B", "C"]),
        (templates.PAIR_TOKEN, 2, [" A", " B"]),
        (Template(body="[{label}] {text}", assistant="["), 11, ["1]", "2]", "11]"]),
        (Template(body="[{label}] {text}", assistant="[", labels=Labels("padded")), 12, ["01]", "02]", "12]"]),
        (Template(body="[{label}] {text}", assistant="[", labels=Labels("letters")), 30, ["AA", "AB", "BD"]),
        (Template(body="[{label}] {text}"), 2, ["[1]", "[2]"]),
    ],
)
def test_first_token_asks_for_labels(template, n, options):
    """Letters, numbers and labels of two tokens; a number keeps its bracket so that none begins another."""
    asked = FirstToken(OracleModel({}), template).options(n)
    assert [*asked[:2], asked[-1]] == options if n > 2 else asked == options
    bare = [a for a in asked if any(a != b and b.startswith(a) for b in asked)]
    assert bare == []


def test_first_token_orders_by_the_labels_logits():
    """FIRST's reading: logits [2, .5, 1, -1] of A to D give the order A, C, B, D, from one call and one token."""
    model = ScriptedModel(lambda p: [2.0, 0.5, 1.0, -1.0])
    (said,) = FirstToken(model, templates.FIRST_TOKEN)([group(4)])
    assert sorted(range(4), key=lambda i: -said.scores[i]) == [0, 2, 1, 3]
    assert said.usage.calls == 1
    ((verb, prompt, options),) = model.log
    assert (verb, options) == ("next", ("A", "B", "C", "D"))
    assert prompt[-1].content == "["
    spaced = ScriptedModel(lambda p: [-3.0, -9.0, math.nan, -1.0, -2.0, -4.0])
    (said,) = FirstToken(spaced, templates.FIRST_TOKEN, spaced=True)([group(3)])
    assert said.scores == [-1.0, -2.0, -4.0]


def test_odds_and_their_other_forms():
    values = (math.log(0.6), math.log(0.2))
    assert odds(values) == pytest.approx(math.log(3))
    assert math.isnan(odds((math.nan, -1.0)))
    assert math.isnan(odds((-math.inf, -math.inf)))
    model = ScriptedModel(lambda p: values)
    scores = {s: YesNo(model, templates.MONO_T5, "true", "false", s)([group(1)])[0].scores[0]
              for s in ("odds", "logprob", "probability")}  # fmt: skip
    assert scores == pytest.approx({"odds": math.log(3), "logprob": math.log(0.75), "probability": 0.75})
    assert sigmoid(-800.0) == 0.0
    (said,) = Preferred(model, templates.DUO_T5)([group(2)])
    assert said.scores == pytest.approx([0.75, 0.25])


def test_query_likelihood_is_a_mean_or_a_sum():
    model = ScriptedModel(lambda p: [-6.0])
    query, members = Query("q", "two {words} here"), group(1)[1]
    assert QueryLikelihood(model, templates.QUESTION)([(query, members)])[0].scores == [-2.0]
    assert QueryLikelihood(model, templates.QUERY, mean=False)([(query, members)])[0].scores == [-6.0]
    assert model.log[0][2] == " two {words} here"
    assert "two" not in model.log[0][1]


def test_attention_calibration():
    """The worked example of ICR: threshold -.6293595, the fifth token is dropped, the score is .3."""
    query, blank = [0.1, 0.2, 0.3, 0.1, 0.05] + [0.1] * 5, [0.1] * 4 + [0.9] + [0.1] * 5
    assert calibrated(query, blank) == pytest.approx(0.3)
    assert calibrated(query, query) == 0.0
    assert calibrated([0.4], [0.1]) == pytest.approx(0.3)
    assert math.isnan(calibrated([], []))
    assert math.isnan(calibrated([1.0], [1.0, 2.0]))


def test_attention_makes_two_passes_a_group_in_one_batch():
    ranking, truth = toy(6)
    model = OracleModel(truth)
    (said,) = Attention(model, templates.ATTENTION)([(ranking.query, ranking.candidates)])
    assert said.usage.calls == len(model.log) == 2
    first, second = map(flat, model.log)
    assert first.split("\n---\n")[0] == second.split("\n---\n")[0]  # the documents, which a backend can reuse
    assert "N/A" in second
    assert list(said.scores) == pytest.approx([truth[i] for i in ranking.ids])


def test_attention_finds_documents_in_a_chat_template():
    class Chat:
        def attention(self, prompts, marks):
            out = []
            for prompt in prompts:
                text = "<s>" + "".join(f"<|{t.role}|>{t.content}</s>" for t in prompt)
                spans = tuple((i, i + 1) for i in range(len(text)))
                looks = [float(text[i] == "!") + 0.5 if "N/A" not in text else 0.5 for i in range(len(text))]
                out.append(TokenWeights(spans, tuple(looks), Usage(1, len(text)), text))
            return out

    members = [Candidate("a", "no"), Candidate("b", "yes!!"), Candidate("c", "yes!")]
    (said,) = Attention(Chat(), templates.ATTENTION)([(Query("q", "x"), members)])
    assert list(said.scores) == [0.0, 2.0, 1.0]
    assert spans_of("[1] a [1] a", ["[1] a", "[1] a"]) == [(0, 5), (6, 11)]


def test_answers_cut_at_the_limit_and_errors_are_told():
    said = iter([Completion("[2] > [1", Usage(1, 5, 5), "length"), Completion("", Usage(1), "error", "overloaded")])
    judge = Generated(ScriptedModel(lambda p: next(said)), templates.LISTWISE)
    cut, error = judge([group(3), group(2)])
    assert list(cut.scores) == [2.0, 3.0, 1.0]
    assert cut.usage.repairs == {"other wording": 1, "missing": 2, "cut at max_tokens": 1}
    assert all(map(math.isnan, error.scores))
    assert error.usage.repairs == {"no answer": 1}
    assert error.note == "overloaded"


def test_generation_settings():
    model = ScriptedModel(lambda p: "[1]")
    Generated(model, templates.LISTWISE)([group(20), group(3)])
    Generated(model, templates.REASONING, temperature=0.7, seed=3)([group(4)])
    assert [extra for _, _, extra in model.log] == [
        (136, (), 0.0, 0), (136, (), 0.0, 0), (2048, ("</answer>",), 0.7, 3),
    ]  # fmt: skip


def test_truncation_reaches_the_usage():
    query, _ = group(1)
    long = [Candidate("a", "w " * 500), Candidate("b", "w")]
    (said,) = Generated(ScriptedModel(lambda p: "[1] > [2]"), templates.LISTWISE)([(query, long)])
    assert said.usage.truncated == 1


def test_backends_without_the_verb_are_named():
    class Writer:
        def generate(self, prompts, *, max_tokens, stop=(), temperature=0.0, seed=0):
            return []

    Generated(Writer(), templates.LISTWISE)
    for make in (FirstToken, Attention, QueryLikelihood, TokenLogit, YesNo, Preferred):
        with pytest.raises(InputError, match=f"{make.__name__} needs a backend with .*: Writer has none"):
            make(Writer(), templates.ATTENTION)
    with pytest.raises(InputError, match="mark"):
        Attention(OracleModel({}), templates.LISTWISE)
    assert not offers(None, LogProbs)


def test_presentation_is_undone():
    seen = Scripted(lambda q, m: [float(c.id[1:]) for c in m])
    for how in ("reversed", "shuffled"):
        (said,) = Presented(seen, how)([group(6)])
        assert list(said.scores) == [0, 1, 2, 3, 4, 5]
    assert seen.log[0] == ("d5", "d4", "d3", "d2", "d1", "d0")
    assert sorted(seen.log[1]) == sorted(seen.log[0]) != list(seen.log[1])
    with pytest.raises(InputError, match="how='sideways'"):
        Presented(seen, "sideways")


def test_votes_are_counted_and_unread_ones_left_out():
    answers = iter([[1.0, 0.0, 0.0], [math.nan] * 3, [0.0, 0.0, 1.0]])

    def first_seen(query, members):
        return next(answers)

    (said,) = Votes(Scripted(first_seen), 3)([group(3)])
    assert sum(said.scores) == 6  # two votes of three points
    assert said.usage.repairs == {"unread vote": 1}
    (none,) = Votes(lambda g: [Judgement([math.nan] * 2)], 2)([group(2)])
    assert all(map(math.isnan, none.scores))
    assert none.usage.calls == 2


@pytest.mark.parametrize("values", [[-math.inf] * 3, [math.nan] * 3, [math.nan, -math.inf, -math.inf]])
def test_first_token_without_any_known_label_judges_nothing(values):
    class Backend(OracleModel):
        def next_token_logprobs(self, prompts, options):
            return [LogProbs(tuple(values)) for _ in prompts]

    after = Rerank(FirstToken(Backend({}), templates.FIRST_TOKEN), Sliding(3, 3))(Ranking.of("q", "abc"))
    assert (after.status, after.ids) == ("fallback", ["0", "1", "2"])


def test_every_vote_sees_another_shuffle():
    judge = Scripted(lambda query, members: [0.0] * len(members))
    Votes(judge, 5)([group(6)])
    assert len(judge.log) == 5
    assert len(set(judge.log)) == 5
    other = Scripted(lambda query, members: [0.0] * len(members))
    Votes(other, 5, seed=100)([group(6)])
    assert not set(judge.log) & set(other.log)


def test_the_calibrations_deviation_is_the_samples():
    """With n - 1 the last token is 1.79 deviations below the mean and stays; with n it would be 2.0 and go."""
    blank = [0.0] * 5
    assert calibrated([1.0, 1.0, 1.0, 1.0, -0.001], blank) == pytest.approx(3.999)
    values = np.array([1.0, 1.02, 0.98, 1.0, -0.001])
    below = (values.mean() - values.min()) / np.array([values.std(ddof=0), values.std(ddof=1)])
    assert below[1] < 2 < below[0] + 0.01
