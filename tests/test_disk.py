"""A full disk: every command ends with code 2 and the name of the file, and what was there before is whole."""

import errno
import json
import os
import sqlite3
import subprocess
import sys

import pytest

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.disk import full, no_space, sync_folder, whole_file
from anyrank.index.build import build
from anyrank.index.check import check
from anyrank.index.collection import Collection
from anyrank.io.files import atomic
from anyrank.io.journal import Journal
from anyrank.vectors import Encoded

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.argv = ["anyrank", *sys.argv[2:]]
from anyrank.cli import main
main()
"""
"""Stands for a full disk: a file that grows beyond the limit fails in the same places, with another number."""


def limited(size, *args):
    """Exit code and standard error of a command whose files may have ``size`` bytes."""
    command = [sys.executable, "-c", LIMITED, str(size), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text("".join(json.dumps({"_id": f"d{i}", "text": f"wing number {i} " * 9}) + "\n" for i in range(300)))
    return path


def test_commands_that_write_an_index_end_with_code_2_and_leave_it_whole(corpus, tmp_path):
    code, err = limited(8000, "index", corpus, "-o", tmp_path / "new")
    assert code == 2
    assert "allow: nothing more could be written" in err
    assert not (tmp_path / "new").exists()
    index, ids = tmp_path / "x", tmp_path / "ids.txt"
    build([Candidate(f"d{i}", f"wing {i}") for i in range(200)], index)
    before = list(Collection.open(index).documents())
    ids.write_text("".join(f"d{i}\n" for i in range(0, 200, 2)))
    for size, args in (
        (12_000, ["index", corpus, "-o", index, "--update"]),
        (8000, ["index", corpus, "-o", index, "--overwrite"]),
        (20, ["index", ids, "-o", index, "--delete"]),
        (9000, ["index", corpus, "-o", index, "--encode", "minilm"]),
        (9000, ["index", corpus, "-o", index, "--encode", "splade"]),
    ):
        code, err = limited(size, *args)
        assert code == 2, (args, err)
        assert str(index) in err.splitlines()[-1], (args, err)
        assert "nothing more could be written" in err, (args, err)
        assert check(index).problems == []
        assert list(Collection.open(index).documents()) == before


def test_commands_that_write_results_end_with_code_2_and_leave_none(corpus, tmp_path):
    index, queries, out = tmp_path / "x", tmp_path / "q.tsv", tmp_path / "out"
    build([Candidate(f"d{i}", f"wing {i}") for i in range(200)], index)
    queries.write_text("".join(f"q{i}\twing\n" for i in range(40)))
    for args in (
        ["search", index, "--queries", queries],
        ["distill", "--index", index, "--queries", queries, "--teacher", "minilm", "--candidates", "bm25 % 9"],
    ):
        code, err = limited(20_000, *args, "-o", out)
        assert code == 2, err
        assert str(out) in err.splitlines()[-1], err
        assert not out.exists()
        (tmp_path / "out.journal").unlink(missing_ok=True)


def test_a_full_standard_output_is_named(tmp_path):
    build([Candidate("d", "wing")], tmp_path / "x")
    with open("/dev/full", "wb") as device:
        command = [sys.executable, "-m", "anyrank", "search", str(tmp_path / "x"), "wing"]
        done = subprocess.run(command, stdout=device, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "anyrank: standard output: no space left on the device\n")


def test_devices_are_named():
    with pytest.raises(InputError, match="/dev/full: no space left on the device"), atomic("/dev/full") as file:
        file.write("x" * 100_000)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "x"), "no space left on the device"),
        (OSError(errno.EDQUOT, "x"), "the disk quota is used up"),
        (OSError("57600 requested and 49120 written"), "no space left on the device"),
        (ValueError("An IO error occurred: 'No space left on device (os error 28)'"), "no space left on the device"),
        (ValueError('IoError { kind: StorageFull, Os { code: 28, kind: x } }'), "no space left on the device"),
        (ValueError("Disk quota exceeded (os error 122)"), "the disk quota is used up"),
        (sqlite3.OperationalError("database or disk is full"), "no space left on the device"),
        (OSError(errno.EACCES, "x"), ""),
        (ValueError("the 28 errors"), ""),
        (ValueError("(os error 2)"), ""),
    ],
)  # fmt: skip
def test_a_full_disk_is_known_by_number_or_text(error, reason):
    assert full(error) == reason

    def fails():
        with no_space("file"):
            raise error

    with pytest.raises(InputError if reason else type(error)) as raised:
        fails()
    assert not reason or str(raised.value) == f"file: {reason}: nothing more could be written"


def test_a_whole_file_that_finds_no_space_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "f"
    path.write_text("old")

    def fsync(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", fsync)
    with pytest.raises(InputError, match=r"/f: no space left on the device"), whole_file(path) as file:
        file.write(b"new")
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_a_journal_without_space_says_so_and_keeps_what_it_has(tmp_path):
    path = tmp_path / "j"
    ranking = Ranking(Query("q0"), (Candidate("d", None, 1.0),))
    with Journal.open(path, {}) as journal:
        journal.append(ranking)
        journal.db.execute("PRAGMA max_page_count = 1")
        with pytest.raises(InputError, match=r"j: the result of query 'q1' .*: no space left on the device"):
            journal.put("q1", {"x": "y" * 100_000})
    with Journal.open(path, {}, resume=True) as journal:
        assert len(journal) == 1


class Ones:
    name = "ones"

    def encode(self, contents, *, query=False):
        return Encoded([[1.0, 2.0] for _ in contents])


def test_vectors_that_find_no_space_are_not_there(tmp_path, monkeypatch):
    collection = build([Candidate(f"d{i}", "wing") for i in range(10)], tmp_path / "x")

    def save(file, array):
        file.write(b"half")
        raise OSError("80 requested and 4 written")

    monkeypatch.setattr("numpy.save", save)
    with pytest.raises(InputError, match=r"shard-000001: no space left on the device"):
        collection.encode(Ones())
    monkeypatch.undo()
    collection = Collection.open(tmp_path / "x")
    assert len(collection.vectors("ones").missing()) == 10
    collection.encode(Ones())
    assert collection.vectors("ones").missing() == []
    assert check(tmp_path / "x").problems == []


@pytest.mark.parametrize("fails", [False, True])
def test_a_folder_is_synced_itself_and_its_handle_closed(tmp_path, monkeypatch, fails):
    synced = []

    def fsync(handle):
        synced.append((handle, os.fstat(handle).st_ino))
        if fails:
            raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fsync", fsync)
    if fails:
        with pytest.raises(OSError, match="broken"):
            sync_folder(tmp_path)
    else:
        sync_folder(tmp_path)
    ((handle, node),) = synced
    assert node == tmp_path.stat().st_ino
    with pytest.raises(OSError) as error:
        os.fstat(handle)
    assert error.value.errno == errno.EBADF
