"""Answers from passages: prompts, citations, majority, what fails, and sentences of the passages without a model."""

from importlib import import_module

import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.core.errors import InputError
from anyrank.core.language import Completion
from anyrank.core.limits import Limits
from anyrank.core.trace import Usage
from anyrank.core.types import Ranking
from anyrank.domains.answers.answer import UNKNOWN, Answerer, prompt
from anyrank.domains.answers.citations import sentences, statements
from anyrank.domains.answers.measures import exact_match, f1

TEXTS = ["Gallu is a demon of the underworld.", "Lilu is a spirit. It roams at night.", "Paris is a city."]


class Says:
    """A language model that gives its answers in turn, and remembers the prompts."""

    def __init__(self, *answers):
        self.answers, self.prompts = list(answers), []

    def generate(self, prompts, *, max_tokens, stop=(), temperature=0.0, seed=0):
        self.prompts += prompts
        out = []
        for _ in prompts:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            out.append(Completion(answer, Usage(calls=1, prompt_tokens=10, completion_tokens=3)))
        return out


def asked(question="What is Gallu?"):
    return Ranking.of(question, TEXTS)


def test_an_answer_cites_what_it_read_and_nothing_else():
    model = Says("Gallu is a demon [1]. Lilu sings in the choir [2][9].")
    (answer,) = Answerer(model, passages=2)([asked()])
    assert [(s.citations, s.unknown) for s in answer.statements] == [((1,), ()), ((2,), (9,))]
    assert answer.statements[0].support == 1.0
    assert answer.statements[1].support == pytest.approx(1 / 3)  # lilu, of lilu, sings, choir
    assert answer.citation_recall == 1.0
    assert answer.citation_precision == pytest.approx((1 + 1 / 3) / 2)
    assert answer.ranking.ids == ["0", "1"]
    assert "[2] Lilu" in model.prompts[0][0].text
    assert "Paris" not in model.prompts[0][0].text
    step = answer.ranking.trace[-1]
    assert (step.name, step.status, step.usage.repairs) == ("answer", "repaired", {"unknown citation": 1})
    assert "cites [9], and 2 passages were read" in step.notes[0]


@pytest.mark.parametrize(
    ("text", "citations"),
    [
        ("It flies.[1]", [(1,)]),
        ("It flies [1, 3].", [(1, 3)]),
        ("It flies [1-3]. It swims [2; 1]!", [(1, 2, 3), (2, 1)]),
        ("- It flies [2]\n- It swims", [(2,), ()]),
        ("[1] It flies.", [(1,)]),
        ("In [1960] it flew [0].", [()]),
        ("It has [3] [3] wings [3 - 2].", [(3, 2)]),
        ("", []),
        ("[1] [2]", []),
    ],
)
def test_forms_of_citations(text, citations):
    assert [s.citations for s in statements(text, TEXTS)] == citations


def test_a_range_without_end_is_no_list_of_millions():
    (statement,) = statements("All of it [1-999].", TEXTS)
    assert (statement.citations, statement.unknown) == ((1,), (999,))


def test_an_unknown_answer_has_no_statements():
    (answer,) = Answerer(Says(f"{UNKNOWN}."))([asked()])
    assert (answer.known, answer.statements, answer.ranking.status) == (False, (), "ok")


def test_a_failure_is_in_the_trace_and_spares_the_others():
    model = Says(RuntimeError("down"), "Lilu is a spirit [2].", RuntimeError("down"))
    first, second = Answerer(model)([asked(), asked("What is Lilu?")])
    assert {first.text, second.text} == {"Lilu is a spirit [2].", ""}
    failed = first if not first.text else second
    assert failed.ranking.status == "fallback"
    assert "down" in failed.ranking.trace[-1].notes[0]
    assert not failed.known


def test_a_spent_limit_asks_nothing():
    model = Says()
    (answer,) = Answerer(model)([asked().under(Limits(max_calls=0))])
    assert (answer.text, model.prompts) == ("", [])
    assert "limits.max_calls=0" in answer.ranking.trace[-1].notes[0]


def test_without_passages_nothing_is_asked():
    model = Says()
    (answer,) = Answerer(model)([Ranking.of("What?", [])])
    assert (answer.text, model.prompts) == ("", [])
    assert answer.ranking.trace[-1].notes == ("there are no passages to answer from",)


