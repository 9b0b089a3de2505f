import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank import Candidate, Query, Ranking, Step, Usage
from anyrank.core.content import Image, parts_of, text_of
from anyrank.core.errors import InputError
from anyrank.io import (
    ranking_from_dict,
    ranking_to_dict,
    ranking_to_rank_llm,
    read_rankings,
    step_from_dict,
    write_jsonl,
)

names = st.text(min_size=1, max_size=5).filter(str.strip)
usages = st.builds(
    Usage,
    calls=st.integers(0, 9),
    fallback=st.integers(0, 2),
    repairs=st.dictionaries(names, st.integers(1, 9), max_size=2),
)
steps = st.builds(
    Step, names, st.integers(0, 10**6).map(lambda n: n / 1e6), usages, st.lists(names, max_size=2).map(tuple)
)


@given(steps=st.lists(steps, max_size=3), texts=st.lists(st.text(), max_size=6), order=st.randoms())
def test_a_ranking_survives_json_with_its_trace(steps, texts, order):
    before = Ranking.of(Query("q7", "what?"), texts)
    places = list(range(len(texts)))
    order.shuffle(places)
    after = before.ordered(places).with_step(*steps)
    record = json.loads(json.dumps(ranking_to_dict(after, before, texts=True)))
    assert ranking_from_dict(record) == after
    assert [item["index"] for item in record["ranking"]] == places
    assert record["status"] == after.status
    assert record["cost"]["calls"] == sum(s.usage.calls for s in steps)


def test_a_step_reads_back():
    step = Step("x", 1.5, Usage(2, 3, 4, 5, 6, 7, {"repeat": 1}), ("a note",))
    assert step_from_dict(step.as_dict()) == step


def test_plain_lists_of_a_pipe(tmp_path):
    path = tmp_path / "in.jsonl"
    write_jsonl(
        path,
        [
            {"query": "first", "documents": ["x", {"text": "y"}, {"id": 9, "title": "T", "contents": "z", "year": 3}]},
            {"query": "second", "id": "s", "documents": [], "user": "u"},
        ],
    )
    first, second = read_rankings(path)
    assert [(c.id, c.content, c.score) for c in first] == [("0", "x", 3.0), ("1", "y", 2.0), ("9", "T z", 1.0)]
    assert (first.query.id, first[2].meta) == ("q1", {"title": "T", "year": 3})
    assert (second.query, len(second)) == (Query("s", "second", {"user": "u"}), 0)
    assert "text" not in ranking_to_dict(first)["ranking"][0]
    assert "index" not in ranking_to_dict(first)["ranking"][0]


def test_rank_llm_lists():
    record = {
        "query": {"text": "a query", "qid": 12},
        "candidates": [
            {"docid": "d1", "score": 3.5, "doc": {"title": "T", "contents": "one", "url": "u"}},
            {"docid": 2, "score": 3.5, "doc": "two"},
            {"docid": "d3", "score": 3.0, "doc": {"segment": "three"}},
        ],
    }
    ranking = ranking_from_dict(record)
    assert ranking.query == Query("12", "a query")
    assert [(c.id, c.content, c.score) for c in ranking] == [
        ("d1", "T one", 3.5),
        ("2", "two", 3.5),
        ("d3", "three", 3.0),
    ]
    assert ranking[0].meta == {"title": "T", "url": "u"}
    again = ranking_from_dict(ranking_to_rank_llm(ranking))
    assert (again.ids, again.scores, again.query.id) == (ranking.ids, ranking.scores, "12")


def test_the_given_order_counts_not_the_scores():
    documents = [{"id": "a", "text": "", "score": 1}, {"id": "b", "text": "", "score": 5}, {"id": "c", "text": ""}]
    assert ranking_from_dict({"query": "q", "documents": documents}).ids == ["a", "b", "c"]
    two = ranking_from_dict({"query": "q", "documents": documents[:2]})
    assert (two.ids, two.scores) == (["a", "b"], [1.0, 0.0])


def test_a_list_without_texts_is_only_a_ranking():
    assert ranking_from_dict({"query": "q", "ranking": [{"id": "a", "score": 1}]})[0] == Candidate("a", None, 1.0)
    with pytest.raises(ValueError, match=r"documents\[0\]: no document text"):
        ranking_from_dict({"query": "q", "documents": [{"id": "a", "score": 1}]})


@pytest.mark.parametrize("trace", [3, "x", [3], [{"name": "a", "repairs": 3}], [{"name": "a", "calls": "many"}]])
def test_a_trace_that_is_none_is_refused(trace):
    with pytest.raises(ValueError, match="trace"):
        ranking_from_dict({"query": "q", "documents": ["a"], "trace": trace})


PNG = "data:image/png;base64,iVBORw0KGgo="


def test_images_and_mappings_are_contents():
    record = {
        "query": {"content": ["like this", {"image": "query.png"}]},
        "documents": [
            {"id": "a", "image": PNG, "title": "a shoe", "price": 7},
            {"id": "b", "content": {"text": "a red shoe", "image": "https://example.org/b.png"}},
            {"id": "c", "content": ["a", "b"]},
            {"id": "d", "text": "a text", "image": "d.png"},
        ],
    }
    ranking = ranking_from_dict(record)
    assert parts_of(ranking.query.content) == ("like this", Image("query.png"))
    assert parts_of(ranking[0].content) == ("a shoe", Image(b"\x89PNG\r\n\x1a\n", "image/png"))
    assert ranking[0].meta == {"title": "a shoe", "price": 7}
    assert parts_of(ranking[1].content) == ("a red shoe", Image("https://example.org/b.png"))
    assert text_of(ranking[2].content) == "a b"
    assert (ranking[3].content, ranking[3].meta) == ("a text", {"image": "d.png"})
    written = json.loads(json.dumps(ranking_to_dict(ranking, texts=True)))
    again = ranking_from_dict(written)
    for old, new in zip((ranking.query, *ranking), (again.query, *again)):
        assert parts_of(new.content) == parts_of(old.content)
    assert ranking_to_rank_llm(ranking)["candidates"][1]["doc"] == {"contents": "a red shoe"}


def test_images_as_values_are_written_as_json_reads_them():
    data = b"\x89PNG\r\n\x1a\n"
    contents = [Image("cat.png"), ("a cat", Image(data)), {"text": "a cat", "image": Image("https://x.org/cat")}]
    ranking = Ranking.of(Image("query.png"), contents)
    again = ranking_from_dict(json.loads(json.dumps(ranking_to_dict(ranking, texts=True))))
    assert parts_of(again.query.content) == (Image("query.png"),)
    assert [parts_of(c.content) for c in again] == [
        (Image("cat.png"),),
        ("a cat", Image(data, "image/png")),
        ("a cat", Image("https://x.org/cat")),
    ]


@pytest.mark.parametrize(
    ("item", "match"),
    [
        ({"id": "a", "image": "data:text/plain,hello"}, r"documents\[0\]: an image as a data: URL"),
        ({"id": "a", "content": []}, "neither a text nor an image"),
        ({"id": "a", "image": 7}, "neither a text nor an image"),
        ({"id": "a", "content": 7}, "the document text .content. is int"),
    ],
)
def test_contents_that_hold_nothing_are_refused(item, match):
    with pytest.raises(InputError, match=match):
        ranking_from_dict({"query": "q", "documents": [item]})
