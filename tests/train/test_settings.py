"""Single values of a recipe replaced."""

import pytest

from anyrank.core.errors import InputError
from anyrank.train.recipe import Data, Loss, Recipe
from anyrank.train.settings import with_settings
from anyrank.train.sources import Source

BASE = Recipe(out="a", data=Data(train=("x.jsonl", Source(format="triples", path="b.tsv"))))


@pytest.mark.parametrize(
    ("setting", "holds"),
    [
        ("seed=7", lambda r: r.seed == 7),
        ("optimiser.rate=1e-4", lambda r: r.optimiser.rate == 1e-4),
        ("model.options={pooling: cls}", lambda r: r.model.options == {"pooling": "cls"}),
        ("model.options.pooling=cls", lambda r: r.model.options == {"pooling": "cls"}),
        ("losses=[{name: mse}, {name: ranknet, weight: 2}]", lambda r: r.losses[1] == Loss(name="ranknet", weight=2.0)),
        ("losses.0.weight=3", lambda r: r.losses == (Loss(name="ranknet", weight=3.0),)),
        ("data.train.1.path=c.tsv", lambda r: r.data.train[1] == Source(format="triples", path="c.tsv")),
        ("data.about=a = b", lambda r: r.data.about == "a = b"),
    ],
)
def test_one_value(setting, holds):
    assert holds(with_settings(BASE, [setting]))


def test_nothing_else_changes():
    assert with_settings(BASE, []) is BASE
    assert with_settings(with_settings(BASE, ["seed=3"]), ["seed=0"]) == BASE


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("seed", "expected NAME=VALUE"),
        ("sede=1", "unknown key 'sede': did you mean 'seed'"),
        ("optimizer.rate=1", "there is no 'optimizer' here: there are out, model, data"),
        ("optimiser.rte=1", "unknown key 'optimiser.rte': did you mean 'rate'"),
        ("losses.1.name=mse", "there is no '1' here: there are 0"),
        ("seed.x=1", "there is no 'x' here: there are none"),
        ("seed=much", "seed: expected a whole number, found 'much'"),
        ("optimiser.warmup=2", r"a share of the steps\), found 2"),
        ("seed={", "isn't a YAML value"),
        ("out=2024-13-01", "isn't a YAML value"),
    ],
)
def test_errors_name_the_setting(setting, message):
    with pytest.raises(InputError, match=message.replace("[", r"\[")) as error:
        with_settings(BASE, [setting])
    assert str(error.value).startswith(f"{setting}: ")
    assert "settings:" not in str(error.value)
