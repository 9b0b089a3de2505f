"""TREC's documents and topics, JSON arrays, and tables without a header."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.io.candidates import ranking_to_dict, read_rankings
from anyrank.io.corpus import read_documents, read_queries
from anyrank.io.json_objects import _CHUNK, SEVERAL_LINES

NEWS = """<DOC>
<DOCNO> AP880212-0001 </DOCNO>
<FILEID>AP-NR-02-12-88</FILEID>
<HEAD>Reports &amp; more</HEAD>
<TEXT>
   The  text of <b>it</b> &lt; 3
</TEXT>
<TEXT>second part</TEXT>
</DOC>

<doc><docno>2</docno>
plain body
</doc> <DOC id="x"><DOCNO>3</DOCNO><TITLE>T</TITLE></DOC>
"""
TOPICS = """

<top>
<num> Number: 301
<title> International Organized Crime

<desc> Description:
Identify organizations
that participate.

<narr> Narrative:
A relevant document names one.
</top>
<top>
<num> 302 </num>
<title> Topic: Poliomyelitis </title>
</top>
"""
XML = """<?xml version="1.0"?>
<!-- rounds -->
<topics task="COVIDSearch">
<topic number="1"><query>coronavirus origin</query><question>what is it</question><narrative>n</narrative></topic>
<topic number='CT-2' type="faceted">
Patient is a 45-year-old man
</topic>
</topics>
"""


@pytest.mark.parametrize("name", ["news", "news.sgml", "news.xml", "news.trec", "news.unknown", "news.txt", "news.gz"])
def test_documents_in_sgml(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(NEWS.encode()) if name.endswith(".gz") else NEWS.encode())
    one, two, three = read_documents(tmp_path / name)
    assert (one.id, one.content) == ("AP880212-0001", "Reports & more The text of it < 3 second part")
    assert dict(one.meta) == {"title": "Reports & more", "fileid": "AP-NR-02-12-88"}
    assert (two.id, two.content, three.id, three.content) == ("2", "plain body", "3", "T")


def test_topics_of_both_forms(tmp_path):
    (tmp_path / "topics.301-302").write_text(TOPICS)
    (tmp_path / "rounds.xml").write_text(XML)
    one, two = read_queries(tmp_path / "topics.301-302")
    assert (one.id, one.content) == ("301", "International Organized Crime")
    assert dict(one.meta) == {
        "description": "Identify organizations that participate.",
        "narrative": "A relevant document names one.",
    }
    assert (two.id, two.content, two.meta) == ("302", "Poliomyelitis", {})
    one, two = read_queries(tmp_path / "rounds.xml")
    assert (one.id, one.content, one.meta["question"]) == ("1", "coronavirus origin", "what is it")
    assert (two.id, two.content) == ("CT-2", "Patient is a 45-year-old man")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<DOC>\n<DOCNO>1</DOCNO>\ntext", r":1: the record that begins here has no end </doc>"),
        ("<DOC>text</DOC>", r":1: a DOC without <DOCNO>"),
        ("<DOC><DOCNO> </DOCNO>text</DOC>", r":1: a DOC without <DOCNO>"),
        ("<DOC><DOCNO>1</DOCNO></DOC>\nstray text\n", r":2: 'stray text' stands outside of <DOC> and <top>"),
        ("<DOC><DOCNO>1</DOCNO>a</DOC>\n<DOC><DOCNO>1</DOCNO>b</DOC>", r":2: document id '1' appears twice"),
    ],
)
def test_what_is_wrong_in_sgml_is_named(tmp_path, text, says):
    (tmp_path / "d.sgml").write_text(text)
    with pytest.raises(InputError, match=says):
        list(read_documents(tmp_path / "d.sgml"))


def test_topics_without_number_or_text_are_named(tmp_path):
    for text, says in (
        ("<top>\n<title> a\n</top>", r":1: a TOP without <num> or number="),
        ("<top>\n<num> 1\n</top>", r":1: the text of query '1' is empty"),
    ):
        (tmp_path / "t").write_text(text)
        with pytest.raises(InputError, match=says):
            read_queries(tmp_path / "t")


RANK_LLM = [
    {"query": {"text": "one", "qid": i}, "candidates": [{"docid": "d1", "score": 2.0, "doc": {"contents": "a"}}]}
    for i in (1, 2)
]
HITS = [{"query": "one", "hits": [{"content": "a", "qid": i, "docid": "d1", "rank": 1, "score": 2.0}]} for i in (1, 2)]


@pytest.mark.parametrize("values", [RANK_LLM, HITS])
@pytest.mark.parametrize("form", ["array", "indented", "objects", "lines"])
def test_lists_as_rank_llm_writes_them(tmp_path, values, form):
    text = {
        "array": json.dumps(values),
        "indented": "\n" + json.dumps(values, indent=2),
        "objects": "\n".join(json.dumps(v, indent=4) for v in values),
        "lines": "\n".join(map(json.dumps, values)),
    }[form]
    (tmp_path / "r.json").write_text(text)
    rankings = list(read_rankings(tmp_path / "r.json"))
    assert [r.query.id for r in rankings] == ["1", "2"]
    assert [(c.id, c.content, c.score, dict(c.meta)) for c in rankings[0]] == [("d1", "a", 2.0, {})]


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.integers(), max_size=4), max_size=6),
    st.sampled_from([None, 0, 2]),
    st.booleans(),
    st.integers(1, 40),
)  # fmt: skip
def test_an_array_is_read_whatever_its_spaces_and_pieces(tmp_path_factory, values, indent, ascii, chunk):
    from unittest.mock import patch

    from anyrank.io.records import json_lines

    path = tmp_path_factory.mktemp("a") / "a.json"
    path.write_text(json.dumps(values, indent=indent, ensure_ascii=ascii))
    with patch("anyrank.io.json_objects._CHUNK", chunk):
        assert [value for _, value in json_lines(path)] == values


def test_lines_of_an_array_are_counted_beyond_the_first_piece(tmp_path):
    rows = [{"id": i, "text": "x" * 1000} for i in range(_CHUNK // 500)]
    text = "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]"
    (tmp_path / "a.json").write_text(text)
    assert sum(1 for _ in read_documents(tmp_path / "a.json")) == len(rows)
    (tmp_path / "a.json").write_text(text.replace('"id": 2000,', '"id" 2000,'))
    with pytest.raises(InputError, match=r"a\.json:2002: broken JSON: Expecting ':' delimiter at column"):
        list(read_documents(tmp_path / "a.json"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[{"id": 1, "text": "t"},\n{"id": 2, "text":}]', r":2: broken JSON: Expecting value"),
        ('[{"id": 1, "text": "t"}', r":1: broken JSON: the array has no end"),
        ('[{"id": 1, "text": "t"}] x', r":1: broken JSON: 'x' after the array"),
        ('[{"id": 1, "text": "t"}\n{"id": 2}]', r":2: broken JSON: .* expected a comma"),
        ('[{"id": 1, "text": "t"}, 3]', r":1: expected a JSON object on each line, found list"),
        ('[{"id": 1, "text": "\\ud800"}]', r":1: broken JSON: half a surrogate pair"),
        ('[{"id": 1, "text": "unfinished', r":1: broken JSON: Unterminated string"),
        ("[]", r"the file is empty"),
        (b'[{"id": "\xff", "text": "t"}]', r":1: byte 0xff is not UTF-8"),
    ],
)
def test_what_is_wrong_in_an_array_is_named(tmp_path, text, says):
    (tmp_path / "a.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=says):
        list(read_documents(tmp_path / "a.json"))


def test_one_object_a_line_is_no_array():
    for text in (b'{"a": 1}\n', b'{"a": {"b": 1}}\n', b'{"query": "[\\n"}\n', b"x\n", b""):
        assert not SEVERAL_LINES.match(text)
    for text in (b"[", b" \n [", b"{\n", b'{ "a": {\n', b'{"a":\r\n', b'{"a": [ \n'):
        assert SEVERAL_LINES.match(text)


def test_a_table_without_a_header(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text('1,"a text, of words"\n2,b\n')
    assert [(d.id, d.content) for d in read_documents(path)] == [("1", "a text, of words"), ("2", "b")]
    path.write_text("sku,description\n1,b\n")
    with pytest.raises(
        InputError, match=r"c\.csv:1: the first row \(sku, description\) names no column of an id .*--no-header"
    ):
        list(read_documents(path))
    assert [d.id for d in read_documents(path, header=False)] == ["sku", "1"]
    path.write_text("1,a\n2,b\n")
    assert [d.id for d in read_documents(path, header=False)] == ["1", "2"]
    for text in ("a text,of some words here\n", "1,two words\n", "1,a text of words,more\n"):
        path.write_text(text)
        with pytest.raises(InputError, match="names no column"):
            list(read_documents(path))


def test_fields_of_a_result_survive_json(tmp_path):
    from anyrank.core.types import Candidate, Query, Ranking

    ranking = Ranking(Query("q", "one"), (Candidate("d", "T text", 1.0, {"title": "T", "year": 1958, "id": "other"}),))
    record = ranking_to_dict(ranking, texts=True)
    assert record["ranking"][0] == {
        "id": "d", "score": 1.0, "text": "T text", "meta": {"title": "T", "year": 1958, "id": "other"},
    }  # fmt: skip
    (tmp_path / "r.jsonl").write_text(json.dumps(record))
    (again,) = read_rankings(tmp_path / "r.jsonl")
    assert (again[0].content, dict(again[0].meta)) == ("T text", dict(ranking[0].meta))
    assert "meta" not in ranking_to_dict(ranking)["ranking"][0]
