"""A training stops at the first number that isn't finite, and what can't be learned is refused before it starts."""

import json
import logging
import math
import random
from dataclasses import fields, is_dataclass, replace

import pytest
import torch
from click.testing import CliRunner
from transformers import set_seed

from anyrank.cli.train import train_command
from anyrank.core.errors import InputError
from anyrank.models.knrm import KNRM
from anyrank.train.batches import Batches
from anyrank.train.divergence import Diverged, largest
from anyrank.train.group import Group
from anyrank.train.groups import write_groups
from anyrank.train.loop import Loop, settings
from anyrank.train.negatives import Draw
from anyrank.train.ranges import SETTINGS, Range
from anyrank.train.recipe import (
    Check,
    Curriculum,
    Data,
    Export,
    Language,
    Loss,
    Model,
    Optimiser,
    Recipe,
    ValidSet,
    read_recipe,
)
from anyrank.train.run import train
from anyrank.train.setup import named
from anyrank.train.soft_measures import kendall, soft_ndcg, spearman
from anyrank.train.sources import Source
from anyrank.train.validation import Validation, ValidationSets

WORDS = ["lift", "drag", "wing", "flow", "heat", "plate", "shock", "layer"]


def groups(n=16, seed=0, labels=(0.0, 0.0, 0.0, 1.0)):
    rng = random.Random(seed)
    out = []
    for i in range(n):
        good, *bad = rng.sample(WORDS, 4)
        out.append(Group.from_texts(good, (*bad, good), labels, f"q{i}", ids=("a", "b", "c", "d")))
    return out


def fresh(words, seed=0):
    set_seed(seed)
    return KNRM.from_config({"width": 16}, words, max_length=16)


def recipe(folder, **changes):
    quick = Optimiser(batch=4, epochs=3, rate=1e-2, bf16=False)
    return replace(Recipe(out=str(folder), optimiser=quick, export=Export(int8=False)), **changes)


def after(calls, value):
    """A loss that is NaN, or whatever ``value`` makes of it, from some call on."""
    count = [0]

    def loss(scores, labels, mask):
        count[0] += 1
        good = (scores - labels).square().mean()
        return value(good) if count[0] > calls else good

    return loss


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_training_stops_at_the_first_loss_that_is_not_finite(words, tmp_path, value):
    probes = 3  # of the labels' range and of whether a group has anything to compare
    loss = after(probes + 6, lambda good: good * 0 + value)
    with pytest.raises(Diverged) as stopped:
        train(recipe(tmp_path), train=groups(), model=fresh(words), losses=[(1.0, loss)])
    message = str(stopped.value)
    assert stopped.value.step == 7
    assert f"stopped at step 7: its loss is {value}" in message
    assert "lower optimiser.rate (0.01; try 0.001)" in message
    assert f"The last good weights (step 4) are in {tmp_path}/last-good" in message  # the end of the first epoch
    kept = KNRM.from_folder(tmp_path / "last-good")
    assert all(bool(p.isfinite().all()) for p in kept.parameters())
    assert (tmp_path / "checkpoints" / "checkpoint-4" / "complete").exists()
    assert not (tmp_path / "model.safetensors").exists()


