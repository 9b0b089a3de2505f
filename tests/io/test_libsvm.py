"""Feature files of learning to rank are read with qid or .query files, and errors name their lines."""

import pytest

from anyrank.core.errors import InputError
from anyrank.io.libsvm import read_libsvm, write_libsvm


def test_qid_and_documents_are_read(tmp_path):
    path = tmp_path / "a.svm"
    path.write_text("2 qid:7 1:0.5 3:1 # docid = GX1 inc = 1\n\n0 qid:7 2:4 # docid = GX2\n1 qid:8 1:1\n")
    rankings, grades = read_libsvm(path)
    assert [r.query.id for r in rankings] == ["7", "8"]
    assert [r.ids for r in rankings] == [["GX1", "GX2"], ["8-0"]]
    assert rankings[0][0].meta["features"] == (0.0, 0.5, 0.0, 1.0)
    assert grades == [(2, 0), (1,)]
    assert read_libsvm(path, 6)[0][1][0].meta["features"] == (0.0, 1.0, 0.0, 0.0, 0.0, 0.0)


def test_sizes_beside_the_file_are_read(tmp_path):
    path = tmp_path / "rank.train"
    path.write_text("0 1:1\n1 1:2\n2 1:3\n")
    with pytest.raises(InputError, match=r"no rank\.train\.query: give each line its qid"):
        read_libsvm(path)
    (tmp_path / "rank.train.query").write_text("1\n2\n")
    assert [len(r) for r in read_libsvm(path)[0]] == [1, 2]
    (tmp_path / "rank.train.query").write_text("1\n1\n")
    with pytest.raises(InputError, match=r"sum to 2, and .* has 3 lines"):
        read_libsvm(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 qid:1 a:2\n", ":1: expected 'grade qid"),
        ("0.5 qid:1 1:2\n", ":1: the grade 0.5"),
        ("1 qid:1 1:nan\n", "1:nan: indexes are 0 to .* finite"),
        ("1 qid:1 -2:1\n", "-2:1: indexes are 0 to"),
        ("1 qid:1 1:2 3:1 1:4\n", ":1: the feature 1 stands twice in the line"),
        ("1 qid:1 1:2\n1 qid:2 1:2\n1 qid:1 1:2\n", "query '1' comes twice"),
        ("1 qid:1 1:2\n1 1:2\n", "some lines have no qid"),
        ("", "the file is empty"),
    ],
)
def test_wrong_files_are_named(tmp_path, text, message):
    (tmp_path / "x").write_text(text)
    with pytest.raises(InputError, match=message):
        read_libsvm(tmp_path / "x")


def test_what_is_written_is_read(tmp_path):
    write_libsvm(tmp_path / "x", [("q", "a", 2, (0.5, float("nan"))), ("q", "b", 0, (0.0, 3.0))])
    (ranking,), grades = read_libsvm(tmp_path / "x")
    assert [c.meta["features"] for c in ranking] == [(0.0, 0.5, 0.0), (0.0, 0.0, 3.0)]
    assert ranking.ids == ["a", "b"]
    assert grades == [(2, 0)]
