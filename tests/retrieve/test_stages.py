"""BM25, VectorSearch, Attach and Similarity over one small collection."""

import math

import pytest

from anyrank.core.errors import InputError
from anyrank.core.rerank import Rerank
from anyrank.core.shares import shared
from anyrank.core.trace import Usage
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.io.documents import ranking_of
from anyrank.judges.similarity import Similarity
from anyrank.retrieve.stages import BM25, Attach, VectorSearch
from anyrank.testing import check_judge, check_stage


@pytest.fixture
def collection(tmp_path, make):
    build(make(60), tmp_path / "x")
    return Collection.open(tmp_path / "x")


QUERIES = [Ranking(Query("1", "wing lift")), Ranking(Query("2", "")), Ranking.of("jet", ["old", "older"])]


def test_bm25_replaces_what_came_in(collection):
    for source in (collection, collection.lexical):
        stage = BM25(source)
        check_stage(stage, QUERIES, permutes=False)
        found = stage.batch(QUERIES)
        assert [len(found[1]), found[0].trace[0].name] == [0, "bm25"]
        assert all("jet" in c.content and "year" in c.meta for c in found[2])
        assert found[2].candidates[0].content == collection.get(found[2].ids[:1])[0].content


def test_a_cut_off_reaches_the_retriever(collection):
    stage = BM25(collection) % 3
    assert stage("wing").ids == BM25(collection, 3)("wing").ids == BM25(collection)("wing").ids[:3]
    assert BM25(collection, 5).limit(100).k == 5
    assert BM25(collection).limit(7).k == 7


def test_bm25_filters_and_wants_text(collection):
    found = BM25(collection, filter={"year": (1960, 1961)})("wing lift heat jet")
    assert found.ids
    assert {c.meta["year"] for c in found} <= {1960, 1961}
    assert BM25(collection)(Query("q", {"title": "wing", "text": "lift"})).ids == BM25(collection)("wing lift").ids
    with pytest.raises(InputError, match="query 'q' has no text"):
        BM25(collection)(Query("q", None))


def test_vector_search(collection, bag):
    collection.encode(bag, "v")
    stage = VectorSearch(collection.vectors("v"), bag, collection, 10)
    check_stage(stage, QUERIES, permutes=False)
    found = stage(QUERIES[0])
    assert found.trace[0].name == "bag"
    assert found.cost.usage == Usage(calls=1, prompt_tokens=2)
    assert found.candidates[0].content == collection.get(found.ids[:1])[0].content
    bare = VectorSearch(collection.vectors("v"), bag, k=10)(QUERIES[0])
    assert bare.ids == found.ids
    assert bare.candidates[0].content is None


def test_attach_fills_what_lacks_content_only(collection):
    run = Ranking(Query("1"), (Candidate("d5", None, 2.0, {"rank": 1}), Candidate("x", "mine", 1.0)))
    first, second = Attach(collection)(run)
    assert (first.content, first.score, first.meta["rank"]) == (collection.get(["d5"])[0].content, 2.0, 1)
    assert first.meta["n"] == 5
    assert second == run[1]
    with pytest.raises(InputError, match="'nobody'"):
        Attach(collection)(Ranking(Query("1"), (Candidate("nobody"),)))


def test_similarity_is_the_dot_product(collection, bag):
    first = BM25(collection, 20).batch([Ranking(Query("1", "wing lift")), Ranking(Query("2", "wing"))])
    for ranking in Rerank(Similarity(bag)).batch(first):
        query = bag.encode([ranking.query.content], query=True).vectors
        docs = bag.encode([c.content for c in ranking]).vectors
        assert ranking.scores == pytest.approx(docs.near(query).tolist())
    check_judge(Similarity(bag), [(r.query, list(r)) for r in first])


