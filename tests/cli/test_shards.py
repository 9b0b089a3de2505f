"""``--shard``, ``anyrank merge`` and ``--on``: the results are byte for byte those of one process."""

import json
import random
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.core.errors import InputError
from anyrank.index.collection import Collection
from anyrank.scale import workers
from anyrank.scale.manifest import Manifest

WORDS = "wing lift drag flow heat shock boundary layer plate jet nozzle speed mach cone body wake".split()  # noqa: SIM905


def call(*args):
    result = CliRunner().invoke(cli, [str(a) for a in args], standalone_mode=False)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def texts(n, seed):
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(2, 9))) for _ in range(n)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A corpus of 70 documents, 40 queries, and the corpus's index, in the working folder."""
    monkeypatch.chdir(tmp_path)
    documents = [{"_id": f"dé{i}", "text": t, "title": WORDS[i % 16]} for i, t in enumerate(texts(70, 1))]
    Path("corpus.jsonl").write_text("".join(json.dumps(d) + "\n" for d in documents))
    queries = ["the", "zebra", *texts(38, 2)]
    Path("q.tsv").write_text("".join(f"q{i}\t{t}\n" for i, t in enumerate(queries)))
    call("index", "corpus.jsonl", "-o", "ix")
    return tmp_path


def sharded(of, *args):
    """Run a command for every shard, merge them, and return the bytes of the whole."""
    for n in range(1, of + 1):
        assert call(*args, "-o", "whole", "--shard", f"{n}/{of}").return_value == 0
    call("merge", *sorted(Path().glob(f"whole.*-of-{of}")), "-o", "whole")
    return Path("whole").read_bytes()


JOBS = {
    "search": ["search", "ix", "--queries", "q.tsv", "-p", "bm25 % 5"],
    "rerank": ["rerank", "--run", "bm25", "--queries", "q.tsv", "--documents", "ix", "-p", "prior", "--depth", 3],
    "distill": ["distill", "--queries", "q.tsv", "--index", "ix", "--teacher", "prior"],
    "synth": ["synth", "questions", "ix", "--easy", 1, "--hard", 1],
}


@pytest.mark.parametrize("of", [2, 7])
@pytest.mark.parametrize("job", JOBS)
def test_merged_shards_are_the_bytes_of_one_process(folder, job, of):
    call(*JOBS["search"], "-o", "bm25")
    call(*JOBS[job], "-o", "one")
    whole = sharded(of, *JOBS[job])
    assert whole == Path("one").read_bytes()
    assert whole.count(b"\n") > 20
    if job == "search":
        one, traces = (Path(f"{name}.trace.jsonl").read_text().splitlines() for name in ("one", "whole"))
        assert one[0] == traces[0]  # the run's checksum
        assert [json.loads(t)["query"] for t in one[1:]] == [json.loads(t)["query"] for t in traces[1:]]


@pytest.mark.parametrize("of", [6])  # of 6, the last has no document
def test_merged_indexes_have_the_rows_words_and_vectors_of_one(folder, of, monkeypatch):
    call("index", "corpus.jsonl", "-o", "one", "--encode", "minilm")
    for n in range(1, of + 1):
        call("index", "corpus.jsonl", "-o", "whole", "--encode", "minilm", "--shard", f"{n}/{of}")
    call("merge", *Path().glob(f"whole.*-of-{of}"), "-o", "whole")
    one, whole = Collection.open("one"), Collection.open("whole")
    assert list(one.documents()) == list(whole.documents())
    for query in ("wing lift", "shock wave", "the"):
        assert one.lexical.search([query], 50) == whole.lexical.search([query], 50)
    encoded = one.vectors("minilm")
    queries = encoded.vectors(["dé3", "dé69"])[1]
    for a, b in zip(encoded.search(queries, 70), whole.vectors("minilm").search(queries, 70)):
        assert dict(a) == pytest.approx(dict(b), abs=1e-6)
    assert not whole.vectors("minilm").missing()
    assert call("index", "--check", "whole").return_value == 0


def test_a_merge_replaces_nothing_without_overwrite(folder):
    sharded(2, *JOBS["search"])
    parts = sorted(Path().glob("whole.*-of-2"))
    for existing in ("whole", "corpus.jsonl"):
        with pytest.raises(InputError, match="is there already: use --overwrite"):
            call("merge", *parts, "-o", existing)
    with pytest.raises(InputError, match="is one of the shards"):
        call("merge", *parts, "-o", parts[0], "--overwrite")
    with pytest.raises(InputError, match="is a folder"):
        call("merge", *parts, "-o", "ix", "--overwrite")
    before = Path("whole").read_bytes()
    call("merge", *parts, "-o", "whole", "--overwrite")
    assert Path("whole").read_bytes() == before
    with pytest.raises(
        InputError, match=r"shard 2/2 is missing: anyrank search ix --queries q\.tsv --pipeline 'bm25 % 5'"
    ):
        call("merge", parts[0], "-o", "other")
    assert not Path("other").exists()


