"""Documents without content are found by no vector search, and scored last where they come from a run."""

import pytest

from anyrank.core.rerank import Rerank
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.judges.similarity import Similarity
from anyrank.pipeline.parser import Settings, parse
from anyrank.pipeline.table import model
from anyrank.retrieve.stages import Attach, VectorSearch

TEXTS = {"p": "Paris is the capital of France.", "e": "", "l": "Lyon is a large city.", "w": " \n", "z": "\u200b"}
NAMES = {"minilm": "minilm", "splade": "splade", "tiny": "tiny"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blank") / "x"
    collection = build([Candidate(i, t) for i, t in TEXTS.items()], folder, batch=2)
    for name in ("minilm", "splade-tiny"):
        collection.encode(model(name), shard=3)
    return folder


@pytest.mark.parametrize("name", ["minilm", "splade"])
def test_vector_search_finds_no_document_without_content_and_says_so(folder, name):
    result = parse(f"{name} % 10", Settings(Collection.open(folder)))("capital of France")
    assert set(result.ids) <= {"p", "l"}
    assert result.ids[0] == "p"
    assert result.trace[0].notes == ("3 of the index's documents have no content: vector search leaves them out",)


def test_a_whole_index_without_content_gives_nothing(tmp_path):
    collection = build([Candidate("a", ""), Candidate("b", " ")], tmp_path / "x")
    collection.encode(model("minilm"))
    assert parse("minilm", Settings(collection))("anything").ids == []


def test_documents_without_content_count_as_encoded(folder):
    collection = Collection.open(folder)
    assert collection.vectors("minilm").missing() == []
    assert collection.vectors("minilm").vectors(["e", "p", "w"])[0] == [1]


def test_stored_vectors_of_blank_documents_score_last(folder):
    collection = Collection.open(folder)
    run = Ranking(Query("q", "capital of France"), tuple(Candidate(i, None, 5.0 - n) for n, i in enumerate(TEXTS)))
    judge = Similarity(model("minilm"), collection.vectors("minilm"))
    after = (Attach(collection) >> Rerank(judge))(run)
    assert after.ids == ["p", "l", "e", "w", "z"]
    assert after.status == "ok"
    assert after.trace[-1].notes == ("3 of 5 candidates have no content: they come last",)


def test_a_document_that_loses_or_gains_its_content_is_lost_or_found(tmp_path):
    collection = build([Candidate("a", "wing lift"), Candidate("b", "")], tmp_path / "x")
    encoder = model("minilm")
    collection.encode(encoder)
    search = VectorSearch(collection.vectors("minilm"), encoder, collection)
    assert (search("wing").ids, search.index.blank) == (["a"], 1)
    collection.update([Candidate("a", " "), Candidate("b", "wing flutter")], {"minilm": encoder})
    assert (search("wing").ids, search.index.blank) == (["b"], 1)
    collection.delete(["a"])
    assert search("wing").trace[0].notes == ()
