"""Queries written by a language model: what is asked, what is kept and what is thrown away."""

from dataclasses import dataclass, field

import pytest

from anyrank.core.errors import InputError
from anyrank.core.language import Completion
from anyrank.core.trace import Usage
from anyrank.core.types import Candidate
from anyrank.train.query_generation import QUERY_FOR, written_queries

SAID = {
    "wing": ' "why does a wing lift"\n',
    "heat": " what is heat in the passage about",
    "drag": " drag",
    "tail": " why does a wing lift",
    "nose": " what is the function of a nephron",
    "flow": " how fast does air flow past",
}


@dataclass
class Writer:
    """Answers a prompt by the document's one word that stands last in it, and keeps what it was asked."""

    asked: list[tuple[str, int, tuple[str, ...]]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def generate(self, prompts, *, max_tokens, stop=(), temperature=0.0, seed=0):
        self.batches.append(len(prompts))
        self.asked += [(p, max_tokens, tuple(stop)) for p in prompts]
        words = [p.rsplit("Passage: ", 1)[1].split()[0] for p in prompts]
        return [Completion(SAID[w], Usage(calls=1)) for w in words]


def test_good_queries_are_kept_with_their_documents_and_the_rest_is_left_out(caplog):
    writer = Writer()
    docs = [Candidate(f"d-{word}", f"{word} in so many words") for word in SAID]
    groups = list(written_queries(docs, writer, batch=4))
    assert [(g.query, g.ids, g.labels) for g in groups] == [
        ("why does a wing lift", ("d-wing",), (1.0,)),
        ("how fast does air flow past", ("d-flow",), (1.0,)),
    ]
    assert groups[0].texts == ("wing in so many words",)
    assert groups[0].id == "written-d-wing"
    assert writer.batches == [4, 2]
    said = caplog.messages[-1]
    assert said.startswith("left out: 2 written before")
    assert all(part in said for part in ("1 too short or too long", "1 of the passage itself"))


def test_the_prompt_ends_where_the_query_begins_and_stops_at_its_line():
    writer = Writer()
    list(written_queries([Candidate("d", "wing " + "word " * 500)], writer, words=(1, 8)))
    prompt, most, stop = writer.asked[0]
    assert prompt.endswith("Web search that it answers:")
    assert prompt.count("Passage: ") == 4
    assert len(prompt.rsplit("Passage: ", 1)[1].split()) == QUERY_FOR.words + 5
    assert (most, stop) == (16, ("\n",))


def test_a_model_that_fails_writes_nothing_for_that_document_and_it_is_said(caplog):
    class Dead(Writer):
        def generate(self, prompts, **options):
            return [Completion("", Usage(calls=1), "error", "no server") for _ in prompts]

    assert list(written_queries([Candidate("d", "wing")], Dead())) == []
    assert "document d: no query was written: no server" in caplog.text


def test_a_document_without_text_is_named():
    with pytest.raises(InputError, match="'d'"):
        list(written_queries([Candidate("d", None)], Writer()))
