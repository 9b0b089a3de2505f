"""GRPO: the prompts of the judges, trl's own advantages and loss against the formulas, a toy learnt, a resumed run."""

import json
import re
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from anyrank.core.errors import InputError, MissingExtra
from anyrank.core.types import Candidate, Query
from anyrank.hub.open import open_model
from anyrank.llm.templates import RELEVANT, SETWISE
from anyrank.papers import load
from anyrank.testing.tiny import chooser
from anyrank.train import grpo, reward_tasks
from anyrank.train.group import Group
from anyrank.train.groups import write_groups
from anyrank.train.recipe import Check, Model, Optimiser, Recipe, recipe_text
from anyrank.train.reinforce import Reinforce
from anyrank.train.rewards import advantages, token_loss
from anyrank.train.run import train

WORDS = [f"w{i}" for i in range(8)]
needs_trl = pytest.mark.skipif(find_spec("trl") is None, reason="trl is not installed (the extra rl)")


def groups(n=24, texts=3):
    chosen = [[WORDS[(i + 3 * j) % 8] for j in range(texts)] for i in range(n)]
    return [Group.from_texts(c[0], c, (1.0, *[0.0] * (texts - 1)), f"q{i}") for i, c in enumerate(chosen)]


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return chooser(tmp_path_factory.mktemp("chooser"), WORDS)


def recipe(folder, start, steps=2, **rl):
    spec = {"task": "relevant", "samples": 4, "tokens": 2, "words": 4} | rl
    return Recipe(
        out=str(folder),
        model=Model(kind="language", start=start, max_length=256),
        rl=Reinforce(**spec),
        optimiser=Optimiser(batch=4, steps=steps, rate=3e-3, warmup=0.0, bf16=False, decay=0.0),
        check=Check(every=2),
    )


def test_prompts_are_the_judges_own_and_targets_follow_the_shuffle(start):
    (group, *_), spec = groups(), Reinforce(task="best", thinking=False)
    (example,) = grpo.examples([group], spec)
    (again,) = grpo.examples([group], spec)
    assert example == again
    place = [c.content for c in example.members].index(group.query)
    assert example.target.answer == SETWISE.labels.marks(3)[place]
    assert example.target.relevant == (place,)
    model = open_model(f"hf:{start}")
    template = reward_tasks.task_of(spec).template
    assert grpo.prompt_text(model.tokenizer, template, example) == model.render(
        template.render(example.query, list(example.members)).prompt
    )
    pair = grpo.examples([group], Reinforce(task="relevant"))
    assert [e.target.answer for e in pair] == ["1", "0"]
    assert len(grpo.examples([group], Reinforce(task="relevant", negatives=0))) == 3
    prompt = RELEVANT.render(Query("", group.query), [Candidate("", group.query)]).prompt
    assert grpo.prompt_text(model.tokenizer, RELEVANT, pair[0]) == model.render(prompt)


def test_groups_without_a_choice_are_left_out(caplog):
    same = Group.from_texts("q", ("a", "b"), (0.0, 0.0), "none")
    tie = Group.from_texts("q", ("a", "b", "c"), (1.0, 1.0, 0.0), "tie")
    assert len(grpo.examples([same, tie, groups()[0]], Reinforce(task="best"))) == 1
    assert "2 of 3 groups are left out" in caplog.text
    assert grpo.examples([tie], Reinforce(task="order"))[0].target.n == 3
    with pytest.raises(InputError, match="no group has texts that are relevant and texts that aren't"):
        grpo.examples([same], Reinforce(task="relevant"))


def test_rewards_are_named_as_trl_wants_them():
    task = reward_tasks.task_of(Reinforce(task="order"))
    (example,) = grpo.examples(groups()[:1], Reinforce(task="order"))
    best = example.target.relevant[0] + 1
    form, rank = reward_tasks.reward_functions(task, [example.target])
    text = f"<think>a</think><answer>[{best}]</answer>"
    assert (form.__name__, rank.__name__) == ("form", "rank")
    assert form(completions=[text], row=[0]) == [pytest.approx(1 / 3)]
    assert rank(completions=[text, "no"], row=[0, 0], prompts=["", ""]) == [1.0, 0.0]


def test_what_does_not_fit_is_said_before_the_first_step(start, tmp_path):
    with pytest.raises(InputError, match="rl: not used for a model of kind cross"):
        Recipe(out="x", rl=Reinforce(task="best"))
    with pytest.raises(InputError, match="samples: expected at least 2"):
        Reinforce(task="best", samples=1)
    if find_spec("trl") is None:
        with pytest.raises(MissingExtra, match="rl"):
            train(recipe(tmp_path / "a", start), train=groups())
        return
    with pytest.raises(InputError, match=r"a prompt of \d+ tokens and answers of 250 > max_length=256"):
        train(recipe(tmp_path / "b", start, tokens=250), train=groups())