def test_a_gradient_that_is_not_finite_stops_it_before_the_weights_change(words, tmp_path):
    class Cliff(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return grad * math.nan

    model = fresh(words)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    loss = after(3, lambda good: Cliff.apply(good))
    with pytest.raises(
        Diverged, match=r"step 1: a gradient is not a finite number.*No step before it gave good weights"
    ):
        train(recipe(tmp_path), train=groups(), model=model, losses=[(1.0, loss)])
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not (tmp_path / "last-good").exists()


def test_weights_that_overflow_are_never_saved(words, tmp_path):
    model = fresh(words)

    def loss(scores, labels, mask):
        if loss.calls > 3 + 2:  # after two steps a weight is spoilt from outside, as an overflow would do
            model.out.weight.data.fill_(math.inf)
            return (next(p for n, p in model.named_parameters() if n != "out.weight") * 0).sum()
        loss.calls += 1
        return (scores - labels).square().mean()

    loss.calls = 0
    with pytest.raises(Diverged, match=r"at step 4: the weights out\.weight are not finite numbers"):
        train(recipe(tmp_path), train=groups(), model=model, losses=[(1.0, loss)])
    for file in tmp_path.glob("checkpoints/*/model.safetensors"):
        from safetensors.torch import load_file

        assert all(bool(t.isfinite().all()) for t in load_file(file).values())


def test_the_best_validated_weights_are_the_ones_kept(words, tmp_path):
    loss = after(3 + 10, lambda good: good * math.nan)
    how = recipe(tmp_path, check=Check(every=2))
    with pytest.raises(Diverged) as stopped:
        train(how, train=groups(), valid=groups(4, seed=1), model=fresh(words), losses=[(1.0, loss)])
    state = json.loads((sorted(tmp_path.glob("checkpoints/checkpoint-*"))[0] / "trainer_state.json").read_text())
    assert stopped.value.step == 11
    assert f"(step {state['best_model_checkpoint'].rpartition('-')[2]})" in str(stopped.value)


def test_the_command_says_so_and_exits_with_4(words, tmp_path, monkeypatch):
    import anyrank.train.run as module

    write_groups(tmp_path / "g.jsonl", groups())
    monkeypatch.setattr(module, "train", lambda *a, **k: (_ for _ in ()).throw(Diverged("its loss is nan", 3, "x")))
    (tmp_path / "r.yaml").write_text(f"out: {tmp_path}/out\ndata: {{train: [{tmp_path}/g.jsonl]}}\n")
    result = CliRunner().invoke(train_command, [str(tmp_path / "r.yaml")], standalone_mode=False)
    assert result.return_value == 4
    assert "anyrank: the training stopped at step 3: its loss is nan" in result.stderr


def test_a_start_whose_weights_are_not_finite_is_refused(words, tmp_path):
    model = fresh(words)
    with torch.no_grad():
        model.out.weight.fill_(math.nan)
    with pytest.raises(InputError, match="a score of group 'q0' is not a finite number"):
        train(recipe(tmp_path), train=groups(), valid=groups(3), model=model)


def test_the_largest_number_sees_nan_and_inf():
    assert float(largest([torch.tensor([1.0, -3.0]), torch.tensor([]), torch.tensor([2.0])])) == 3
    assert math.isnan(float(largest([torch.tensor([math.nan, 1.0]), torch.tensor([2.0])])))
    assert float(largest([torch.tensor([-math.inf])])) == math.inf
    assert float(largest([])) == 0


PARTS = [Model, Data, ValidSet, Source, Draw, Loss, Language, Curriculum, Optimiser, Check, Export, Recipe]


def test_every_number_of_a_recipe_has_a_range():
    for part in PARTS:
        assert is_dataclass(part)
        numbers = {f.name for f in fields(part) if f.type in ("int", "float")}
        assert numbers == set(SETTINGS.get(part.__name__, {})), part.__name__


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimiser: {rate: 1e30}", "rate: expected more than 0 and at most 1 (usual are 1e-6 to 1e-2), found 1e+30"),
        ("optimiser: {rate: 0}", "rate: expected more than 0"),
        ("optimiser: {rate: -1e-5}", "rate: expected more than 0"),
        ("optimiser: {rate: .nan}", "rate: expected more than 0"),
        ("optimiser: {rate: .inf}", "rate: expected more than 0"),
        ("optimiser: {decay: 7}", "decay: expected at least 0 and at most 1"),
        ("optimiser: {epochs: -2}", "epochs: expected at least 0"),
        ("optimiser: {steps: -1}", "steps: expected at least 0"),
        ("optimiser: {accumulate: 0}", "accumulate: expected at least 1"),
        ("optimiser: {clip: -1}", "clip: expected at least 0"),
        ("optimiser: {warmup: -0.1}", "warmup: expected at least 0"),
        ("model: {max_length: 0}", "max_length: expected at least 3"),
        ("model: {max_length: -5}", "max_length: expected at least 3"),
        ("model: {options: {temperature: 0}}", "options: temperature: expected more than 0"),
        ("losses: [{name: ranknet, weight: -1}]", "weight: expected at least 0"),
        ("losses: [{name: ranknet, weight: .nan}]", "weight: expected at least 0"),
        ("losses: [{name: infonce, options: {temperature: 0}}]", "the loss infonce: temperature: expected more than 0"),
        ("losses: [{name: ndcg_loss2pp, options: {sigma: -1}}]", "the loss ndcg_loss2pp: sigma: expected more than 0"),
        ("losses: [{name: hinge, options: {margin: .inf}}]", "the loss hinge: margin: expected a finite number"),
        ("curriculum: {end: -1}", "end: expected at least 0"),
        ("data: {texts: -1}", "texts: expected at least 0"),
        ("data: {draw: {negatives: 2, start: 0}}", "start: expected more than 0"),
        ("data: {train: [{path: x, weight: 0}]}", "weight: expected more than 0"),
        ("export: {least: 2}", "least: expected at least -1 and at most 1"),
        ("export: {samples: 0}", "samples: expected at least 1"),
        ("seed: -1", "seed: expected at least 0"),
        ("threads: -1", "threads: expected at least 0"),
        ("check: {every: -1}", "every: expected at least 0"),
    ],
)
def test_settings_out_of_their_range_are_refused_when_the_recipe_is_read(tmp_path, text, message):
    (tmp_path / "r.yaml").write_text("out: a\n" + text)
    with pytest.raises(InputError) as refused:
        read_recipe(tmp_path / "r.yaml")
    assert message in str(refused.value)
    assert "r.yaml:" in str(refused.value)