def test_long_passages_are_cut_and_counted():
    model = Says("a demon")
    (answer,) = Answerer(model, words=4, short=True)([asked()])
    assert "[1] Gallu is a demon\n" in model.prompts[0][0].text
    assert answer.ranking.trace[-1].usage.truncated == 2


def test_the_majority_of_short_answers():
    model = Says("Answer: Paris", "The demon.", "a demon")
    (answer,) = Answerer(model, short=True, samples=3, temperature=1.0)([asked()])
    assert answer.text == "The demon."
    assert answer.ranking.trace[-1].notes == ("2 of 3 answers agree",)
    assert answer.ranking.trace[-1].usage.calls == 3
    with pytest.raises(InputError, match="temperature above 0"):
        Answerer(model, short=True, samples=3)
    with pytest.raises(InputError, match="temperature above 0"):
        Answerer(model, samples=3, temperature=1.0)


def test_thoughts_are_no_answer():
    (answer,) = Answerer(Says("<think>Lilu?</think>Gallu is a demon [1]."))([asked()])
    assert answer.text == "Gallu is a demon [1]."


def test_without_a_model_sentences_of_the_passages_answer():
    (answer,) = Answerer()([asked("Is Lilu at night a spirit, and Gallu?")])
    assert answer.text == "Gallu is a demon of the underworld [1]. Lilu is a spirit [2]."
    assert (answer.citation_recall, answer.citation_precision) == (1.0, 1.0)
    (nothing,) = Answerer()([asked("zebra")])
    assert (nothing.text, nothing.known) == ("", False)


def test_a_model_that_cannot_generate_is_refused():
    with pytest.raises(InputError, match="generate"):
        Answerer(object())


def test_passages_are_filled_in_once():
    (turn,) = prompt("Is {this} safe?", ["{question} [2] ignore"])
    assert "[1] {question} [2] ignore" in turn.text
    assert "Is {this} safe?" in turn.text


def test_exact_match_and_f1_by_hand():
    assert exact_match("An Apple!", ["apple"]) == 1.0
    assert exact_match("apples", ["apple"]) == 0.0
    assert f1("the big red apple", ["red apple pie"]) == pytest.approx(2 * 2 / (3 + 3))
    assert f1("", ["apple"]) == 0.0
    assert f1("no", ["no"]) == 1.0
    assert f1("no idea", ["no"]) == 0.0
    assert f1("x", []) == 0.0


def test_sentences_of_lower_case_texts():
    assert sentences("one thing . another thing .") == ["one thing .", "another thing ."]


def test_cached_answers_are_not_asked_again(tmp_path, monkeypatch):
    (tmp_path / "d.jsonl").write_text('{"_id": "a", "text": "Gallu is a demon."}\n')
    (tmp_path / "q.tsv").write_text("1\tWhat is Gallu?\n2\tWho is Gallu, then?\n")
    model = Says("Gallu is a demon [1].", "A demon [1].")
    monkeypatch.setattr(import_module("anyrank.hub.open"), "open_model", lambda name: model)
    monkeypatch.chdir(tmp_path)

    def run(*args):
        done = CliRunner().invoke(cli, args, standalone_mode=False)
        if done.exception:
            raise done.exception
        return done.stdout

    run("index", "d.jsonl", "-o", "i")
    ask = ("ask", "i", "--questions", "q.tsv", "-p", "bm25 % 1", "--cache", "answers.db")
    first = run(*ask, "--model", "m")
    assert run(*ask, "--model", "m") == first
    assert len(model.prompts) == 2
    with pytest.raises(InputError, match="--cache keeps a model's answers: give a --model"):
        run(*ask)


def test_questions_and_temperatures_that_can_not_be_are_errors():
    with pytest.raises(InputError, match="temperature=nan"):
        Answerer(temperature=float("nan"))
    with pytest.raises(InputError, match="the question is empty"):
        CliRunner().invoke(cli, ["ask", "i.index", " "], standalone_mode=False, catch_exceptions=False)


def test_an_answer_that_no_sentence_gives_says_so():
    answer = Answerer()([Ranking.of("what is lift", ["Heat flows."])])[0]
    assert (answer.text, answer.ranking.trace[-1].notes) == (
        "",
        ("no sentence of the passages has a word of the question",),
    )
