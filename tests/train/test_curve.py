"""The curve of a training stands in its folder and its card, and TensorBoard reads its log."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from anyrank.models.knrm import KNRM
from anyrank.pages.training_curve import training_curve
from anyrank.train.curve import CURVE, series_of, write_curve
from anyrank.train.group import Group
from anyrank.train.recipe import Check, Export, Loss, Optimiser, Recipe
from anyrank.train.run import train

GROUPS = [Group.from_texts("lift", ("lift of wing", "heat", "drag"), (1.0, 0.0, 0.0), f"q{i}") for i in range(8)]


def test_a_training_leaves_its_curve_and_its_board(words, tmp_path):
    recipe = Recipe(
        out=str(tmp_path / "m"),
        losses=(Loss(name="listnet"),),
        optimiser=Optimiser(batch=2, epochs=2, rate=1e-2, bf16=False),
        check=Check(every=2),
        export=Export(int8=False),
    )
    model = KNRM.from_config({"width": 16}, words, max_length=16)
    done = train(recipe, train=GROUPS, valid=GROUPS[:2], model=model)
    drawn = ElementTree.parse(done.folder / CURVE).getroot()
    assert drawn.get("aria-label") == "loss, nDCG@10 by step"
    card = (done.folder / "README.md").read_text()
    assert re.search(rf"^## Curve\n\n!\[loss, nDCG@10 by step\]\({re.escape(CURVE)}\)$", card, re.MULTILINE)
    board = EventAccumulator(str(done.folder / "logs")).Reload()
    logged = {tag: [(e.step, e.value) for e in board.Scalars(tag)] for tag in board.Tags()["scalars"]}
    series = series_of(done.log)
    assert [step for step, _ in series["nDCG@10"]] == [2, 4, 6, 8]
    for name, tag in (("loss", "train/loss"), ("nDCG@10", "eval/nDCG@10")):
        assert [step for step, _ in logged[tag]] == [step for step, _ in series[name]]
        assert [v for _, v in logged[tag]] == pytest.approx([v for _, v in series[name]], rel=1e-5)


def test_numbers_that_are_not_finite_and_empty_logs_are_left_out(tmp_path):
    assert write_curve(tmp_path, [{"step": 1, "loss": float("nan"), "grad_norm": 3.0}]) == ""
    assert not any(tmp_path.iterdir())
    drawn = training_curve({"loss": [(1, 2.0), (2, float("inf"))], "gone": [(1, float("nan"))]})
    assert "gone" not in drawn
    with pytest.raises(ValueError, match="finite"):
        training_curve({})


@pytest.mark.parametrize("points", [[(5, 0.0)], [(1, 0.3), (2, 0.3)], [(i, 1.0 / i) for i in range(1, 2000)]])
def test_any_curve_stays_within_its_drawing(points):
    drawn = ElementTree.fromstring(str(training_curve({"a < b": points})))
    _, _, width, height = map(float, drawn.get("viewBox").split())
    for path in drawn.iter("path"):
        for x, y in re.findall(r"([\d.]+) ([\d.]+)", path.get("d")):
            assert 0 <= float(x) <= width
            assert 0 <= float(y) <= height
