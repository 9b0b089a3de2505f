"""Negatives from a model's own results: refreshed by steps beside the training, from a recipe file."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate
from anyrank.papers import load
from anyrank.train.group import Group
from anyrank.train.groups import write_groups
from anyrank.train.negatives import Refresh
from anyrank.train.recipe import Data, Export, Model, Optimiser, Recipe, read_recipe, recipe_text, recorded
from anyrank.train.refresh import Refreshed, encoded
from anyrank.train.run import train
from anyrank.train.setup import build, refreshed_of

SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
WORDS = ["lift", "drag", "wing", "flow", "heat", "plate", "shock", "layer"]
DOCUMENTS = [Candidate(f"d{i}", f"{word} of {WORDS[i - 1]}") for i, word in enumerate(WORDS)]
GROUPS = [Group(word, (DOCUMENTS[i],), (1.0,), f"q{i}") for i, word in enumerate(WORDS)]


@pytest.fixture
def settings(words, tmp_path):
    with (tmp_path / "corpus.jsonl").open("w") as file:
        for document in DOCUMENTS:
            file.write(json.dumps({"id": document.id, "text": document.content}) + "\n")
    write_groups(tmp_path / "train.jsonl", GROUPS)
    made = load("ance").recipe(
        str(tmp_path / "m"), (str(tmp_path / "train.jsonl"),), corpus=str(tmp_path / "corpus.jsonl"), steps=2
    )
    model = Model(kind="bi", tokenizer=str(words), shape=SHAPE, max_length=8, options={"similarity": "dot"})
    quick = Optimiser(batch=4, epochs=4, rate=1e-2, bf16=False)
    return replace(made, model=model, optimiser=quick, export=Export(int8=False))


def test_the_corpus_may_be_a_collection(settings, tmp_path):
    folder = tmp_path / "beir"
    folder.mkdir()
    (tmp_path / "corpus.jsonl").rename(folder / "corpus.jsonl")
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "x"}\n')
    recipe = replace(settings, data=replace(settings.data, refresh=Refresh(corpus=str(folder))))
    assert [d.id for d in refreshed_of(recipe, None).documents] == [d.id for d in DOCUMENTS]


def test_a_recipe_file_trains_with_them_and_the_same_twice(settings, tmp_path):
    (tmp_path / "r.yaml").write_text(recipe_text(settings))
    read = read_recipe(tmp_path / "r.yaml")
    assert read.data.refresh == Refresh(corpus=str(tmp_path / "corpus.jsonl"), steps=2)
    one, two = (train(replace(read, out=str(tmp_path / name))) for name in ("one", "two"))
    for a, b in zip(one.model.parameters(), two.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert "Refresh(corpus=" in (one.folder / "README.md").read_text()
    still = replace(read, out=str(tmp_path / "still"), data=replace(read.data, refresh=Refresh()))
    with pytest.raises(InputError, match="no group has anything to compare"):
        train(still)  # without the corpus there is no negative


def test_documents_are_searched_by_the_weights_of_one_refreshing_before(settings):
    model = build(settings.model)
    draw = Refreshed(model, DOCUMENTS, negatives=2, depth=4, steps=2)
    texts = [document.content for document in DOCUMENTS]
    first = draw(GROUPS[0], 0)
    assert (first.labels, first.candidates[0]) == ((1.0, 0.0, 0.0), DOCUMENTS[0])
    start, seen = encoded(model, texts, 256), []
    for step in range(1, 7):
        with torch.no_grad():
            model.body.embeddings.word_embeddings.weight.add_(torch.randn(16) * 0.3)
        seen.append(encoded(model, texts, 256))
        draw.at_step(step)
        draw(GROUPS[0], 5)  # an epoch changes nothing
        expected = start if step < 4 else seen[1] if step < 6 else seen[3]
        assert np.array_equal(draw._vectors, expected)


def test_an_error_beside_the_training_is_raised_in_it(settings, monkeypatch):
    model = build(settings.model)
    draw = Refreshed(model, [*DOCUMENTS, Candidate("x", "lift")], steps=1)
    draw(GROUPS[0], 0)
    monkeypatch.setattr(type(model), "encode", lambda *_, **__: 1 / 0)
    draw.at_step(1)
    with pytest.raises(ZeroDivisionError):
        draw.at_step(2)


def test_settings_that_do_not_fit_are_refused(settings, tmp_path):
    with pytest.raises(InputError, match="corpus: expected the file"):
        Refresh(steps=4)
    with pytest.raises(InputError, match="for models of kind bi, not cross"):
        Recipe(out="a", data=Data(refresh=Refresh(corpus="c.jsonl")))
    (tmp_path / "r.yaml").write_text(
        "out: a\nmodel: {kind: bi, start: b}\ndata: {draw: {negatives: 1}, refresh: {corpus: c}}"
    )
    with pytest.raises(InputError, match="give one of the two"):
        read_recipe(tmp_path / "r.yaml")
    (tmp_path / "empty.jsonl").write_text("")
    empty = replace(settings, data=replace(settings.data, refresh=Refresh(corpus=str(tmp_path / "empty.jsonl"))))
    with pytest.raises(InputError, match=r"empty\.jsonl"):
        train(empty)


def test_trainings_of_versions_without_them_can_be_resumed():
    assert "refresh" not in recorded(Recipe(out="a"))["data"]
