"""The rows of the registry: their form, and that their names lead somewhere."""

import json
import re

import pytest

from anyrank.hub import registry
from anyrank.hub.folder import KINDS, STATED
from anyrank.hub.open import declare
from anyrank.pipeline.parser import Settings, parse
from anyrank.pipeline.table import names
from anyrank.testing.hub import FakeHub, serve_hub

FIELDS = {
    "kind": str, "about": str, "licence": str, "source": str, "task": str, "languages": list,
    "parameters": (int, float), "context": int, "figure": str, "use": str, "declares": dict, "files": dict,
    "inside": str, "maker": str, "made_of": dict, "published": str,
}  # fmt: skip
ISO_639_1 = {"en", "zh", "de", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "ar", "hi", "cs", "sv", "tr", "vi"}
"""Codes that rows have, or may soon."""
SPDX = {"Apache-2.0", "MIT", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", ""}
ROWS = registry.list_models()
HUB = [m for m in ROWS if m.hub]


def test_no_name_stands_in_two_rows():
    seen = []
    for path in (registry.TABLE, registry.CATALOG):
        rows = json.loads(path.read_text("utf-8"), object_pairs_hook=list)
        seen += [name for name, _ in rows]
    assert len(seen) == len(set(seen)) == len(ROWS)
    assert len({m.source for m in HUB}) == len(HUB)


@pytest.mark.parametrize("path", [registry.TABLE, registry.CATALOG])
def test_rows_have_known_fields_of_the_right_type(path):
    for name, row in json.loads(path.read_text("utf-8")).items():
        assert row.keys() <= FIELDS.keys(), name
        assert all(isinstance(value, FIELDS[key]) for key, value in row.items()), name
        assert {"kind", "about", "licence", "source"} <= row.keys(), name


@pytest.mark.parametrize("model", ROWS, ids=lambda m: m.name)
def test_a_row_is_well_formed(model):
    assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", model.name)
    assert model.kind in KINDS
    assert model.task in ("retrieve", "rerank", "train")
    assert model.languages
    assert set(model.languages) <= ISO_639_1 | {"multilingual"}
    assert model.licence in SPDX
    assert model.about[0].isalnum()
    assert not model.about.endswith(".")
    assert re.fullmatch(r"package|wheel [\w-]+==[\w.]+|model [\w-]+|hub [\w.-]+/[\w.-]+(@\w+)?", model.source)
    assert model.declares.keys() <= STATED
    assert model.as_row()["name"] == model.name


@pytest.mark.parametrize("model", HUB, ids=lambda m: m.name)
def test_a_model_of_the_hub_takes_no_name_of_a_pipeline_and_says_that_it_is_not_verified(model):
    assert model.name not in names()
    card = registry.card(model.name)
    assert "Not verified here" in card
    assert model.hub in card
    assert model.figure in card
    assert ("(not verified here): " in card) == bool(model.figure)
    assert model.status == "hub"
    method, _, named = model.use.partition("(")
    assert not model.use or (method in names() and named == f'"{model.name}")')
    assert bool(model.use) == (model.kind == "language")


def test_models_are_chosen_by_task_language_kind_and_text():
    chinese = {m.name for m in registry.list_models(task="rerank", language="zh")}
    assert {"bge-reranker-base", "bge-reranker-v2-m3", "qwen3-reranker-0.6b"} <= chinese
    assert not chinese & {"ms-marco-minilm", "bge-base-zh", "bge-m3"}
    assert {m.kind for m in registry.list_models(kind="colbert")} == {"colbert"}
    assert [m.name for m in registry.list_models(text="BAAI/bge-m3")] == ["bge-m3"]
    assert registry.list_models(text="zzz") == []


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serve_hub(FakeHub()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        yield hub


def test_a_short_name_leads_to_the_hub_and_adds_what_its_files_do_not_state(hub):
    config = {"architectures": ["BertModel"], "max_position_embeddings": 512}
    hub.add("intfloat/e5-small-v2", {"config.json": config, "tokenizer.json": {}, "onnx/model.onnx": b""})
    model = declare("e5-small-v2")
    assert (model.name, model.kind, model.runtime) == ("e5-small-v2", "dense", "onnx")
    assert (model.query_prefix, model.document_prefix) == ("query: ", "passage: ")


def test_a_pipeline_takes_short_names(hub):
    config = {"architectures": ["Qwen3ForCausalLM"]}
    hub.add("Qwen/Qwen3-Reranker-0.6B", {"config.json": config, "model.safetensors": b""})
    stage = parse('qwen3_reranker("qwen3-reranker-0.6b")', Settings(), starts=False)
    assert stage.stage.judge.backend.path == "Qwen/Qwen3-Reranker-0.6B"
    assert "model.safetensors" not in hub.downloaded()
