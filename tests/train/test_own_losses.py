"""Losses over a query's own texts beside losses over the whole batch: ColBERT's second training."""

import pytest
import torch
from transformers import BertTokenizerFast

from anyrank.models.colbert import ColBERT
from anyrank.testing.check_model import candidates_of
from anyrank.train.batches import Collate
from anyrank.train.group import Group
from anyrank.train.losses import in_batch, infonce, kl_distillation
from anyrank.train.objective import Objective
from anyrank.train.recipe import Loss, Model, Recipe
from anyrank.train.setup import setup_of

WORDS = ["lift", "drag", "wing", "flow", "heat", "plate", "shock", "layer"]
SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
         "initializer_range": 0.4, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}  # fmt: skip
GROUPS = [
    Group.from_texts("lift", ["lift wing", "drag", "heat flow"], [2.0, 0.5, 1.0], "a"),
    Group.from_texts("plate of heat", ["shock", "plate layer heat"], [0.0, 3.0], "b"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


@pytest.fixture
def model(folder):
    torch.manual_seed(0)
    return ColBERT.from_config(SHAPE, str(folder), max_length=24, dim=8, expand=8, in_batch=True)


def test_a_colbert_in_training_scores_every_query_with_every_text(model):
    features = Collate(model)(GROUPS)["features"]
    with torch.no_grad():
        wide = model.train()(**features)
        assert wide.shape == (2, 6)
        own = model.eval()(**features)
        assert torch.allclose(wide[0, :3], own[0], atol=1e-5)
        assert torch.allclose(wide[1, 3:], own[1], atol=1e-5)
        texts = [c.content for g in GROUPS for c in g.candidates]
        every = model(**model.features([g.query for g in GROUPS], candidates_of([texts, texts])))
        real = [0, 1, 2, 3, 4]
        assert torch.allclose(wide[:, real], every, atol=1e-5)
        assert not wide[:, 5].any()


def test_own_losses_see_the_groups_own_texts_alone(model):
    batch = Collate(model)(GROUPS)
    with torch.no_grad():
        wide = model.train()(**batch["features"])
        both = Objective(((0.5, infonce),), own=((2.0, kl_distillation),))
        value = both.batch(wide, batch, 0.0)
        labels, mask = batch["labels"], batch["features"]["mask"]
        inner = torch.stack([wide[0, :3], wide[1, 3:]])
        other_labels, other_mask = in_batch(labels, mask)
        wanted = 2 * kl_distillation(inner, labels, mask) + 0.5 * infonce(wide, other_labels, other_mask)
        assert value.item() == pytest.approx(wanted.item(), abs=1e-5)
        alone = Objective((), own=((2.0, kl_distillation),)).batch(wide, batch, 0.0)
        assert alone.item() == pytest.approx(2 * kl_distillation(inner, labels, mask).item(), abs=1e-5)
        # where scores are of own texts only, both are over them
        plain = both.batch(inner, batch, 0.0)
        assert plain.item() == pytest.approx(
            (2 * kl_distillation(inner, labels, mask) + 0.5 * infonce(inner, labels, mask)).item(), abs=1e-5
        )


def test_a_recipe_says_which_losses_are_of_own_texts(folder):
    losses = (Loss(name="kl_distillation", own=True), Loss(name="infonce", weight=0.5))
    options = {"dim": 8, "expand": 8, "in_batch": True}
    recipe = Recipe(
        out="x", model=Model(kind="colbert", shape=SHAPE, tokenizer=str(folder), max_length=24, options=options),
        losses=losses,
    )  # fmt: skip
    objective = setup_of(recipe, GROUPS).objective
    assert [w for w, _ in objective.losses] == [0.5]
    assert [w for w, _ in objective.own] == [1.0]