def test_indexes_are_not_merged_into_what_is_there(folder):
    for n in (1, 2):
        call("index", "corpus.jsonl", "-o", "part", "--shard", f"{n}/2")
    with pytest.raises(InputError, match="is there already"):
        call("merge", "part.1-of-2", "part.2-of-2", "-o", "ix")
    Path("other").mkdir()
    Path("other/file").touch()
    with pytest.raises(InputError, match="holds other files"):
        call("merge", "part.1-of-2", "part.2-of-2", "-o", "other", "--overwrite")
    call("merge", "part.1-of-2", "part.2-of-2", "-o", "ix", "--overwrite")
    assert len(Collection.open("ix")) == 70
    call("index", "corpus.jsonl", "-o", "part.1-of-2", "--update")  # a shard that changes is no longer that shard
    with pytest.raises(InputError, match="shard 1/2 was changed since it was finished"):
        call("merge", "part.1-of-2", "part.2-of-2", "-o", "again")


def test_a_shard_of_an_index_is_continued_and_refuses_what_does_not_fit(folder):
    call("index", "corpus.jsonl", "-o", "part", "--shard", "1/2")
    call("index", "corpus.jsonl", "-o", "part", "--shard", "1/2", "--encode", "minilm")
    assert Collection.open("part.1-of-2").encoded == ["minilm"]
    for args in (["--ann", "--encode", "minilm"], ["--update"], ["--delete"]):
        with pytest.raises(InputError):
            call("index", "corpus.jsonl", "-o", "part", "--shard", "1/2", *args)
    with pytest.raises(InputError, match="is an index"):
        call("index", "ix", "-o", "part", "--shard", "1/2", "--encode", "minilm")


def test_a_benchmark_in_shards_has_the_figures_of_one(folder):
    lines = [f"Answer.,what has {WORDS[i % 16]},\"['a {WORDS[i % 16]}', 'b']\",0\n" for i in range(70)]
    Path("arc-test.csv").write_text("instructions,queries,documents,labels\n" + "".join(lines))
    job = ["bench", "run", "rarb", "-p", "bm25", "--data", "."]
    call(*job, "-o", "one")
    whole = sharded(2, *job)
    assert whole == Path("one").read_bytes()
    assert "accuracy" in call("merge", *Path().glob("whole.*-of-2"), "-o", "again").stdout


def test_a_finished_shard_of_another_job_is_no_result_of_this_one(folder, inline):
    args = [*JOBS["search"], "-o", "out", "--shard", "1/2"]
    call(*args)
    with pytest.raises(InputError, match="shard 1/2 is there, of another job: pipeline 'bm25 % 5' instead of 'bm25'"):
        call("search", "ix", "--queries", "q.tsv", "-p", "bm25", "-o", "out", "--shard", "1/2", "--resume")
    inline.add("2/8")
    job = [*JOBS["search"], "-o", "whole", "--on", "processes:2"]
    call(*job)
    inline.clear()
    Path("q.tsv").write_text(Path("q.tsv").read_text().replace("zebra", "wing"))
    with pytest.raises(InputError, match="of another job: files"):
        call(*job, "--resume")
    assert not Path("whole").exists()
    call("index", "corpus.jsonl", "-o", "part", "--shard", "1/2")
    for text, changed in (("lift", "drift"), ("\n", "\n" + json.dumps({"_id": "new", "text": "x"}) + "\n")):
        other = Path("corpus.jsonl").read_text().replace(text, changed, 1)
        Path("other.jsonl").write_text(other)
        with pytest.raises(InputError, match="is not the one committed"):
            call("index", "other.jsonl", "-o", "part", "--shard", "1/2")
    with pytest.raises(InputError, match="built with language='english'"):
        call("index", "corpus.jsonl", "-o", "part", "--shard", "1/2", "--language", "german")
    with pytest.raises(InputError, match="--report shows a whole job"):
        call(*JOBS["synth"], "-o", "s", "--report", "r.html", "--shard", "1/2")


