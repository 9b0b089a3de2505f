"""What changes from epoch to epoch: RankList's skips, and the negatives that are drawn."""

from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from transformers import set_seed

from anyrank.core.errors import InputError
from anyrank.models.knrm import KNRM
from anyrank.testing import check_loss
from anyrank.train.curriculum import group_weight, recip
from anyrank.train.group import Group
from anyrank.train.losses import ranklist, skip_schedule
from anyrank.train.negatives import Draw
from anyrank.train.objective import Objective
from anyrank.train.recipe import Curriculum, Data, Export, Loss, Optimiser, Recipe, read_recipe
from anyrank.train.run import train
from anyrank.train.setup import table, weighing

WORDS = ["lift", "drag", "wing", "flow", "heat", "plate", "shock", "layer"]
POOL = [
    Group.from_texts(w, tuple(WORDS), tuple(float(x == w) for x in WORDS), f"q{i}", priors=tuple(np.linspace(3, 0, 8)))
    for i, w in enumerate(WORDS)
]


def recipe(folder, **changes):
    quick = Optimiser(batch=4, epochs=3, rate=1e-2, bf16=False)
    return replace(Recipe(out=str(folder), optimiser=quick, export=Export(int8=False)), **changes)


def fresh(words):
    set_seed(0)
    return KNRM.from_config({"width": 16}, words, max_length=16)


@pytest.mark.parametrize("epoch", [0, 1, 2, 9])
def test_growing_skips_keep_the_contract(epoch):
    check_loss(partial(ranklist, grow=3, epoch=epoch))


def test_skips_grow_with_each_groups_own_size():
    s = torch.tensor([[3.0, 1.0, 2.0, 0.0], [1.0, 2.0, 9.0, 9.0]], dtype=torch.float64)
    y, mask = torch.tensor([[4, 3, 2, 1], [2, 1, 0, 0]]), torch.tensor([[True] * 4, [True, True, False, False]])
    for epoch, skips in ((0.0, 1), (1.9, 2), (2.0, 3), (7.5, 3)):
        assert skips == skip_schedule(int(epoch), 3, 4)
        assert ranklist(s, y, mask, grow=3, epoch=epoch) == ranklist(s, y, mask, skips=skips)
    assert ranklist(s, y, mask, grow=3) < ranklist(s, y, mask, grow=3, epoch=2)


def test_a_training_tells_a_loss_its_epoch(words, tmp_path):
    told = []

    def own(scores, labels, mask, *, epoch):
        told.append(epoch)
        return scores.sum()

    objective = Objective(((1.0, own),), lambda groups, epoch: [0.5, 0.5], by_group=True)
    objective.of(torch.zeros(2, 2), torch.zeros(2, 2), torch.ones(2, 2, dtype=torch.bool), [], 1.25)
    assert told == [1.25, 1.25]
    told.clear()
    train(recipe(tmp_path), train=POOL, model=fresh(words), losses=[(1.0, own)])
    assert told[-6:] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]  # before: whether it finds anything to compare


def test_a_recipes_skips_grow(words, tmp_path):
    (tmp_path / "recipe.yaml").write_text("out: x\nlosses: [{name: ranklist, options: {grow: 3}}]\n")
    (tmp_path / "told.yaml").write_text("out: x\nlosses: [{name: ranklist, options: {epoch: 3}}]\n")
    with pytest.raises(
        InputError, match="ranklist has no option 'epoch': known are skips, margin, weights, exact, gro"
    ):
        table(read_recipe(tmp_path / "told.yaml"))
    graded = [replace(g, labels=tuple(float(i) for i in range(8))) for g in POOL]
    weights = {}
    for name, losses in {
        "grown": read_recipe(tmp_path / "recipe.yaml").losses,
        "whole": (Loss(name="ranklist"),),
        "near": (Loss(name="ranklist", options={"skips": 1}),),
    }.items():
        for epochs in (1, 3):
            how = recipe(tmp_path / f"{name}{epochs}", losses=losses, optimiser=Optimiser(batch=4, steps=2 * epochs))
            done = train(how, train=graded, model=fresh(words))
            weights[name, epochs] = done.model.words.weight.detach().clone()
    assert torch.equal(weights["grown", 1], weights["near", 1])  # the first epoch: neighbours only
    assert not torch.equal(weights["grown", 3], weights["near", 3])
    assert not torch.equal(weights["grown", 3], weights["whole", 3])


