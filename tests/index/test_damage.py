"""Damaged files: every file of an index, cut short or changed, is named with its cure, and the cure works."""

import json
import logging
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from anyrank import Index
from anyrank.cli import cli
from anyrank.core.errors import InputError
from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.index.check import check
from anyrank.index.collection import Collection
from anyrank.index.vector_store import VectorStore
from anyrank.store.checksums import checksum
from anyrank.store.engine_files import STATE, EngineState, engine_problems
from anyrank.store.rows import RowWriter
from anyrank.vectors import Encoded, Sparse, Tokens

DOCS = [Candidate(f"d{i}", f"wing number {i} of {' lift' * (i % 5)}.", meta={"n": i}) for i in range(40)]


class Letters:
    """Counts of letters, of any kind of vectors."""

    def __init__(self, name):
        self.name = name

    def encode(self, contents, *, query=False):
        rows = np.array([[c.count(x) for x in "abcdefghijklmno"] for c in contents], np.float32)
        if self.name == "sparse":
            return Encoded(Sparse.of([{int(i): float(r[i]) for i in np.flatnonzero(r)} for r in rows], 15))
        return Encoded(Tokens.of([r[None, :] for r in rows]) if self.name == "tokens" else rows)


META_FILE = "lexical/meta.json"
KINDS = [Letters(n) for n in ("dense", "sparse", "tokens")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "x"
    collection = build(DOCS, path)
    for encoder in KINDS:
        collection.encode(encoder, shard=25)
    collection.delete(["d3"])
    collection.update([Candidate("d5", "wing changed"), Candidate("new", "wing of paper")], {e.name: e for e in KINDS})
    return path


@pytest.fixture
def path(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "x")
    return tmp_path / "x"


def files(folder):
    """The files of an index that hold something that is served: no locks, and of the engine those of its segments."""
    state = EngineState.read(folder / "lexical")
    segments = {str(s).replace("-", "") for s in state.commit[1:]}
    names = [p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*")) if p.is_file()]
    return [n for n in names if not n.startswith("lexical/") or n[8:].split(".")[0] in segments or n == META_FILE]


def use(folder):
    """All that is served: ids, contents, scores of every index."""
    collection = Collection.open(folder)
    out = [[(c.id, c.content, dict(c.meta)) for c in collection.documents()]]
    out.append([m[:50] for m in collection.lexical.search(["wing lift", "changed"], 50)])
    for encoder in KINDS:
        index = collection.vectors(encoder.name)
        out.append([list(m) for m in index.search(encoder.encode(["a wing of lift"]).vectors, 50)])
        positions, vectors = index.vectors(["d1", "d5", "new"])
        out.append([positions, [n.tolist() for n in vectors.arrays().values()]])
    return out


def damage(file, how):
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    if how == "bit":
        data[middle] ^= 1
    elif how == "run":
        data[middle : middle + 64] = bytes((b + 1) % 256 for b in data[middle : middle + 64])
    elif how == "end":
        data[-1] ^= 0x10
    elif how == "cut":
        del data[middle:]
    elif how == "empty":
        data.clear()
    file.write_bytes(data)
    if how == "gone":
        file.unlink()


@pytest.mark.parametrize("shift", [0, 3])
def test_damage_of_every_file_ends_in_an_error_with_file_and_cure_or_changes_nothing(whole, path, shift):
    expected = use(whole)
    assert check(whole).problems == []
    assert check(whole).unchecked == []
    ways = ["bit", "run", "end", "cut", "empty", "gone"]
    for number, name in enumerate(files(path)):
        how = ways[(number + shift) % 6]
        shutil.rmtree(path)
        shutil.copytree(whole, path)
        damage(path / name, how)
        reported = [str(e) for e in check_or_error(path)]
        error, result = outcome(path)
        if error:
            assert re.search(r"`anyrank index|built|does not exist|manifest|encode", error), f"{name}: {error}"
            assert reported, f"{name}: {error}"
        else:
            assert result == expected, name
        if name.endswith((".npy", ".bin", ".ids", ".idx")) or (name == "rows.crc" and how != "gone"):
            assert reported, name


def outcome(path):
    """The error of using an index, or what it serves."""
    try:
        return "", use(path)
    except InputError as error:
        return str(error), None


def check_or_error(path):
    try:
        return check(path).problems
    except InputError as error:
        return [error]


def test_the_check_names_a_damaged_row_and_an_update_of_its_document_cures_it(path):
    data = bytearray((path / "rows.bin").read_bytes())
    data[data.index(b"number 7") + 7] = ord("8")  # still JSON
    (path / "rows.bin").write_bytes(data)
    (problem,) = check(path).problems
    assert re.search(r"rows\.bin: is damaged: row 7 is not what was written: build .*--overwrite", str(problem))
    collection = Collection.open(path)
    assert collection.lexical.search(["wing"], 50)[0].ids  # ids are whole
    with pytest.raises(InputError, match="row 7"):
        collection.get(["d7"])
    assert collection.get(["d8"])[0].content.startswith("wing number 8")
    collection.update([DOCS[7]], {e.name: e for e in KINDS})
    assert check(path).problems == []


@pytest.mark.parametrize("kind", [e.name for e in KINDS])
def test_damaged_vectors_are_made_again_by_encoding(whole, path, kind, caplog):
    expected = use(whole)
    encoder = next(e for e in KINDS if e.name == kind)
    folder = path / "vectors" / kind
    for part, pattern in {(p.parent.name[:5], p.name) for p in folder.rglob("*.npy")}:
        file = max(folder.glob(f"{part}*/{pattern}"))
        damage(file, "bit")
        with pytest.raises(InputError, match=rf"anyrank index CORPUS -o .* --encode {kind}`"):
            use(path)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            Collection.open(path).encode(encoder)
        assert f"{file.parent.name}/{file.name}" in caplog.text
        assert check(path).problems == []
    assert [sorted(part) if i in (2, 4, 6) else part for i, part in enumerate(use(path))] == [
        sorted(part) if i in (2, 4, 6) else part for i, part in enumerate(expected)
    ]


def test_vectors_read_by_id_are_checked_too_and_an_empty_folder_is_no_damage(path):
    (path / "vectors" / "killed").mkdir()  # a kill between the folder and its vectors.json
    assert check(path).problems == []
    damage(path / "vectors" / "dense" / "shard-000001" / "dense.npy", "bit")
    index = Collection.open(path).vectors("dense")
    with pytest.raises(InputError, match=r"dense\.npy: is damaged"):
        index.vectors(["d1"])


@pytest.mark.parametrize(
    "changed",
    [{"dim": 3}, {"dtype": "float16"}, {"kind": "sparse"}, {"checksum": 7}, {"dim": None}, []],
    ids=["dimension", "format", "kind", "checksum", "nothing", "no object"],
)
def test_a_changed_description_of_vectors_is_damage(path, changed):
    file = path / "vectors" / "dense" / "vectors.json"
    meta = json.loads(file.read_text())
    file.write_text(json.dumps({**meta, **changed} if changed else changed))
    with pytest.raises(InputError, match=r"vectors\.json: is damaged .*delete .*/vectors/dense, then"):
        Collection.open(path).vectors("dense")


def commands(error):
    """The commands that a cure names."""
    return re.findall(r"`anyrank index ([^`]*)`", str(error))


def test_the_cure_of_documents_names_the_commands_that_bring_their_vectors_back(tmp_path):
    path, corpus = tmp_path / "my x", tmp_path / "c.jsonl"
    corpus.write_text("".join(json.dumps({"_id": d.id, "text": d.content}) + "\n" for d in DOCS))
    index = ["index", str(corpus), "-o", str(path), "--language", "none"]
    plaid = ["--encode", "tiny", "--vector-index", "plaid", "--set", "bits=4", "--set", "threshold=0.4"]
    for args in (index, ["index", str(path), "--encode", "minilm"], ["index", str(path), *plaid]):
        assert CliRunner().invoke(cli, args).exit_code == 0
    before = Index.open(path).info()["parts"]
    damage(path / "rows.bin", "cut")
    with pytest.raises(InputError) as caught:
        list(Collection.open(path).documents())
    built, *encoded = commands(caught.value)
    assert built == f"CORPUS -o '{path}' --overwrite --language none"
    assert [shlex.split(c)[2] for c in encoded] == ["anyrank-tiny", "minilm"]
    for command in (built, *encoded):
        args = [str(corpus) if a == "CORPUS" else a for a in shlex.split(command)]
        assert CliRunner().invoke(cli, ["index", *args]).exit_code == 0
    after = Index.open(path).info()["parts"]
    assert [(p["name"], p["state"], p["details"]) for p in after] == [
        (p["name"], p["state"], p["details"]) for p in before
    ]


@pytest.mark.parametrize(
    ("index", "options", "noted", "told"),
    [
        (
            "plaid",
            {"bits": 4, "cells": 3},
            "--vector-index plaid --set bits=4 --set pool=1 --set scoring=plaid --set cells=3",
            "--vector-index plaid --set bits=4",
        ),
        (
            "approximate",
            {"precision": "float32", "connectivity": 8},
            "--vector-index approximate --set precision=float32 --set connectivity=8 --set expansion_add=128 "
            "--set expansion_search=128",
            "--vector-index approximate --set precision=float32",
        ),
        (None, None, "", ""),
    ],
)
def test_the_cure_of_a_damaged_description_repeats_the_choice_of_an_index(path, index, options, noted, told):
    if index == "approximate":
        pytest.importorskip("usearch")
    kind = "tokens" if index == "plaid" else "dense"
    folder = path / "vectors" / kind
    shutil.rmtree(folder)
    Collection.open(path).encode(Letters(kind), index=index, options=options)
    file = folder / "vectors.json"
    meta = json.loads(file.read_text())
    for text, expected in ((json.dumps({**meta, "dim": 3}), noted), (json.dumps(meta)[:-20], told), (None, told)):
        file.write_text(text) if text else file.unlink()
        with pytest.raises(InputError) as caught:
            VectorStore.open(folder)
        assert commands(caught.value)[-1] == f"{path} --encode {kind} {expected}".strip()


def test_a_folder_without_a_manifest_names_the_whole_command(tmp_path):
    with pytest.raises(InputError, match=r"with `anyrank index CORPUS -o '.*my x'`$"):
        Collection.open(tmp_path / "my x")


def test_a_collection_that_lost_its_manifest_is_built_again_after_what_the_error_says(path):
    (path / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"delete .*x, then build it again with `anyrank index CORPUS -o .*x`$"):
        Collection.open(path)
    shutil.rmtree(path)
    assert len(build(DOCS, path)) == len(DOCS)


@pytest.mark.parametrize("cut", [True, False])
def test_the_parts_name_documents_that_lost_their_rows(path, cut):
    file = path / "rows.idx"
    if cut:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        file.unlink()
    documents = Index.open(path).info()["parts"][0]
    assert "rows.idx: is damaged" in documents["state"]
    assert "documents have a row: build the index again" in documents["state"]
    assert documents["documents"] < len(Index.open(path))


@pytest.mark.parametrize("kind", ["dense", "sparse", "tokens"])
def test_vectors_without_their_description_are_named_and_made_again_once(path, kind, whole):
    query, folder = Letters(kind).encode(["lift of a wing"]).vectors, path / "vectors" / kind
    (folder / "vectors.json").unlink()
    (part,) = [p for p in Index.open(path).info()["parts"] if p["name"] == f"vectors of {kind}"]
    (problem,) = check(path).problems
    for text in (part["state"], str(problem)):
        assert "vectors.json is missing" in text
        assert f"--encode {kind}`" in text
    collection = Collection.open(path)
    collection.encode(Letters(kind))
    assert not check(path).problems
    (found,), (before,) = (c.vectors(kind).search(query, 100) for c in (collection, Collection.open(whole)))
    assert list(found) == list(before)
    assert len(set(found.ids)) == len(found)


def test_a_description_of_vectors_without_a_checksum_is_one_of_an_older_version(path):
    file = path / "vectors" / "dense" / "vectors.json"
    meta = json.loads(file.read_text())
    del meta["checksum"]
    file.write_text(json.dumps(meta))
    assert Collection.open(path).vectors("dense").missing() == []


def test_an_encoding_of_whole_vectors_writes_nothing(path):
    before = {n: (path / n).stat().st_mtime_ns for n in files(path)}
    for encoder in KINDS:
        Collection.open(path).encode(encoder)
    assert {n: (path / n).stat().st_mtime_ns for n in files(path)} == before


def test_an_index_of_an_older_version_is_used_and_the_check_says_what_it_could_not_check(tmp_path):
    shutil.copytree(Path(__file__).parent / "format1", tmp_path / "x")
    report = check(tmp_path / "x")
    assert report.problems == []
    assert report.documents == len(Collection.open(tmp_path / "x"))
    text = "\n".join(report.unchecked)
    for part in ("meta.json", "rows.bin: 4 documents", "length: written without", "letters: written without"):
        assert part in text
    Collection.open(tmp_path / "x").update([Candidate("n", "new text")])
    assert "rows.bin: 4 documents" in "\n".join(check(tmp_path / "x").unchecked)
    data = bytearray((tmp_path / "x" / "rows.bin").read_bytes())
    data[-3] ^= 1
    (tmp_path / "x" / "rows.bin").write_bytes(data)
    assert len(check(tmp_path / "x").problems) == 1


def test_a_row_of_an_older_version_that_is_no_json_is_named(tmp_path):
    shutil.copytree(Path(__file__).parent / "format1", tmp_path / "x")
    file = tmp_path / "x" / "rows.bin"
    file.write_bytes(file.read_bytes().replace(b"[", b"("))
    with pytest.raises(InputError, match=r"rows\.bin: is damaged: row 0"):
        list(Collection.open(tmp_path / "x").documents())


def test_a_reader_sees_damage_of_what_another_process_has_committed(path):
    reader = Collection.open(path)
    before = {p.name for p in (path / "lexical").iterdir()}
    Collection.open(path).add([Candidate("late", "a late wing")])
    (file,) = [p for p in (path / "lexical").glob("*.term") if p.name not in before]
    damage(file, "bit")
    with pytest.raises(InputError, match=re.escape(file.name)):
        reader.lexical.search(["wing"], 3)


def test_only_ends_are_read_where_the_engine_is_large(path):
    (file, *_) = sorted((path / "lexical").glob("*.term"))
    damage(file, "bit")
    lexical = path / "lexical"
    assert engine_problems(path, lexical, set(), limit=10) == []
    assert [p.path for p in engine_problems(path, lexical, set())] == [file]
    damage(file, "cut")
    assert [p.path for p in engine_problems(path, lexical, set(), limit=10)] == [file]


def test_a_state_of_the_engine_older_than_a_kill_is_not_compared(path):
    state = (path / STATE).read_text()
    Collection.open(path).add([Candidate("late", "a late wing")])
    (path / STATE).write_text(state)  # as if the kill had come between the commit and the writer's end
    assert check(path).problems == []
    assert len(Collection.open(path)) == 41


def test_rows_are_written_so_that_a_kill_between_files_leaves_whole_ones(tmp_path):
    """An end is written last; the next writer cuts off what has none."""
    build(DOCS[:3], tmp_path / "x")
    for name in ("rows.ids", "rows.bin", "rows.crc"):
        with (tmp_path / "x" / name).open("ab") as file:
            file.write(b"unfinished")
    collection = Collection.open(tmp_path / "x")
    assert list(collection.documents()) == DOCS[:3]
    collection.add(DOCS[3:5])
    assert list(Collection.open(tmp_path / "x").documents()) == DOCS[:5]
    assert check(tmp_path / "x").problems == []


def test_a_writer_refuses_files_shorter_than_their_rows(path):
    damage(path / "rows.ids", "cut")
    with pytest.raises(InputError, match=r"rows\.ids: is cut short: build"):
        RowWriter.open(path)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 4096, 4097, 10_000])
