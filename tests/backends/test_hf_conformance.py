from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from anyrank.backends.hf.language_model import HF
from anyrank.backends.openai import OpenAI
from anyrank.core.language import Turn
from anyrank.testing import check_backend
from anyrank.testing.tiny import llama
from anyrank.testing.wire import model_answers, wire


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return HF.load(llama(tmp_path_factory.mktemp("llama")), dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def served(model):
    def tokenize(text):
        return model.tokenizer(text, add_special_tokens=False)["input_ids"]

    def piece(token):
        return model.tokenizer.decode([token])

    with wire(model_answers(model, tokenize, piece)) as url:
        yield OpenAI("tiny", url, top=400, prefill="server", concurrency=2)


def test_a_server_of_the_same_model_agrees(model, served):
    found = check_backend(model, served, tolerance=1e-3)
    assert found.equal == found.generated == 5
    assert 0 < found.options < 1e-3
    assert 0 <= found.texts < 1e-3


def test_a_conversation_is_continued_and_scored_alike(model, served):
    talk = (Turn("user", "query river"), Turn("assistant", "passage"))
    here, there = (m.next_token_logprobs([talk], [[" [1]", " river", " and"]])[0] for m in (model, served))
    assert there.values == pytest.approx(here.values, abs=1e-3)


def test_another_model_is_found_out(model, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM

    folder = llama(tmp_path)
    torch.manual_seed(5)
    other = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        for weights in other.parameters():
            weights.add_(torch.randn_like(weights) * 0.05)
    other.save_pretrained(folder)
    with pytest.raises(AssertionError, match="options of"):
        check_backend(model, replace(model, path=folder), tolerance=1e-3)
