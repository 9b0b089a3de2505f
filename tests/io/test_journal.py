import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from anyrank import Candidate, InputError, Query, Ranking, Step, Usage
from anyrank.io import Journal, fingerprint, read_run

SETTINGS = {"pipeline": "bm25 % 3", "depth": 3}
QUERIES = [Query(i, f"text {i}") for i in ("b", "é d", "a")]


def unfinished(journal):
    return [q for q in QUERIES if q.id not in journal]


def job(q):
    """In place of the work: a ranking that depends on the query alone."""
    candidates = tuple(Candidate(f"d{len(q.id)}{i}", "content", 2.0 - i / 3) for i in range(2))
    return Ranking(q, candidates, (Step("s", 0.25, Usage(2, repairs={"x": 1}), ("note",)),))


def write_journal(path, queries=QUERIES):
    with Journal.open(path, SETTINGS) as journal:
        for q in queries:
            journal.append(job(q))
    return path.read_bytes()


def crashed(folder):
    """The bytes of a journal, and of its write-ahead log, as a process leaves them that is killed after its last write;
    and the log's length after the journal was begun and after each query."""
    path, log = folder / "crashed", folder / "crashed-wal"
    with Journal.open(path, SETTINGS) as journal:
        lengths = [log.stat().st_size]
        for q in QUERIES:
            journal.append(job(q))
            lengths.append(log.stat().st_size)
        return path.read_bytes(), log.read_bytes(), lengths


def test_a_journal_cut_off_at_any_byte_resumes_with_nothing_lost_and_nothing_twice(tmp_path):
    """Whatever part of the log reached the disk: the transactions that are whole in it count, the others don't."""
    whole, log, lengths = crashed(tmp_path)
    path, path_log = tmp_path / "job", tmp_path / "job-wal"
    assert len(log) == lengths[-1]
    assert len(set(lengths)) == 1 + len(QUERIES)
    near = {length + step for length in lengths for step in (-1, 0, 1)}
    for cut in sorted({*range(0, len(log), 509), *near} & {*range(len(log) + 1)}):
        path.write_bytes(whole)
        path_log.write_bytes(log[:cut])
        with Journal.open(path, SETTINGS, resume=True) as journal:
            complete = max(0, sum(length <= cut for length in lengths) - 1)
            assert unfinished(journal) == QUERIES[complete:]
            assert len(journal) == complete
            for q in QUERIES[complete:]:
                journal.append(job(q))
            assert list(journal.rankings(QUERIES)) == [without_content(job(q)) for q in QUERIES]
        assert not path_log.exists()


def test_what_is_written_together_is_kept_whole_or_not_at_all(tmp_path):
    with Journal.open(tmp_path / "j", SETTINGS) as journal:
        with journal.together():
            journal.append(job(QUERIES[0]))
        with suppress(InputError), journal.together():
            journal.append(job(QUERIES[1]))
            journal.append(job(QUERIES[0]))  # which is there already
    with Journal.open(tmp_path / "j", SETTINGS, resume=True) as journal:
        assert [q.id in journal for q in QUERIES] == [True, False, False]


@pytest.mark.parametrize("before", [b"", "an empty database"])
def test_a_journal_killed_before_its_first_write_is_begun_again(tmp_path, before):
    path = tmp_path / "job"
    if before:
        db = sqlite3.connect(path)
        db.execute("PRAGMA journal_mode = WAL")
        db.close()
        assert path.stat().st_size
    else:
        path.write_bytes(before)
    with Journal.open(path, SETTINGS, resume=True) as journal:
        assert unfinished(journal) == QUERIES


def test_a_log_whose_journal_was_deleted_does_not_come_back(tmp_path):
    _, log, _ = crashed(tmp_path)
    (tmp_path / "job-wal").write_bytes(log)
    with Journal.open(tmp_path / "job", SETTINGS) as journal:
        assert len(journal) == 0
        journal.append(job(QUERIES[0]))
        assert unfinished(journal) == QUERIES[1:]


def without_content(ranking):
    return Ranking(ranking.query, tuple(Candidate(c.id, score=c.score) for c in ranking), ranking.trace)


def test_the_run_is_written_in_the_order_of_the_queries_and_the_journal_goes(tmp_path):
    path, run = tmp_path / "job", tmp_path / "run.trec"
    queries = [Query(q.id.replace(" ", ""), q.content) for q in QUERIES]
    with Journal.open(path, SETTINGS) as journal:
        for q in reversed(queries):
            assert q.id not in journal
            journal.append(job(q))
        assert len(journal) == 3
        with pytest.raises(InputError, match="query 'z' is not finished: resume the job"):
            journal.finish(run, [*queries, Query("z")])
        assert not run.exists()
        journal.finish(run, queries, tag="t")
    assert list(read_run(run)) == [q.id for q in queries]
    assert list(tmp_path.iterdir()) == [run]


