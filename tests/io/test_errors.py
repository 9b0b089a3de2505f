"""Every malformed input has its own clear error, with file and line."""

import gzip

import pytest

from anyrank import Candidate, InputError, Query, Ranking
from anyrank.io import Dataset, attach, json_lines, read_documents, read_qrels, read_queries, read_rankings, read_run

docs, lists, HEADER = read_documents, read_rankings, "query-id\tcorpus-id\tscore\n"
RUN, GOOD = "x.trec", "q1 Q0 d1 1 2.5 t\n"
CASES = [
    # reader, file name, content, line (None: the file as a whole), what the message says
    (read_run, RUN, "q1 Q0 d1 1 2.5\n", 1, "expected 6 columns (query Q0 document rank score tag), found 5"),
    (read_run, RUN, GOOD + "q1 Q0 d2 2 2.5 t extra\n", 2, "found 7"),
    (read_run, RUN, GOOD + "\nq1 Q0 d2 2 high t\n", 3, "expected a finite number as score, found 'high'"),
    (read_run, RUN, "q1 Q0 d1 1 nan t\n", 1, "expected a finite number as score, found 'nan'"),
    (read_run, RUN, "q1 Q0 d1 1 -inf t\n", 1, "expected a finite number as score, found '-inf'"),
    (read_run, RUN, "q1 Q0 d1 1 1e999 t\n", 1, "expected a finite number as score, found '1e999'"),
    (read_run, RUN, "q1 Q0 d1 1 1_0 t\n", 1, "expected a finite number as score, found '1_0'"),
    (read_run, RUN, GOOD + "q2 Q0 d1 1 1 t\n" + GOOD, 3, "document 'd1' appears twice under query 'q1'"),
    (read_run, RUN, GOOD.encode() + b"q1 Q0 d\xe9 2 1 t\n", 2, "byte 0xe9 at column 8 is not UTF-8"),
    (read_run, RUN, b"q1 Q0 d1 1 \xff t\n", 1, "byte 0xff at column 12 is not UTF-8"),
    (read_run, RUN, GOOD.encode("utf-16"), 1, "the file is UTF-16: convert it to UTF-8"),
    (read_run, RUN, "", None, "the file is empty: expected lines of 6 columns"),
    (read_run, RUN, "\r\n \n", None, "the file is empty"),
    (read_run, "x.trec.gz", gzip.compress(GOOD.encode(), mtime=0)[:-9], 1, "damaged or cut-off gzip data"),
    (read_run, "x.trec.gz", GOOD, 1, "damaged or cut-off gzip data"),
    (read_run, RUN, None, None, "can't be read: No such file"),
    (read_qrels, "x.qrels", "q1 0 d1 1\nq1 0 d2\n", 2, "expected 4 columns (query iteration document grade) or"),
    (read_qrels, "x.qrels", "q1 0 d1 1.5\n", 1, "expected a whole number as grade, found '1.5'"),
    (read_qrels, "x.qrels", "q1 0 d1 1_0\n", 1, "expected a whole number as grade"),
    (read_qrels, "x.qrels", "q1 0 d1 1\nq1 0 d1 2\n", 2, "document 'd1' is judged twice for query 'q1'"),
    (read_qrels, "x.tsv", "query-id\tcorpus-id\tscore\nq1\td1\n", 2, "expected 3 tab-separated columns"),
    (read_qrels, "x.tsv", HEADER + "q1\td1\t1\nq1\td2\tgood\n", 3, "whole number as grade, found 'good'"),
    (read_qrels, "x.tsv", "q1\td1\thigh\n", 1, "expected a whole number as grade, found 'high'"),
    (read_qrels, "x.tsv", "query-id\tcorpus-id\tscore\n\td1\t1\n", 2, "the query id is empty"),
    (read_qrels, "x.tsv", "query-id\tcorpus-id\tscore\nq1\t\t1\n", 2, "the document id is empty"),
    (read_qrels, "x.tsv", b"query-id\tcorpus-id\tscore\nq\xe4\td\t1\n", 2, "byte 0xe4 at column 2 is not UTF-8"),
    (read_qrels, "x.tsv", "query-id\tcorpus-id\tscore\n", None, "the file is empty"),
    (docs, "c.jsonl", '{"_id": "1", "text": "a"}\n{"_id": "2", "text": \n', 2, "broken JSON: Expecting value"),
    (docs, "c.jsonl", '["1", "a"]\n', 1, "expected a JSON object on each line, found list"),
    (docs, "c.jsonl", "[" * 99999 + "\n", 1, "broken JSON"),
    (docs, "c.jsonl", '{"text": "a"}\n', 1, "no document id: expected a field _id or id or docid"),
    (docs, "c.jsonl", "{}\n", 1, "no document id: expected a field _id or id or docid or doc_id or docno, found none"),
    (docs, "c.jsonl", '{"_id": "", "text": "a"}\n', 1, "the document id is empty"),
    (docs, "c.jsonl", '{"_id": null, "text": "a"}\n', 1, "the document id (_id) is NoneType: expected a text"),
    (docs, "c.jsonl", '{"_id": true, "text": "a"}\n', 1, "the document id (_id) is bool"),
    (docs, "c.jsonl", '{"_id": "1", "title": "a"}\n', 1, "no document text: expected a field text or"),
    (docs, "c.jsonl", '{"_id": "1", "text": ["a"]}\n', 1, "the document text (text) is list: expected a text"),
    (docs, "c.jsonl", '{"_id": "1", "title": 3, "text": ""}\n', 1, "the title is int: expected a text"),
    (docs, "c.jsonl", '{"_id": "1", "text": ""}\n{"id": 1, "text": ""}\n', 2, "document id '1' appears twice, first"),
    (docs, "c.jsonl", '{"_id": "1", "text": "\\ud800"}\n', 1, "half a surrogate pair"),
    (docs, "c.jsonl", b'{"_id": "1", "text": "caf\xe9"}\n', 1, "byte 0xe9 at column 26 is not UTF-8"),
    (docs, "c.jsonl", "\n", None, "the file is empty: expected documents"),
    (docs, "c.parquet", "", None, "unknown file ending '.parquet'"),
    (docs, "c.csv", "id,text\n1,a\n\n2,b,c\n", 4, "expected 2 columns (id, text), found 3"),
    (docs, "c.csv", "id,text\n1,a\n1,b\n", 3, "document id '1' appears twice, first in line 2"),
    (docs, "c.csv", 'id,text\n1,"a\nb', 3, "broken CSV: unexpected end of data"),
    (docs, "c.csv", "id,text,text\n1,a,b\n", 1, "two columns of the header have the same name"),
    (docs, "c.csv", "key,text\n1,a\n", 2, "no document id: expected a field _id or"),
    (docs, "c.csv", "id,text\n", None, "the file is empty"),
    (docs, "c.tsv", "1\ta\n2\tb\tc\n", 2, "expected 2 columns (_id, text), found 3"),
    (docs, "c.tsv", "1\ta\n\tb\n", 2, "the document id is empty"),
    (read_queries, "q.tsv", "1\ta\n2\t \n", 2, "the text of query '2' is empty"),
    (read_queries, "q.tsv", "1\ta\n2\n", 2, "expected 2 columns (_id, text), found 1"),
    (read_queries, "q.tsv", "1\ta\n1\tb\n", 2, "query id '1' appears twice, first in line 1"),
    (read_queries, "q.jsonl", '{"_id": "1", "text": ""}\n', 1, "the text of query '1' is empty"),
    (read_queries, "q.jsonl", '{"_id": "1"}\n', 1, "no query text: expected a field text or query or question"),
    (read_queries, "q.jsonl", "", None, "the file is empty: expected queries"),
    (json_lines, "x.jsonl", "1\n", 1, "expected a JSON object"),
    (lists, "r.jsonl", '{"documents": ["a"]}\n', 1, "no query: expected a field query, found documents"),
    (lists, "r.jsonl", '{"query": "", "documents": []}\n', 1, "the query text is empty"),
    (lists, "r.jsonl", '{"query": 1, "documents": []}\n', 1, "the query (query) is int: expected a text"),
    (lists, "r.jsonl", '{"query": "a"}\n', 1, "expected a list named documents, candidates or ranking"),
    (lists, "r.jsonl", '{"query": "a", "documents": "b"}\n', 1, "expected a list named documents"),
    (lists, "r.jsonl", '{"query": "a", "documents": ["b", 1]}\n', 1, "documents[1]: expected a text or an object"),
    (lists, "r.jsonl", '{"query": "a", "documents": [{"id": "b"}]}\n', 1, "documents[0]: no document text"),
    (lists, "r.jsonl", '{"query": "a", "documents": ["b", {"id": 0, "text": ""}]}', 1, "'0' appears twice in"),
    (lists, "r.jsonl", '{"query": "a", "documents": [{"text": "b", "score": NaN}]}', 1, "finite number as score"),
    (lists, "r.jsonl", '{"query": "a", "ranking": [], "trace": [{}]}', 1, "a step of the trace can't be read"),
    (lists, "r.jsonl", '{"query": {"text": "a", "qid": 7}, "candidates": []}\n' * 2, 2, "query id '7' appears twice"),
    (lists, "r.jsonl", "", None, "the file is empty: expected candidate lists"),
]  # fmt: skip


