"""``anyrank export``: the int8 graph of a folder, and its refusal."""

import json

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("onnx")

from anyrank.cli import cli
from anyrank.hub.open import open_model
from anyrank.testing import tiny
from anyrank.train.group import Group
from anyrank.train.groups import write_groups


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "groups.jsonl"
    texts = ["the river", "city of yes", "no answer", "number passage query"]
    write_groups(path, [Group.from_texts(q, texts, [1.0, 0.0, 0.0, 0.0]) for q in ("yes", "river", "no city")])
    return str(path)


def test_a_folder_becomes_a_graph_that_is_used_by_name(data, tmp_path):
    folder = tiny.encoder(tmp_path / "model", "distilbert")
    out = tmp_path / "out"
    result = CliRunner().invoke(cli, ["export", folder, "-o", str(out), "--data", data, "--least", "0.9"])
    assert result.exit_code == 0, result.output
    assert "mean cosine with the original 0.99" in result.output
    assert json.loads((out / "anyrank.json").read_text())["runtime"] == "onnx"
    assert open_model(out).encode(["yes"]).vectors.array.shape == (1, 32)
    result = CliRunner().invoke(
        cli, ["export", folder, "-o", str(out), "--data", data, "--least", "1"], standalone_mode=False
    )
    assert result.return_value == 1
    assert "under 1: refused and removed (give --data with texts like yours, or a lower --least)" in result.output
    assert "Loading weights" not in result.output


def test_without_data_the_bundled_documents_are_read_and_no_judgement(tmp_path):
    folder = tiny.encoder(tmp_path / "model", "distilbert")
    result = CliRunner().invoke(cli, ["export", folder, "-o", str(tmp_path / "out"), "--least", "0.9"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "onnx" / "model.onnx").is_file()
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "text": "a text without a title"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "text"}\n')
    result = CliRunner().invoke(cli, ["export", folder, "-o", str(tmp_path / "x"), "--data", str(tmp_path)])
    assert "no titles" in str(result.exception) or "no titles" in result.output
