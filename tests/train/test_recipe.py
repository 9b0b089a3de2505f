"""Recipes: read strictly from YAML, run from the command line."""

import json

import pytest
from click.testing import CliRunner

from anyrank.cli.train import train_command
from anyrank.core.errors import InputError
from anyrank.train.group import Group
from anyrank.train.groups import write_groups
from anyrank.train.recipe import Check, Curriculum, Data, Loss, Model, Optimiser, Recipe, read_recipe
from anyrank.train.setup import build

WHOLE = """
out: runs/one
seed: 7
model:
  kind: bi
  start: minilm
  max_length: 128
  options: {pooling: cls, temperature: 0.1}
data:
  train: [a.jsonl, b.jsonl]
  licence: mit
losses:
  - {name: infonce, options: {temperature: 2}}
  - {name: mse, weight: 0.5}
curriculum: {difficulty: kde, by_group: true}
optimiser: {rate: 2e-5, schedule: cosine, bf16: false}
check: {measure: RR@10}
"""


def write_recipe(folder, text):
    (folder / "recipe.yaml").write_text(text)
    return folder / "recipe.yaml"


def test_a_whole_recipe(tmp_path):
    assert read_recipe(write_recipe(tmp_path, WHOLE)) == Recipe(
        out="runs/one",
        seed=7,
        model=Model(kind="bi", start="minilm", max_length=128, options={"pooling": "cls", "temperature": 0.1}),
        data=Data(train=("a.jsonl", "b.jsonl"), licence="mit"),
        losses=(Loss(name="infonce", options={"temperature": 2}), Loss(name="mse", weight=0.5)),
        curriculum=Curriculum(difficulty="kde", by_group=True),
        optimiser=Optimiser(rate=2e-5, schedule="cosine", bf16=False),
        check=Check(measure="RR@10"),
    )


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("out: a\nsede: 1", 2, "unknown key 'sede': did you mean 'seed'?"),
        ("out: a\noptimiser:\n  ratte: 1", 3, "unknown key 'optimiser.ratte': did you mean 'rate'?"),
        ("out: a\nqqqqqq: 1", 2, "unknown key 'qqqqqq': known are out, model, data"),
        ("out: a\nlosses:\n  - nmae: mse", 3, "unknown key 'losses[0].nmae': did you mean 'name'?"),
        ("out: a\nlosses:\n  - weight: 2", 3, "losses[0]: the key 'name' is missing"),
        ("seed: 1", 1, "the key 'out' is missing"),
        ("out: a\nout: b", 2, "key 'out' comes twice"),
        ("out: a\nseed: x", 2, "seed: expected a whole number, found 'x'"),
        ("out: a\nseed: true", 2, "seed: expected a whole number, found True"),
        ("out: a\noptimiser: {rate: fast}", 2, "optimiser.rate: expected a number, found 'fast'"),
        ("out: a\noptimiser: {bf16: 1}", 2, "optimiser.bf16: expected true or false, found 1"),
        ("out: a\nmodel: {kind: crss}", 2, "model: kind: no model of kind 'crss': did you mean 'cross'? known are"),
        ("out: a\nmodel: minilm", 2, "model: expected keys and values"),
        ("out: a\nmodel: {shape: 3}", 2, "model.shape: expected keys and values, found 3"),
        ("out: a\ndata: {train: a.jsonl}", 2, "data.train: expected a list"),
        ("out: a\noptimiser:\n  epochs: 0", 3, "optimiser: epochs: expected at least 1, found 0"),
        (
            "out: a\noptimiser: {batch: 0}",
            2,
            "batch: expected at least 1 and at most 1e+06 (a number of groups), found 0",
        ),
        (
            "out: a\noptimiser: {warmup: 500}",
            2,
            "optimiser: warmup: expected at least 0 and at most 1 (a share of the steps), found 500",
        ),
        ("out: a\ncheck: {patience: -1}", 2, "check: patience: expected at least 0 and at most 1e+09, found -1"),
        ("out: a\nlanguage: {lora: 4}", 1, "language: not used for a model of kind cross"),
        ("out: a\nmodel: {kind: language}\nlosses: [{name: mse}]", 1, "losses: not used for a model of kind language"),
        ("out: a\ndata: {about: 2024-13-45}", 2, "data.about: not a YAML value: month must be in 1..12"),
        ("out: a\ndata: {about: !x 3}", 2, "data.about: not a YAML value: could not determine a constructor"),
        ("out: [", 1, "not YAML"),
        ("- out", 1, "the file: expected keys and values"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, text, line, message):
    with pytest.raises(InputError) as caught:
        read_recipe(write_recipe(tmp_path, text))
    assert message in str(caught.value)
    assert f"recipe.yaml:{line}: " in str(caught.value)