def test_a_checksum_notices_every_byte(size):
    data = bytearray(np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8).tobytes())
    sum = checksum(bytes(data))
    for i in range(0, size, max(size // 50, 1)):
        data[i] ^= 1
        assert checksum(bytes(data)) != sum
        data[i] ^= 1
    assert checksum(bytes(data)) == sum
    assert checksum(bytes(data) + b"x") != sum
    if size > 8192:
        assert checksum(bytes(data[4096:8192] + data[:4096])) != checksum(bytes(data[:8192]))  # blocks swapped


def test_the_command_names_damage_and_ends_with_code_2(path):
    run = CliRunner().invoke
    result = run(cli, ["index", "--check", str(path)])
    assert (result.exit_code, result.output) == (0, f"{path}: 40 documents, no damage\n")
    damage(path / "vectors" / "dense" / "shard-000001" / "dense.npy", "bit")
    result = run(cli, ["index", "--check", str(path)], standalone_mode=False)
    assert result.return_value == 2
    assert "dense.npy: is damaged" in result.output
    as_json = run(cli, ["index", "--check", str(path), "--json"], standalone_mode=False)
    assert [Path(d["file"]).name for d in json.loads(as_json.output)["damaged"]] == ["dense.npy"]
    for args in (["--check", str(path), "-o", "y"], ["--check", str(path), "--update"], [str(path)]):
        with pytest.raises(InputError, match=r"--check|-o is missing"):
            run(cli, ["index", *args], standalone_mode=False, catch_exceptions=False)
