"""Any name of a model is a start: the registry's, a fetched one's, a folder's; without the hub, and at once."""

import json

import pytest
from transformers import AutoTokenizer

from anyrank.core.errors import InputError, ModelError
from anyrank.hub import registry
from anyrank.hub.open import open_model
from anyrank.hub.registry import find, resolve
from anyrank.testing.tiny import encoder, llama
from anyrank.train.language_model import Listwise
from anyrank.train.recipe import Language, Model, Recipe
from anyrank.train.setup import build
from anyrank.train.starts import FLOAT, start_folder, tokenizer_folder

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.fixture
def no_hub(monkeypatch):
    """A hub that must not be asked."""

    def refuse(name, runtime=""):
        raise AssertionError(f"the hub was asked for {name}")

    monkeypatch.setattr(registry, "fetch", refuse)


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """A registry with models that were fetched: "ours" (a masked BERT) and "speaks" (a causal model)."""
    rows = dict(registry._table())
    for name, make, kind in (("ours", lambda f: encoder(f, "bert", "masked"), "sparse"), ("speaks", llama, "language")):
        folder = tmp_path / "cache" / name
        folder.mkdir(parents=True)
        make(folder)
        files = {p.name: {"bytes": p.stat().st_size, "sha256": ""} for p in folder.iterdir()}
        rows[name] = registry.RegisteredModel(
            name, kind, "a test's", "mit", "wheel none==1", files, published=f"somebody/{name}"
        )
    monkeypatch.setenv("ANYRANK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(registry, "_table", lambda: rows)
    return tmp_path / "cache"


@pytest.mark.parametrize("name", ["ours", "somebody/ours"])
@pytest.mark.parametrize("kind", ["sparse", "bi", "cross", "late", "colbert"])
def test_names_of_the_registry_are_starts_without_the_hub(fetched, no_hub, name, kind):
    model = build(Model(kind=kind, start=name, max_length=16))
    assert model.kind == kind
    assert start_folder(name) == fetched / "ours"


@pytest.mark.parametrize("name", ["speaks", "somebody/speaks"])
def test_language_models_start_by_name_too(fetched, no_hub, name):
    how = Recipe(out="x", model=Model(kind="language", start=name, max_length=64), language=Language(labels="letters"))
    assert Listwise.load(how).model.config.model_type == "llama"


def test_a_tokenizer_is_named_as_models_are(fetched, no_hub):
    model = build(Model(kind="cross", tokenizer="ours", shape=SIZES, max_length=16))
    assert len(model.tokenizer) == len(AutoTokenizer.from_pretrained(fetched / "ours"))
    assert tokenizer_folder("minilm").is_dir()  # a shipped model's tokenizer is one as well
    with pytest.raises(ModelError, match=r"model\.tokenizer: no model 'nothing'"):
        tokenizer_folder("nothing")


@pytest.mark.parametrize("name", FLOAT)
def test_a_shipped_int8_model_says_which_weights_to_start_from(name):
    assert find(FLOAT[name]).task == "train"
    with pytest.raises(InputError, match=f"{name} is an int8 graph, which can't be trained: start from {FLOAT[name]}"):
        start_folder(name)


def test_the_readmes_start_is_the_registrys_copy():
    assert find("all-minilm-l6-v2").published == "sentence-transformers/all-MiniLM-L6-v2"


def test_a_published_name_that_is_not_fetched_goes_to_the_hub(monkeypatch):
    asked = []
    monkeypatch.setattr(registry.RegisteredModel, "complete", property(lambda self: False))
    monkeypatch.setattr(
        registry, "fetch", lambda name, runtime="": asked.append(name) or (_ for _ in ()).throw(ModelError("no hub"))
    )
    with pytest.raises(ModelError, match=r"model\.start: no hub"):
        start_folder("sentence-transformers/all-MiniLM-L6-v2")
    assert asked == ["sentence-transformers/all-MiniLM-L6-v2"]


def test_folders_without_weights_to_train_are_refused(tmp_path):
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model.onnx").touch()
    with pytest.raises(InputError, match=r"no model\.safetensors \(an ONNX graph can't be trained\)"):
        start_folder(str(tmp_path))
    with pytest.raises(InputError, match="is a file"):
        start_folder(str(tmp_path / "onnx" / "model.onnx"))


def test_a_papers_recipe_trains_and_is_used_by_the_name_of_its_folder(tmp_path, monkeypatch):
    """anyrank papers recipe margin_mse > recipe.yaml; anyrank train recipe.yaml; model("runs/mine")"""
    from click.testing import CliRunner

    from anyrank.cli import cli
    from anyrank.core.types import Candidate, Query, Ranking
    from anyrank.pipeline.parser import Settings, parse
    from anyrank.train.group import Group
    from anyrank.train.groups import write_groups

    monkeypatch.chdir(tmp_path)
    encoder(tmp_path / "start", "bert", "body") if (tmp_path / "start").mkdir() is None else None
    texts = [("lift", "wing lift", "heat"), ("drag", "plate", "drag flow"), ("heat", "heat plate", "shock")]
    write_groups("groups.jsonl", [Group.from_texts(q, t, (2.0, 0.5), f"q{i}") for i, (q, *t) in enumerate(texts)])
    run = CliRunner().invoke
    settings = [
        "model.start=start",
        "model.max_length=16",
        "optimiser.batch=2",
        "optimiser.bf16=false",
        "export.int8=false",
    ]
    made = run(cli, ["papers", "recipe", "margin_mse", "-o", "runs/mine", *(x for s in settings for x in ("--set", s))])
    assert made.exit_code == 0, made.output
    (tmp_path / "recipe.yaml").write_text(made.stdout)
    trained = run(cli, ["train", "recipe.yaml"])
    assert trained.exit_code == 0, trained.output
    declared = json.loads((tmp_path / "runs" / "mine" / "anyrank.json").read_text())
    assert (declared["kind"], declared["runtime"]) == ("dense", "torch")
    stage = parse('model("runs/mine")', Settings(None), starts=False)
    ranking = Ranking(Query("q", "lift"), (Candidate("a", "heat", 1.0), Candidate("b", "wing lift", 0.5)))
    (result,) = stage.batch([ranking])
    assert result.status == "ok"
    assert open_model("runs/mine").encode(["lift"]).vectors.dense().shape == (1, 32)
    # and it is a start in its turn
    assert build(Model(kind="bi", start="runs/mine", max_length=16)).similarity == "dot"
    assert resolve("runs/mine").name == "mine"
