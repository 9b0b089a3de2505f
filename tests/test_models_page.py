"""The page on models says what is true: its kinds and recipes exist."""

import re
from pathlib import Path

import pytest

pytest.importorskip("torch")

from anyrank.models import kinds
from anyrank.papers import trainings

PAGE = (Path(__file__).parents[1] / "docs" / "models.md").read_text(encoding="utf-8")
ROWS = [line.strip("| \n").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]


def test_the_kinds_and_recipes_of_the_page_exist():
    named = {kind for row in ROWS for kind in re.findall(r"`(\w+)`", row[0])}
    assert {"passages", "parade", "cedr", "tk", "prettr", "pyramid"} <= named <= set(kinds())
    recipes = {name for row in ROWS for name in re.findall(r"`(\w+)`", row[2])}
    assert {"bert_maxp", "birch", "parade", "cedr", "tk", "prettr", "baidu", "colbert"} <= recipes <= set(trainings())
