"""GradCache: the gradients of a large batch, with the activations of a few texts."""

from dataclasses import replace

import pytest
import torch
from transformers import set_seed

from anyrank.core.errors import InputError
from anyrank.models.bi import BiEncoder
from anyrank.models.cross import CrossEncoder
from anyrank.models.knrm import KNRM
from anyrank.train.batches import Collate
from anyrank.train.grad_cache import Cached, Compares
from anyrank.train.group import Group
from anyrank.train.losses import infonce, margin_mse_all
from anyrank.train.objective import Objective
from anyrank.train.recipe import Export, Loss, Model, Optimiser, Recipe
from anyrank.train.run import train

SHAPE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
WORDS = ["lift", "drag", "wing", "flow", "heat", "plate", "shock", "layer"]
GROUPS = [
    Group.from_texts(w, (w, WORDS[i - 1] + " of " * (i % 3), WORDS[i - 2]), (1.0, 0.25, 0.0), f"q{i}")
    for i, w in enumerate(WORDS)
]


def model(words, dropout=0.0, **options):
    set_seed(0)
    shape = SHAPE | {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    return BiEncoder.from_config(shape, words, max_length=16, **options).train()


def gradients(module, objective, groups=GROUPS, scale=1.0):
    batch = Collate(module)(groups)
    module.zero_grad()
    set_seed(3)
    loss = objective(module, batch, 0.0)
    (loss * scale).backward()
    return loss.item(), {n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("options", [{"in_batch": True}, {"in_batch": False}, {"separate_documents": True}])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_the_gradients_are_those_of_the_whole_batch(words, options, size):
    module = model(words, **options)
    objective = Objective(((1.0, infonce), (0.5, margin_mse_all)))
    value, whole = gradients(module, objective, scale=0.25)
    cached_value, parts = gradients(module, Cached(objective, size), scale=0.25)
    assert cached_value == pytest.approx(value, rel=1e-5)
    assert set(parts) == set(whole)
    for name in whole:
        torch.testing.assert_close(parts[name], whole[name], atol=1e-5, rtol=1e-4)


def test_dropout_drops_the_same_in_both_passes_and_random_numbers_go_on(words):
    module = model(words, dropout=0.5, in_batch=True)
    seen = []
    embed = module.embed
    module.embed = lambda chunks: seen.append(vectors := embed(chunks)) or vectors
    gradients(module, Cached(Objective(((1.0, infonce),)), 4))
    after = torch.rand(1)
    half = len(seen) // 2
    for first, again in zip(seen[:half], seen[half:], strict=True):
        assert not first.requires_grad
        assert again.requires_grad
        torch.testing.assert_close(first, again.detach())
    set_seed(3)
    module.embed = embed
    Cached(Objective(((1.0, infonce),)), 4)(module, Collate(module)(GROUPS), 0.0)
    assert torch.equal(torch.rand(1), after)


def test_few_texts_are_held_at_once(words):
    module, sizes = model(words, in_batch=True), []
    embed = module.embed
    module.embed = lambda chunks: sizes.append(sum(len(c["rows"]) for c in chunks)) or embed(chunks)
    gradients(module, Cached(Objective(((1.0, infonce),)), 3))
    assert max(sizes) <= 3
    assert sum(sizes) == 2 * (8 + 24)


def test_a_recipe_trains_with_it_and_the_result_is_used_by_its_name(words, tmp_path):
    from anyrank.hub.open import open_model

    quick = Optimiser(batch=8, epochs=2, rate=1e-3, bf16=False, cache=5)
    how = Recipe(
        out=str(tmp_path / "out"),
        model=Model(kind="bi", tokenizer=str(words), shape=SHAPE, max_length=16, options={"in_batch": True}),
        losses=(Loss(name="infonce"),),
        optimiser=quick,
        export=Export(int8=False),
    )
    done = train(how, train=GROUPS)
    assert "GradCache of 5 texts" in (tmp_path / "out" / "README.md").read_text()
    vectors = open_model(str(tmp_path / "out")).encode(["lift"]).vectors.dense()
    torch.testing.assert_close(torch.tensor(vectors), done.model.encode(["lift"]).detach(), atol=1e-5, rtol=1e-4)
    plain = train(replace(how, out=str(tmp_path / "plain"), optimiser=replace(quick, cache=0)), train=GROUPS)
    steps = [[x["loss"] for x in d.log if "loss" in x] for d in (done, plain)]
    assert steps[0][0] > 0
    assert len(steps[0]) == len(steps[1])


def test_models_that_read_pairs_have_no_vectors_to_keep(words, tmp_path, monkeypatch):
    assert isinstance(model(words), Compares)
    assert not isinstance(CrossEncoder.from_config(SHAPE, words, max_length=16), Compares)
    how = Recipe(out=str(tmp_path), optimiser=Optimiser(cache=2), export=Export(int8=False))
    with pytest.raises(InputError, match=r"optimiser\.cache is for models of kind bi, not knrm"):
        train(how, train=GROUPS, model=KNRM.from_config({"width": 16}, words, max_length=16))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="a training of one process"):
        train(replace(how, out=str(tmp_path / "x")), train=GROUPS, model=model(words))
