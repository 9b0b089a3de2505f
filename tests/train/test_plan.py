"""`anyrank train --plan`: the numbers of a training before it starts, without a trace on the disk."""

import json
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner
from transformers import BertConfig, BertModel, BertTokenizerFast

from anyrank.cli import cli
from anyrank.core.errors import InputError
from anyrank.train.group import Group
from anyrank.train.groups import write_groups
from anyrank.train.plan import _duration, plan
from anyrank.train.recipe import Adapters, Check, Data, Model, Optimiser, Recipe
from anyrank.train.reinforce import Reinforce

SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
GROUPS = [Group.from_texts("lift", ("lift of wing", "heat", "drag " * 30), (1.0, 0.0, 0.0), f"q{i}") for i in range(10)]


@pytest.fixture(scope="module")
def start(words, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    tokenizer = BertTokenizerFast.from_pretrained(words)
    BertModel(BertConfig(vocab_size=len(tokenizer), **SHAPE)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def recipe(start, tmp_path):
    model = Model(kind="bi", start=start, max_length=16)
    return Recipe(out=str(tmp_path / "m"), model=model, optimiser=Optimiser(batch=4, epochs=3, bf16=False))


def test_the_numbers_are_those_of_the_training(recipe, tmp_path):
    made = plan(recipe, GROUPS, GROUPS[:4])
    assert (made.groups, made.texts, made.valid_groups) == (10, 30, 4)
    assert (made.steps, made.epochs, made.validations) == (9, 3.0, 5)  # 3 batches an epoch; before, 3 epochs, after
    assert made.tokens == 10 * (1 + 3 + 1 + 30)
    assert made.cut == pytest.approx(1 / 4)
    assert made.weights == made.trained
    assert made.fixed == made.weights * 4 * 4  # weights, gradients, two averages, of four bytes
    assert made.seconds_a_step > 0
    assert made.seconds == pytest.approx(9 * made.seconds_a_step + 5 * made.seconds_a_validation)
    assert not any(tmp_path.iterdir())


def test_steps_accumulation_and_adapters_count(recipe):
    steps = replace(recipe, optimiser=Optimiser(batch=2, accumulate=2, steps=5, bf16=False), check=Check(every=2))
    made = plan(steps, GROUPS, GROUPS[:1])
    # An epoch of 5 batches is 2 + 2 + 1: five steps see one, and 4 batches of the next.
    assert (made.steps, made.epochs, made.validations) == (5, pytest.approx(1.8), 4)
    assert plan(replace(recipe, optimiser=Optimiser(accumulate=16, bf16=False)), GROUPS).epochs == 1
    few = plan(replace(recipe, adapters=Adapters(method="lora", rank=2)), GROUPS)
    assert few.trained < few.weights / 4
    assert few.fixed == 4 * (few.weights + 3 * few.trained)
    assert few.validations == 0
    sparse = replace(recipe, adapters=Adapters(method="sparse", keep=0.1, first_steps=4))
    assert plan(sparse, GROUPS).steps == 4 + 9


def test_the_weights_stay_as_they_are(recipe, monkeypatch):
    from anyrank.train import plan as room

    kept = []
    build = room.setup_of
    monkeypatch.setattr(room, "setup_of", lambda *args: kept.append(build(*args)) or kept[0])
    plan(recipe, GROUPS)
    fresh = build(recipe, GROUPS)
    for ours, theirs in zip(kept[0].module.parameters(), fresh.module.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_training_by_rewards_has_no_plan(recipe):
    by_rewards = replace(recipe, model=Model(kind="language", start="x"), rl=Reinforce(task="best"))
    with pytest.raises(InputError, match=r"takes as long as its answers are"):
        plan(by_rewards, GROUPS)


@pytest.mark.parametrize(("seconds", "text"), [(3.14159, "3.14 s"), (300, "5 min"), (86_400, "24 h")])
def test_times_are_read_at_a_glance(seconds, text):
    assert _duration(seconds) == text


def call(*args):
    return CliRunner().invoke(cli, ["train", *map(str, args)])


def test_the_command_prints_it_for_people_and_for_programs(start, tmp_path):
    write_groups(tmp_path / "train.jsonl", GROUPS)
    file = tmp_path / "r.yaml"
    file.write_text(
        f"out: {tmp_path / 'm'}\nmodel: {{kind: bi, start: {start}, max_length: 16}}\n"
        f"data: {{train: [{tmp_path / 'train.jsonl'}]}}\noptimiser: {{batch: 4, bf16: false}}\n"
    )
    before = sorted(tmp_path.iterdir())
    shown = call(file, "--plan")
    assert shown.exit_code == 0, shown.output
    assert "data     10 groups, 30 texts, about 350 tokens; 25 % of the texts are cut" in shown.stdout
    assert "steps    3 of 4 x 1 groups: 1 epochs" in shown.stdout
    read = json.loads(call(file, "--plan", "--json", "--set", "optimiser.epochs=2").stdout)
    assert (read["steps"], read["groups"], read["out"]) == (6, 10, str(tmp_path / "m"))
    assert sorted(tmp_path.iterdir()) == before
    for wrong in (["--json"], ["--plan", "--seeds", "2"], ["--plan", "--resume"]):
        assert isinstance(call(file, *wrong).exception, InputError)


def test_the_data_are_checked_as_by_the_training(recipe):
    with pytest.raises(InputError, match="nothing to train on"):
        plan(replace(recipe, data=Data()))