def drain(result):
    return result if isinstance(result, dict | list) else list(result)


@pytest.mark.parametrize(("reader", "name", "content", "line", "says"), CASES)
def test_malformed_input_is_named_with_file_and_line(tmp_path, reader, name, content, line, says):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError) as error:
        drain(reader(path))
    assert says in str(error.value)
    assert str(error.value).startswith(f"{path}: " if line is None else f"{path}:{line}: ")


def test_unknown_ids_of_a_run_are_named_with_the_file():
    run = {"q1": [("d1", 2.0), ("d9", 1.0)]}
    queries, documents = [Query("q1", "a")], [Candidate("d1", "x")]
    with pytest.raises(InputError, match=r"^my\.trec: unknown document id 'd9': .* \(query 'q1' ranks it\)$"):
        attach(run, queries, documents, path="my.trec")
    with pytest.raises(InputError, match=r"^my\.trec: unknown query id 'q8': .*; 2 of the run's 3 are unknown$"):
        attach({**run, "q8": [], "q9": []}, queries, documents, path="my.trec")


def test_folders_that_hold_no_collection(tmp_path):
    with pytest.raises(InputError, match="the folder doesn't exist: expected a BEIR folder, 'demo', or 'irds:'"):
        Dataset.open(tmp_path / "absent")
    with pytest.raises(InputError, match=r"expected corpus\.jsonl or corpus\.jsonl\.gz"):
        Dataset.open(tmp_path)
    with pytest.raises(InputError, match=r"cranfield has no judgements 'dev' \(there are: test\)"):
        Dataset.open("demo").qrels("dev")


