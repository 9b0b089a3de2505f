"""``anyrank models``: lists, cards, and fetching from a hub on the loopback interface."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from anyrank.cli.models import models_command
from anyrank.testing.hub import FakeHub, serve_hub


def call(*args):
    result = CliRunner().invoke(models_command, args)
    assert result.exception is None, result.output
    return result


def test_the_list_is_chosen_by_task_and_language():
    lines = call("list", "--task", "rerank", "--language", "zh").stdout.splitlines()
    found = {line.split()[0] for line in lines}
    assert "bge-reranker-v2-m3" in found
    assert not found & {"minilm", "ms-marco-minilm", "bge-base-zh"}
    assert next(line for line in lines if line.startswith("qwen3-reranker-8b")).split()[1:5] == [
        "language", "7.6B", "params", "many"
    ]  # fmt: skip


def test_the_list_as_json_has_all_that_is_known():
    rows = {row["name"]: row for row in json.loads(call("list", "--json").stdout)}
    assert rows["ms-marco-minilm"] == {
        "name": "ms-marco-minilm", "kind": "cross", "task": "rerank", "mb": None, "parameters": 22.7,
        "languages": ["en"], "context": 512, "status": "hub", "licence": "Apache-2.0",
        "source": "hub cross-encoder/ms-marco-MiniLM-L6-v2",
        "figure": "nDCG@10 .7430 on TREC DL19, MRR@10 .3901 on MS MARCO dev", "use": "",
        "about": "Cross-encoder on MiniLM with 6 layers, distilled on MS MARCO passages",
    }  # fmt: skip
    assert rows["mini"]["status"] == "shipped"
    assert rows["mini"]["mb"] == rows["minilm"]["mb"] == pytest.approx(23.6, abs=0.1)


def test_a_text_that_nothing_mentions_lists_nothing():
    result = call("list", "no such model")
    assert result.stdout == ""
    assert "any hub id" in result.stderr


def test_a_card_says_what_its_authors_measured():
    card = call("show", "ms-marco-minilm").stdout
    assert "Its authors measured (not verified here): nDCG@10 .7430" in card
    assert "Hub id: cross-encoder/ms-marco-MiniLM-L6-v2" in card


def test_a_model_is_fetched_by_its_short_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    hub = FakeHub()
    files = {"config.json": {}, "tokenizer.json": {}, "model.safetensors": b"s", "onnx/model.onnx": b"o"}
    hub.add("cross-encoder/ms-marco-MiniLM-L6-v2", files)
    with serve_hub(hub):
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        folder = Path(call("get", "ms-marco-minilm").stdout.strip())
        assert (folder / "onnx/model.onnx").read_bytes() == b"o"
        assert not (folder / "model.safetensors").exists()
        assert call("path", "ms-marco-minilm").stdout.strip() == str(folder)
        call("get", "ms-marco-minilm", "--runtime", "torch")
    assert (folder / "model.safetensors").read_bytes() == b"s"
