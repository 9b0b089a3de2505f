"""Papers as names in pipelines."""

import pytest

from anyrank.core.errors import InputError, ModelError
from anyrank.hub.open import open_model
from anyrank.pipeline import methods, table
from anyrank.pipeline.parser import Settings
from anyrank.testing.llm import ScriptedModel


@pytest.fixture
def _model(monkeypatch):
    monkeypatch.setattr(methods, "language_model", lambda name: ScriptedModel(lambda prompt: "[1]"))


@pytest.mark.usefixtures("_model")
def test_a_users_template_file_is_read(tmp_path):
    pytest.importorskip("yaml")
    file = tmp_path / "own.yaml"
    file.write_text('method: singleturn_listwise\nbody: "[{rank}] {candidate}\\n"\nsuffix: "Sort for {query}"\n')
    stage = methods.build("rankgpt", Settings(), "m", template=str(file))
    assert stage.judge.template.suffix == "Sort for {query}"
    with pytest.raises(InputError, match=r"none\.yaml"):
        methods.build("rankgpt", Settings(), "m", template=str(tmp_path / "none.yaml"))


@pytest.mark.usefixtures("_model")
def test_budgets_reach_the_reranker():
    assert methods.build("rankgpt", Settings(), "m", depth=5, max_calls=3).max_calls == 3
    with pytest.raises(InputError, match="takes no depth"):
        methods.build("self_consistency", Settings(), "m", depth=5)


@pytest.mark.parametrize("name", ["hf:some/where", "llamacpp:some.gguf"])
def test_a_prompt_that_does_not_fit_ends_no_job(name):
    assert methods.language_model(name).overflow == "middle"


def test_a_model_of_another_kind_is_named_at_once(tmp_path, monkeypatch):
    with pytest.raises(ModelError, match=r"minilm is a dense encoder .*use it as model\('minilm'\)\), not a language"):
        methods.build("rankgpt", Settings(), "minilm")
    with pytest.raises(InputError, match="monobert needs a model that scores candidates by itself, and hf:x is a lang"):
        methods.build("monobert", Settings(), "hf:x")
    with pytest.raises(InputError, match=r"rankgpt\('classifier:x'\): .* \(classifier:x scores candidates by itself"):
        methods.build("rankgpt", Settings(), "classifier:x")
    with pytest.raises(InputError, match="hf:x is a language model and scores no candidates by itself: use it by"):
        table._judge(Settings(), "hf:x")
    with pytest.raises(InputError, match="text in quotes, not by 3"):
        methods.language_model(3)


def test_classifiers_keep_no_answers(tmp_path):
    assert methods.build("monobert", Settings(), "classifier:x").judge.path == "x"
    with pytest.raises(InputError, match="monobert scores pairs and keeps no answers"):
        methods.build("monobert", Settings(), "classifier:x", cache=str(tmp_path / "answers"))


def test_mini_is_a_row_of_the_registry():
    assert table._judge(Settings(), "mini") is open_model("mini")


def test_settings_of_a_server_follow_its_address():
    local = methods.language_model("openai:m@http://127.0.0.1:1/v1#prefill=vllm&key_env=OWN_KEY")
    assert (local.base_url, local.prefill, local.key_env) == ("http://127.0.0.1:1/v1", "vllm", "OWN_KEY")
    assert methods.language_model("openai:m").key_env == "OPENAI_API_KEY"
    for wrong in ("#color=red", "#prefill=maybe"):
        with pytest.raises(InputError, match=r"color|prefill is server or vllm"):
            methods.language_model(f"openai:m{wrong}")