def test_shards_need_a_file_in_and_a_file_out(folder):
    with pytest.raises(InputError, match="--shard needs --out"):
        call("search", "ix", "--queries", "q.tsv", "--shard", "1/2")
    with pytest.raises(InputError, match=r"standard input \(queries\) can't"):
        call("search", "ix", "--queries", "-", "-o", "out", "--shard", "1/2")
    with pytest.raises(InputError, match="give one of them"):
        call(*JOBS["search"], "-o", "out", "--shard", "1/2", "--on", "processes:2")


def test_a_finished_shard_is_not_made_twice(folder):
    args = [*JOBS["search"], "-o", "out", "--shard", "1/2"]
    call(*args)
    assert "shard 1/2 is done already" in call(*args, "--resume").stderr
    with pytest.raises(InputError, match="it holds finished results"):
        call(*args)
    Path("out.1-of-2").write_text("")
    with pytest.raises(InputError, match="was changed since it was finished"):
        call(*args, "--resume")
    call(*args, "--overwrite")
    assert Path("out.1-of-2").stat().st_size


@pytest.fixture
def inline(monkeypatch):
    """Workers that run in this process; the shards in ``lost`` are not done, as if the job was killed."""
    lost = set()

    def run(self, work, shards):
        for shard in shards:
            if str(shard) not in lost:
                yield shard, work(shard)

    monkeypatch.setattr(workers.Workers, "run", run)
    return lost


@pytest.mark.parametrize("job", JOBS)
def test_workers_give_the_bytes_of_one_process(folder, inline, job):
    call(*JOBS["search"], "-o", "bm25")
    call(*JOBS[job], "-o", "one")
    call(*JOBS[job], "-o", "whole", "--on", "processes:2")
    assert Path("whole").read_bytes() == Path("one").read_bytes()
    assert not list(Path().glob("whole*-of-*"))
    with pytest.raises(InputError, match="is there already"):
        call(*JOBS[job], "-o", "whole", "--on", "processes:2")


def test_an_index_is_built_by_workers(folder, inline):
    inline.add("2/8")
    assert call("index", "corpus.jsonl", "-o", "new", "--on", "processes:2").return_value == 1
    inline.clear()
    assert call("index", "corpus.jsonl", "-o", "new", "--on", "processes:2").return_value == 0
    assert list(Collection.open("new").documents()) == list(Collection.open("ix").documents())


def test_a_job_that_was_stopped_goes_on_from_its_finished_shards(folder, inline, capsys):
    call(*JOBS["search"], "-o", "one")
    job = [*JOBS["search"], "-o", "whole", "--on", "processes:2"]
    inline.update({"3/8", "4/8"})
    stopped = call(*job)
    assert stopped.return_value == 1
    assert "shards 3/8, 4/8 are not finished: --resume tries them again" in stopped.stderr
    inline.clear()
    with pytest.raises(InputError, match="shards of an earlier job are there"):
        call(*job)
    # the number of shards is that of the stopped job, whatever the workers are now
    assert "6 of 8 shards are done" in call(*job[:-1], "processes:5", "--resume").stderr
    assert Path("whole").read_bytes() == Path("one").read_bytes()
    inline.add("1/8")
    call(*job, "--overwrite")
    inline.clear()
    assert call(*job, "--overwrite").return_value == 0  # what was begun is removed
    assert Path("whole").read_bytes() == Path("one").read_bytes()


def test_the_error_of_a_worker_is_the_error_of_the_command(folder, inline):
    with pytest.raises(InputError, match=r"shard 1/8: .*holds no vectors"):
        call("search", "ix", "--queries", "q.tsv", "-p", "minilm", "-o", "out", "--on", "processes:2")


def test_processes_of_this_machine(folder):
    call(*JOBS["search"], "-o", "one")
    call(*JOBS["search"], "-o", "whole", "--on", "processes:1")
    assert Path("whole").read_bytes() == Path("one").read_bytes()
    assert "tantivy" in sys.modules


def test_a_merge_removes_nothing_beside_its_output(folder):
    for n in (1, 2):
        call("index", "corpus.jsonl", "-o", "parts", "--shard", f"{n}/2")
    for name in ("my.index.old", "my.index.merging"):
        Path(name).mkdir()
        (Path(name) / "kept.txt").write_text("kept")
    for overwrite in ([], ["--overwrite"]):
        call("merge", *sorted(Path().glob("parts.*-of-2")), "-o", "my.index", *overwrite)
        assert len(Collection.open("my.index")) == 70
    assert sorted(p.parent.name for p in Path().glob("*/kept.txt")) == ["my.index.merging", "my.index.old"]
    assert not list(Path().glob("my.index.*.merging"))


