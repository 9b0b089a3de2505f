"""Documents as callers hold them: what is read, with its place and the caller's object, and what is refused.

The classes have the attributes of those of LangChain, LlamaIndex, Haystack, pydantic and others; the packages
themselves are no part of the tests' set-up.
"""

import math
import pathlib
import sqlite3
import uuid
from collections import namedtuple
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.content import Image
from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.io.corpus import DOCUMENT
from anyrank.io.documents import documents_of, query_of, ranking_of
from anyrank.io.records import id_text

ID = uuid.UUID(int=7)


class LangChain:
    def __init__(self, page_content, id=None, **metadata):
        self.page_content, self.id, self.metadata = page_content, id, metadata

    def __iter__(self):  # as pydantic's models, whose fields are iterated over
        return iter(vars(self).items())


@dataclass
class Haystack:
    id: str
    content: str | None
    meta: dict = field(default_factory=dict)
    score: float | None = None


class LlamaNode:
    def __init__(self, text, node_id, **metadata):
        self._text, self.node_id, self.metadata = text, node_id, metadata

    def get_content(self):
        return self._text


class LlamaScored:
    def __init__(self, node, score):
        self.node, self.score = node, score

    node_id = property(lambda self: self.node.node_id)
    metadata = property(lambda self: self.node.metadata)

    def get_content(self):
        return self.node.get_content()

    @property
    def text(self):
        raise ValueError("the node holds no text")


class Pydantic:
    def __init__(self, **fields):
        self.fields = fields

    def model_dump(self):
        return self.fields

    def __iter__(self):
        return iter(self.fields.items())


class OldPydantic:
    __fields__ = ("id", "text")

    def __init__(self, id, text):
        self.id, self.text = id, text

    def dict(self):
        return {"id": self.id, "text": self.text}


class Attrs:
    __slots__ = ("id", "text")
    __attrs_attrs__ = (SimpleNamespace(name="id"), SimpleNamespace(name="text"))

    def __init__(self, id, text):
        self.id, self.text = id, text


class Struct:
    __struct_fields__ = ("id", "text")
    __slots__ = ("id", "text")

    def __init__(self, id, text):
        self.id, self.text = id, text


Named = namedtuple("Named", "id text")


@dataclass
class Record:
    id: object
    text: str
    lang: str = "en"


def row():
    database = sqlite3.connect(":memory:")
    database.row_factory = sqlite3.Row
    return database.execute("select 7 as id, 'lift' as text").fetchone()


@pytest.mark.parametrize(
    ("item", "id", "meta"),
    [
        ("lift", "3", {}),
        (np.str_("lift"), "3", {}),
        ({"text": "lift"}, "3", {}),
        ({"id": None, "text": "lift"}, "3", {"id": None}),
        ({"_id": np.int32(7), "contents": "lift", "lang": "en"}, "7", {"lang": "en"}),
        (LangChain("lift", year=1990, title="Wings"), "3", {"year": 1990, "title": "Wings"}),
        (LangChain("lift", "d7"), "d7", {}),
        (Haystack("h7", "lift", {"year": 1990}), "h7", {"year": 1990}),
        (LlamaNode("lift", "n7", year=1990), "n7", {"year": 1990}),
        (LlamaScored(LlamaNode("lift", "n7"), 0.5), "n7", {}),
        (Pydantic(id=7, text="lift", lang="en"), "7", {"lang": "en"}),
        (OldPydantic(7, "lift"), "7", {}),
        (Attrs(ID, "lift"), str(ID), {}),
        (Struct(7, "lift"), "7", {}),
        (Named(pathlib.PurePosixPath("a/b"), "lift"), "a/b", {}),
        (Record(ID, "lift"), str(ID), {"lang": "en"}),
        (SimpleNamespace(text="lift", id=7), "7", {}),
        (("d7", "lift"), "d7", {}),
        (["d7", "lift"], "d7", {}),
        (np.array(["d7", "lift"]), "d7", {}),
        ((7, "lift"), "7", {}),
        ((ID, LangChain("lift", year=1)), str(ID), {"year": 1}),
        ((LangChain("lift", "d7"), 0.5), "d7", {}),
        (("d7", "lift", np.float32(0.5)), "d7", {}),
        (Candidate("c7", "lift", 0.5, {"a": 1}), "c7", {"a": 1}),
    ],
)
def test_a_document_of_any_kind_keeps_its_place_and_object(item, id, meta):
    candidate = list(documents_of(["x", ("y", "z"), "w", item]))[3]
    assert (candidate.id, candidate.content, candidate.meta) == (id, "lift", meta)
    assert candidate.index == 3
    assert candidate.original is item
    ranked = Ranking(Query("q"), (candidate,)).ordered([0])
    (again,) = (c.noted({"a": 1}).rescored(2.0) for c in ranked)
    assert again.index == 3
    assert again.original is item


