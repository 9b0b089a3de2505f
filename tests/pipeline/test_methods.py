"""Papers as names in pipelines."""

import pytest

from anyrank.core.errors import InputError, ModelError
from anyrank.core.stage import Keep
from anyrank.hub.open import open_model
from anyrank.pipeline import methods, table
from anyrank.pipeline.context import Settings
from anyrank.pipeline.parser import Part, PipelineError, parse
from anyrank.pipeline.table import names
from anyrank.testing import Oracle, ScriptedModel


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
    stage = methods.build("rankgpt", Settings(), "m", depth=5, max_calls=3, max_tokens=700, max_seconds=2.5, max_ms=80)
    assert (stage.depth, stage.max_calls, stage.max_tokens) == (5, 3, 700)
    assert (stage.max_seconds, stage.max_ms) == (2.5, 80)
    with pytest.raises(InputError, match="takes no depth"):
        methods.build("self_consistency", Settings(), "m", depth=5)


@pytest.mark.parametrize("name", ["hf:some/where", "llamacpp:some.gguf"])
def test_a_prompt_that_does_not_fit_ends_no_job(name):
    assert methods.language_model(name).overflow == "middle"


def test_a_model_of_another_kind_is_named_at_once():
    with pytest.raises(ModelError, match=r"minilm is a dense encoder .*use it as model\('minilm'\)\), not a language"):
        methods.build("rankgpt", Settings(), "minilm")
    with pytest.raises(InputError, match="monobert needs a model that scores candidates by itself, and hf:x is a lang"):
        methods.build("monobert", Settings(), "hf:x")
    with pytest.raises(InputError, match="rankgpt needs a model with generate, and classifier:x is a judge, no lang"):
        methods.build("rankgpt", Settings(), "classifier:x")
    with pytest.raises(InputError, match="hf:x is a language model and scores no candidates by itself: use it with"):
        table._judge(Settings(), "hf:x")
    with pytest.raises(InputError, match="text in quotes, not by 3"):
        methods.language_model(3)


def test_mini_is_a_row_of_the_registry():
    assert table._judge(Settings(), "mini") is open_model("mini")


def test_settings_of_a_server_follow_its_address():
    local = methods.language_model("openai:m@http://127.0.0.1:1/v1#prefill=vllm&key_env=OWN_KEY")
    assert (local.base_url, local.prefill, local.key_env) == ("http://127.0.0.1:1/v1", "vllm", "OWN_KEY")
    assert methods.language_model("openai:m").key_env == "OPENAI_API_KEY"
    for wrong in ("#color=red", "#prefill=maybe"):
        with pytest.raises(InputError, match=r"color|prefill is server or vllm"):
            methods.language_model(f"openai:m{wrong}")


def test_a_paper_says_what_its_model_must_do(monkeypatch):
    class Encodes:
        def encode(self, contents, *, query=False):
            raise NotImplementedError

    opened = []

    def open_one(name):
        opened.append(name)
        return Oracle({}) if name.startswith("classifier:") else Encodes()

    monkeypatch.setattr(methods, "language_model", open_one)
    with pytest.raises(PipelineError, match=r"rankgpt needs a model with generate, and minilm is no lang.*: Encodes"):
        parse('rankgpt("minilm")', starts=False)
    with pytest.raises(InputError, match="setwise needs a model with generate or next_token_logprobs"):
        methods.build("setwise", Settings(), "minilm")
    assert methods.build("monobert", Settings(), "some/head").judge == Oracle({})
    assert opened == ["minilm", "minilm", "classifier:some/head"]
    with pytest.raises(InputError, match="monobert scores pairs and generates no answers"):
        methods.build("monobert", Settings(), "some/head", cache="x")


@pytest.mark.usefixtures("_model")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "rankgpt('m', window=20)",
            r"argument 'window'; known are model, cache=None.*size=20, stride",
        ),
        ("rankgpt('m', sise=20)", "did you mean 'size'"),
        ("rankgpt()", "missing a required argument: 'model'"),
        ("rankgpt(5)", "model=5: expected a text in quotes"),
        ("rankgpt('m', size='x')", "size='x': expected a whole number"),
        ("setwise('m', mode='likely')", "mode='likely': choose one of generation, likelihood"),
        ("rankgpt('m', template=3)", "template=3: expected a text in quotes or None"),
        ("self_consistency('m', stage='x')", "unexpected keyword argument 'stage'"),
    ],
)
def test_wrong_arguments_name_the_known_ones(text, message):
    with pytest.raises(PipelineError, match=message) as caught:
        parse(text, starts=False)
    assert str(caught.value).endswith("\n  " + "^" * len(text))


class Point:
    """An installed plug-in's entry point."""

    value = "plugin:part"
    loaded = 0

    def __init__(self, name):
        self.name = name

    def load(self):
        self.loaded += 1
        return Part("", then=lambda settings, name="x": Keep(name))


@pytest.fixture
def installed(monkeypatch):
    def install(*points):
        monkeypatch.setattr(table, "entry_points", lambda group: points)
        names.cache_clear()

    yield install
    names.cache_clear()


def test_a_plug_in_is_loaded_when_its_name_is_used(installed):
    point, other = Point("mine"), Point("other")
    installed(point, other)
    assert {"mine", "other"} < set(names())
    assert parse("mine(name='y')", starts=False) == Keep("y")
    assert (point.loaded, other.loaded) == (1, 0)


@pytest.mark.parametrize("taken", [["bm25"], ["rankgpt"], ["mine", "mine"]])
def test_a_plug_in_takes_no_known_name(installed, taken):
    installed(*map(Point, taken))
    with pytest.raises(InputError, match=f"{taken[-1]!r}, which anyrank has already"):
        names()
