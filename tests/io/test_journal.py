import os
import random
import signal
import subprocess
import sys
import time

import pytest

from anyrank import Candidate, InputError, Query, Ranking, Step, Usage
from anyrank.io import Journal, fingerprint, read_run

SETTINGS = {"pipeline": "bm25 % 3", "depth": 3}
QUERIES = [Query(i, f"text {i}") for i in ("b", "é d", "a")]


def job(q):
    """What stands for the work: a ranking that depends on the query alone."""
    found = tuple(Candidate(f"d{len(q.id)}{i}", "content", 2.0 - i / 3) for i in range(2))
    return Ranking(q, found, (Step("s", 0.25, Usage(2, repairs={"x": 1}), ("note",)),))


def written(path, queries=QUERIES):
    with Journal.open(path, SETTINGS) as journal:
        for q in queries:
            journal.append(job(q))
    return path.read_bytes()


def test_a_journal_cut_off_at_any_byte_resumes_with_nothing_lost_and_nothing_twice(tmp_path):
    path = tmp_path / "job"
    whole = written(path)
    ends = [i + 1 for i, b in enumerate(whole) if b == 10]
    assert len(ends) == 1 + len(QUERIES)
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        with Journal.open(path, SETTINGS, resume=True) as journal:
            todo = journal.todo(QUERIES)
            complete = max(0, sum(end <= cut for end in ends) - 1)
            assert todo == QUERIES[complete:]
            for q in todo:
                journal.append(job(q))
            assert list(journal.rankings(QUERIES)) == [without_content(job(q)) for q in QUERIES]
        assert path.read_bytes() == whole


def without_content(ranking):
    return Ranking(ranking.query, tuple(Candidate(c.id, score=c.score) for c in ranking), ranking.trace)


def test_bytes_of_another_kind_after_the_cut_are_dropped_too(tmp_path):
    path = tmp_path / "job"
    whole = written(path)
    for junk in (b"\0" * 50, b"12 deadbeef {}", b"12 deadbeef {}\n", b"\n", b"\xff"):
        path.write_bytes(whole + junk)
        with Journal.open(path, SETTINGS, resume=True) as journal:
            assert journal.todo(QUERIES) == []
        assert path.read_bytes() == whole


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
    whole = written(path)
    other = {**SETTINGS, "depth": 5}
    with pytest.raises(InputError) as error:
        Journal.open(path, other, resume=True)
    for part in (str(path), fingerprint(SETTINGS), fingerprint(other), "depth: 3 then, 5 now"):
        assert part in str(error.value)
    assert "pipeline" not in str(error.value)
    assert path.read_bytes() == whole


def test_what_is_not_a_fit_journal_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "job"
    whole = written(path)
    first, second, *rest = whole.splitlines(keepends=True)
    for content, says in [
        (b"my notes", "job:1: this is no journal"),
        (b"1 note", "job:1: this is no journal"),
        (b"q1 Q0 d1 1 2.5 t\n", "job:1: this is no journal"),
        (b'9 01234567 {"id": 1}\n', "job:1: this is no journal"),
        (first + second[:-2] + b"\n" + b"".join(rest), "job:2: a damaged line before the last"),
        (first + second.replace(b"d10", b"d11") + b"".join(rest), "job:2: a damaged line before the last"),
        (first + second + second, "job:3: query 'b' stands twice"),
    ]:
        path.write_bytes(content)
        with pytest.raises(InputError) as error:
            Journal.open(path, SETTINGS, resume=True)
        assert says in str(error.value)
        assert path.read_bytes() == content
    path.write_bytes(whole)
    with pytest.raises(InputError, match="there is a file already: resume the job, or delete it"):
        Journal.open(path, SETTINGS)
    with pytest.raises(InputError, match="can't be opened: No such file"):
        Journal.open(tmp_path / "no" / "job", SETTINGS)


def test_a_query_is_written_once_by_one_process(tmp_path):
    with Journal.open(tmp_path / "job", SETTINGS) as journal:
        journal.append(job(QUERIES[0]))
        with pytest.raises(InputError, match="query 'b' is finished already"):
            journal.append(job(QUERIES[0]))
        with pytest.raises(InputError, match="query 'a' can't be written: Out of range"):
            journal.append(Ranking(Query("a"), (Candidate("d", score=float("nan")),)))
        with pytest.raises(InputError, match="another process is writing this journal"):
            Journal.open(tmp_path / "job", SETTINGS, resume=True)
        assert journal.todo(QUERIES) == QUERIES[1:]


WORK = """
import sys
from anyrank import Candidate, Query, Ranking
from anyrank.io import Journal

journal_path, run = sys.argv[1:]
queries = [Query(f"q{i}", "?") for i in range(3000)]
with Journal.open(journal_path, {"n": 3000}, resume=True) as journal:
    print("open", flush=True)
    for q in journal.todo(queries):
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
    assert {len(found) for found in read_run(run).values()} == {5}
    assert sorted(os.listdir(tmp_path)) == ["run.trec"]