def test_options_at_the_edge_of_their_range_are_taken():
    Loss(name="pairwise_cross_entropy", options={"temperature": 0})
    Loss(name="ranklist", options={"weights": [1, 2], "exact": True, "skips": 1})
    assert 0 in Range(0, 1)
    assert 0 not in Range(0, 1, above=True)
    with pytest.raises(InputError, match="rank_weight"):
        Language(rank_weight=-1)


def test_losses_that_are_none_are_refused(words, tmp_path):
    for losses, message in (
        ((), "losses: there is none"),
        ((Loss(name="mse", weight=0),), "losses: all have weight 0"),
    ):
        with pytest.raises(InputError, match=message):
            train(recipe(tmp_path, losses=losses), train=groups(), model=fresh(words))


@pytest.mark.parametrize(
    ("change", "loss", "message"),
    [
        (lambda g: [replace(g[0], labels=(0.0, math.nan, 1.0, 0.0)), *g[1:]], "ranknet", "query 'q0': a label is nan"),
        (lambda g: [replace(g[0], priors=(1.0, math.inf, 1.0, 0.0))], "ranknet", "query 'q0': a prior is inf"),
        (lambda g: [replace(x, labels=(3.0,) * 4) for x in g], "ranknet", "no group has anything to compare"),
        (lambda g: [replace(x, labels=(0.0, 1.0, 2.0, 3.0)) for x in g], "binary_cross_entropy", "labels from 0 to 3"),
        (lambda g: [replace(x, labels=(-9.0, -8.0, -7.0, -6.0)) for x in g], "lambda_loss", "anything to compare"),
        (lambda g: [replace(x, labels=(0.0, 0.0, 0.0, 300.0)) for x in g], "lambda_loss", "isn't a finite number for"),
        (lambda g: [Group("q", (), ())], "mse", "has no texts|anything to compare"),
    ],
)  # fmt: skip
def test_groups_that_cannot_be_learned_are_refused_before_the_start(words, tmp_path, change, loss, message):
    with pytest.raises(InputError, match=message):
        train(recipe(tmp_path, losses=(Loss(name=loss),)), train=change(groups()), model=fresh(words))
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: [replace(x, labels=(0.0,) * 4) for x in g], "all labels are 0"),
        (lambda g: g[:1], "there is one group only"),
        (
            lambda g: [replace(x, labels=(0.0,) * 4) for x in g[:3]] + g[3:],
            "3 of 8 groups have texts of one label only",
        ),
        (lambda g: [replace(x, labels=(0.0, 0.0, -1.0, 0.0)) for x in g], "no label is above 0"),
    ],
)
def test_groups_that_teach_little_are_warned_of(words, tmp_path, caplog, change, message):
    with caplog.at_level(logging.WARNING, "anyrank.train"):
        quick = Optimiser(batch=4, steps=1, bf16=False)
        how = recipe(tmp_path, losses=(Loss(name="mse"),), optimiser=quick)
        train(how, train=change(groups(8)), model=fresh(words))
    assert message in caplog.text