def test_rows_of_a_database_are_documents():
    (candidate,) = documents_of([row()])
    assert (candidate.id, candidate.content) == ("7", "lift")


def test_a_title_goes_before_the_text_of_a_mapping_and_an_object():
    given = [{"title": "Wings", "text": "lift"}, SimpleNamespace(title="On", text="x")]
    assert [c.content for c in documents_of(given)] == ["Wings lift", "On x"]


def test_images_and_parts_with_an_image_are_contents():
    image = Image("cat.jpg")
    contents = [c.content for c in documents_of([image, ("a cat", image), {"text": "a cat", "image": "cat.jpg"}])]
    assert contents[:2] == [image, ("a cat", image)]


def test_texts_of_an_enumeration_are_their_values():
    assert [c.content for c in documents_of([Colour.RED])] == ["red"]
    assert query_of(Colour.RED).content == "red"


class Labelled:
    """A table of pandas whose rows are labelled by a column of its own."""

    def __init__(self, rows, name):
        self.rows, self.index, self.columns = rows, SimpleNamespace(name=name), list(rows[0])

    def to_dict(self, orient):
        return self.rows

    def reset_index(self):
        return Labelled([{self.index.name: f"x{i}", **row} for i, row in enumerate(self.rows)], None)


def test_labels_of_a_table_are_ids_if_they_are_called_so():
    rows = [{"text": "one"}, {"text": "two"}]
    assert [c.id for c in documents_of(Labelled(rows, "docno"))] == ["x0", "x1"]
    assert [c.id for c in documents_of(Labelled(rows, "year"))] == ["0", "1"]
    with pytest.raises(InputError, match="a document of type Labelled can't be read"):
        list(documents_of([Labelled(rows, None)]))


def test_scores_of_any_number_type_are_kept_where_all_have_one():
    given = [("a", "x", np.float32(3)), (LangChain("y"), np.int64(2)), {"text": "z", "score": 0.5}]
    assert ranking_of("q", given).scores == [3.0, 2.0, 0.5]
    assert ranking_of("q", [*given, "w"]).scores == [4.0, 3.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("documents", "words"),
    [
        ("one text", "documents is one text"),
        (b"one", "documents is one text"),
        (None, "of type NoneType: expected a list"),
        (5, "of type int: expected a list"),
        (pathlib.Path("docs"), "expected a list"),
        ({"a", "b"}, "a set, which has no order"),
        ({"id": "a", "text": "one"}, "one mapping with a field 'text'"),
        ({"page_content": "one"}, "one mapping with a field 'page_content'"),
        ({"name": ["a1", "b1"], "words": ["x", "y"]}, r"documents\['name'\] is of type list"),
        ({"a": 1}, r"documents\['a'\]: a document of type int"),
        (LangChain("one"), "one document, of type LangChain"),
        (Haystack("a", "one"), "one document, of type Haystack"),
        (LlamaNode("one", "a"), "one document, of type LlamaNode"),
        (Pydantic(text="one"), "one document, of type Pydantic"),
        (Record(1, "one"), "one document, of type Record"),
        (Named(1, "one"), "one named tuple, Named"),
        (Candidate("a", "one"), "one document"),
        ([5], r"documents\[0\]: a document of type int can't be read: it is no text, mapping"),
        (["a", None], r"documents\[1\]: a document of type NoneType"),
        ([b"one"], "of type bytes"),
        ([object()], "of type object"),
        ([Record], "of type type"),
        ([lambda: 1], "of type function"),
        ([date(2020, 1, 1)], "of type date"),
        ([SimpleNamespace(text=5)], "of type SimpleNamespace"),
        ([{"words": "one"}], r"documents\[0\]: no document text: expected a field text"),
        ([{"text": 5}], r"the document text \(text\) is int"),
        ([{"text": math.nan}], r"the document text \(text\) is float"),
        ([Haystack("a", None)], "its text is of type NoneType"),
        ([LangChain(5)], "its text is of type int"),
        ([["one text here", "another text"]], r"a list of \(str, str\) is no document: a pair is \(id, text\)"),
        ([("A title", "one")], "a pair is"),
        ([("d1", 0.5)], "may be an id or a text with a score"),
        ([(1, 2)], "may be an id or a text"),
        ([("a", "b", "c")], "a pair is"),
        ([("one",)], "a pair is"),
        ([()], "a pair is"),
        ([(True, "one")], "a pair is"),
        ([({"text": "one"}, math.nan)], "finite number as score"),
        ([{"text": "one", "score": "high"}], "finite number as score"),
        ([{"text": "one", "score": 10**400}], "finite number as score"),
        ([{"text": "one", "score": True}], "finite number as score"),
        ([{"id": True, "text": "one"}], "is bool: expected a text"),
        ([{"id": 1.5, "text": "one"}], "is float: expected a text"),
        ([{"id": ["a"], "text": "one"}], "is list: expected a text"),
        ([{"id": " ", "text": "one"}], "the document id is empty"),
        ([Candidate("a")], "'a' has no content"),
        ([[Candidate("a", "x"), Candidate("b", "x")]], "a pair is"),
    ],
)
def test_what_can_not_be_read_without_guessing_is_refused(documents, words):
    with pytest.raises(InputError, match=words):
        list(documents_of(documents))


