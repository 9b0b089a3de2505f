"""What commands say of a linked index, which names its parts: what it holds, or what to do in its place."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import anyrank as ar
from anyrank.cli import cli
from anyrank.core.errors import InputError
from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.index.check import check
from anyrank.index.collection import Collection
from anyrank.index.info import parts_of
from anyrank.index.sharded import open_collection
from anyrank.pipeline.needs import of_index
from anyrank.scale.indexes import link
from anyrank.scale.manifest import Manifest, content_hash
from anyrank.scale.shards import BLOCK, every
from anyrank.store.linked import shard_words
from anyrank.testing.stores import ENCODERS
from anyrank.vectors import Encoded, Tokens


@pytest.fixture
def linked(tmp_path, monkeypatch):
    """A linked index in the present folder, of two parts."""
    monkeypatch.chdir(tmp_path)
    docs, parts = [Candidate(f"d{i}", f"wing lift {i}", meta={"n": i}) for i in range(40)], []
    for shard in every(2):
        path, rows = shard.path(Path("ix")), shard.rows(docs)
        build(rows, path).encode(ENCODERS["small"])
        counts = [1] * len(rows)
        Manifest(shard.number, 2, "index", ["index"], {}, BLOCK, len(rows), counts, content_hash(path)).write(path)
        parts.append(path)
    link(parts, Path("all"))
    Path("more.jsonl").write_text('{"_id": "x", "text": "heat"}\n')
    Path("ids.txt").write_text("d1\n")
    return Path("all")


def call(*words):
    return CliRunner().invoke(cli, [str(w) for w in words])


CHANGES = [
    ["index", "all", "--encode", "minilm"],
    ["index", "more.jsonl", "-o", "all", "--update"],
    ["index", "ids.txt", "-o", "all", "--delete"],
    ["index", "--compact", "all"],
    ["index", "--migrate", "all"],
    ["index", "--copy", "all", "-o", "copy"],
    ["tune", "all", "--queries", "more.jsonl", "--qrels", "ids.txt"],
]


@pytest.mark.parametrize("words", CHANGES, ids=lambda w: " ".join(w)[:20])
def test_a_change_is_refused_with_what_to_do_in_its_place(linked, words):
    error = call(*words).exception
    assert isinstance(error, InputError)
    assert str(error) == (
        "all: is a linked index, which names its parts and can only be searched: do this to each "
        "(ix.1-of-2 ix.2-of-2), or join them into one index with `anyrank merge ix.1-of-2 ix.2-of-2 -o all.joined`"
    )


def test_the_advice_works(linked):
    with pytest.raises(InputError) as error:
        ar.Index.open("all").delete(["d1"])
    (command,) = re.findall("`anyrank (.*)`", str(error.value))
    assert call(*shlex.split(command)).exit_code == 0
    assert len(ar.Index.open("all.joined")) == 40
    with pytest.raises(InputError, match="is a linked index"):
        ar.Index.open("all").collection.encode(None)
    with pytest.raises(InputError, match="choose a new folder, or delete this one"):
        build([], "all", overwrite=True)


def test_vectors_that_are_missing_are_made_by_a_loop_over_the_parts(linked):
    result = call("search", "all", "wing", "-p", "minilm % 3")
    (command,) = re.findall("`(for .*done)`", str(result.exception))
    assert command == "for part in ix.1-of-2 ix.2-of-2; do anyrank index $part --encode minilm; done"
    for part in ("ix.1-of-2", "ix.2-of-2"):
        assert call("index", part, "--encode", "minilm").exit_code == 0
    assert "d1" in call("search", "all", "wing", "-p", "minilm % 30", "-k", "30").output


def test_info_and_check_are_of_all_parts(linked):
    shown = call("index", "info", "all").output
    assert shown.startswith("all: 40 documents\n")
    documents, words, vectors = parts_of(open_collection("all"))
    assert [(p.name, p.documents, p.state) for p in (documents, words, vectors)] == [
        ("documents", 40, "complete"),
        ("bm25", 40, "complete"),
        ("vectors of small", 40, "complete"),
    ]
    assert ar.Index.open("all").info()["fields"] == ["n"]
    assert call("index", "--check", "all").output == "all: 40 documents, no damage\n"
    rows = Path("ix.2-of-2/rows.bin")
    data = bytearray(rows.read_bytes())
    data[10] ^= 1
    rows.write_bytes(data)
    assert "ix.2-of-2/rows.bin" in str(check("all").problems[0])


def test_a_part_without_vectors_is_named(linked):
    for path in sorted(Path("ix.2-of-2/vectors").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    *_, vectors = parts_of(open_collection("all"))
    assert vectors.documents == 24
    assert vectors.state == "incomplete: ix.2-of-2 has none: `anyrank index ix.2-of-2 --encode small` makes them"


def test_parts_that_are_gone_or_can_not_be_read(linked):
    Path("ix.2-of-2").rename("elsewhere")
    with pytest.raises(InputError, match=r"its part ix.2-of-2 is gone: put it back, or link parts anew: anyrank merge"):
        open_collection("all")
    for text in ("{", '{"shards": []}', '{"format": 1, "shards": [1]}', '{"format": 2, "shards": ["a"]}'):
        Path("all/shards.json").write_text(text)
        with pytest.raises(InputError, match="can't be read"):
            open_collection("all")
        assert "anyrank merge PART… -o all.joined" in str(call("index", "--compact", "all").exception)


def test_what_a_pipeline_needs_of_it(linked):
    (need,) = of_index(open_collection("all"), "small")
    assert (need.state, need.there) == ("there", True)
    (need,) = of_index(open_collection("all"), "other")
    assert (need.there, "for part in" in need.state) == (False, True)


def test_many_parts_are_a_pattern(tmp_path):
    names = [f"../a b.{n:02}-of-12" for n in range(1, 13)]
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "shards.json").write_text(f'{{"format": 1, "shards": {names!r}}}'.replace("'", '"'))
    assert shard_words(tmp_path / "all") == f"{shlex.quote(str(tmp_path / 'a b'))}.*-of-12"


class States:
    """A state a word."""

    name = "states"

    def encode(self, contents, *, query=False):
        rows = [np.random.default_rng([len(w) for w in str(c).split()]).normal(size=(3, 16)) for c in contents]
        unit = [(r / np.linalg.norm(r, axis=1, keepdims=True)).astype(np.float32) for r in rows]
        return Encoded(Tokens.of(unit, [np.ones(3)] * len(unit) if query else None))


def test_states_that_each_part_compressed_in_its_own_way(linked):
    """They are searched and read as linked parts; one index of both would read the second by the first's numbers."""
    parts = [Collection.open(f"ix.{n}-of-2") for n in (1, 2)]
    for part in parts:
        part.encode(States(), index="plaid")
    vectors = open_collection("all").vectors("states")
    query = States().encode(["wing lift 7"], query=True).vectors
    ids = ["d3", "d20"]  # one of each
    positions, stored = vectors.vectors(ids)
    assert positions == [0, 1]
    np.testing.assert_allclose(stored.near(query), vectors.near(ids, query)[1], rtol=1e-3)
    result = call("merge", "ix.1-of-2", "ix.2-of-2", "-o", "one")
    assert "ix.2-of-2: its vectors of states are compressed by what its own documents taught" in str(result.exception)
    assert not list(Path().glob("*.merging"))


def test_parts_with_other_vectors_are_not_joined(linked):
    class Other(States):
        name = "other"

    Collection.open("ix.1-of-2").encode(Other())
    result = call("merge", "ix.1-of-2", "ix.2-of-2", "-o", "one")
    assert "ix.2-of-2: has vectors of small, ix.1-of-2 of other, small: give both the same" in str(result.exception)