def test_all_labels_zero_under_binary_cross_entropy_are_warned_of(words, tmp_path, caplog):
    how = recipe(tmp_path, losses=(Loss(name="binary_cross_entropy"),), optimiser=Optimiser(batch=4, steps=1))
    with caplog.at_level(logging.WARNING, "anyrank.train"):
        train(how, train=groups(8, labels=(0.0,) * 4), model=fresh(words))
    assert "all labels are 0" in caplog.text


def test_one_group_a_batch_has_no_negatives_of_other_groups(words, tmp_path):
    from anyrank.models.bi import BiEncoder

    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    model = BiEncoder.from_config(shape, words, max_length=16, in_batch=True)
    single = [Group.from_texts(w, (w,), (1.0,)) for w in WORDS]
    alone = Optimiser(batch=1, steps=1, bf16=False)
    with pytest.raises(InputError, match=r"a batch holds one group.*optimiser\.batch of 2 or more"):
        train(recipe(tmp_path, losses=(Loss(name="infonce"),), optimiser=alone), train=single, model=model)


def test_judgements_of_another_collection_are_seen_before_the_first_step(words, tmp_path):
    valid = groups(3, seed=1)
    for qrels, message in (
        ({"other-1": {"a": 1}}, "no group is judged: its ids are like 'q0', 'q1', 'q2', .*like 'other-1'"),
        (
            {"q0": {"doc-1": 1}},
            "no candidate of any group is relevant: .*like 'a', 'b', 'c', the judged .*like 'doc-1'",
        ),
        ({"q0": {"a": 0}}, "no candidate of any group is relevant"),
    ):
        with pytest.raises(InputError, match=message):
            train(recipe(tmp_path), train=groups(), valid=valid, qrels=qrels, model=fresh(words))
    with pytest.raises(InputError, match="no grade or label is above 0, so no candidate is relevant"):
        train(recipe(tmp_path), train=groups(), valid=groups(3, labels=(0.0,) * 4), model=fresh(words))
    assert not (tmp_path / "checkpoints").exists()
    assert not (tmp_path / "training.json").exists()


def test_soft_labels_are_refused_with_what_to_write_and_that_works(words, tmp_path):
    valid = groups(4, seed=1, labels=(0.25, -1.5, 3.75, 9.5))
    with pytest.raises(InputError) as refused:
        train(recipe(tmp_path / "a"), train=groups(), valid=valid, model=fresh(words))
    assert "nDCG@10 needs grades" in str(refused.value).replace(", ", " ") or "whole numbers" in str(refused.value)
    advised = [
        name.strip() for name in str(refused.value).rpartition("check.measure ")[2].replace(" or ", ",").split(",")
    ]
    assert advised == ["Spearman", "Kendall", "SoftnDCG@10"]
    for name in advised:
        done = train(
            recipe(tmp_path / name.replace("@", ""), check=Check(measure=name), losses=(Loss(name="margin_mse_all"),)),
            train=groups(labels=(0.25, -1.5, 3.75, 9.5)),
            valid=valid,
            model=fresh(words),
        )
        assert done.effect.measures == (name,)
        assert -1 <= done.effect.mean("after", name) <= 1
        assert name in (done.folder / "README.md").read_text()


def test_a_teachers_groups_with_grades_are_judged_by_these():
    taught = Group.from_texts("q", ("x", "y"), (0.5, 0.25), "q1", ids=("x", "y"), grades=(0.0, 1.0))
    assert Validation([taught], ["RR"])(lambda groups: [[1.0, 2.0]]) == 1.0


def test_measures_of_labels_and_of_grades_are_not_mixed():
    with pytest.raises(InputError, match="Kendall reads labels, the others grades"):
        Validation(groups(2), ["nDCG@10", "Kendall"])
    with pytest.raises(InputError, match="Spearman needs groups with texts of different labels"):
        Validation(groups(2, labels=(1.0,) * 4), ["Spearman"])
    with pytest.raises(InputError, match="a cut-off is at least 1, not 0"):
        Validation(groups(2), ["SoftnDCG@0"])


