"""`Index.info()`, `anyrank index info` and the errors of pipelines: parts of an index, and commands that add them."""

import json
import re
import shlex

import numpy as np
import pytest
from click.testing import CliRunner

from anyrank import Index
from anyrank.cli import cli
from anyrank.core.errors import InputError
from anyrank.core.types import Candidate
from anyrank.index.approximate import installed
from anyrank.pipeline.explain import explain

DOCS = [Candidate(f"d{i}", f"wing number {i}", meta={"n": i}) for i in range(5)]


def run(*arguments):
    result = CliRunner().invoke(cli, [str(a) for a in arguments], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result


@pytest.fixture
def path(tmp_path):
    Index.create(tmp_path / "my index", DOCS)
    return tmp_path / "my index"


def commands(text):
    return [shlex.split(c)[1:] for c in re.findall(r"(anyrank index (?:'[^']*'|[^`'])*?--encode [^\s`)]+)", text)]


needs_graphs = pytest.mark.skipif(not installed(), reason="usearch is absent")


@needs_graphs
def test_every_part_is_listed_with_its_size_and_state(path):
    index = Index.open(path)
    index.encode("minilm", index="approximate", options={"precision": "int8"})
    index.encode(["splade", "minilm:64"])
    parts = {p["name"]: p for p in index.info()["parts"]}
    assert list(parts) == [
        "documents", "bm25", "vectors of minilm:64", "vectors of minilm", "vectors of splade-tiny"
    ]  # fmt: skip
    assert {p["state"] for p in parts.values()} == {"complete"}
    assert {p["documents"] for p in parts.values()} == {5}
    assert sum(p["bytes"] for p in parts.values()) <= index.info()["bytes"]
    assert parts["documents"]["details"] == {"fields": ["n"]}
    dense = parts["vectors of minilm"]["details"]
    assert (dense["kind"], dense["dim"], dense["index"], dense["options"]["precision"]) == (
        "dense", 384, "approximate", "int8"
    )  # fmt: skip
    assert dense["described"] == {"covered": 5, "deleted": 0}
    assert parts["vectors of minilm:64"]["details"]["dim"] == 64
    assert parts["vectors of splade-tiny"]["details"]["index"] == "postings"

    lines = run("index", "info", path).output.splitlines()
    assert lines[0] == f"{path}: 5 documents"
    assert re.fullmatch(r"bm25 +5 +[\d,]+  complete  language english", lines[3])
    assert len({line.index("complete") for line in lines[2:]}) == 1
    assert "index approximate (precision=int8, connectivity=16" in "\n".join(lines)
    summary = json.loads(run("index", "info", path, "--json").output)
    assert summary["parts"] == index.info()["parts"]


def test_what_is_incomplete_or_damaged_is_named_with_a_command_that_works(path):
    Index.open(path).encode("minilm")
    Index.open(path).collection.add([Candidate("new", "wing of paper")])
    result = run("index", "info", path)
    assert "incomplete: 1 of 6 documents have no vector" in result.output
    assert result.return_value == 0
    (step,) = explain("minilm % 3", Index.open(path).collection)
    assert "1 documents have none" in step.needs[2].state
    (command,) = commands(step.needs[2].state)
    assert commands(result.output) == [command]
    run(*command)
    assert "have no vector" not in run("index", "info", path).output

    shard = next((path / "vectors" / "minilm").glob("shard-*/dense.npy"))
    shard.write_bytes(shard.read_bytes()[:-4])
    result = run("index", "info", path)
    assert result.return_value == 2
    assert re.search(r"^vectors of minilm +0 .* damaged", result.output, re.M)
    assert "dense.npy: is damaged" in result.output
    assert re.search(r"^bm25 +6 .* complete", result.output, re.M)
    (command,) = commands(result.output)
    run(*command)
    assert run("index", "info", path).return_value == 0


@pytest.mark.parametrize("pipeline", ["minilm % 3", 'search("minilm:32") % 3', 'bm25 >> search("minilm", exact=True)'])
def test_a_pipeline_names_the_command_that_adds_what_it_lacks(path, pipeline):
    with pytest.raises(InputError, match="holds no vectors of") as error:
        Index.open(path).search("wing", pipeline)
    (command,) = commands(str(error.value))
    need = next(n for s in explain(pipeline, Index.open(path).collection) for n in s.needs if n.there is False)
    assert commands(need.state) == [command]
    run(*command)
    assert len(Index.open(path).search("wing", pipeline)) >= 3
    assert all(n.there for s in explain(pipeline, Index.open(path).collection) for n in s.needs)


@needs_graphs
def test_exact_search_is_chosen_in_a_pipeline(path):
    run("index", path, "--encode", "minilm", "--ann", "--set", "precision=binary", "--set", "connectivity=8")
    index = Index.open(path)
    assert index.collection.vectors("minilm").vector_store.options["connectivity"] == 8
    results = [index.search("wing 3", p).ids for p in ("minilm", "minilm(exact=True)", 'search("minilm", exact=True)')]
    assert results[0] == results[1] == results[2]
    (step,) = explain("minilm", index.collection)
    assert [n.what for n in step.needs][-1] == "the package usearch"


def test_the_first_numbers_of_vectors_are_searched_and_scored_by(path):
    index = Index.open(path)
    index.encode("minilm:128")
    assert index.models == ["minilm:128"]
    whole = Index.create(path.with_name("whole"), DOCS, "minilm")
    _, cut = index.collection.vectors("_minilm+3A128").vectors(["d2"])
    _, full = whole.collection.vectors("minilm").vectors(["d2"])
    first = full.dense()[:, :128]
    assert np.allclose(cut.dense(), first / np.linalg.norm(first), atol=1e-6)
    assert index.search("wing 2", 'search("minilm:128")').ids[0] == "d2"
    assert len(index.search("wing 2", 'bm25 >> model("minilm:128")')) == 5
    with pytest.raises(InputError, match="so minilm:500 can't keep 500: choose at most 384"):
        index.encode("minilm:500")
    with pytest.raises(InputError, match="dense vectors are needed"):
        index.encode("splade:50")


def test_options_that_do_not_go_together_are_named(path):
    for arguments, named in (
        (["--encode", "minilm", "--ann", "--vector-index", "nearest"], "choose it or nearest"),
        (["--encode", "minilm", "--set", "precision=int8"], "add --ann"),
        (["--ann"], "add --encode"),
        (["--encode", "minilm", "--ann", "--set", "precision"], "expected NAME=VALUE"),
        (["--encode", "minilm", "--ann", "--set", "precision=x"], "choose float32, bf16, int8, binary"),
        (["--encode", "minilm", "--vector-index", "none"], "'none' is unknown"),
        (["more.jsonl"], "one CORPUS at a time"),
    ):
        with pytest.raises(InputError, match=named):
            run("index", path, *arguments)
    with pytest.raises(InputError, match="info takes the folder of an index"):
        run("index", "info")
    with pytest.raises(InputError, match="-o is missing"):
        run("index", path)
    assert Index.open(path).models == []


def test_a_choice_that_fits_no_vectors_is_an_error_before_anything_is_built(tmp_path):
    corpus, out = tmp_path / "corpus.jsonl", tmp_path / "new.index"
    corpus.write_text('{"_id": "a", "text": "a wing"}\n')
    for arguments, named in (
        (["--encode", "minilm", "--vector-index", "approximat"], "choose one of approximate, nearest, plaid, postings"),
        (["--encode", "minilm", "--vector-index", "snapshot"], "'snapshot' is unknown"),
        (["--encode", "minilm", "--vector-index", "postings"], "searches sparse vectors, not dense ones"),
        (["--encode", "minilm", "--vector-index", "plaid"], "compresses states of tokens"),
        (["--encode", "tiny", "--vector-index", "plaid", "--set", "bits=3"], "choose 1, 2, 4, 8"),
        (["--encode", "minilm", "--vector-index", "nearest", "--set", "bits=3"], "no option 'bits'"),
        (["--encode", "cohere:rerank-v3.5"], "makes no vectors"),
    ):
        with pytest.raises(InputError, match=named):
            run("index", corpus, "-o", out, *arguments)
        assert not out.exists()
    with pytest.raises(InputError, match="choose one of approximate"):
        Index.create(out, DOCS, "minilm", index="none")
    assert not out.exists()
    with pytest.raises(InputError, match="choose nearest or approximate"):
        run("index", corpus, "--to", "qdrant://127.0.0.1:9/wings", "--encode", "minilm", "--vector-index", "plaid")


def test_vectors_that_a_store_does_not_hold_are_an_error_before_documents_are_written(tmp_path, monkeypatch):
    class Store:
        address, kinds = "qdrant://host/wings", ("dense", "sparse")

    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"_id": "a", "text": "a wing"}\n')
    monkeypatch.setattr("anyrank.stores.open.open_server", lambda address: Store())
    with pytest.raises(InputError, match="makes tokens vectors, and this store holds dense, sparse ones"):
        run("index", corpus, "--to", Store.address, "--encode", "tiny")


def test_options_that_are_not_named_stay(path):
    def options():
        part = next(p for p in Index.open(path).info()["parts"] if p["name"] == "vectors of anyrank-tiny")
        return part["details"]["options"]

    choose = ["index", path, "--encode", "tiny", "--vector-index", "plaid"]
    run(*choose, "--set", "bits=4", "--set", "cells=3")
    run(*choose, "--set", "scoring=warp")
    assert options() == {"bits": 4, "pool": 1, "scoring": "warp", "cells": 3}
    run(*choose, "--set", "cells=default")
    assert options() == {"bits": 4, "pool": 1, "scoring": "warp"}
    run(*choose)
    assert options() == {"bits": 4, "pool": 1, "scoring": "warp"}
