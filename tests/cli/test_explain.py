"""``anyrank explain``: the table, JSON, a difference, and errors."""

import json

import pytest
from click.testing import CliRunner

import anyrank as ar
from anyrank.cli import cli
from anyrank.core.errors import InputError

RUN = CliRunner()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("explain") / "my.index"
    docs = [
        {"id": "a", "text": "wings lift planes"},
        {"id": "b", "text": "wings and drag\x1b[2J"},
        {"id": "c", "text": "soup"},
    ]
    ar.Index.create(path, docs)
    return str(path)


def run(*args):
    return RUN.invoke(cli, ["explain", *args], catch_exceptions=False).output


def test_a_table_with_the_parts_of_each_score(folder):
    out = run(folder, "planes with wings", "-p", "bm25 + 2 * bm25(k1=0.9)")
    assert "  1.  a: " in out
    assert "bm25(k1=0.9)" in out
    assert "plane  (in 1 documents)" in out
    assert "\x1b" not in out


def test_json_adds_up_and_is_equal_byte_for_byte(folder):
    args = (folder, "planes with wings", "-p", "bm25 % 1 >> prior", "--id", "b", "--json")
    out = run(*args)
    told = json.loads(out)
    first, cut = told["documents"]
    assert first["score"] == pytest.approx(sum(p["contribution"] for p in first["parts"]))
    assert cut["lost"] == "not among the 1 results of bm25"
    assert out == run(*args)
    assert "seconds" not in out


def test_why_one_document_stands_above_another(folder):
    assert run(folder, "planes with wings", "--why", "a", "b").startswith("a is ")
    why = json.loads(run(folder, "planes with wings", "--why", "b", "a", "--json"))
    assert why["score"] < 0
    assert why["parts"][0]["name"] == "bm25"


def test_nothing_and_errors(folder):
    assert "no results" in run(folder, "elephants")
    with pytest.raises(InputError, match="has no score to compare: not among the 2 results"):
        run(folder, "wings", "--why", "a", "zz")
