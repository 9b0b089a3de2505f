"""The one door: what every form of a name opens, once a process, and what is allowed."""

import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from anyrank import InputError, MissingExtra, ModelError, Query
from anyrank.core.types import Candidate
from anyrank.hub.open import declare, is_allowed, open_model
from anyrank.hub.registry import SHIPPED, find
from anyrank.vectors import Encoder

TINY = Path(__file__).parents[1] / "backends" / "tiny"
GROUP = (Query("q", "red fox"), [Candidate("a", "the red fox"), Candidate("b", "a city")])


@pytest.fixture
def torch_backend(monkeypatch):
    """A runtime that records what it was asked to open."""
    module = ModuleType("anyrank.backends.torch")
    opened = []

    def open_folder(declared, **options):
        opened.append((declared, options))
        return object()

    module.open_folder = open_folder
    monkeypatch.setitem(sys.modules, "anyrank.backends.torch", module)
    return opened


@pytest.fixture
def encoder(tmp_path):
    """A folder with safetensors only."""
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["BertModel"]}')
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def test_names_folders_and_rows_of_the_registry_are_opened():
    assert isinstance(open_model("minilm"), Encoder)
    assert isinstance(open_model("splade-tiny"), Encoder)
    assert isinstance(open_model(find("minilm").folder), Encoder)
    for name, encodes in (("mini", True), ("anyrank-tiny", True), (TINY / "cross", False)):
        judge = open_model(name)
        assert isinstance(judge, Encoder) == encodes
        assert len(judge([GROUP])[0].scores) == 2
    assert open_model("minilm").name == "minilm"


def test_mini_scores_as_the_late_interaction_of_minilm():
    assert open_model("mini")([GROUP])[0].scores == open_model("minilm").late()([GROUP])[0].scores


def test_a_model_is_opened_once_for_the_same_options(tmp_path):
    assert open_model("minilm") is open_model("minilm")
    assert open_model("minilm") is not open_model("minilm", max_length=64)
    assert open_model("minilm", max_length=64) is open_model("minilm", max_length=64)
    shutil.copytree(TINY / "cross", tmp_path / "m")
    first = open_model(tmp_path / "m")
    assert open_model(tmp_path / "m") is first
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    (tmp_path / "m" / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 7}))
    assert open_model(tmp_path / "m").engine.max_length == 7


def test_without_an_onnx_file_torch_runs_a_model(torch_backend, encoder):
    model = open_model(encoder, dtype="bfloat16")
    ((declared, options),) = torch_backend
    assert (declared.kind, declared.runtime, declared.folder) == ("dense", "torch", encoder.resolve())
    assert options == {"dtype": "bfloat16"}
    assert open_model(encoder, dtype="bfloat16") is model
    open_model(encoder, dtype=["no key"])
    assert len(torch_backend) == 2