def test_writers_refuse_what_the_format_cannot_hold(tmp_path):
    from anyrank.io import write_qrels, write_run

    good = Ranking.of(Query("q", "?"), ["a"])
    for rankings, says in [
        ([Ranking.of(Query("q 1", "?"), ["a"])], "query id 'q 1'"),
        ([Ranking.of(Query("", "?"), ["a"])], "query id ''"),
        ([Ranking.of("?", ["a"], ids=["d\t1"])], "document id 'd\\t1'"),
        ([good, good], "query 'q' appears twice"),
        ([Ranking(Query("q"), (Candidate("d", score=float("nan")),))], "'d' of query 'q' has the score nan"),
        ([Ranking(Query("q"), (Candidate("d", score=1e300),))], "has the score 1e+300"),
        ([Ranking(Query("q"), (Candidate("\ud800", score=1.0),))], "not valid Unicode"),
    ]:
        with pytest.raises(InputError) as error:
            write_run(tmp_path / "r.trec", rankings)
        assert says in str(error.value)
    with pytest.raises(InputError, match="tag 'a b'"):
        write_run(tmp_path / "r.trec", [good], tag="a b")
    with pytest.raises(InputError, match="can't hold the query id 'a b'"):
        write_qrels(tmp_path / "x.qrels", {"a b": {"d": 1}})
    with pytest.raises(InputError, match=r"can't hold the document id 'd\\n'"):
        write_qrels(tmp_path / "x.tsv", {"a b": {"d\n": 1}})
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="can't be written: No such file"):
        write_run(tmp_path / "no" / "r.trec", [good])