def test_rank_correlations_by_hand():
    s, y = [3.0, 1.0, 2.0, 2.0], [0.1, 0.2, 0.3, 0.4]
    # ranks 4, 1, 2.5, 2.5 and 1, 2, 3, 4
    assert spearman(s, y) == pytest.approx((1.5 * -1.5 + -1.5 * -0.5 + 0 + 0) / math.sqrt(4.5 * 5))
    # pairs: (0,1)-, (0,2)-, (0,3)-, (1,2)+, (1,3)+, (2,3) tied in s
    assert kendall(s, y) == pytest.approx((2 - 3) / math.sqrt(5 * 6))
    assert spearman([1.0, 1.0], y[:2]) == kendall([1.0, 1.0], y[:2]) == 0.0
    assert spearman(y, y) == pytest.approx(1.0)
    assert kendall(y, [-x for x in y]) == pytest.approx(-1.0)


def test_soft_ndcg_has_the_stated_gain():
    s, y = [0.1, 0.9, 0.5], [5.0, 2.0, 3.0]  # ranks 3, 1, 2; gains 1, 0, 1/3
    dcg = 0 / math.log2(2) + (1 / 3) / math.log2(3) + 1 / math.log2(4)
    ideal = 1 + (1 / 3) / math.log2(3)
    assert soft_ndcg(s, y) == pytest.approx(dcg / ideal)
    assert soft_ndcg(s, y, 2) == pytest.approx((1 / 3) / math.log2(3) / ideal)
    assert soft_ndcg(s, [7 * x - 3 for x in y]) == pytest.approx(soft_ndcg(s, y))  # of any scale and offset
    assert soft_ndcg([1.0, 1.0], [1.0, 0.0]) == pytest.approx((1 / 2 + 1 / 2 / math.log2(3)) / 1)
    assert soft_ndcg([1.0, 2.0], [4.0, 4.0]) == 0.0


def test_named_validation_sets_are_measured_apart_and_choose_by_their_mean(words, tmp_path):
    write_groups(tmp_path / "t.jsonl", groups())
    write_groups(tmp_path / "a.jsonl", groups(3, seed=1))
    write_groups(tmp_path / "b.jsonl", groups(3, seed=2, labels=(0.5, 1.5, 0.25, 9.0)))
    data = Data(
        train=(str(tmp_path / "t.jsonl"),),
        valid_sets=(
            ValidSet(name="judged", valid=(str(tmp_path / "a.jsonl"),), weight=3.0),
            ValidSet(name="taught", valid=(str(tmp_path / "b.jsonl"),), measure="Spearman"),
        ),
    )
    done = train(recipe(tmp_path / "out", data=data, check=Check(measure="RR")), model=fresh(words))
    assert {name: e.measures for name, e in done.effects.items()} == {"judged": ("RR",), "taught": ("Spearman",)}
    lines = [line for line in done.log if "eval_judged" in line]
    assert len(lines) == 3
    assert all(x["eval_mean of judged, taught"] == pytest.approx((3 * x["eval_judged"] + x["eval_taught"]) / 4)
               for x in lines)  # fmt: skip
    assert lines[-1]["eval_judged"] == pytest.approx(done.effects["judged"].mean("after", "RR")) or len(lines) > 1
    text = (tmp_path / "out" / "README.md").read_text()
    assert "3 validation queries of judged" in text
    assert "3 validation queries of taught" in text
    assert set(json.loads((tmp_path / "out" / "validation.json").read_text())) == {"judged", "taught"}


def test_named_sets_say_which_one_is_wrong(tmp_path, words):
    write_groups(tmp_path / "b.jsonl", groups(3, labels=(0.5, 1.5, 0.25, 9.0)))
    sets = (ValidSet(name="taught", valid=(str(tmp_path / "b.jsonl"),)),)
    with pytest.raises(InputError, match="taught: validation: group 'q0' has labels"):
        train(recipe(tmp_path / "out", data=Data(valid_sets=sets)), train=groups(), model=fresh(words))
    with pytest.raises(InputError, match="the name 'taught' comes twice"):
        Data(valid_sets=sets * 2)
    with pytest.raises(InputError, match="give valid, or valid_sets, not both"):
        Data(valid=("x",), valid_sets=sets)
    with pytest.raises(InputError, match="the set 'x' has no file"):
        ValidSet(name="x", valid=())


