"""Several seeds and recipes, and their table from the validation files."""

import json
import random
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from anyrank.cli.train import train_command
from anyrank.core.errors import InputError
from anyrank.evaluate.comparisons import Statistics
from anyrank.evaluate.evaluation import Evaluation
from anyrank.train.group import Group
from anyrank.train.groups import write_groups
from anyrank.train.recipe import Recipe
from anyrank.train.seeds import finished, seeds_of, table, with_seed

WORDS = ["lift", "drag", "wing", "flow", "heat", "plate", "shock", "layer"]


def groups(n, seed):
    rng = random.Random(seed)
    out = []
    for i in range(n):
        good, *bad = rng.sample(WORDS, 4)
        out.append(Group.from_texts(good, (*bad, good), (0.0, 0.0, 0.0, 1.0), f"q{i}"))
    return out


def write_recipe(folder, words, name, loss):
    write_groups(folder / "t.jsonl", groups(8, 0))
    write_groups(folder / "v.jsonl", groups(6, 1))
    (folder / f"{name}.yaml").write_text(
        f"out: {folder}/{name}\n"
        f"model: {{kind: knrm, tokenizer: {words}, shape: {{width: 8}}, max_length: 16}}\n"
        f"data: {{train: [{folder}/t.jsonl], valid: [{folder}/v.jsonl]}}\n"
        f"losses: [{{name: {loss}}}]\noptimiser: {{batch: 4, steps: 2, bf16: false}}\nexport: {{int8: false}}\n"
        "check: {measure: RR}\n"
    )
    return str(folder / f"{name}.yaml")


def call(*arguments):
    return CliRunner().invoke(train_command, arguments, standalone_mode=False, catch_exceptions=False)


def test_two_recipes_by_two_seeds_end_with_a_table(tmp_path, words):
    recipes = [write_recipe(tmp_path, words, name, name) for name in ("ranknet", "mse")]
    result = call(*recipes, "--seeds", "2")
    assert result.return_value == 0
    for name in ("ranknet", "mse"):
        for seed in (0, 1):
            folder = tmp_path / name / f"seed-{seed}"
            assert json.loads((folder / "training.json").read_text())["recipe"]["seed"] == seed
            assert (folder / "model.safetensors").is_file()
    shown = result.output[result.output.index("RR, 6 queries") :]
    lines = [line.split() for line in shown.splitlines()]
    assert [line[0] for line in lines[2:] if line] == [
        f"{tmp_path}/ranknet", "seed-0", "seed-1", f"{tmp_path}/mse", "seed-0", "seed-1"
    ]  # fmt: skip
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*/seed-*/model.safetensors")}
    again = call(*recipes, "--seeds", "2", "--resume")
    assert again.output.count("is finished") == 4
    assert {p: p.stat().st_mtime_ns for p in before} == before
    only = call("--table", f"{tmp_path}/ranknet", f"{tmp_path}/mse")
    assert only.output.strip() == shown.strip()


def test_recipes_without_validation_are_named_before_they_are_trained(tmp_path, words, monkeypatch):
    from anyrank.cli import train

    recipes = [write_recipe(tmp_path, words, name, name) for name in ("ranknet", "mse")]
    for recipe in map(Path, recipes):
        recipe.write_text(recipe.read_text().replace(f", valid: [{tmp_path}/v.jsonl]", "").replace("check: ", "#"))
    monkeypatch.setattr(train, "_train", lambda training, resume: click.echo("training") or 0)
    lines = call(*recipes).output.splitlines()
    assert lines == [
        "note: there will be no table: the recipes have no validation data (data.valid)", "training", "training"
    ]  # fmt: skip


def test_the_seeds_of_a_text():
    assert seeds_of("3", 7) == [7, 8, 9]
    assert seeds_of("4,2", 7) == [4, 2]
    for wrong in ("0", "", "x", "1,1", "-1,2", "2.5"):
        with pytest.raises(InputError, match="--seeds"):
            seeds_of(wrong, 0)
    assert with_seed(Recipe(out="runs/a"), 5) == Recipe(out="runs/a/seed-5", seed=5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--table", "x", "--seeds", "2"), "--table trains nothing"),
        (("a.yaml", "--seed", "1", "--seeds", "2"), "choose one of --seed and --seeds"),
        (("a.yaml", "b.yaml", "-o", "x"), "--out goes with one recipe"),
        (("--table", "nothing"), "no validation.json"),
    ],
)
def test_options_that_do_not_go_together(arguments, message):
    with pytest.raises(InputError, match=message):
        call(*arguments)


def test_two_recipes_of_one_folder_are_refused(tmp_path, words):
    one = write_recipe(tmp_path, words, "a", "mse")
    with pytest.raises(InputError, match="two recipes write to"):
        call(one, one, "--seeds", "2")


def write_run(folder, values, queries=("a", "b", "c"), measure="RR"):
    folder.mkdir(parents=True)
    by_run = {run: {measure: values} for run in ("before", "after")}
    evaluation = Evaluation.of_values(by_run, queries, Statistics(test="none"))
    (folder / "validation.json").write_text(json.dumps({"": json.loads(evaluation.table("json"))}))


def test_the_table_has_means_over_seeds_and_the_difference_by_queries(tmp_path):
    first, second = np.array([[0.2, 0.4, 0.9], [0.4, 0.4, 0.7]]), np.array([[0.5, 0.7, 0.9], [0.5, 0.5, 1.0]])
    for name, rows in (("one", first), ("two", second)):
        for seed, row in enumerate(rows):
            write_run(tmp_path / name / f"seed-{seed}", tuple(row))
    text = table([tmp_path / "one", tmp_path / "two"])
    one, two = (line.split() for line in text.splitlines() if str(tmp_path) in line)
    assert one[1:3] == ["2", "0.5000"]
    assert two[1:3] == ["2", f"{second.mean():.4f}"]
    assert f"{np.std([0.7, 2 / 3], ddof=1):.4f}" in two
    assert f"{second.mean() - first.mean():+.4f}" in two
    from anyrank.evaluate.significance import t_test

    assert two[-1] == f"{t_test(second.mean(0), first.mean(0)):.4f}"
    alone = table([tmp_path / "one" / "seed-0"])
    assert "against the first" not in alone
    assert "0.5000" in alone


def test_runs_of_other_queries_are_not_compared(tmp_path):
    write_run(tmp_path / "one", (0.1, 0.2, 0.3))
    write_run(tmp_path / "two", (0.1, 0.2, 0.3), queries=("x", "y", "z"))
    with pytest.raises(InputError, match=r"two/validation\.json: its queries or measures are not those of the first"):
        table([tmp_path / "one", tmp_path / "two"])
    assert not finished(Recipe(out=str(tmp_path / "one")))
