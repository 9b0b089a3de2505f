import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("PIL")

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from anyrank import InputError
from anyrank.backends.hf.vision import Vision
from anyrank.core.content import Image
from anyrank.core.language import Generates, ScoresNext, ScoresText, Turn, can_read_images
from anyrank.core.types import Ranking
from anyrank.hub.open import open_model
from anyrank.papers import inquire, mm_r5
from anyrank.testing import tiny_images

RED, BLUE, BLACK = (Image.of(p) for p in tiny_images.squares("red", "blue", "black"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llava")
    tiny_images.llava(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return open_model(folder, dtype="float32", device="cpu")


def prompt(*parts):
    return (Turn("system", "answer"), Turn("user", parts))


def theirs(folder, pictures, text):
    """transformers' own logits after a text, with its pictures."""
    processor = AutoProcessor.from_pretrained(folder)
    inputs = processor(text=text, images=pictures, return_tensors="pt", add_special_tokens=False)
    with torch.no_grad():
        logits = AutoModelForImageTextToText.from_pretrained(folder, dtype="float32")(**inputs).logits[0]
    return processor.tokenizer, inputs["input_ids"][0], logits.log_softmax(-1)


def test_a_folder_with_a_vision_tower_sees_images(model):
    assert isinstance(model, Vision)
    assert isinstance(model, Generates)
    assert isinstance(model, ScoresNext)
    assert isinstance(model, ScoresText)
    assert can_read_images(model)


def test_log_probabilities_are_those_of_transformers(folder, model):
    asked = [prompt("which ", RED, " of ", BLUE, " yes"), prompt("no")]
    first, second = model.next_token_logprobs(asked, [(" yes", "number zebra", ""), ("yes",)])
    text = "<|system|>answer</s><|user|>which <image> of <image> yes</s><|assistant|>"
    pictures = tiny_images.squares("red", "blue")
    tokenizer, ids, logits = theirs(folder, pictures, text)
    (yes,) = tokenizer(" yes", add_special_tokens=False)["input_ids"]
    assert first.values[0] == pytest.approx(float(logits[-1, yes]), abs=1e-5)
    tokenizer, longer, logits = theirs(folder, pictures, text + "number zebra")
    new = longer[len(ids) :]
    expected = logits[range(len(ids) - 1, len(longer) - 1), new].sum()
    assert len(new) > 1
    assert first.values[1] == pytest.approx(float(expected), abs=1e-4)
    assert (first.values[2], first.tokens) == (0.0, (1, len(new), 0))
    assert first.usage.prompt_tokens == len(ids)
    assert model.next_token_logprobs(asked[1:], [("yes",)])[0].values == second.values
    other = model.next_token_logprobs([prompt("which ", BLUE, " of ", BLUE, " yes")], [(" yes",)])[0]
    assert abs(other.values[0] - first.values[0]) > 1e-3  # the picture counts


def test_answers_are_those_of_transformers(folder, model):
    (answer,) = model.generate([prompt("which ", RED)], max_tokens=6)
    tokenizer, ids, logits = theirs(
        folder, tiny_images.squares("red"), "<|system|>answer</s><|user|>which <image></s><|assistant|>"
    )
    first = tokenizer.decode([int(logits[-1].argmax())])
    assert answer.text.startswith(first)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (len(ids), 6)
    assert answer.finish == "length"
    part = answer.text[1:3]
    (stopped,) = model.generate([prompt("which ", RED)], max_tokens=6, stop=[part])
    assert (stopped.text, stopped.finish) == (answer.text[: answer.text.index(part)], "stop")
    drawn = [model.generate([prompt("x", RED)], max_tokens=5, temperature=2.0, seed=s)[0].text for s in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    begun = (Turn("user", ("which ", RED)), Turn("assistant", "number"))
    assert model.next_token_logprobs([begun], [(" yes",)])[0].usage.prompt_tokens < len(ids)
    with pytest.raises(InputError, match="must be at least 1"):
        model.generate([prompt("x")], max_tokens=0)


def test_a_prompt_that_is_too_long_is_an_error(folder):
    model = Vision(str(folder), dtype="float32", context=20)
    with pytest.raises(InputError, match=r"the prompt has \d+ tokens with its 2 images, .* reads 20"):
        model.next_token_logprobs([prompt("which ", RED, BLUE, " of the river number")], [("yes",)])


def test_judges_see_pictures(model):
    pictures = {"red": RED, "blue": {"text": "a blue square", "image": BLUE.source}, "black": BLACK}
    ranking = Ranking.of("a red square", pictures.values(), pictures)
    judged = inquire.build(model)(ranking)
    assert (judged.status, judged.cost.usage.calls) == ("ok", 3)
    assert all(0 <= c.score <= 1 for c in judged)
    ordered = mm_r5.build(model, max_tokens=5)(ranking)
    assert sorted(ordered.ids) == sorted(ranking.ids)  # what a random model writes is no order
    assert ordered.status == "fallback"