def test_only_the_shards_of_an_output_are_removed(folder, inline):
    for name in ("run.best-of-3", "run.notes-of-2024", "run.4-of-3"):
        Path(name).write_text("kept")
    call("search", "ix", "--queries", "q.tsv", "-p", "bm25", "-o", "run", "--on", "processes:1", "--overwrite")
    assert sorted(p.name for p in Path().glob("run.*-of-*")) == ["run.4-of-3", "run.best-of-3", "run.notes-of-2024"]
    Path("run.1-of-2").write_text("")
    Path("run.1-of-3").write_text("")
    arguments = ["search", "ix", "--queries", "q.tsv", "-p", "bm25", "-o", "run", "--on", "processes:1", "--resume"]
    with pytest.raises(InputError, match="is there already"):
        call(*arguments)
    Path("run").unlink()
    with pytest.raises(InputError, match="shards of jobs of 2 and 3 parts are there"):
        call(*arguments)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda trace: trace.unlink(), "the trace of shard 1/2 is gone: make it again: anyrank search"),
        (lambda trace: trace.write_text(""), "has -1 of 24 queries: make it again"),
        (lambda trace: trace.write_text("\n".join(trace.read_text().split("\n")[:5]) + "\n"), "has 4 of 24 queries"),
    ],
)
def test_a_damaged_trace_of_a_shard_is_named_before_anything_is_written(folder, damage, message):
    for n in (1, 2):
        call("search", "ix", "--queries", "q.tsv", "-p", "bm25 % 5", "-o", "run", "--shard", f"{n}/2")
    damage(Path("run.1-of-2.trace.jsonl"))
    with pytest.raises(InputError, match=message):
        call("merge", "run.1-of-2", "run.2-of-2", "-o", "run")
    assert not Path("run").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"lines": ["a"]},
        {"lines": []},
        {"settings": None},
        {"of": "2"},
        {"of": None},
        {"number": [1]},
        {"block": 0},
        {"kind": "x"},
        {"settings": {"files": 3}},
        {"settings": {"files": [["a"]]}},
        {"number": 3},
    ],
)
def test_a_manifest_that_no_command_writes_is_refused(folder, change):
    for n in (1, 2):
        call("search", "ix", "--queries", "q.tsv", "-p", "bm25 % 5", "-o", "run", "--shard", f"{n}/2")
    manifest = Path("run.1-of-2.shard.json")
    written = manifest.read_text()
    replace(Manifest.read(Path("run.1-of-2")), **change).write(Path("run.1-of-2"))
    with pytest.raises(InputError, match=r"can't be read \((?!its checksum)"):
        call("merge", "run.1-of-2", "run.2-of-2", "-o", "run")
    manifest.write_text(json.dumps(json.loads(written) | change))
    with pytest.raises(InputError, match="its checksum is not that of what was written"):
        call("merge", "run.1-of-2", "run.2-of-2", "-o", "run")
    assert not Path("run").exists()


def test_a_manifest_that_miscounts_the_lines_is_refused(folder):
    for n in (1, 2):
        call("search", "ix", "--queries", "q.tsv", "-p", "bm25 % 5", "-o", "run", "--shard", f"{n}/2")
    manifest = Manifest.read(Path("run.1-of-2"))
    replace(manifest, lines=[1] * len(manifest.lines)).write(Path("run.1-of-2"))
    with pytest.raises(InputError, match="its manifest counts other lines than it has"):
        call("merge", "run.1-of-2", "run.2-of-2", "-o", "run")
    assert not Path("run").exists()


def test_shards_of_synth_over_a_corpus_are_of_one_job(folder):
    """Each of them indexes the corpus for itself."""
    job = ["synth", "questions", "corpus.jsonl", "--easy", 1, "--hard", 1]
    call(*job, "-o", "one")
    assert sharded(3, *job) == Path("one").read_bytes()
    other = Path("corpus.jsonl").read_text().splitlines(keepends=True)
    Path("other.jsonl").write_text("".join(other[:60]))
    call("synth", "questions", "other.jsonl", *job[3:], "-o", "whole", "--shard", "2/3", "--overwrite")
    with pytest.raises(InputError, match=r"whole.2-of-3: shard 2/3 is of another job than .*other.jsonl"):
        call("merge", *Path().glob("whole.*-of-3"), "-o", "again")