def test_a_folder_with_both_runs_on_onnx_unless_torch_is_asked_for(torch_backend, tmp_path):
    shutil.copytree(TINY / "states", tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").write_bytes(b"")
    assert isinstance(open_model(tmp_path / "m"), Encoder)
    assert torch_backend == []
    open_model(tmp_path / "m", runtime="torch")
    assert len(torch_backend) == 1


def test_a_runtime_whose_package_is_missing_says_the_pip_line(monkeypatch, encoder):
    def missing(name, package):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("anyrank.hub.open.import_module", missing)
    with pytest.raises(MissingExtra, match=r"'torch'.*pip install 'anyrank\[torch\]'"):
        open_model(encoder)


@pytest.mark.parametrize(
    ("name", "runtime"),
    [("hf:some/where", "hf"), ("classifier:some/where@v1", "hf"), ("llamacpp:some.gguf", "llamacpp")],
)
def test_a_prefix_states_the_runtime_and_nothing_is_fetched(name, runtime):
    model = declare(name)
    assert (model.runtime, model.kind) == (runtime, "cross" if name.startswith("classifier") else "language")
    assert open_model(name).path == name.partition(":")[2].partition("@")[0]
    assert open_model("classifier:some/where@v1").revision == "v1"


def test_wrong_uses_are_named_at_once(encoder, tmp_path):
    with pytest.raises(ModelError, match=r"is a dense encoder .*, not a classifier: it has no classification head"):
        open_model(f"classifier:{encoder}")
    with pytest.raises(ModelError, match=r"is a dense encoder .*, not a language model"):
        open_model(f"hf:{encoder}")
    with pytest.raises(ModelError, match=r"is a dense encoder .*use it as model\('minilm'\)"):
        open_model("minilm", runtime="llamacpp")
    with pytest.raises(InputError, match="hf: names no model"):
        open_model("hf:")
    with pytest.raises(InputError, match="text in quotes, not by 3"):
        open_model(3)
    with pytest.raises(ModelError, match="did you mean 'splade-tiny'"):
        open_model("splade-tniy")
    with pytest.raises(InputError, match="a dense model takes no colour"):
        open_model("minilm", colour="red")


def test_servers_are_opened_by_their_address():
    model = open_model("openai:m@http://127.0.0.1:1/v1#prefill=vllm&key_env=OWN_KEY")
    assert (model.model, model.base_url, model.prefill, model.key_env) == (
        "m",
        "http://127.0.0.1:1/v1",
        "vllm",
        "OWN_KEY",
    )
    with pytest.raises(InputError, match="a server takes no runtime, threads"):
        open_model("openai:m", runtime="hf", threads=2)


@pytest.mark.parametrize(
    ("name", "allow", "allowed"),
    [
        ("minilm", ["minilm", "mini"], True),
        ("splade-tiny", ["minilm"], False),
        ("BAAI/bge-m3", ["BAAI/*"], True),
        ("BAAI/bge-m3@abc", ["BAAI/bge-m3"], True),
        ("BAAI/bge-m3@abc", ["BAAI/bge-m3@abc"], True),
        ("BAAI/bge-m3@abd", ["BAAI/bge-m3@abc"], False),
        ("BAAI/bge-m3", ["BAAI/bge-m3@abc"], False),
        ("hf:owner/x", ["owner/*"], True),
        ("hf:owner/x", ["hf:*"], True),
        ("openai:gpt@http://127.0.0.1/v1", ["openai:*"], True),
        ("openai:gpt@http://127.0.0.1/v1", ["gpt*"], False),
        ("openai:minilm", ["minilm"], False),
        ("openai:gpt@http://127.0.0.1/v1", ["openai:gpt"], False),  # another server under the same model's name
        ("rerank:m@http://127.0.0.1", ["rerank:m"], False),
        ("BAAI/../../etc", ["BAAI/*"], False),
        ("hf:BAAI/../../etc", ["BAAI/*"], False),
        ("/etc", ["minilm", "owner/*"], False),
        ("classifier:/etc", ["minilm"], False),
    ],
)
def test_only_allowed_names_are_opened(name, allow, allowed):
    assert is_allowed(name, allow) is allowed
    if not allowed:
        with pytest.raises(InputError, match="is not allowed here: allowed are"):
            open_model(name, allow=allow)


def test_a_path_counts_by_where_it_leads(tmp_path, monkeypatch):
    inside, outside = tmp_path / "models" / "a", tmp_path / "other"
    inside.mkdir(parents=True)
    outside.mkdir()
    (tmp_path / "models" / "link").symlink_to(outside)
    allow = [f"{tmp_path}/models/*"]
    assert is_allowed(str(inside), allow)
    assert not is_allowed(str(outside), allow)
    assert not is_allowed(f"{tmp_path}/models/../other", allow)
    assert not is_allowed(f"{tmp_path}/models/link", allow)
    monkeypatch.chdir(tmp_path)
    assert is_allowed("models/a", ["models/*"])
    assert not is_allowed("other", ["models/*"])


@pytest.mark.parametrize(("short", "name"), SHIPPED.items())
def test_a_shipped_model_has_one_name_by_which_its_vectors_are_stored_and_found(short, name):
    assert open_model(short).name == open_model(name).name == name
