"""Queries by models and rules, their faults, and the round trip with its negatives."""

from dataclasses import dataclass

from anyrank.core.language import Completion
from anyrank.core.stage import Each
from anyrank.core.trace import UNREACHABLE, Usage
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.synth.job import Made
from anyrank.synth.negatives import RoundTrip
from anyrank.synth.questions import ModelWriter, RuleWriter, clean, few_shots
from anyrank.train.group import Group

DOCS = [
    Candidate(
        "a", "Wings and lift of planes. A wing gives lift to a plane.", meta={"title": "Wings and lift of planes."}
    ),
    Candidate("b", "Heat flows in plates. Plates of steel lead heat well and fast."),
    Candidate("c", "short"),
]


@dataclass
class Fake:
    """Answers in turn."""

    answers: list

    def __post_init__(self):
        self.calls = []

    def generate(self, prompts, *, max_tokens, stop=(), temperature=0.0, seed=0):
        self.calls.append((list(prompts), max_tokens, stop, temperature, seed))
        return [self.answers[i % len(self.answers)] for i in range(len(prompts))]


def said(text):
    return Completion(text, Usage(1, 50, 5))


def test_a_model_writes_after_three_examples_as_duqgen_asks():
    backend = Fake([said(" what lifts a plane? Because\nDocument: x"), said("heat"), said("the document says this")])
    made = ModelWriter(backend)(DOCS)
    ((prompts, tokens, stop, temperature, _),) = backend.calls
    assert prompts[0].count("Relevant Query:") == 4
    assert prompts[0].endswith("Relevant Query:")
    assert (tokens, temperature) == (64, 0.0)
    assert "\nDocument:" in stop
    assert [g.query for m in made for g in m.groups] == ["what lifts a plane?"]
    assert [dict(m.rejected) for m in made] == [{}, {"too short": 1}, {"of the document itself": 1}]
    assert sum(m.usage.tokens for m in made) == 165


def test_documents_are_cut_to_512_words_in_the_prompt():
    backend = Fake([said("why is it so")])
    ModelWriter(backend, template=few_shots([("x", "y")]))([Candidate("a", "word " * 600)])
    assert backend.calls[0][0][0].count("word") == 512


def test_braces_of_examples_are_no_placeholders():
    assert "{doc9}" in few_shots([("a {doc9} b", "q")]).render(Query("q", ""), [DOCS[0]]).prompt


def test_a_failed_answer_is_an_error_of_its_document_alone():
    backend = Fake([said("what lifts a plane"), Completion("", Usage(1), "error", "no server"), said("a b c")])
    made = ModelWriter(backend)(DOCS)
    assert [m.error for m in made] == ["", "no server", ""]


def test_a_draw_that_a_lost_server_owes_is_an_error_of_its_document():
    lost = Completion("", Usage(1, repairs={UNREACHABLE: 1}), "error", "no connection")

    class Lost(Fake):
        def generate(self, prompts, *, seed=0, **settings):
            return [lost] if seed else super().generate(prompts, seed=seed, **settings)

    (made,) = ModelWriter(Lost([said("what lifts a plane")]), n=2)(DOCS[:1])
    assert len(made.groups) == 1
    assert made.error == "no connection"


def test_several_draws_differ_in_their_seed_and_repeats_are_rejected():
    backend = Fake([said("what lifts a plane")])
    (made,) = ModelWriter(backend, n=3, seed=7)(DOCS[:1])
    assert [call[4] for call in backend.calls] == [7, 8, 9]
    assert len(made.groups) == 1
    assert made.rejected == {"written before": 2}


def test_rules_take_title_sentence_and_terms_and_the_query_is_not_in_the_text():
    made = RuleWriter.of(DOCS)(DOCS)
    queries = {g.id: g for m in made for g in m.groups}
    assert queries["title-a"].query == "Wings and lift of planes."
    assert "Wings and" not in queries["title-a"].texts[0]
    assert queries["cloze-b"].query not in queries["cloze-b"].texts[0]
    assert made[2].rejected == {"no rule applies": 1}


def test_clean_cuts_at_the_line_and_the_question_mark():
    assert clean("Relevant Query: who? me\nno") == "who?"
    assert clean("\n\n") == ""


def found(*ids):
    """A search that always finds these."""
    texts = {c.id: c.content for c in DOCS}
    hits = tuple(Candidate(i, texts.get(i, f"text {i}"), -float(n)) for n, i in enumerate(ids))
    return Each(lambda r: Ranking(r.query, hits, r.trace))


def test_a_query_that_does_not_find_its_document_is_rejected_with_the_reason():
    pair = Group.from_texts("lift", (DOCS[0].content,), (1.0,), "q", ("a",))
    trip = RoundTrip(found("x", "y", "a"), top=2)
    (made,) = trip([Made((pair,))])
    assert not made.groups
    assert made.rejected == {"not found in the first 2": 1}


def test_negatives_are_the_first_four_of_the_last_eight_of_a_hundred():
    ids = ["a", *(f"n{i}" for i in range(1, 120))]
    pair = Group.from_texts("lift", (DOCS[0].content,), (1.0,), "q", ("a",))
    (made,) = RoundTrip(found(*ids), tail=8, hard=4)([Made((pair,))])
    assert made.groups[0].ids == ("a", "n92", "n93", "n94", "n95")
    assert made.groups[0].labels == (1.0, 0.0, 0.0, 0.0, 0.0)


def test_copies_of_the_document_are_no_negatives():
    pair = Group.from_texts("lift", (DOCS[1].content,), (1.0,), "q", ("z",))
    (made,) = RoundTrip(found("z", "b", "c"), hard=4, easy=2, others=DOCS)([Made((pair,))])
    assert "b" not in made.groups[0].ids
    assert set(made.groups[0].ids) == {"z", "c", "a"}
