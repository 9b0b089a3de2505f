"""Papers as names in pipelines."""

import pytest

from anyrank.core.errors import InputError
from anyrank.pipeline import methods
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


def test_settings_of_a_server_follow_its_address():
    local = methods.language_model("openai:m@http://127.0.0.1:1/v1#prefill=vllm&key_env=OWN_KEY")
    assert (local.base_url, local.prefill, local.key_env) == ("http://127.0.0.1:1/v1", "vllm", "OWN_KEY")
    assert methods.language_model("openai:m").key_env == "OPENAI_API_KEY"
    for wrong in ("#color=red", "#prefill=maybe"):
        with pytest.raises(InputError, match=r"color|prefill is server or vllm"):
            methods.language_model(f"openai:m{wrong}")
