"""GGUF files through transformers: unpacked once, and in silence."""

import subprocess
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("gguf")

from anyrank.backends.hf import load as loading
from anyrank.backends.hf.language_model import HF
from anyrank.core.errors import ModelError
from anyrank.hub.open import open_model
from anyrank.testing.tiny import llama, write_gguf


@pytest.fixture
def gguf(tmp_path, monkeypatch):
    monkeypatch.setenv("ANYRANK_CACHE", str(tmp_path / "cache"))
    llama(tmp_path / "llama")
    write_gguf(tmp_path / "llama", tmp_path / "tiny.gguf")
    return tmp_path / "tiny.gguf"


def unpacked_folders(gguf):
    folder = gguf.parent / "cache" / "unpacked"
    return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []


def test_a_gguf_file_is_unpacked_once(gguf, monkeypatch):
    whole = HF.load(gguf.parent / "llama", dtype="float32", device="cpu")
    first = HF.load(gguf, dtype="float32", device="cpu")
    (name,) = unpacked_folders(gguf)
    assert name.startswith("tiny-")
    assert name.endswith("-float32")
    files = {p.name for p in (gguf.parent / "cache" / "unpacked" / name).iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= files
    import transformers

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_config", None)  # a second unpacking would fail
    again = open_model(str(gguf), runtime="hf", dtype="float32", device="cpu")
    prompts, options = ["the river", "query answer"], [["1", " yes"]] * 2
    expected = whole.next_token_logprobs(prompts, options)
    for model in (first, again):
        for a, b in zip(model.next_token_logprobs(prompts, options), expected, strict=True):
            assert a.values == pytest.approx(b.values, abs=1e-4)
    assert first.generate(prompts, max_tokens=4) == again.generate(prompts, max_tokens=4)
    assert first.limit == whole.limit


def test_other_weights_or_numbers_are_unpacked_apart(gguf):
    HF.load(gguf, dtype="float32", device="cpu")
    HF.load(gguf, dtype="bfloat16", device="cpu")
    data = bytearray(gguf.read_bytes())
    data[-4:] = b"\0\0\0\0"
    gguf.write_bytes(data)
    HF.load(gguf, dtype="float32", device="cpu")
    assert len(unpacked_folders(gguf)) == 3


def test_a_cache_that_cannot_be_written_to_is_gone_without(gguf, monkeypatch, caplog):
    (gguf.parent / "file").write_text("")
    monkeypatch.setenv("ANYRANK_CACHE", str(gguf.parent / "file"))
    assert HF.load(gguf, dtype="float32", device="cpu").limit
    assert "set ANYRANK_CACHE to another folder" in caplog.text


def test_nothing_half_unpacked_is_left(gguf, monkeypatch, caplog):
    import transformers

    def fails(self, *args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(transformers.PreTrainedModel, "save_pretrained", fails)
    assert HF.load(gguf, dtype="float32", device="cpu").generate(["the river"], max_tokens=1)[0].text is not None
    assert unpacked_folders(gguf) == []
    assert "is unpacked at every load: no space left" in caplog.text
    gguf.write_bytes(b"GGUF nothing")
    with pytest.raises(ModelError, match="can't be"):
        HF.load(gguf, dtype="float32", device="cpu")


def test_loading_writes_nothing_off_a_terminal(gguf):
    code = "import sys; from anyrank.backends.hf.language_model import HF; HF.load(sys.argv[1], device='cpu')"
    for _ in range(2):
        result = subprocess.run([sys.executable, "-c", code, gguf], capture_output=True, text=True, check=True)
        assert result.stdout == result.stderr == ""


def test_the_settings_of_transformers_are_left_as_they_were():
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    with loading.quiet():
        assert not logging.is_progress_bar_enabled() or sys.stderr.isatty()
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