def test_every_text_is_encoded_once_a_call(bag):
    a, b = Candidate("a", "wing"), Candidate("b", "jet")
    groups = [(Query("1", "wing"), [a, b]), (Query("2", "wing"), [Candidate("c", "wing")]), (Query("3", "x"), [])]
    said = Similarity(bag)(groups)
    assert bag.seen == 4
    assert [(j.usage.calls, j.usage.cached) for j in said] == [(3, 0), (0, 2), (1, 0)]
    assert said[0].scores[0] == said[1].scores[0] == 1.0


def test_stored_vectors_are_used_where_there_are_any(collection, bag):
    collection.encode(bag, "v")
    seen = bag.seen
    docs = collection.get(["d1", "d2"])
    members = [*docs, Candidate("x", "wing"), Candidate("y"), Candidate("d3")]
    (said,) = Similarity(bag, collection.vectors("v"))([(Query("1", "wing lift"), members)])
    assert bag.seen == seen + 2
    (plain,) = Similarity(bag)([(Query("1", "wing lift"), members)])
    assert said.scores[:3] == plain.scores[:3]
    assert [math.isnan(s) for s in said.scores] == [False, False, False, True, False]
    assert [math.isnan(s) for s in plain.scores] == [False, False, False, True, True]


def test_contents_may_be_anything_an_encoder_takes(bag):
    class Pictures:
        name = "pictures"

        def encode(self, contents, *, query=False):
            return bag.encode([c["tag"] for c in contents])

    wing = {"tag": "wing"}
    (said,) = Similarity(Pictures())([(Query("1", wing), [Candidate("a", wing), Candidate("b", {"tag": "jet"})])])
    assert said.scores == [1.0, 0.0]


def test_shares_add_up():
    usage = Usage(calls=7, prompt_tokens=10, truncated=1, repairs={"x": 2})
    parts = shared(usage, 3)
    total = parts[0] + parts[1] + parts[2]
    assert total == usage


def test_a_run_s_own_fields_stay_when_its_documents_are_attached(collection):
    (first,) = list(collection.ids())[:1]
    own = Ranking(Query("q", "wing"), (Candidate(first, None, 1.0, {"year": -1}),))
    assert Attach(collection)(own)[0].meta["year"] == -1


class Told:
    """An encoder that notes whether it was told that contents are queries."""

    def __init__(self, bag):
        self.bag, self.name, self.told = bag, bag.name, []

    def encode(self, contents, *, query=False):
        self.told.append(query)
        return self.bag.encode(contents, query=query)


def test_a_query_is_encoded_as_a_query_and_the_filter_reaches_the_index(collection, bag):
    encoder = Told(bag)
    collection.encode(encoder)
    search = VectorSearch(collection.vectors(bag.name), encoder, collection, filter={"year": (1960, 1961)})
    encoder.told.clear()
    found = search("wing lift heat jet")
    assert encoder.told == [True]
    assert found.ids
    assert {c.meta["year"] for c in found} <= {1960, 1961}


class Shelf:
    """Documents by id that know no rows."""

    def get(self, ids):
        return [Candidate(i, "a text", meta={"year": 1960, "lang": "en"}) for i in ids]


def test_fields_of_a_candidate_go_before_those_of_a_document_without_rows():
    after = Attach(Shelf())(Ranking(Query("q"), (Candidate("a", None, 1.0, {"year": -1}),)))
    assert (after[0].content, after[0].meta) == ("a text", {"year": -1, "lang": "en"})


def test_given_documents_are_not_the_stored_ones_with_the_same_ids(tmp_path, bag):
    collection = build([Candidate("0", "wing lift"), Candidate("1", "soup")], tmp_path / "x")
    collection.encode(bag, "v")
    judge = Similarity(bag, collection.vectors("v"))
    given = ranking_of("wing", ["soup", "wing lift"])
    (judgement,) = judge([(given.query, list(given))])
    assert dict(zip((c.content for c in given), judgement.scores)) == {"soup": 0.0, "wing lift": 1.0}
    seen = bag.seen
    assert judge([(given.query, collection.get(["0", "1"]))])[0].scores == [1.0, 0.0]
    assert bag.seen == seen + 1  # the query alone: these are the index's own
