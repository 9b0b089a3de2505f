"""Encoders and cross-encoders on onnxruntime: shapes, costs, faults, and the same scores at any batch size.

The tiny models are random (scripts/make_tiny.py); "minilm" and "splade-tiny" are the shipped ones."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrank import Candidate, InputError, ModelError, Query
from anyrank.backends.onnx import engine as onnx_engine
from anyrank.backends.onnx.models import OnnxCrossEncoder, OnnxEncoder, OnnxSparseEncoder, load
from anyrank.testing import check_encoder, check_judge

TINY = Path(__file__).parent / "tiny"
WORDS = ["the", "a", "quick", "fox", "over", "lazy", "dog", "cat", "sat", "on", "mat", "red", "city", "paris", "lyon"]
TEXTS = [
    "",
    "Paris is the capital of France.",
    "Lyon is a large city on the Rhône, " * 12,
    "naïve café ☕ 東京 \n\t weird\x00text",
    "def add(a, b):\n    return a + b",
    *(f"document number {i} about " + "wind tunnels and boundary layers " * i for i in range(1, 9)),
]


@pytest.fixture(scope="module")
def models():
    return {n: load(n) for n in ("minilm", "splade-tiny")} | {n: load(TINY / n) for n in ("cross", "cross2")}


def group(query, *texts):
    return Query("q", query), [Candidate(str(i), t) for i, t in enumerate(texts)]


def test_the_folder_decides_the_class(models):
    kinds = [type(models[n]) for n in ("minilm", "splade-tiny", "cross")]
    assert kinds == [OnnxEncoder, OnnxSparseEncoder, OnnxCrossEncoder]
    assert models["minilm"].name == "minilm"


@pytest.mark.parametrize("name", ["minilm", "splade-tiny", "states", "logits"])
def test_the_contract_of_encoders_at_any_batch_size(name, models):
    check_encoder(models.get(name) or load(TINY / name), TEXTS, tolerance=1e-5)


def test_the_contract_of_judges_at_any_batch_size():
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(0, 40))) for _ in range(30)]
    groups = [group(" ".join(rng.choices(WORDS, k=4)), *rng.sample(texts, 6)) for _ in range(8)]
    for name in ("cross", "cross2"):
        check_judge(load(TINY / name, max_tokens=100), groups, tolerance=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(len(TEXTS))), st.integers(1, 2000))
def test_scores_do_not_depend_on_order_or_budget(order, budget):
    encoder = load(TINY / "states", max_tokens=budget)
    whole = load(TINY / "states").encode(TEXTS).vectors
    assert np.abs(encoder.encode([TEXTS[i] for i in order]).vectors - whole[list(order)]).max() < 1e-4


def test_minilm_gives_unit_vectors_that_know_meaning(models):
    v = models["minilm"].encode(["a small dog", "a puppy", "stock prices fell"]).vectors
    assert v.dtype == np.float32
    assert np.linalg.norm(v, axis=1) == pytest.approx(1, abs=1e-4)
    assert v[0] @ v[1] > v[0] @ v[2] + 0.3


def test_splade_expands_and_keeps_the_heaviest_terms(models):
    texts = ["cheap flights to paris", "airline tickets for france", "how to bake bread"]
    v = models["splade-tiny"].encode(texts).vectors
    near, far = v.near(v.take([0]))[1:]
    assert near > 2 * far
    assert v.values.min() > 0
    few = load("splade-tiny", terms=5, threshold=0.1).encode(texts).vectors
    for i in range(3):
        row = sorted(v.row(i).items(), key=lambda kv: -kv[1])[:5]
        assert few.row(i) == pytest.approx({k: w for k, w in row if w > 0.1}, abs=1e-5)


def test_logits_of_every_position_become_the_same_weights_as_by_hand():
    found = load(TINY / "logits").encode(["the quick fox", "paris"])
    engine = load(TINY / "logits").engine
    for i, text in enumerate(["the quick fox", "paris"]):
        (out,) = list(engine.run([text])[1])
        expected = np.log1p(np.maximum(out.values[0], 0).max(axis=0))
        assert found.vectors.row(i) == pytest.approx({j: x for j, x in enumerate(expected) if x > 0}, rel=1e-3)


def test_usage_counts_texts_tokens_cuts_and_repeats(models):
    said = models["minilm"].encode(["one two", "one two", "word " * 300]).usage
    assert (said.calls, said.cached, said.truncated, said.prompt_tokens) == (2, 1, 1, 4 + 256)
    cross = load(TINY / "cross")
    one, two = cross([group("the cat", "sat on", "sat " * 40, "sat on"), group("the cat", "sat on")])
    assert (one.usage.calls, one.usage.cached, one.usage.truncated, one.usage.prompt_tokens) == (2, 1, 1, 7 + 32)
    assert (two.usage.calls, two.usage.cached, two.scores[0]) == (0, 1, one.scores[0])
    assert one.scores[0] == one.scores[2]


def test_an_endless_text_is_cut_and_counted(models):
    said = models["splade-tiny"].encode(["boundary layer " * 100_000])
    assert said.usage.truncated == 1
    assert said.usage.prompt_tokens == 256


def test_nothing_gives_nothing(models):
    assert models["minilm"].encode([]).vectors.shape == (0, 384)
    empty = models["splade-tiny"].encode([])
    assert (len(empty.vectors), empty.vectors.dim, empty.usage.calls) == (0, 30522, 0)
    assert models["cross"]([]) == []
    assert list(models["cross"]([group("q")])[0].scores) == []


def test_memory_is_bounded_by_the_budget(monkeypatch):
    encoder, largest = load(TINY / "states", max_tokens=64), []
    forward = onnx_engine.Engine.forward
    monkeypatch.setattr(
        onnx_engine.Engine, "forward", lambda self, b: (largest.append(b.ids.size), forward(self, b))[1]
    )
    encoder.encode([" ".join(WORDS[: i % 14]) + f" {i}" for i in range(500)])
    assert 32 < max(largest) <= 64


def test_a_shorter_limit_may_be_asked_for_but_not_a_longer_one():
    assert load("minilm", max_length=16).encode(["word " * 300]).usage.prompt_tokens == 16
    assert load("minilm", max_length=5000).encode(["word " * 300]).usage.prompt_tokens == 256


def test_two_logits_and_a_sigmoid(models):
    (said,) = models["cross"]([group("the cat", "sat on the mat", "paris")])
    assert all(0 < s < 1 for s in said.scores)  # one label and nothing stated: a sigmoid
    (said,) = models["cross2"]([group("the cat", "sat on the mat")])
    (out,) = list(models["cross2"].engine.run([("the cat", "sat on the mat")])[1])
    assert said.scores[0] == pytest.approx(out.values[0, 1] - out.values[0, 0], abs=1e-5)


def test_contents_are_read_as_texts_and_those_without_one_are_named(models):
    for name in ("minilm", "splade-tiny"):
        alike = models[name].encode(["lift of wings", {"title": "lift", "text": "of wings"}]).vectors
        assert alike.near(alike.take([0]))[0] == alike.near(alike.take([1]))[1]
        with pytest.raises(InputError, match="content 1 has no text"):
            models[name].encode(["a", None])
    with pytest.raises(InputError, match="candidate '1' has no text"):
        models["cross"]([group("q", "fine", None)])
    with pytest.raises(InputError, match="query 'q' holds bytes"):
        models["cross"]([group(b"q", "fine")])


def test_bad_files_and_options_are_named(tmp_path):
    with pytest.raises(InputError, match="dense model takes no terms"):
        load("minilm", terms=3)
    with pytest.raises(InputError, match="max_tokens=0"):
        load("minilm", max_tokens=0)
    for name in ("anyrank.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((TINY / "states" / name).read_bytes())
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="onnxruntime can't load it"):
        load(tmp_path)
    (tmp_path / "model.onnx").write_bytes((TINY / "states" / "model.onnx").read_bytes())
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="tokenizers can't read it"):
        load(tmp_path)


def test_a_model_shows_its_name_and_not_its_vocabulary():
    assert repr(load("minilm")) == "OnnxEncoder(name='minilm')"
