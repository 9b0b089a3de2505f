"""Vectors of a model that its user trains again under the same name are refused, not compared with new ones."""

import pytest
from tests.conftest import Bag

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.index.rewrite import rewrite
from anyrank.index.vector_store import VectorStore
from anyrank.pipeline import table
from anyrank.pipeline.parser import Settings, parse
from anyrank.store.vector_names import stored, weights_of

NAME = stored("runs/mine")
OTHER = "its vectors are those of other weights than runs/mine has now .*: delete this folder, then make them again"


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """The file of weights of a model in runs/mine, which is an encoder here."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    monkeypatch.setattr(table, "model", lambda name: Bag(name))
    file = tmp_path / "runs" / "mine" / "model.safetensors"
    file.write_bytes(b"one" * 100_000)
    return file


@pytest.fixture
def collection(weights, tmp_path):
    build([Candidate(f"d{i}", f"wing number {i}") for i in range(5)], tmp_path / "i")
    made = Collection.open(tmp_path / "i")
    made.encode(Bag("runs/mine"), NAME)
    return made


def searched(collection, pipeline):
    return parse(pipeline, Settings(collection))("number 3").ids[0]


def test_a_search_and_an_encoding_by_other_weights_are_refused(collection, weights):
    assert searched(collection, 'model("runs/mine") % 2') == "d3"
    weights.write_bytes(b"two" * 100_000)
    for pipeline in ('model("runs/mine") % 2', 'bm25 % 2 >> model("runs/mine")', 'bm25 % 2 >> mmr("runs/mine")'):
        with pytest.raises(InputError, match=OTHER):
            searched(collection, pipeline)
    collection.add([Candidate("new", "wing number 9")])
    with pytest.raises(InputError, match=OTHER):
        collection.encode(Bag("runs/mine"), NAME)
    assert searched(collection, "bm25 % 2") == "d3"


def test_what_changes_no_weights_is_no_change(collection, weights):
    (weights.parent / "model.onnx").write_bytes(b"exported later")
    weights.touch()
    assert searched(collection, 'model("runs/mine") % 2') == "d3"
    weights.unlink()  # a model that isn't here can't be compared
    (weights.parent / "model.onnx").unlink()
    assert weights_of("runs/mine") == ""
    assert searched(collection, 'model("runs/mine") % 2') == "d3"


def test_the_note_stays_when_an_index_is_chosen_or_rewritten(collection, weights, tmp_path):
    folder = tmp_path / "i" / "vectors" / NAME
    note = VectorStore.open(folder).meta["weights"]
    collection.encode(Bag("runs/mine"), NAME, index="nearest")
    assert VectorStore.open(folder).meta["weights"] == note
    rewrite(tmp_path / "i")
    assert VectorStore.open(folder).meta["weights"] == note == weights_of("runs/mine")
