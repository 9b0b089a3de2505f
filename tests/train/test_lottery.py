"""Lottery tickets: exactly K weights move, weight decay moves no other, and a killed training goes on in its phase."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from anyrank.testing.tiny import encoder
from anyrank.train.group import Group
from anyrank.train.lottery import FIRST, MASK, Lottery
from anyrank.train.recipe import Adapters, Check, Export, Loss, Model, Optimiser, Recipe
from anyrank.train.run import train
from anyrank.train.setup import build

WORDS = ["river", "city", "number", "passage", "answer", "yes", "no", "true"]
GROUPS = [
    Group.from_texts(a, (f"the {b}", f"the {a}", b), (0.0, 1.0, 0.0), f"q{i}")
    for i, (a, b) in enumerate(zip(WORDS, WORDS[1:] + WORDS[:1]))
]


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return encoder(tmp_path_factory.mktemp("start") / "m", "bert", "cross")


def recipe(start, out, **adapters):
    return Recipe(
        out=str(out),
        model=Model(start=start, max_length=32),
        losses=(Loss(name="infonce"),),
        optimiser=Optimiser(batch=4, steps=8, rate=1e-2, warmup=0.0, decay=0.5, bf16=False),
        check=Check(every=2),
        export=Export(int8=False),
        adapters=Adapters(method="sparse", **adapters),
        seed=1,
    )


def changed(start, out):
    a, b = load_file(f"{start}/model.safetensors"), load_file(out / "model.safetensors")
    return {n: int((a[n] != b[n]).sum()) for n in a if not torch.equal(a[n], b[n])}


def test_exactly_k_weights_move_though_weights_decay(start, tmp_path):
    train(recipe(start, tmp_path / "m", keep=500), train=GROUPS)
    inside = {
        n: k for n, k in changed(start, tmp_path / "m").items() if not n.startswith(("classifier", "bert.pooler"))
    }
    assert sum(inside.values()) == 500
    assert not any("LayerNorm" in n for n in inside)
    masks = load_file(tmp_path / "m" / MASK)
    assert sum(map(len, masks.values())) == 500
    assert {f"bert.{n}": len(rows) for n, rows in masks.items() if len(rows)} == inside


def test_a_share_layer_norms_and_the_distance_from_the_start(start):
    model = build(Model(start=start, max_length=32))
    lottery = Lottery(model, recipe(start, "x", keep=0.5, norms=True, l1=2.0))
    total = sum(p.numel() for p in lottery.weights.values())
    assert lottery.number == round(total / 2)
    assert any("LayerNorm" in n for n in lottery.weights)
    assert lottery.penalty().item() == 0
    with torch.no_grad():
        next(iter(lottery.weights.values()))[3] += 0.25
    want = 2.0 * 0.25 * 32 / sum(p.numel() for p in model.parameters())
    assert lottery.penalty().item() == pytest.approx(want)


@pytest.mark.parametrize("phase", [1, 2])
def test_a_stopped_training_ends_with_the_same_weights(phase, start, tmp_path):
    whole, part = (recipe(start, tmp_path / n, keep=300) for n in ("whole", "part"))
    train(whole, train=GROUPS, order=order)
    calls = []

    def stop(groups, epoch):
        calls.append(epoch)
        if epoch == 3 and calls.count(3) == phase:
            raise KeyboardInterrupt
        return order(groups, epoch)

    with pytest.raises(KeyboardInterrupt):
        train(part, train=GROUPS, order=stop)
    assert (tmp_path / "part" / MASK).is_file() == (phase == 2)
    with pytest.raises(Exception, match="holds a training with checkpoints: resume it"):
        train(part, train=GROUPS, order=order)
    train(part, train=GROUPS, order=order, resume=True)
    a, b = (load_file(tmp_path / n / "model.safetensors") for n in ("whole", "part"))
    assert all(torch.equal(a[n], b[n]) for n in a)
    assert (tmp_path / "part" / FIRST / "checkpoints").is_dir()


def order(groups, epoch):
    return [(i * 3 + epoch) % len(groups) for i in range(len(groups))]


def test_the_first_phase_may_be_shorter(start, tmp_path):
    done = train(recipe(start, tmp_path / "m", keep=0.01, first_steps=3), train=GROUPS)
    assert (tmp_path / "m" / FIRST / "checkpoints" / "checkpoint-3").is_dir()
    assert done.log[-1]["step"] == 8
    assert replace(recipe(start, "a"), out="b").adapters.keep == 0.1
