"""The dual encoder of images and texts: the contract, its loss by hand, its tower, a training of a few steps."""

import json
import math

import numpy as np
import pytest
import torch

pytest.importorskip("PIL")

from transformers import BertTokenizerFast

from anyrank import ModelError
from anyrank.core.content import Image
from anyrank.core.types import Candidate
from anyrank.hub.open import declare, open_model
from anyrank.models import model_class
from anyrank.models.image_text import augment
from anyrank.models.parts.efficientnet_lite import EfficientNetLite, Same, Shape
from anyrank.testing.check_model import check_model
from anyrank.testing.tiny_images import squares
from anyrank.train.group import Group
from anyrank.train.recipe import Export, Model, Optimiser, Recipe
from anyrank.train.run import train

SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
TOWER = {"stem": 8, "head": 24, "blocks": [[1, 3, 1, 1, 8], [2, 3, 2, 2, 12]]}
COLOURS = ("red", "blue", "black", "green")
RED, BLUE, BLACK, GREEN = PICTURES = [Image.of(p) for p in squares(*COLOURS)]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "square", *COLOURS]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    return tokenizer, folder


@pytest.fixture
def model(tokenizer):
    torch.manual_seed(3)
    return model_class("image_text").from_config(SHAPE, tokenizer[0], max_length=12, size=32, tower=TOWER)


def test_the_contract_is_kept_and_its_name_gives_the_same_vectors(model, tmp_path):
    queries = ["red square", "blue", RED]
    contents = [[RED, "red", {"text": "a caption", "image": BLUE.source}], [BLACK], [GREEN, RED]]
    check_model(model, tmp_path / "m", queries, contents, texts=False)
    assert (declare(tmp_path / "m").kind, declare(tmp_path / "m").runtime) == ("image_text", "clip")
    encoder = open_model(tmp_path / "m")
    with torch.no_grad():
        own = model.embed(model.inputs([RED, "red square", BLUE])).numpy()
    result = encoder.encode([RED, "red square", BLUE, "a " * 30])
    assert np.allclose(result.vectors[:3], own, atol=1e-5)
    assert (result.usage.calls, result.usage.truncated) == (4, 1)
    assert json.loads((tmp_path / "m" / "anyrank.json").read_text())["size"] == 32


def test_the_loss_counts_same_texts_once_and_other_candidates_as_wrong(model):
    model.eval()
    queries = ["red", "blue", "red"]
    groups = [[Candidate("", RED)], [Candidate("", BLUE), Candidate("", BLACK)], [Candidate("", GREEN)]]
    features, labels = model.features(queries, groups), torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    with torch.no_grad():
        loss = float(model.loss(features, labels))
        q = model.embed(features["queries"]).numpy()
        m = model.embed(features["members"]).numpy()
    scores = q @ m.T / 0.05  # pictures: red, blue, black, green
    right = [[1, 0, 0, 1], [0, 1, 0, 0], [1, 0, 0, 1]]

    def ce(values, which):
        e = np.exp(values - values.max())
        return -math.log(sum(e[i] for i, r in enumerate(which) if r) / e.sum())

    rows = [ce(scores[i], right[i]) for i in range(3)]
    columns = [ce(scores[:, j], [r[j] for r in right]) for j in (0, 1, 3)]
    assert loss == pytest.approx((np.mean(rows) + np.mean(columns)) / 2, abs=1e-4)


def test_convolutions_pad_as_tensorflow_does():
    layer = Same(1, 1, 3, 2)
    torch.nn.init.ones_(layer.weight)
    out = layer(torch.arange(16.0).reshape(1, 1, 4, 4))  # even: padded at the end alone
    assert out.tolist() == [[[[45.0, 39.0], [66.0, 50.0]]]]
    assert layer(torch.ones(1, 1, 5, 5)).tolist() == [[[[4.0, 6.0, 4.0], [6.0, 9.0, 6.0], [4.0, 6.0, 4.0]]]]


def test_the_default_tower_has_the_published_shape():
    with torch.device("meta"):
        weights = EfficientNetLite(Shape()).state_dict()
    assert len(weights) == 294  # the published file has these and a classifier of two
    assert weights["_blocks.15._project_conv.weight"].shape == (320, 1152, 1, 1)
    assert weights["_blocks.3._depthwise_conv.weight"].shape == (144, 1, 5, 5)
    assert "_blocks.0._expand_conv.weight" not in weights


def test_what_is_frozen_stays_and_training_learns(tokenizer, model, tmp_path):
    from safetensors.torch import save_file

    start, lite = tmp_path / "start", tmp_path / "lite.safetensors"
    model.text.save(start)
    save_file(model.tower.state_dict(), lite)
    options = {"image": str(lite), "size": 32, "tower": TOWER, "frozen_blocks": 1}
    recipe = Recipe(
        out=str(tmp_path / "run"),
        model=Model(kind="image_text", start=str(start), max_length=12, options=options),
        losses=(),
        optimiser=Optimiser(rate=1e-2, steps=4, batch=4, warmup=0.0),
        export=Export(int8=False),
    )
    groups = [Group(f"a {c} square", (Candidate(c, p),), (1.0,), c) for c, p in zip(COLOURS, PICTURES)]
    after = train(recipe, train=groups).model
    before = model.state_dict()
    changed = {k for k, v in after.state_dict().items() if not torch.equal(v, before[k])}
    assert not [k for k in changed if k.startswith(("text.", "tower._blocks.0", "tower._conv_stem"))]
    assert not [k for k in changed if "running" in k]
    assert "tower._conv_head.weight" in changed
    log = json.loads((tmp_path / "run" / "training.json").read_text())
    assert log["groups"] == 4
    assert open_model(tmp_path / "run").encode([RED]).vectors.shape == (1, 16)


def test_weights_of_another_tower_are_refused(tokenizer, model, tmp_path):
    from safetensors.torch import save_file

    model.text.save(tmp_path / "start")
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(ModelError, match=r"x\.safetensors: no weights of this tower"):
        model_class("image_text").from_folder(tmp_path / "start", image=tmp_path / "x.safetensors", tower=TOWER)


def test_training_shows_pictures_altered_within_their_range():
    torch.manual_seed(0)
    pixels = torch.stack([torch.full((3, 8, 8), -1.0), torch.full((3, 8, 8), 1.0)]).repeat(8, 1, 1, 1)
    shown = augment(pixels)
    assert shown.shape == pixels.shape
    assert float(shown.min()) >= -1.001
    assert torch.allclose(shown[1], torch.ones(3, 8, 8), atol=1e-5)  # white stays white, whatever is beyond the edge
    assert bool((shown[0] > 0).any())
