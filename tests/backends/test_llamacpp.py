import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("gguf")

from anyrank.backends.hf.language_model import HF
from anyrank.backends.llamacpp import LlamaCpp
from anyrank.core.errors import InputError, MissingExtra, ModelError
from anyrank.core.language import Turn
from anyrank.testing import check_backend
from anyrank.testing.tiny import llama, write_gguf

LIST = "query river " * 12 + "answer"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    pytest.importorskip("llama_cpp")
    folder = tmp_path_factory.mktemp("llama")
    llama(folder)
    write_gguf(folder, folder / "tiny.gguf")
    return HF.load(folder, dtype="float32", device="cpu"), LlamaCpp.load(folder / "tiny.gguf", threads=1)


def test_it_agrees_with_the_same_weights_in_torch(models):
    found = check_backend(*models, tolerance=0.02)
    assert found.equal >= 4
    assert 0 < found.options < 0.02


def test_prompts_are_rendered_alike(models):
    here, there = models
    for prompt in ("the river", (Turn("user", "a"), Turn("assistant", "[")), (Turn("system", "s"), Turn("user", "u"))):
        assert here.render(prompt) == there.render(prompt)


def test_prefix_reuse_changes_nothing(models):
    model = models[1]
    plain = LlamaCpp.load(model.path, threads=1, reuse=False, batch_tokens=7)
    prompts = [f"{LIST} {w}" for w in ("river", "city", "[1]", "[12] of")]
    options = [["1", "12", "2", " yes", ""]] * 4
    for a, b in zip(model.next_token_logprobs(prompts, options), plain.next_token_logprobs(prompts, options)):
        assert a.values == pytest.approx(b.values, abs=1e-2)
        assert (a.tokens, a.usage) == (b.tokens, b.usage)
    assert model.generate(prompts, max_tokens=5) == [model.generate([p], max_tokens=5)[0] for p in prompts]


def test_stop_texts_seeds_and_limits(models):
    model = models[1]
    whole = model.generate(["the river"], max_tokens=12)[0].text
    short = model.generate(["the river"], max_tokens=12, stop=[whole[4:6]])[0]
    assert short.text == whole[: whole.index(whole[4:6])]
    drawn = [model.generate(["the"], max_tokens=12, temperature=1.5, seed=s)[0].text for s in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert model.limit == 256
    with pytest.raises(InputError, match=r"prompt of \d+ tokens, but only 255 fit"):
        model.generate(["q " * 400], max_tokens=4)
    cutting = LlamaCpp.load(model.path, threads=1, overflow="middle", context=64)
    (said,) = cutting.next_token_logprobs(["q " * 400], [["12"]])
    assert said.usage.truncated == 1
    assert said.usage.prompt_tokens < 64


def test_what_cannot_be_loaded_says_so(tmp_path, monkeypatch):
    pytest.importorskip("llama_cpp")
    with pytest.raises(ModelError, match="the file doesn't exist"):
        LlamaCpp.load(tmp_path / "absent.gguf")
    (tmp_path / "bad.gguf").write_bytes(b"GGUF nothing")
    with pytest.raises(ModelError, match="can't be loaded"):
        LlamaCpp.load(tmp_path / "bad.gguf")


def test_without_the_package_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    with pytest.raises((MissingExtra, ModuleNotFoundError), match="llama"):
        LlamaCpp.load("x.gguf")
