"""Building: refusals, bounded batches, and kills at any moment."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.index.swap import NEW, OLD
from anyrank.store.manifest import FORMAT, NAME, Manifest

CHILD = """
import sys
from anyrank.core.types import Candidate
from anyrank.index.build import build
docs = (Candidate(f"d{i}", f"word{i % 97} text number {i}", meta={"n": i}) for i in range(int(sys.argv[2])))
build(docs, sys.argv[1], batch=100, on_progress=lambda n: print(n, flush=True))
"""


class Stop(Exception):
    pass


def failing(docs, after):
    yield from docs[:after]
    raise Stop


def test_progress_counts_committed_documents(tmp_path, make):
    seen = []
    build(make(25), tmp_path / "x", batch=10, on_progress=seen.append)
    assert seen == [10, 20, 25]


def test_a_stopped_build_says_how_to_finish_and_goes_on(tmp_path, make):
    docs, path, seen = make(25), tmp_path / "x", []
    with pytest.raises(Stop):
        build(failing(docs, 17), path, batch=5)
    with pytest.raises(InputError, match=r"stopped after 15 documents: run the same build again"):
        Collection.open(path)
    again = build(docs, path, batch=4, on_progress=seen.append)
    assert seen == [19, 23, 25]
    assert list(again.documents()) == docs


def test_an_unfinished_build_wants_the_same_corpus_and_options(tmp_path, make):
    docs, path = make(25), tmp_path / "x"
    with pytest.raises(Stop):
        build(failing(docs, 17), path, batch=5)
    with pytest.raises(InputError, match=r"document 1 of this corpus \('d1'\) is not the one committed \('d0'\)"):
        build(docs[1:], path)
    with pytest.raises(InputError, match=r"ends after 10 documents, before the last one committed \(15\)"):
        build(docs[:10], path)
    with pytest.raises(InputError, match="language='english'"):
        build(docs, path, language="german")
    assert len(build(docs[1:], path, overwrite=True)) == 24


@pytest.mark.parametrize("part", ["text", "field", "title", "id", "order"])
def test_a_build_goes_on_only_if_every_committed_document_is_the_same(tmp_path, make, part):
    docs, path = make(10), tmp_path / "x"
    with pytest.raises(Stop):
        build(failing(docs, 6), path, batch=5)
    old = docs[2]
    changed = list(docs)
    if part == "order":
        changed[1], changed[2] = docs[2], docs[1]
    else:
        meta = (
            {**old.meta, "field": 1} if part == "field" else {**old.meta, "title": "T"} if part == "title" else old.meta
        )
        content = f"{old.content}." if part == "text" else old.content
        changed[2] = Candidate("other" if part == "id" else old.id, content, meta=meta)
    with pytest.raises(InputError, match=r"document [23] of this corpus .* overwrite"):
        build(changed, path)
    later = [*docs[:7], Candidate("new", "text")]
    assert list(build(later, path).documents()) == later


@pytest.mark.parametrize(("first", "second"), [(3, 4), (3, 24), (0, 11)])
def test_an_id_that_comes_twice_is_named(tmp_path, make, first, second):
    docs = make(25)
    docs[second] = Candidate(docs[first].id, "another")
    with pytest.raises(InputError, match=repr(docs[first].id)):
        build(docs, tmp_path / "x", batch=10)
    assert len(build(make(25), tmp_path / "x", batch=10)) == 25


def test_a_complete_index_is_kept_unless_told(tmp_path, make):
    path = tmp_path / "x"
    build(make(5), path)
    with pytest.raises(InputError, match="overwrite=True"):
        build(make(6), path)
    assert len(Collection.open(path)) == 5
    assert len(build(make(6), path, overwrite=True)) == 6


@pytest.mark.parametrize("after", [0, 7])
def test_a_failed_first_build_leaves_nothing(tmp_path, make, after):
    with pytest.raises(Stop):
        build(failing(make(25), after), tmp_path / "deep" / "x", batch=10)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty").mkdir()
    with pytest.raises(Stop):
        build(failing(make(25), after), tmp_path / "empty", batch=10)
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize("committed", [0, 10])
def test_a_failed_overwrite_leaves_the_old_index(tmp_path, make, committed):
    path = tmp_path / "x"
    docs = [Candidate("old", "wing")]
    build(docs, path)
    before = sorted(p.name for p in path.iterdir())
    with pytest.raises(Stop):
        build(failing(make(25), committed + 1), path, overwrite=True, batch=10)
    assert list(Collection.open(path).documents()) == docs
    assert Collection.open(path).lexical.search(["wing"], 3)[0][0][0] == "old"
    assert sorted(p.name for p in path.iterdir()) == before


def test_an_overwrite_takes_the_place_and_leaves_other_files(tmp_path, make):
    path = tmp_path / "x"
    build([Candidate("old", "wing")], path)
    (path / "notes.txt").write_text("mine")
    (path / "vectors" / "e").mkdir(parents=True)
    docs = make(3)
    assert list(build(docs, path, overwrite=True).documents()) == docs
    assert not (path / "vectors").exists()
    assert (path / "notes.txt").read_text() == "mine"
    assert not [p.name for p in path.iterdir() if p.name.startswith(".")]


def test_a_relative_path_and_a_link_are_overwritten(tmp_path, make, monkeypatch):
    build(make(2), tmp_path / "x")
    (tmp_path / "link").symlink_to("x")
    assert len(build(make(3), tmp_path / "link", overwrite=True)) == 3
    monkeypatch.chdir(tmp_path / "x")
    assert len(build(make(4), ".", overwrite=True)) == 4
    assert len(Collection.open(tmp_path / "link")) == 4


@pytest.mark.parametrize("step", range(1, 5))
def test_a_swap_stopped_at_any_step_is_finished_by_the_next_build(tmp_path, make, monkeypatch, step):
    path, moves = tmp_path / "x", []
    build([Candidate("old", "wing")], path)
    rename = Path.rename

    def stopping(self, target):
        if NEW in self.parts or OLD in Path(target).parts:
            moves.append(self)
            if len(moves) == step + 1:
                raise Stop
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stopping)
    with pytest.raises(Stop):
        build(make(3), path, overwrite=True)
    monkeypatch.undo()
    with pytest.raises(InputError, match="holds no collection"):
        Collection.open(path)
    with pytest.raises(InputError, match="holds a complete collection"):
        build(make(5), path)
    assert list(Collection.open(path).documents()) == make(3)
    assert len(build(make(5), path, overwrite=True)) == 5


def test_foreign_folders_and_files_are_left_alone(tmp_path, make):
    (tmp_path / "mine.txt").write_text("x")
    for path, words in [(tmp_path, "other files"), (tmp_path / "mine.txt", "is a file")]:
        with pytest.raises(InputError, match=words):
            build(make(1), path)
        with pytest.raises(InputError, match="holds no collection"):
            Collection.open(path)
    with pytest.raises(InputError, match="does not exist"):
        Collection.open(tmp_path / "nowhere")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "isn't the manifest of an anyrank collection"),
        ("[]", "isn't the manifest of an anyrank collection"),
        ('{"kind": "x"}', "isn't the manifest of an anyrank collection"),
        ('{"kind": "anyrank collection"}', "isn't the manifest of an anyrank collection"),
        ('{"kind": "anyrank collection", "format": 1}', "lacks the fields language"),
    ],
)
def test_a_damaged_manifest_is_named(tmp_path, text, words):
    (tmp_path / NAME).write_text(text)
    with pytest.raises(InputError, match=words):
        Manifest.read(tmp_path)


@pytest.mark.parametrize("text", ["", "{", '{"kind": "anyrank collection"}', "\0" * 40])
def test_a_damaged_manifest_is_cured_by_overwrite(tmp_path, make, text):
    build(make(3), tmp_path / "x")
    (tmp_path / "x" / NAME).write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json: .*--overwrite"):
        Collection.open(tmp_path / "x")
    with pytest.raises(InputError, match=r"manifest\.json"):
        build(make(4), tmp_path / "x")
    assert len(build(make(4), tmp_path / "x", overwrite=True)) == 4


def test_a_manifest_of_another_program_is_not_replaced(tmp_path, make):
    (tmp_path / NAME).write_text('{"name": "a browser extension"}')
    with pytest.raises(InputError, match="isn't the manifest"):
        build(make(1), tmp_path, overwrite=True)
    assert "browser" in (tmp_path / NAME).read_text()


def test_a_newer_format_asks_for_an_upgrade(tmp_path, make):
    build(make(1), tmp_path / "x")
    path = tmp_path / "x" / NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": FORMAT + 1, "new": 1}))
    with pytest.raises(InputError, match="upgrade anyrank"):
        Collection.open(tmp_path / "x")


def test_a_missing_engine_folder_is_named(tmp_path, make):
    build(make(1), tmp_path / "x")
    (tmp_path / "x" / "lexical" / "meta.json").unlink()
    with pytest.raises(InputError, match="lexical"):
        Collection.open(tmp_path / "x")


def test_an_empty_corpus_is_an_empty_index(tmp_path):
    collection = build([], tmp_path / "x")
    assert len(collection) == 0
    assert collection.lexical.search(["a word"], 3) == [[]]
    assert list(collection.ids()) == []
    assert collection.add([Candidate("a", "word")]) == 1
    assert collection.lexical.search(["word"], 3)[0][0][0] == "a"


def test_killed_builds_end_with_exactly_the_corpus(tmp_path):
    n, path, rng, kills = 4000, tmp_path / "x", random.Random(7), 0
    for attempt in range(30):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path), str(n)], stdout=subprocess.PIPE, text=True)
        if attempt < 5:
            child.stdout.readline()  # it has begun to commit
            time.sleep(rng.random() * 0.15)
            child.send_signal(signal.SIGKILL)
        child.communicate()
        kills += child.returncode == -signal.SIGKILL
        if child.returncode == 0:
            break
    assert kills >= 3
    collection = Collection.open(path)
    assert list(collection.ids()) == [f"d{i}" for i in range(n)]
    assert [c.meta["n"] for c in collection.documents()] == list(range(n))
    assert len(collection.lexical.search(["word13"], n)[0]) == len(range(13, n, 97))
