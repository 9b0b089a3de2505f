"""Tables, texts and fields that can't be read as they are: refused with the reason, never read wrong."""

import sys

import pytest

import anyrank as ar


class Table:
    """As much of a pandas data frame as is asked for."""

    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows

    def to_dict(self, orient):
        assert orient == "records"
        return [dict(zip(self.columns, row)) for row in self.rows]


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(ar.InputError, match="two columns of the table are called 'text'"):
        ar.rerank("wings", Table(["text", "text"], [["wings", "x"]]))


def test_a_table_of_queries_is_read_by_its_column_or_refused():
    table = Table(["qid", "query"], [[7, "wings"], [8, "soup"]])
    rankings = ar.rerank_many(table, [["wings lift"], ["soup and salt"]], "prior")
    assert [(r.query.id, r.query.content) for r in rankings] == [("7", "wings"), ("8", "soup")]
    with pytest.raises(ar.InputError, match=r"a table without a column query \(columns: qid, words\)"):
        ar.rerank_many(Table(["qid", "words"], [[7, "wings"]]), [["wings lift"]], "prior")


@pytest.mark.parametrize("query", ["\u200b", " \ufeff\u2060"])
def test_a_query_of_invisible_signs_is_empty(query):
    with pytest.raises(ar.InputError, match="the query text is empty"):
        ar.rerank(query, ["wings"])


def test_halves_of_a_surrogate_pair_are_read():
    ranking = ar.rerank("capital \ud83d of France", ["Lyon \ud83d", "Paris is the capital of France."], "tiny")
    assert (ranking.status, ranking.ids) == ("ok", ["1", "0"])


def test_a_field_that_holds_itself_is_refused(tmp_path):
    field = []
    field.append(field)
    deep = 1
    for _ in range(sys.getrecursionlimit() + 100):
        deep = [deep]
    for value in (field, deep):
        with pytest.raises(ar.InputError, match="nested too deeply, or holds itself"):
            ar.Index.create(tmp_path / "ix", [{"id": "1", "text": "wings", "m": value}])
    assert not (tmp_path / "ix").exists()


@pytest.mark.parametrize(("name", "match"), [("language", "language is of type"), ("models", "models is of type")])
def test_nothing_in_place_of_a_name_is_refused(tmp_path, name, match):
    with pytest.raises(ar.InputError, match=match):
        ar.Index.create(tmp_path / "ix", ["wings"], **{name: None})


def test_a_range_over_numbers_and_dates_is_refused(tmp_path):
    docs = [{"id": "a", "text": "wings", "d": "2020-01-02"}, {"id": "b", "text": "wings", "d": "2022"}]
    index = ar.Index.create(tmp_path / "ix", docs)
    with pytest.raises(ar.InputError, match="holds both numbers and dates"):
        index.search("wings", filter="d>=2021")
    assert index.search("wings", filter="d=2022").ids == ["b"]


def test_results_without_an_order_are_not_evaluated():
    evaluate = pytest.importorskip("anyrank.evaluate").evaluate
    with pytest.raises(ar.InputError, match="the results are a set"):
        evaluate({"r": {"q": {"a", "b"}}}, {"q": {"a": 1}}, ["AP"])