def test_a_part_without_rows_has_nothing_to_warn_of(folder):
    assert "nothing to train on" not in call("synth", "questions", "ix", "-o", "s", "--shard", "7/7").stderr
    assert Path("s.7-of-7").read_bytes() == b""


def test_a_stopped_shard_is_finished_by_the_command_that_the_merge_names(folder, monkeypatch):
    from anyrank.synth.negatives import RoundTrip

    call(*JOBS["synth"], "-o", "one")
    for n in (1, 3):
        call(*JOBS["synth"], "-o", "s", "--shard", f"{n}/3")
    made, calls = RoundTrip.__call__, []

    def stops(self, batch):
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return made(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(RoundTrip, "__call__", stops)
        with pytest.raises((KeyboardInterrupt, click.Abort)):
            call(*JOBS["synth"], "-o", "s", "--shard", "2/3")
    with pytest.raises(InputError, match=r"shard 2/3 is missing: anyrank synth") as error:
        call("merge", "s.1-of-3", "s.3-of-3", "-o", "s")
    call(*shlex.split(str(error.value).partition("missing: anyrank ")[2]))
    call("merge", *Path().glob("s.*-of-3"), "-o", "s")
    assert Path("s").read_bytes() == Path("one").read_bytes()


def test_manifests_may_be_named_beside_their_shards(folder):
    for n in (1, 2):
        call(*JOBS["search"], "-o", "run", "--shard", f"{n}/2")
    shards = sorted(Path().glob("run.*-of-2")) * 2
    call("merge", *shards, *Path().glob("run.*-of-2.shard.json"), "-o", "run")
    call(*JOBS["search"], "-o", "one")
    assert Path("run").read_bytes() == Path("one").read_bytes()


def test_a_part_of_a_benchmark_is_not_made_again_and_its_data_may_not_change(folder):
    Path("data").mkdir()
    lines = [f"Answer.,what has {WORDS[i % 16]},\"['a {WORDS[i % 16]}', 'b']\",0\n" for i in range(130)]
    data = Path("data/arc-test.csv")
    data.write_text("instructions,queries,documents,labels\n" + "".join(lines))
    job = ["bench", "run", "rarb", "-p", "bm25", "--data", "data"]
    for n in (1, 2):
        call(*job, "-o", "b", "--shard", f"{n}/2")
    assert "shard 2/2 is done already" in call(*job, "-o", "b", "--shard", "2/2", "--resume").stderr
    Path("b.1-of-2").rename("gone")
    with pytest.raises(InputError, match=r"shard 1/2 is missing: anyrank bench run .*--shard 1/2 --resume"):
        call("merge", "b.2-of-2", "-o", "b")
    Path("gone").rename("b.1-of-2")
    written = data.read_text()
    data.write_text(written.replace(",0\n", ",1\n"))
    with pytest.raises(InputError, match="data: the data has changed since the shards were made"):
        call("merge", "b.1-of-2", "b.2-of-2", "-o", "b")
    with pytest.raises(InputError, match="shard 2/2 is there, of another job: files"):
        call(*job, "-o", "b", "--shard", "2/2", "--resume")
    data.write_text(written)
    call("merge", "b.1-of-2", "b.2-of-2", "-o", "b")
    Path("data").rename("elsewhere")
    with pytest.raises(InputError, match="data: the data of the benchmark is gone"):
        call("merge", "b.1-of-2", "b.2-of-2", "-o", "b", "--overwrite")


def test_shards_over_two_states_of_a_linked_index_are_of_two_jobs(folder):
    for n in (1, 2):
        call("index", "corpus.jsonl", "-o", "parts", "--shard", f"{n}/2")
    call("merge", "parts.1-of-2", "parts.2-of-2", "-o", "linked", "--link")
    call("search", "linked", "--queries", "q.tsv", "-p", "bm25", "-o", "run", "--shard", "1/2")
    Collection.open("parts.1-of-2").delete([next(iter(Collection.open("parts.1-of-2").documents())).id])
    call("search", "linked", "--queries", "q.tsv", "-p", "bm25", "-o", "run", "--shard", "2/2")
    with pytest.raises(InputError, match="is of another job"):
        call("merge", "run.1-of-2", "run.2-of-2", "-o", "run")


def test_a_copy_takes_no_other_options(folder):
    with pytest.raises(InputError, match="--copy takes an index and -o alone"):
        call("index", "--copy", "ix", "-o", "copy", "--encode", "minilm")
    with pytest.raises(InputError, match="--shard and --on build an index"):
        call("index", "--copy", "ix", "-o", "copy", "--shard", "1/2")
