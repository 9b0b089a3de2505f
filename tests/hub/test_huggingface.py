"""The hub's real client against a hub on the loopback interface: what is fetched, kept, resumed, and how a refusal or
a broken connection is told."""

import re
import socket

import pytest

from anyrank import MissingExtra, ModelError
from anyrank.hub import registry
from anyrank.hub.huggingface import fetch, fetch_configuration
from anyrank.hub.open import declare
from anyrank.testing.hub import FakeHub, serve_hub

FILES = {
    "config.json": {"architectures": ["BertModel"], "max_position_embeddings": 512},
    "tokenizer.json": {"version": "1.0"},
    "1_Pooling/config.json": {"pooling_mode_cls_token": True},
    "modules.json": [{"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}],
    "README.md": b"# A model",
    "model.safetensors": b"s" * 1000,
    "onnx/model.onnx": b"o" * 200_000,
    "onnx/model_O4.onnx": b"4" * 1000,
    "pytorch_model.bin": b"never opened",
    "modeling_own.py": b"raise SystemExit('never run')",
}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    hub = FakeHub()
    hub.add("owner/model", FILES)
    with serve_hub(hub):
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        yield hub


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


TEXTS = ["1_Pooling/config.json", "config.json", "modules.json", "tokenizer.json"]


def test_only_the_files_that_are_needed_are_fetched(hub):
    assert names(fetch_configuration("owner/model").folder) == TEXTS
    folder = fetch("owner/model").folder
    assert names(folder) == sorted([*TEXTS, "onnx/model.onnx"])
    assert (folder / "onnx/model.onnx").read_bytes() == FILES["onnx/model.onnx"]
    assert names(fetch("owner/model", "torch").folder) == sorted([*TEXTS, "model.safetensors", "onnx/model.onnx"])
    assert set(hub.downloaded()) == {*TEXTS, "onnx/model.onnx", "model.safetensors"}


def test_a_name_is_declared_by_its_files(hub):
    model = declare("owner/model")
    assert (model.kind, model.runtime, model.pooling, model.name) == ("dense", "onnx", "cls", "owner/model")
    assert declare("owner/model", runtime="torch").runtime == "torch"


def test_weights_of_a_language_model_are_left_to_transformers(hub):
    hub.add("owner/lm", {"config.json": {"architectures": ["Qwen3ForCausalLM"]}, "model.safetensors": b"s"}, "v2")
    model = declare("owner/lm@v2")
    assert (model.kind, model.runtime, model.path, model.revision) == ("language", "hf", "owner/lm", "v2")
    assert hub.downloaded() == ["config.json"]


def test_what_is_cached_is_not_fetched_again(hub):
    fetch("owner/model")
    hub.requests.clear()
    fetch("owner/model")
    assert [path for _, path in hub.requests] == ["/api/models/owner/model"]


def test_a_moved_branch_is_followed_and_a_revision_stays(hub):
    first = hub.commit("owner/model", "v1")
    hub.add("owner/model", {**FILES, "onnx/model.onnx": b"first"}, "v1")
    for revision, weights in (("v1", b"first"), (first, b"first"), ("main", FILES["onnx/model.onnx"])):
        folder = fetch(f"owner/model@{revision}").folder
        assert (folder / "onnx/model.onnx").read_bytes() == weights


def test_the_second_use_needs_no_hub(hub, monkeypatch):
    folder = fetch("owner/model").folder
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    assert fetch("owner/model").folder == folder
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.requests.clear()
    assert registry.resolve("owner/model") == folder
    assert hub.requests == []
    with pytest.raises(ModelError, match=r"without model.safetensors, and HF_HUB_OFFLINE is set: unset it"):
        fetch("owner/model", "torch")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize("offline", ["", "1"])
def test_an_unknown_model_without_a_hub_is_explained(hub, monkeypatch, offline):
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    why = "HF_HUB_OFFLINE is set" if offline else r"hub at http://127.0.0.1:\d+ can't be reached: connect \(HF_ENDPOINT"
    with pytest.raises(ModelError, match=f"nobody/nothing@abc.* not in the hub's cache, and .*{why}"):
        registry.resolve("nobody/nothing@abc")


def test_a_host_that_is_not_there_is_explained(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://no-such-host.invalid")
    with pytest.raises(ModelError, match=r"hub at http://no-such-host.invalid can't be reached"):
        fetch("owner/model")


def test_a_cut_connection_is_taken_up_where_it_broke(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    hub.cuts["onnx/model.onnx"] = 2
    assert (fetch("owner/model").folder / "onnx/model.onnx").read_bytes() == FILES["onnx/model.onnx"]


def test_a_download_that_keeps_breaking_is_an_error_that_a_second_try_mends(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    hub.cuts["onnx/model.onnx"] = 1000
    with pytest.raises(ModelError, match=r"the download of 'owner/model' broke off .* run the command again"):
        fetch("owner/model")
    hub.cuts.clear()
    assert (fetch("owner/model").folder / "onnx/model.onnx").read_bytes() == FILES["onnx/model.onnx"]


def test_half_a_model_is_not_used_offline(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    hub.cuts["onnx/model.onnx"] = 1000
    with pytest.raises(ModelError, match="broke off"):
        fetch("owner/model")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"in the hub's cache without onnx/model.onnx"):
        fetch("owner/model")


def test_a_private_repository_needs_a_token(hub, monkeypatch):
    hub.private.add("owner/model")
    with pytest.raises(ModelError, match=r"private: then log in \(`hf auth login`\) or set HF_TOKEN"):
        fetch("owner/model")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(ModelError, match="set HF_TOKEN") as error:
        fetch("owner/model")
    assert "hf_wrong" not in str(error.value)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert "onnx/model.onnx" in names(fetch("owner/model").folder)


def test_a_gated_repository_asks_for_access(hub, monkeypatch):
    hub.gated.add("owner/model")
    with pytest.raises(ModelError, match="'owner/model' is gated: ask for access on its page"):
        fetch("owner/model")
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert "onnx/model.onnx" in names(fetch("owner/model").folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("owner/nothing", "there is no 'owner/nothing' on the hub: is the name spelt rightly?"),
        ("owner/model@v9", "'owner/model' on the hub has no revision 'v9'"),
        ("owner/-model", "can't fetch 'owner/-model' from the hub: HFValidationError"),
    ],
)
def test_names_that_the_hub_does_not_know(hub, monkeypatch, name, message):
    monkeypatch.setenv("HF_TOKEN", hub.token)
    with pytest.raises(ModelError, match=re.escape(message)):
        fetch(name)


def test_a_file_that_is_listed_and_not_there_is_named(hub):
    hub.gone.add("onnx/model.onnx")
    with pytest.raises(ModelError, match=r"a file of 'owner/model' is listed on the hub but not there .*404"):
        fetch("owner/model")


def test_a_hub_that_is_down_is_one_that_can_not_be_reached(hub):
    hub.down = True
    with pytest.raises(ModelError, match="can't be reached"):
        fetch("owner/model")


def test_a_repository_of_pickles_is_refused_before_its_weights_come(hub):
    hub.add("owner/old", {"config.json": FILES["config.json"], "pytorch_model.bin": b"p"})
    with pytest.raises(ModelError, match=r"only pytorch_model.bin, which may be a pickle"):
        declare("owner/old")
    assert hub.downloaded() == ["config.json"]


def test_without_the_client_the_pip_line_is_said(hub, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match=r"pip install 'anyrank\[torch\]'"):
        fetch("owner/model")