def test_measures_are_a_text_or_a_list(tmp_path):
    for measure in ("nDCG@10 + AP@1000 + R@10", "[nDCG@10, AP@1000, R@10]"):
        recipe = read_recipe(write_recipe(tmp_path, f"out: a\ncheck: {{measure: {measure}}}"))
        assert recipe.check.measures == ("nDCG@10", "AP@1000", "R@10")
    with pytest.raises(InputError, match=r"check\.measure: expected a text, found \{'a': 1\}"):
        read_recipe(write_recipe(tmp_path, "out: a\ncheck: {measure: {a: 1}}"))


def test_an_empty_file(tmp_path):
    with pytest.raises(InputError, match="the file is empty"):
        read_recipe(write_recipe(tmp_path, ""))


def test_the_command(tmp_path, words):
    good = [
        Group.from_texts(a, (b, a), (0.0, 1.0), a) for a, b in zip(["lift", "drag", "wing"], ["heat", "flow", "lift"])
    ]
    write_groups(tmp_path / "groups.jsonl", good)
    recipe = write_recipe(
        tmp_path,
        f"""
out: {tmp_path}/nowhere
model: {{kind: cross, tokenizer: {words}, max_length: 16, shape: {{hidden_size: 16, num_hidden_layers: 1,
        num_attention_heads: 2, intermediate_size: 32}}}}
data: {{train: [{tmp_path}/groups.jsonl], valid: [{tmp_path}/groups.jsonl]}}
export: {{least: -1}}
optimiser: {{steps: 2, batch: 2}}
""",
    )
    out = tmp_path / "out"
    done = CliRunner().invoke(train_command, [str(recipe), "--out", str(out), "--seed", "5"], standalone_mode=False)
    assert done.exception is None, done.exception
    assert done.return_value == 0
    assert "nDCG@10" in done.output
    saved = json.loads((out / "training.json").read_text())
    assert (saved["recipe"]["seed"], saved["groups"]) == (5, 3)
    assert not (tmp_path / "nowhere").exists()
    again = CliRunner().invoke(train_command, [str(recipe), "-o", str(out), "--seed", "5"], standalone_mode=False)
    assert isinstance(again.exception, InputError)
    assert "resume" in str(again.exception)
    resumed = [str(recipe), "-o", str(out), "--seed", "5", "--resume"]
    assert CliRunner().invoke(train_command, resumed, standalone_mode=False).return_value == 0


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Model(kind="axial", tokenizer="t"), "axial reads no texts: 'anyrank peptides train' trains it"),
        (Model(kind="next_residue", start="runs/x"), "next_residue reads no texts"),
        (
            Model(kind="cross", tokenizer="minilm", options={"pooling": "mean"}),
            "model.options: a model of kind cross has no option 'pooling'",
        ),
        (
            Model(kind="knrm", tokenizer="minilm", options={"pooling": "mean"}),
            "model.options: a model of kind knrm has no option 'pooling'",
        ),
    ],
)
def test_a_model_that_can_not_be_made_so_is_refused(model, message):
    with pytest.raises(InputError, match=message):
        build(model)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"hiden_size": 16}, "a bert has no setting 'hiden_size': did you mean 'hidden_size'"),
        ({"hidden_size": 15, "num_attention_heads": 2}, "not a multiple of the number of attention heads"),
        ({"hidden_size": 0}, "no bert can be made of it"),
        ({"hidden_size": 16, "num_attention_heads": 2, "vocab_size": 5}, "vocab_size 5 is less than"),
    ],
)
def test_a_shape_of_which_no_model_can_be_made(words, shape, message):
    from anyrank.models.parts.fresh import fresh_body

    small = {"num_hidden_layers": 1, "intermediate_size": 32}
    with pytest.raises(InputError, match=message):
        fresh_body("AutoModel", {**small, **shape}, words)


def test_an_option_that_yaml_reads_as_a_text(tmp_path):
    text = "out: a\nlosses: [{name: infonce, options: {temperature: 1e-2}}]"
    with pytest.raises(InputError, match="expected a number, found the text '1e-2'"):
        read_recipe(write_recipe(tmp_path, text))


def test_validation_that_cannot_be_computed_is_refused_before_the_first_step():
    from anyrank.train.validation import Validation

    good = Group.from_texts("q", ("a", "b"), (0.0, 1.0), id="q1")
    with pytest.raises(InputError, match="needs judgements by subtopic"):
        Validation([good], ["alpha_nDCG@10"])
    with pytest.raises(InputError, match="no grade or label is above 0"):
        Validation([Group.from_texts("q", ("a", "b"), (0.0, -1.0), id="q1")])
