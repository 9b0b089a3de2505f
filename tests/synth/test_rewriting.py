"""CAR: only ambiguous training queries change, and nothing else of the groups."""

from dataclasses import replace

import pytest

from anyrank.core.language import Completion
from anyrank.core.trace import Usage
from anyrank.synth.rewriting import Rewriting, ambiguous, fault
from anyrank.train.group import Group

DOC = "Pairwise ranking prompting (PRP) compares two documents at a time with a language model. " * 3
GROUP = Group.from_texts("PRP cost", (DOC, "Heat."), (1.0, 0.0), "q1", ("a", "b"))
CLEAR = Group.from_texts(
    "how language model documents time compares pairwise", (DOC, "x"), (1.0, 0.0), "q2", ("a", "b")
)


class Fake:
    def __init__(self, answer):
        self.answer, self.prompts = answer, []

    def generate(self, prompts, *, max_tokens, stop=(), temperature=0.0, seed=0):
        self.prompts += prompts
        return [Completion(self.answer, Usage(1, 9, 3)) for _ in prompts]


def test_the_document_is_shown_and_only_the_query_changes():
    backend = Fake("what does pairwise ranking prompting (PRP) cost")
    one, two = Rewriting(backend)([GROUP, CLEAR])
    assert len(backend.prompts) == 1, "the clear query costs nothing"
    assert "compares two documents" in str(backend.prompts[0])
    assert one.groups[0] == replace(GROUP, query="what does pairwise ranking prompting (PRP) cost")
    assert two.groups == (CLEAR,)
    assert two.rejected == {"clear as it is": 1}


def test_blind_rewriting_shows_no_document():
    backend = Fake("PRP cost in dollars")
    Rewriting(backend, blind=True)([GROUP])
    assert "compares two documents" not in str(backend.prompts[0])


def test_a_rewriter_that_changes_nothing_gives_the_same_groups():
    (made,) = Rewriting(Fake("PRP cost"))([GROUP])
    assert made.groups == (GROUP,)
    assert made.rejected == {"unchanged": 1}


@pytest.mark.parametrize(
    ("rewritten", "reason"),
    [
        ("", "empty"),
        ("PRP cost", "unchanged"),
        ("PRP " * 30, "too long"),
        ("PRP compares two documents at a time with a language model", "copied from the document"),
        ("prp cost of ranking", ""),
    ],
)
def test_faults_have_reasons(rewritten, reason):
    assert fault("PRP cost", rewritten, DOC) == reason


def test_why_a_query_is_ambiguous():
    assert ambiguous("PRP of lists and of other things there", DOC) == "acronym"
    assert ambiguous("define pairwise", DOC) == "definition"
    assert ambiguous("two documents", DOC) == "short"
    assert ambiguous("wings lift planes through air", DOC) == "few words of its document"
    assert ambiguous(CLEAR.query, DOC) == ""


def test_without_a_model_key_terms_of_the_document_are_added():
    (made,) = Rewriting()([GROUP])
    assert str(made.groups[0].query).startswith("PRP cost ")
    assert len(str(made.groups[0].query).split()) == 5
    assert made.usage == Usage()