def test_draws_keep_positives_and_get_harder():
    draw = Draw(negatives=2, start=50.0, end=0.02, epochs=6)
    group = Group.from_texts(
        "q", tuple("abcdefghij"), (0.0, 0.0, 2.0, *[0.0] * 6, 1.0), "q", priors=tuple(range(9, -1, -1))
    )
    mean = []
    for epoch in (0, 3, 5, 50):
        found = Counter(t for seed in range(300) for t in draw(group, epoch, seed).texts)
        assert (found["c"], found["j"], sum(found.values())) == (300, 300, 1200)
        mean.append(sum(n * group.priors["abcdefghij".index(t)] for t, n in found.items() if t not in "cj") / 600)
    assert mean[0] == pytest.approx(np.mean([9, 8, 6, 5, 4, 3, 2, 1]), abs=0.3)  # near even
    assert mean[0] < mean[1] < mean[2]
    assert mean[2:] == [8.5, 8.5]  # the two best
    one = draw(group, 0)
    assert one == draw(group, 0)
    assert one.texts[:2] == ("c", "j")
    assert one.labels[2:] == (0.0, 0.0)


def test_what_is_too_near_the_positive_is_not_drawn():
    group = Group.from_texts("q", ("a", "b", "c", "d"), (0.0, 1.0, 0.0, 0.0), priors=(9.6, 10.0, 9.4, 1.0))
    assert Draw(negatives=9, relative=0.95)(group, 0).texts == ("b", "c", "d")
    assert Draw(negatives=9)(group, 0).texts == ("b", "a", "c", "d")
    assert Draw()(group, 3) is group
    alone = Draw(negatives=9, relative=0.1)(group, 0)
    assert (alone.texts, alone.labels, alone.priors) == (("b",), (1.0,), (10.0,))


@pytest.mark.parametrize(
    ("bad", "says"), [({"negatives": -1}, "negatives"), ({"start": 0.01}, "start"), ({"relative": 2}, "relative")]
)
def test_draws_that_make_no_sense(bad, says):
    with pytest.raises(InputError, match=says):
        Draw(**bad)


def test_a_recipe_draws_anew_each_epoch_and_the_same_after_a_stop(words, tmp_path):
    seen = []

    class Watched(KNRM):
        def features(self, queries, candidates):
            seen.extend((q, tuple(c.content for c in group)) for q, group in zip(queries, candidates))
            return super().features(queries, candidates)

    def model():
        set_seed(0)
        return Watched.from_config({"width": 16}, words, max_length=16)

    data = Data(draw=Draw(negatives=2, start=5.0, end=5.0))
    how = recipe(tmp_path / "whole", data=data)
    train(how, train=POOL, model=model())
    epochs = [dict(seen[at : at + 8]) for at in (0, 8, 16)]
    assert all(len(e) == 8 and all(len(t) == 3 and t[0] == q for q, t in e.items()) for e in epochs)
    assert len({tuple(sorted(e.items())) for e in epochs}) == 3
    assert len({e["lift"] for e in epochs}) > 1
    first = list(seen)
    seen.clear()

    def dies(scores, labels, mask, *, epoch):
        if epoch == 2.0:
            raise KeyboardInterrupt
        return ((scores - labels) ** 2)[mask].mean()

    def goes_on(scores, labels, mask):
        return ((scores - labels) ** 2)[mask].mean()

    stopped = recipe(tmp_path / "stopped", data=data)
    with pytest.raises(KeyboardInterrupt):
        train(stopped, train=POOL, model=model(), losses=[(1.0, dies)])
    seen.clear()
    train(stopped, train=POOL, model=model(), losses=[(1.0, goes_on)], resume=True)
    assert seen == first[16:]
    assert "negatives drawn each epoch: Draw(negatives=2" in (tmp_path / "whole" / "README.md").read_text()


def test_a_draw_of_ones_own_and_groups_without_priors(words, tmp_path):
    asked = []

    def draw(group, epoch):
        asked.append(epoch)
        return group.take([0, 1 + epoch, WORDS.index(group.query)])

    train(recipe(tmp_path / "own"), train=POOL[3:], model=fresh(words), draw=draw)
    assert Counter(asked) == {0: 10, 1: 5, 2: 5}  # five at the start, to see whether there is anything to compare
    bare = [replace(g, priors=()) for g in POOL]
    with pytest.raises(InputError, match=r"data\.draw needs priors, but query 'q0' has none"):
        train(recipe(tmp_path / "bare", data=Data(draw=Draw(negatives=2))), train=bare, model=fresh(words))
    with pytest.raises(InputError, match="query 'q0' has no priors"):
        Draw(negatives=1)(bare[0], 0)


def test_a_curriculum_knows_the_pool_that_is_drawn_from():
    drawn = Draw(negatives=1)(POOL[5], 0)
    weigh = weighing(Curriculum(difficulty="recip", end=0), POOL)
    how = {"labels": drawn.labels, "priors": drawn.priors, "difficulty": recip}
    assert weigh([drawn], 0.0) == [group_weight(**how, run=POOL[5].priors)]
    assert weigh([drawn], 0.0) != [group_weight(**how)]
    pairs = [drawn, drawn]  # one id for both: each is read by itself
    assert weighing(Curriculum(difficulty="recip", end=0), pairs)(pairs, 0.0) == [group_weight(**how)] * 2