def test_ids_that_are_the_same_text_are_refused_by_name():
    with pytest.raises(InputError, match="candidate '1' appears twice"):
        ranking_of("q", [{"id": 1, "text": "a"}, {"id": "1", "text": "b"}])
    with pytest.raises(InputError, match="candidate '1' appears twice"):
        ranking_of("q", ["a", "b", {"id": 1, "text": "c"}])


class Colour(str, Enum):  # noqa: UP042
    RED = "red"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"), (np.str_("a"), "a"), (7, "7"), (np.int8(7), "7"), (7.0, "7"), (np.float64(7), "7"), (ID, str(ID)),
        (pathlib.PurePosixPath("a/b.txt"), "a/b.txt"), (Decimal("7"), "7"), (date(2020, 1, 2), "2020-01-02"),
        (Colour.RED, "red"), (10**30, "1" + "0" * 30),
    ],
)  # fmt: skip
def test_ids_are_made_text(value, text):
    assert id_text(value, "id") == text
    assert type(id_text(value, "id")) is str


@pytest.mark.parametrize(
    "value",
    [None, True, np.bool_(True), 1.5, math.nan, math.inf, b"a", "", " ", ["a"], {"a": 1}, np.array([1]), object()],
)
def test_what_is_no_id_is_refused(value):
    with pytest.raises(InputError, match="the id is"):
        id_text(value, "id")


@given(st.lists(st.text(), max_size=5))
def test_texts_come_back_whole_and_in_order(texts):
    assert [c.content for c in documents_of(texts)] == texts
    assert [c.content for c in documents_of(iter(texts))] == texts
    assert [(c.id, c.content) for c in documents_of({f"d{i}": t for i, t in enumerate(texts)})] == [
        (f"d{i}", t) for i, t in enumerate(texts)
    ]
    assert ranking_of("q", ranking_of("q", texts)).ids == [str(i) for i in range(len(texts))]


def test_fields_under_other_names():
    fields = DOCUMENT.pick(id="sku", text="description", title="name")
    (candidate,) = documents_of([{"sku": 7, "description": "red", "name": "Shoe", "text": "no"}], fields)
    assert (candidate.id, candidate.content) == ("7", "Shoe red")
    with pytest.raises(InputError, match=r"no field 'sku' \(fields: text\)"):
        list(documents_of([{"text": "one"}], fields))


def test_documents_without_ids_where_these_are_needed():
    assert [c.id for c in documents_of([("a", "x"), {"id": 0, "text": "y"}], numbered=False)] == ["a", "0"]
    assert [c.id for c in documents_of({"a": "x"}, numbered=False)] == ["a"]
    for without in ("x", {"text": "x"}, LangChain("x")):
        with pytest.raises(InputError, match=r"documents\[0\]: it has no id"):
            list(documents_of([without], numbered=False))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (["a", "b"], "rerank_many"),
        (("a", "b"), "rerank_many"),
        (np.array(["a"]), "rerank_many"),
        ({"a", "b"}, "rerank_many"),
        (5, "query is of type int"),
        (None, "query is of type NoneType"),
        (b"q", "query is of type bytes"),
        ("", "the query text is empty"),
        ({"text": " "}, "the query text is empty"),
    ],
)
def test_a_query_is_one_text(query, words):
    with pytest.raises(InputError, match=words):
        query_of(query)


def test_queries_of_other_contents():
    assert query_of({"text": "lift", "qid": 7}) == Query("7", "lift")
    assert query_of(np.str_("lift")).content == "lift"
    image = Image("cat.jpg")
    assert query_of(image).content is image
    assert query_of(("like this", image)).content == ("like this", image)