def test_several_sets_have_a_weighted_mean():
    one, two = Validation(groups(2), ["RR"]), Validation(groups(2, seed=1), ["P@1"])
    both = ValidationSets({"one": one, "two": two}, {"one": 1.0, "two": 3.0})
    assert both.name == "mean of one, two"
    assert len(both.groups) == 4
    assert both(lambda gs: [[0.0, 0.0, 0.0, 1.0]] * len(gs)) == 1.0
    values = both.each(lambda gs: [[1.0, 0.0, 0.0, 0.5]] * len(gs))
    assert values == {"one": 0.5, "two": 0.0}
    assert both.mean(values) == pytest.approx(0.125)


def test_sources_are_mixed_by_their_weights():
    given = groups(30)
    batches = Batches(given, 4, seed=1, parts=((10, 2.0), (10, 0.5), (10, 1.0)))
    assert len(batches) == 9  # 20 + 5 + 10
    epochs = []
    for epoch in (0, 1):
        batches.set_epoch(epoch)
        drawn = [i for b in batches for i in b]
        assert sorted(i for i in drawn if i < 10) == sorted([*range(10)] * 2)
        assert sorted(i for i in drawn if i >= 20) == [*range(20, 30)]
        half = [i for i in drawn if 10 <= i < 20]
        assert len(set(half)) == len(half) == 5
        epochs.append(sorted(half))
    assert epochs[0] != epochs[1]
    batches.set_epoch(0)
    assert sorted(i for b in batches for i in b if 10 <= i < 20) == epochs[0]
    with pytest.raises(InputError, match="20 groups in the parts, but 30 in all"):
        Batches(given, 4, parts=((20, 1.0),))
    with pytest.raises(InputError, match="no group is drawn"):
        Batches(given, 4, parts=((30, 0.001),))


def test_a_recipe_mixes_its_files(words, tmp_path):
    write_groups(tmp_path / "a.jsonl", groups(8))
    write_groups(tmp_path / "b.jsonl", groups(8, seed=1))
    train_files = (
        Source(path=str(tmp_path / "a.jsonl"), weight=2.0),
        Source(path=str(tmp_path / "b.jsonl"), weight=0.5),
    )
    how = recipe(tmp_path / "out", data=Data(train=train_files), optimiser=Optimiser(batch=4, epochs=2, bf16=False))
    done = train(how, model=fresh(words))
    assert done.log[-1]["step"] == 2 * 5  # 16 + 4 groups an epoch


def test_an_order_of_ones_own_decides_the_batches(words, tmp_path):
    seen = []

    def loss(scores, labels, mask):
        seen.append(len(scores))
        return (scores - labels).square().mean()

    asked = []

    def order(groups, epoch):
        asked.append(epoch)
        return [epoch, epoch, 3, 2, 1]

    how = recipe(tmp_path, optimiser=Optimiser(batch=2, epochs=2, bf16=False))
    train(how, train=groups(8), model=fresh(words), losses=[(1.0, loss)], order=order)
    assert seen[-6:] == [2, 2, 1] * 2
    assert set(asked) == {0, 1}
    batches = Batches(groups(8), 2, order=lambda epoch: range(3 + epoch))
    assert list(batches) == [[0, 1], [2]]
    batches.set_epoch(1)
    with pytest.raises(InputError, match="the order of epoch 1 has 4 positions, that of epoch 0 3"):
        list(batches)


def test_several_gpus_without_a_launcher_are_not_split_blindly(tmp_path, monkeypatch, caplog):
    import transformers

    monkeypatch.setattr(transformers.TrainingArguments, "n_gpu", property(lambda self: 4))
    with caplog.at_level(logging.WARNING, "anyrank.train"):
        settings(recipe(tmp_path), 4, None, False)
    assert "torchrun --nproc-per-node 4 -m anyrank train RECIPE" in caplog.text


def test_each_process_of_a_launcher_reads_its_share(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("anyrank.train.loop.TrainingArguments", lambda **k: type("A", (), {"n_gpu": 0, **k}))
    assert settings(recipe(tmp_path), 9, None, False).max_steps == 3 * 5


def test_the_loop_is_a_trainer_with_a_watch(words, tmp_path):
    assert issubclass(Loop, __import__("transformers").Trainer)
    with pytest.raises(InputError, match="the loss infonce has no option 'grades'"):
        named("infonce", {"grades": 1})