def test_other_settings_are_refused_by_name(tmp_path):
    path = tmp_path / "job"
    whole = write_journal(path)
    other = {**SETTINGS, "depth": 5}
    with pytest.raises(InputError) as error:
        Journal.open(path, other, resume=True)
    for part in (str(path), fingerprint(SETTINGS), fingerprint(other), "depth: 3 then, 5 now"):
        assert part in str(error.value)
    assert "pipeline" not in str(error.value)
    assert path.read_bytes() == whole


OLD = b"""63 21bfd6d4 {"journal": 1, "fingerprint": "0123456789abcdef", "settings": {}}
"""


def foreign_database(version=0, application=0):
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE answers (key BLOB)")
    db.execute(f"PRAGMA application_id = {application}")
    db.execute(f"PRAGMA user_version = {version}")
    return db.serialize()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"xy", "job: the file is no journal"),
        (b"my notes\n" * 1000, "job: the file is no journal"),
        (b"q1 Q0 d1 1 2.5 t\n", "job: the file is no journal"),
        (foreign_database(), "job: the file is no journal"),
        (foreign_database(version=2, application=7), "job: the file is no journal"),
        (foreign_database(version=3, application=0x616E7972), "a journal of version 3, not 2: delete it"),
        (OLD, "a journal of an earlier version of anyrank, which this one can't read: delete it to begin again"),
    ],
)
def test_a_foreign_file_is_refused_and_left_alone(tmp_path, content, message):
    path = tmp_path / "job"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        Journal.open(path, SETTINGS, resume=True)
    assert message in str(error.value)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_the_way_is_refused(tmp_path):
    path = tmp_path / "job"
    whole = write_journal(path)
    with pytest.raises(InputError, match="the journal exists already: resume the job, or delete the file"):
        Journal.open(path, SETTINGS)
    assert path.read_bytes() == whole
    with pytest.raises(InputError, match=r"there is no folder .*/no: make it first"):
        Journal.open(tmp_path / "no" / "job", SETTINGS)


@pytest.mark.parametrize(
    ("old", "new", "opens"),
    [
        (b'"d30"', b'"d31"', True),  # another document
        (b'"d30"', b'"d\xff0"', True),  # no UTF-8
        (b'"depth": 3', b'"depth": 5', False),
        (b'"depth": 3', b'"depth"\xff 3', False),
        (b"CREATE TABLE finished", b"CREATE TALBE finished", False),
    ],
)
def test_damage_is_named(tmp_path, old, new, opens):
    path = tmp_path / "job"
    whole = write_journal(path)
    assert whole.count(old) == 1
    path.write_bytes(whole.replace(old, new))
    with pytest.raises(InputError, match=r"job: damaged \(.*delete the journal"):  # noqa: PT012, SIM117
        with Journal.open(path, SETTINGS, resume=True) as journal:
            assert opens
            assert unfinished(journal) == []
            list(journal.rankings(QUERIES))


def test_pages_of_noise_are_named(tmp_path):
    path = tmp_path / "job"
    whole = write_journal(path, [Query(f"q{i}", "?") for i in range(300)])
    for at in range(4096, len(whole), 4096):
        path.write_bytes(whole[:at] + random.Random(at).randbytes(4096) + whole[at + 4096 :])
        with pytest.raises(InputError, match=r"damaged.*delete the journal"):
            Journal.open(path, SETTINGS, resume=True)


def test_a_query_is_written_once_by_one_process(tmp_path):
    with Journal.open(tmp_path / "job", SETTINGS) as journal:
        journal.append(job(QUERIES[0]))
        with pytest.raises(InputError, match="query 'b' is finished already"):
            journal.append(job(QUERIES[0]))
        with pytest.raises(InputError, match="query 'a' can't be written: Out of range"):
            journal.append(Ranking(Query("a"), (Candidate("d", score=float("nan")),)))
        with pytest.raises(InputError, match="another process is writing this journal"):
            Journal.open(tmp_path / "job", SETTINGS, resume=True)
        assert unfinished(journal) == QUERIES[1:]


WORK = """
import sys
from anyrank import Candidate, Query, Ranking
from anyrank.io import Journal

journal_path, run = sys.argv[1:]
queries = [Query(f"q{i}", "?") for i in range(3000)]
with Journal.open(journal_path, {"n": 3000}, resume=True) as journal:
    print("open", flush=True)
    for q in (q for q in queries if q.id not in journal):
        journal.append(Ranking(q, tuple(Candidate(f"d{i}", score=5.0 - i) for i in range(5))))
    journal.finish(run, queries)
"""


def test_kill_minus_nine_at_random_moments_loses_and_doubles_nothing(tmp_path):
    rng, run = random.Random(7), tmp_path / "run.trec"
    command = [sys.executable, "-c", WORK, str(tmp_path / "job"), str(run)]
    killed = 0
    for _ in range(5):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(rng.uniform(0, 0.06))
            process.send_signal(signal.SIGKILL)
        killed += process.returncode == -signal.SIGKILL
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert killed
    assert list(read_run(run)) == [f"q{i}" for i in range(3000)]
    assert {len(documents) for documents in read_run(run).values()} == {5}
    assert sorted(os.listdir(tmp_path)) == ["run.trec"]
