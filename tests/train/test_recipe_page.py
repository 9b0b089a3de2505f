"""The page on recipes says what is true: its recipe is read, and its names exist."""

import re
from pathlib import Path

from anyrank.train.recipe import Recipe, read_recipe, recipe_text
from anyrank.train.soft_measures import soft_measure

PAGE = (Path(__file__).parents[2] / "docs" / "recipe.md").read_text(encoding="utf-8")


def test_the_recipe_of_the_page_is_read_and_written_again(tmp_path):
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "r.yaml").write_text(block, encoding="utf-8")
    recipe = read_recipe(tmp_path / "r.yaml")
    assert isinstance(recipe, Recipe)
    assert [part.name for part in recipe.data.valid_sets] == ["scifact", "teacher"]
    assert [source.weight for source in recipe.data.train] == [2.0, 0.5]
    (tmp_path / "again.yaml").write_text(recipe_text(recipe), encoding="utf-8")
    assert read_recipe(tmp_path / "again.yaml") == recipe


def test_the_measures_of_the_page_exist():
    for name in ("Spearman", "Kendall", "SoftnDCG@10"):
        assert name in PAGE
        assert soft_measure(name) is not None