@needs_trl
def test_trls_advantages_and_loss_are_the_formulas(start, tmp_path):
    """trl's own code on chosen rewards: r = [1, 0, 0, 1] gives +-0.8658754, and its loss is that of each token."""
    from anyrank.models.parts.peft_adapters import adapted, without_renamed
    from anyrank.train import causal
    from anyrank.train.grpo_trainer import Trainer

    stated = [1.0, 0.0, 0.0, 1.0]
    model, tokenizer = causal.load(start)
    tokenizer.padding_side = "left"
    spec = recipe(tmp_path, start, beta=0.1)
    # the fourth reward is trl's to give: samples come in the order of the prompt's copies
    task = reward_tasks.Task(RELEVANT, {"fixed": lambda text, target: stated[next(turn) % 4]})
    turn = iter(range(100))
    trainer = Trainer(adapted(model, 2), tokenizer, spec, task, ["w1 w2"], [grpo.Target("1")])
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    with without_renamed():
        made = trainer._generate_and_score_completions([{"prompt": "w1 w2", "row": 0}] * 4)
    got = made["advantages"].tolist()
    assert got == pytest.approx(advantages(stated), abs=1e-6)
    assert got[0] == pytest.approx(0.8658754, abs=1e-6)
    before = torch.full_like(made["ref_per_token_logps"], -3.0)  # as if the policy had moved
    with torch.no_grad():
        loss = float(trainer._compute_loss(trainer.model, {**made, "old_per_token_logps": before}))
    ids = torch.cat([made["prompt_ids"], made["completion_ids"]], 1)
    seen = torch.cat([made["prompt_mask"], made["completion_mask"]], 1)
    keep = made["completion_ids"].shape[1]
    with torch.no_grad():
        logits = trainer.model(input_ids=ids, attention_mask=seen).logits[:, -keep - 1 : -1].float()
    now = logits.log_softmax(-1).gather(2, made["completion_ids"][..., None])[..., 0]
    rows = []
    for i, real in enumerate(made["completion_mask"].bool()):
        pairs = zip(now[i][real].tolist(), made["ref_per_token_logps"][i][real].tolist())
        losses = [token_loss(p, -3.0, got[i], beta=0.1, start=s) for p, s in pairs]
        rows.append(sum(losses) / len(losses))
    assert loss == pytest.approx(sum(rows) / 4, rel=1e-4)


@needs_trl
def test_a_toy_is_learnt_and_used_by_name_and_a_stopped_training_goes_on(start, tmp_path):
    whole = train(recipe(tmp_path / "whole", start, 4), train=groups())
    assert whole.rewards is not None
    rewards = [line["reward"] for line in whole.log]
    assert len(rewards) == 4
    assert {"before", "after", "steps"} == set(json.loads((whole.folder / "rewards.json").read_text()))
    assert "| form |" in (whole.folder / "README.md").read_text()
    # stopped after the second checkpoint: the last is taken away
    stopped = train(recipe(tmp_path / "stopped", start, 4), train=groups())
    (stopped.folder / "checkpoints" / "checkpoint-4" / "complete").unlink()
    resumed = train(recipe(tmp_path / "stopped", start, 4), train=groups(), resume=True)
    assert [line["reward"] for line in resumed.log] == rewards
    for a, b in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(InputError, match="holds a training with checkpoints"):
        train(recipe(tmp_path / "stopped", start, 4), train=groups())
    ranking = load("prorank").build(open_model(f"hf:{resumed.folder}", dtype="float32"))
    from anyrank.core.types import Ranking

    after = ranking(Ranking(Query("q", "w1"), (Candidate("a", "w2"), Candidate("b", "w1"))))
    assert after.status == "ok"


@needs_trl
def test_a_recipe_is_printed_and_trained_by_the_command(start, tmp_path):
    from anyrank.cli import cli

    write_groups(tmp_path / "g.jsonl", groups(4))
    printed = CliRunner().invoke(cli, ["papers", "recipe", "rank_r1", "--option", "thinking=false"])
    assert printed.exit_code == 0, printed.output
    (tmp_path / "r.yaml").write_text(printed.output)
    small = ["model.start=" + start, "model.max_length=256", f"data.train=[{tmp_path / 'g.jsonl'}]", "rl.samples=2"]
    small += ["rl.tokens=2", "rl.dtype=float32", "rl.checkpointing=false", "optimiser.steps=1", "optimiser.bf16=false"]
    small += ["optimiser.batch=1", "optimiser.accumulate=1", "rl.lora=2"]
    options = [part for setting in small for part in ("--set", setting)]
    done = CliRunner().invoke(cli, ["train", str(tmp_path / "r.yaml"), "-o", str(tmp_path / "out"), *options])
    assert done.exit_code == 0, done.output
    assert "exact 0.000 -> 0.000" in done.output
    assert (tmp_path / "out" / "adapter").is_dir()
    text = (tmp_path / "out" / "anyrank.json").read_text()
    assert json.loads(text)["kind"] == "language"


@pytest.mark.parametrize("name", ["rank_r1", "prorank", "mm_r5"])
def test_the_papers_recipes_are_grpo(name, tmp_path):
    from anyrank.train.recipe import read_recipe

    made = load(name).recipe("runs/x", ("a.jsonl",))
    assert made.rl.task == {"rank_r1": "best", "prorank": "relevant", "mm_r5": "order"}[name]
    (tmp_path / "r.yaml").write_text(recipe_text(made))
    assert read_recipe(tmp_path / "r.yaml") == made
    assert replace(made, seed=1).rl == made.rl


def test_the_page_is_true(tmp_path):
    """Its recipe is read, and its commands print recipes."""
    from anyrank.cli import cli
    from anyrank.train.recipe import read_recipe

    page = (Path(__file__).parents[2] / "docs" / "reinforcement.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "r.yaml").write_text(block, encoding="utf-8")
    assert read_recipe(tmp_path / "r.yaml").rl.task == "relevant"
    commands = re.findall(r"^anyrank (papers recipe [^>\n]*)>", page, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        done = CliRunner().invoke(cli, command.split())
        assert done.exit_code == 0, done.output


def test_an_unknown_option_of_a_recipe_is_named():
    from anyrank.cli.papers import options_of

    make = load("prorank").recipe
    assert options_of(make, ["stage=2", "start=runs/x"]) == {"stage": 2, "start": "runs/x"}
    with pytest.raises(InputError, match="stage: 3 is none of 1, 2"):
        options_of(make, ["stage=3"])
    with pytest.raises(InputError, match="expected NAME=VALUE with one of stage, start, loss"):
        options_of(make, ["los=infonce"])
