"""Training: it learns, batches, weighs, stops, keeps the best, and goes on after a kill as if nothing had been."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import set_seed

from anyrank.core.errors import InputError, ModelError
from anyrank.core.rerank import Rerank
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.models.cross import CrossEncoder
from anyrank.models.knrm import KNRM
from anyrank.testing import check_judge
from anyrank.train.batches import Batches, Collate, cut
from anyrank.train.group import Group
from anyrank.train.judge import ModelJudge
from anyrank.train.loop import Loop, last_checkpoint, plain_attention
from anyrank.train.losses import LOSSES, in_batch, infonce, listnet, mse
from anyrank.train.objective import Objective
from anyrank.train.recipe import Check, Curriculum, Data, Export, Language, Loss, Model, Optimiser, Recipe
from anyrank.train.run import train
from anyrank.train.validation import Validation, scores

SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
WORDS = ["lift", "drag", "wing", "flow", "heat", "plate", "shock", "layer"]
SCRIPT = Path(__file__).with_name("killed.py")


def groups(n=16, texts=4, seed=0):
    rng = random.Random(seed)
    out = []
    for i in range(n):
        good, *bad = rng.sample(WORDS, texts)
        out.append(
            Group.from_texts(good, (*bad, good), (*[0.0] * (texts - 1), 1.0), f"q{i}", priors=tuple(range(texts)))
        )
    return out


def recipe(folder, **changes):
    quick = Optimiser(batch=4, epochs=3, rate=1e-2, bf16=False)
    return replace(Recipe(out=str(folder), optimiser=quick, export=Export(int8=False)), **changes)


def fresh(words, seed=0):
    set_seed(seed)
    return KNRM.from_config({"width": 16}, words, max_length=16)


def test_batches_are_decided_by_seed_and_epoch():
    given = [Group.from_texts("q", ("x" * i,), (1.0,)) for i in range(1, 102)]
    batches = Batches(given, 4, seed=1)
    first = list(batches)
    assert len(first) == len(batches) == 26
    assert sorted(i for b in first for i in b) == list(range(101))
    batches.set_epoch(1)
    assert list(batches) != first
    batches.set_epoch(0)
    assert list(batches) == first
    spread = [max(b) - min(b) for b in first]
    assert sum(spread) / len(spread) < 15  # of 100: near lengths stand together


def test_groups_become_padded_tensors(words):
    given = [Group.from_texts("lift", ("wing", "drag"), (2.0, 1.0)), Group.from_texts("flow", ("heat",), (3.0,))]
    batch = Collate(fresh(words))(given)
    assert batch["labels"].tolist() == [[2.0, 1.0], [3.0, 0.0]]
    assert batch["features"]["mask"].tolist() == [[True, True], [True, False]]
    assert batch["groups"] == given
    assert cut(given, 1)[0] == Group.from_texts("lift", ("wing",), (2.0,))
    assert cut(given, 0) == given


def test_training_learns_and_says_so(words, tmp_path):
    upside_down = fresh(words)
    with torch.no_grad():
        upside_down.out.weight.fill_(-0.1)
    done = train(
        recipe(
            tmp_path / "out",
            optimiser=Optimiser(batch=4, epochs=8, rate=1e-2),
            losses=(Loss(name="listnet"),),
            data=Data(about="made-up words", licence="cc0-1.0"),
        ),
        train=groups(32),
        valid=groups(12, seed=1),
        model=upside_down,
    )
    assert done.effect.mean("after", "nDCG@10") == 1.0
    assert done.effect.mean("first stage", "nDCG@10") == 1.0  # the good text has the highest prior
    assert done.effect.mean("before", "nDCG@10") < 1.0
    again = KNRM.from_folder(tmp_path / "out")
    assert scores(again, groups()) == scores(done.model, groups())
    said = (tmp_path / "out" / "README.md").read_text()
    assert "from weights given in Python, for texts of at most 16 tokens" in said
    for part in ("license: cc0-1.0", "made-up words", "32 groups", "Seed: 0", "1 listnet", "commit", "nDCG@10"):
        assert part in said
    assert list((tmp_path / "out" / "logs").glob("events*"))


def test_the_best_checkpoint_is_kept_and_training_stops_early(words, tmp_path):
    said = []

    class Falling(Validation):
        def __call__(self, score):
            said.append(scores(model, valid))
            return 1.0 / len(said)

    valid, model = groups(4), fresh(words)
    how = recipe(
        tmp_path, optimiser=Optimiser(batch=4, epochs=10, rate=1e-2, bf16=False), check=Check(every=2, patience=2)
    )
    score = partial(scores, model)
    loop = Loop(model, how, groups(), Collate(model), Objective(((1.0, mse),)), Falling(valid), score)
    loop.run()
    assert loop.state.global_step == 6
    assert scores(model, valid) == said[0] != said[-1]


def test_early_stopping_counts_on_after_a_kill(words, tmp_path):
    class Falling(Validation):
        def __call__(self, score):
            if loop.state.global_step == dies:
                raise KeyboardInterrupt
            return 1.0 / loop.state.global_step

    def made():
        model = fresh(words)
        score = partial(scores, model)
        return Loop(model, how, groups(), Collate(model), Objective(((1.0, mse),)), Falling(groups(4)), score)

    how = recipe(
        tmp_path, optimiser=Optimiser(batch=4, epochs=10, rate=1e-2, bf16=False), check=Check(every=2, patience=3)
    )
    loop, dies = made(), 6
    with pytest.raises(KeyboardInterrupt):
        loop.run()
    loop, dies = made(), 0
    loop.run(resume=True)
    assert loop.state.global_step == 8
    best = {k: v.clone() for k, v in loop.model.state_dict().items()}
    loop = made()
    loop.run(resume=True)  # it had ended
    assert all(torch.equal(v, best[k]) for k, v in loop.model.state_dict().items())
    assert not (tmp_path / "checkpoints" / "checkpoint-10").exists()


def test_resuming_what_had_ended_changes_nothing(words, tmp_path):
    constant = Optimiser(batch=4, steps=3, rate=1e-2, schedule="constant_with_warmup")
    how = recipe(tmp_path / "out", optimiser=constant, losses=(Loss(name="listnet"),))
    train(how, train=groups(), model=fresh(words))
    before = (tmp_path / "out" / "model.safetensors").read_bytes()
    train(how, train=groups(), model=fresh(words), resume=True)
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == before


def test_a_training_that_starts_anew_is_the_one_that_is_resumed(words, tmp_path):
    first, second = (recipe(tmp_path / "out", seed=seed) for seed in (1, 2))
    with pytest.raises(ZeroDivisionError):
        train(first, train=groups(), model=fresh(words), losses=[(1.0, lambda s, y, m: 1 / 0)])
    train(second, train=groups(), model=fresh(words))
    with pytest.raises(InputError, match="another training: seed changed"):
        train(first, train=groups(), model=fresh(words), resume=True)
    train(second, train=groups(), model=fresh(words), resume=True)


def test_files_of_others_in_the_folder_are_kept(words, tmp_path):
    (tmp_path / "README.md").write_text("my notes")
    with pytest.raises(InputError, match=r"holds a README\.md that is of no training, and would be lost"):
        train(recipe(tmp_path), train=groups(), model=fresh(words))
    assert [f.name for f in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_finds_something_to_compare_in_two_texts(name):
    objective = Objective(((1.0, LOSSES[name]),))
    assert objective.compares(Group.from_texts("q", ("a", "b"), (1.0, 0.0)))
    assert objective.compares(Group.from_texts("q", ("a", "b"), (0.0, 1.0)))
    single = Group.from_texts("q", ("a",), (1.0,))
    assert objective.compares(single) == (name in ("mse", "smooth_l1", "binary_cross_entropy"))


def test_losses_are_summed_with_weights():
    s, y, m = torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 0.0]]), torch.ones(1, 2, dtype=torch.bool)
    both = Objective(((2.0, mse), (0.5, listnet)))
    assert float(both.of(s, y, m, [], 0.0)) == pytest.approx(2 * float(mse(s, y, m)) + 0.5 * float(listnet(s, y, m)))


def test_a_curriculum_weighs_batches_or_groups():
    s, y = torch.tensor([[1.0, 3.0], [0.0, 0.0]]), torch.zeros(2, 2)
    m, each = torch.ones(2, 2, dtype=torch.bool), (5.0, 0.0)
    asked = []

    def weigh(groups, epoch):
        asked.append((groups, epoch))
        return [0.2, 0.6]

    assert float(Objective(((1.0, mse),), weigh).of(s, y, m, ["g"], 1.5)) == pytest.approx(0.4 * sum(each) / 2)
    assert float(Objective(((1.0, mse),), weigh, by_group=True).of(s, y, m, ["g"], 1.5)) == pytest.approx(0.2 * 5 / 2)
    assert asked == [(["g"], 1.5)] * 2
    alone = torch.tensor([[True, True], [True, False]])  # nothing to compare in the second group
    for by_group in (False, True):
        over = Objective(((1.0, listnet),), lambda groups, epoch: [1.0, 1.0], by_group).of(s, y, alone, ["g"], 20.0)
        assert float(over) == float(listnet(s, y, alone))


def test_a_recipes_curriculum(words, tmp_path):
    weights = []
    for i, (difficulty, end) in enumerate((("none", 0), ("norm", 0), ("recip", 1))):
        curriculum = Curriculum(difficulty=difficulty, end=end)
        how = recipe(tmp_path / str(i), curriculum=curriculum, losses=(Loss(name="listnet"),))
        done = train(how, train=groups(), model=fresh(words))
        weights.append(done.model.words.weight.detach().clone())
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_in_batch_negatives(words, tmp_path):
    from anyrank.models.bi import BiEncoder

    set_seed(0)
    model = BiEncoder.from_config(SHAPE, words, max_length=16, in_batch=True)
    seen = []

    def loss(s, y, m):
        seen.append((s.shape, y.sum().item(), m.shape))
        return infonce(s, y, m)

    train(recipe(tmp_path), train=groups(), model=model, losses=[(1.0, loss)])
    # The first few are of the checks before the first step.
    assert set(seen[-8:]) == {(torch.Size([4, 16]), 4.0, torch.Size([4, 16]))}
    labels, _ = in_batch(torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    assert labels.tolist() == [[0, 1, 0, 0], [0, 0, 0, 1]]


def test_a_text_that_answers_two_queries_is_no_negative_of_either(words):
    given = [
        Group.from_texts("lift", ("wing", "drag"), (1.0, 0.0)),
        Group.from_texts("flow", ("heat", "wing", "wave"), (1.0, 0.0, 0.0)),
        Group.from_texts("lift", ("layer",), (1.0,)),
    ]
    seen = []
    objective = Objective(((1.0, lambda s, y, m: seen.append(m.int().tolist()) or s.sum()),))
    batch = Collate(fresh(words))(given)
    objective(lambda **_: torch.zeros(3, 9), batch, 0.0)
    assert seen == [[
        [1, 1, 0, 1, 0, 1, 0, 0, 0],  # "wing" of the second, and all of the same query's other group
        [0, 1, 0, 1, 1, 1, 1, 0, 0],
        [0, 0, 0, 1, 1, 1, 1, 0, 0],
    ]]  # fmt: skip


def test_texts_of_other_groups_are_labelled_as_the_lowest(words):
    given = [Group.from_texts("lift", ("wing", "drag"), (0.5, -1.5)), Group.from_texts("flow", ("heat",), (2.0,))]
    seen = []
    objective = Objective(((1.0, lambda s, y, m: seen.append(y.tolist()) or s.sum()),))
    objective(lambda **_: torch.zeros(2, 4), Collate(fresh(words))(given), 0.0)
    assert seen[0][0] == [0.5, -1.5, -1.5, -1.5]
    assert seen[0][1][:3] == [-1.5, -1.5, 2.0]


def test_the_same_seed_gives_the_same_weights(words, tmp_path):
    def weights(seed, name):
        set_seed(seed)
        model = CrossEncoder.from_config(SHAPE, words, max_length=16)
        train(recipe(tmp_path / name, seed=seed, losses=(Loss(name="ranknet"),)), train=groups(), model=model)
        return (tmp_path / name / "model.safetensors").read_bytes()

    first = weights(5, "a")
    assert first == weights(5, "b")
    assert first != weights(6, "c")


def test_data_and_folders_that_do_not_fit(words, tmp_path):
    given = groups(4)
    with pytest.raises(InputError, match="nothing to train on"):
        train(recipe(tmp_path))
    with pytest.raises(InputError, match="no loss 'ranknt': did you mean 'ranknet'"):
        train(recipe(tmp_path / "x", losses=(Loss(name="ranknt"),)), train=given, model=fresh(words))
    with pytest.raises(InputError, match="the loss infonce has no option 'temprature': known are temperature, thresh"):
        train(
            recipe(tmp_path / "o", losses=(Loss(name="infonce", options={"temprature": 1}),)),
            train=given,
            model=fresh(words),
        )
    with pytest.raises(InputError, match=r"check\.patience needs validation groups"):
        train(recipe(tmp_path / "p", check=Check(patience=1)), train=given, model=fresh(words))
    with pytest.raises(InputError, match="a language model needs start"):
        train(recipe(tmp_path / "l", model=Model(kind="language")), train=given)
    with pytest.raises(InputError, match="no loss 'ranklst': did you mean 'ranklist'"):
        train(recipe(tmp_path / "l", model=Model(kind="language"), language=Language(rank_loss="ranklst")), train=given)
    singles = [Group.from_texts("q", ("a",), (1.0,)), Group.from_texts("q", ("b",), (0.0,))]
    with pytest.raises(InputError, match="1 ranknet: no group has anything to compare"):
        train(recipe(tmp_path / "s"), train=singles, model=fresh(words))
    assert train(recipe(tmp_path / "t", losses=(Loss(name="mse"),)), train=singles, model=fresh(words)).effect is None
    with pytest.raises(ModelError, match=r"no model './nothing'"):
        train(recipe(tmp_path / "n", model=Model(start="./nothing")), train=given)
    with pytest.raises(InputError, match="a shape and a tokenizer"):
        train(recipe(tmp_path / "y", model=Model(shape=SHAPE)), train=given)
    with pytest.raises(InputError, match="the group id 'q0' comes twice"):
        train(recipe(tmp_path / "z"), train=given, valid=[given[0], given[0]], model=fresh(words))
    with pytest.raises(InputError, match="labels that aren't whole numbers"):
        train(
            recipe(tmp_path / "v"), train=given, valid=[Group.from_texts("q", ("a",), (0.5,), "q")], model=fresh(words)
        )
    with pytest.raises(InputError, match="needs priors, but query 'q9' has none"):
        train(
            recipe(tmp_path / "w", curriculum=Curriculum(difficulty="norm")),
            train=[Group.from_texts("q", ("a",), (1,), "q9")],
            model=fresh(words),
        )
    train(recipe(tmp_path / "out"), train=given, model=fresh(words))
    with pytest.raises(InputError, match="resume it, or choose another out"):
        train(recipe(tmp_path / "out"), train=given, model=fresh(words))
    with pytest.raises(InputError, match="another training: seed changed"):
        train(recipe(tmp_path / "out", seed=9), train=given, model=fresh(words), resume=True)
    with pytest.raises(InputError, match="another training: the data changed"):
        train(recipe(tmp_path / "out"), train=given[1:], model=fresh(words), resume=True)


def test_other_validation_data_is_another_training(words, tmp_path):
    given, how = groups(4), recipe(tmp_path, optimiser=Optimiser(batch=4, steps=1))
    valid, other = groups(3, seed=1), groups(3, seed=2)
    grades = {g.id: {"0": 1} for g in valid}
    train(how, train=given, valid=valid, qrels=grades, model=fresh(words))
    again = partial(train, how, train=given, model=fresh(words), resume=True)
    for changes, what in (
        ({"valid": other, "qrels": grades}, "the validation data changed"),
        ({"valid": None, "qrels": grades}, "the validation data changed"),
        ({"valid": valid, "qrels": grades | {"q0": {"0": 2}}}, "the judgements changed"),
        ({"valid": valid}, "the judgements changed"),
    ):
        with pytest.raises(InputError, match=f"another training: {what}"):
            again(**changes)
    again(valid=valid, qrels=dict(reversed(grades.items())))


def test_a_sum_of_measures_chooses_the_checkpoint(words, tmp_path):
    valid = [
        Group.from_texts("q", ("a", "b", "c"), (0.0, 0.0, 1.0), "q1"),
        Group.from_texts("r", ("a", "b"), (1.0, 0.0), "q2"),
    ]
    measures = Check(measure=("nDCG@10 + RR", "R@1")).measures
    assert measures == Check(measure="nDCG@10 + RR + R@1").measures == ("nDCG@10", "RR", "R@1")
    validation = Validation(valid, measures)
    found = validation(lambda groups: [[3.0, 2.0, 1.0], [1.0, 0.0]])
    assert found == pytest.approx((0.5 + 1) / 2 + (1 / 3 + 1) / 2 + (0 + 1) / 2)
    assert Validation(valid, ("RR",))(lambda groups: [[3.0, 2.0, 1.0], [1.0, 0.0]]) == pytest.approx(2 / 3)
    how = recipe(tmp_path / "a", check=Check(measure="nDCG@10 + RR"), optimiser=Optimiser(batch=4, steps=2))
    done = train(how, train=groups(4), valid=groups(4), model=fresh(words))
    assert done.effect.measures == ("nDCG@10", "RR")
    for bad, says in (("nDCG@10 +", "expected names, with"), ("nDCG@10 + Rcall@5", "no measure 'Rcall'")):
        with pytest.raises(InputError, match=says):
            train(recipe(tmp_path / "b", check=Check(measure=bad)), train=groups(4), valid=valid, model=fresh(words))


def test_unfinished_checkpoints_are_passed_over(tmp_path):
    for step in (9, 10, 11):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if step < 11:
            (tmp_path / f"checkpoint-{step}" / "complete").touch()
    assert last_checkpoint(tmp_path).name == "checkpoint-10"
    assert not (tmp_path / "checkpoint-11").exists()
    assert last_checkpoint(tmp_path / "none") is None


def test_a_killed_training_ends_with_the_same_weights(words, tmp_path):
    def start(name, mode, slow="0"):
        source = Path(__file__).parents[2] / "src"
        env = {**os.environ, "SLOW": slow, "PYTHONPATH": str(source)}
        command = [sys.executable, str(SCRIPT), str(tmp_path / name), str(words), mode]
        return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    whole, broken = start("whole", "new"), start("broken", "new", "0.1")
    step = random.choice([4, 6, 8, 10])
    mark = tmp_path / "broken" / "checkpoints" / f"checkpoint-{step}" / "complete"
    while not mark.exists():
        assert broken.poll() is None, broken.stderr.read().decode()
        time.sleep(0.01)
    time.sleep(random.random() * 0.3)
    broken.send_signal(signal.SIGKILL)
    assert broken.wait() == -signal.SIGKILL
    broken.stderr.close()
    again = start("broken", "resume")
    for process in (whole, again):
        _, errors = process.communicate()
        assert process.returncode == 0, errors.decode()
    for file in ("model.safetensors", "checkpoints/checkpoint-18/model.safetensors"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "broken" / file).read_bytes(), (file, step)


@pytest.mark.parametrize(("length", "within"), [(16, "eager"), (257, "sdpa")])
def test_attention_is_plain_while_a_cpu_trains_on_short_texts(words, monkeypatch, length, within):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    model = CrossEncoder.from_config(SHAPE, words, max_length=length)
    before = scores(model, groups(4))
    with plain_attention(model):
        assert model.body.config._attn_implementation == within
        during = scores(model, groups(4))
    assert model.body.config._attn_implementation == "sdpa"
    torch.testing.assert_close(torch.tensor(before), torch.tensor(during), atol=1e-5, rtol=0)
    with plain_attention(fresh(words)):
        pass


def test_a_model_is_a_judge(words):
    model, group = fresh(words), groups(1)[0]
    members = [Candidate(str(i), t) for i, t in enumerate(group.texts)]
    check_judge(ModelJudge(model), [(Query("a", group.query), members), (Query("b", "wing"), members[:1])])
    ranking = Ranking(Query("a", group.query), tuple(members))
    (mine,) = scores(model, [group])
    assert [int(c.id) for c in Rerank(ModelJudge(model))(ranking)] == sorted(range(4), key=lambda i: -mine[i])
    mapping = [Candidate(c.id, {"text": c.content}) for c in members]
    same = [list(ModelJudge(model)([(Query("a", group.query), given)])[0].scores) for given in (members, mapping)]
    assert same[0] == same[1]
    with pytest.raises(InputError, match="query 'a': the candidate '9' has no content: load the documents first"):
        ModelJudge(model)([(Query("a", "wing"), [*members, Candidate("9")])])


def test_a_judge_counts_what_it_cuts(words):
    from anyrank.models.bi import BiEncoder

    long, short = "lift drag wing flow heat plate shock", "lift"
    asked = [
        (Query("a", "wing"), [Candidate("0", long), Candidate("1", short)]),
        (Query("b", long), [Candidate("0", "x")]),
    ]
    for kind, lost in ((CrossEncoder, [1, 1]), (BiEncoder, [1, 1])):
        model = kind.from_config(SHAPE, words, max_length=6)
        assert [j.usage.truncated for j in ModelJudge(model)(asked)] == lost
        (batch,) = model.features(["wing"], [[Candidate("0", long), Candidate("1", short)]])["chunks"]
        assert batch["attention_mask"].sum(1).tolist()[0] == 6
    model = KNRM.from_config({"width": 16}, words, max_length=6)
    assert [j.usage.truncated for j in ModelJudge(model)(asked)] == [1, 1]
    assert [j.usage.truncated for j in ModelJudge(fresh(words))(asked)] == [0, 0]
    assert Rerank(ModelJudge(model))(Ranking(Query("a", "wing"), tuple(asked[0][1]))).cost.usage.truncated == 1


def test_a_run_of_other_queries_gives_no_group_and_is_named(tmp_path):
    from anyrank.train.run import groups_of
    from anyrank.train.sources import Source

    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "text": "lift"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "lift"}\n')
    (tmp_path / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t0\n")
    source = Source(path=str(tmp_path), format="judged")
    with pytest.raises(InputError, match=r"nothing to train on: .* \(judged\) hold no group: do queries, judgements"):
        groups_of(Recipe(out="a", data=Data(train=(source,))), None)
