"""The recipes and the Python of docs/adapters.md run as they stand, with tiny models."""

import doctest
import re
from pathlib import Path

import pytest

from anyrank.train.recipe import ADAPTERS

PAGE = (Path(__file__).parents[1] / "docs" / "adapters.md").read_text(encoding="utf-8")


def test_the_examples_run(tmp_path, monkeypatch):
    pytest.importorskip("peft")
    from anyrank.testing.tiny import encoder
    from anyrank.train.group import Group
    from anyrank.train.groups import write_groups

    monkeypatch.chdir(tmp_path)
    encoder(Path("base"), task="cross")
    encoder(Path("masked"), task="masked")
    write_groups("groups.jsonl", [Group.from_texts(w, (w, "the"), (1.0, 0.0)) for w in ("river", "city", "yes", "no")])
    for language in ("english", "german"):
        Path(f"{language}.txt").write_text("the river and the city\nno answer, yes\n" * 4)
    lora, english, ranking = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)
    recipes = {"lora": lora, "english": english, "german": english.replace("english", "german"), "ranking": ranking}
    for name, text in recipes.items():
        Path(f"{name}.yaml").write_text(text)
    names: dict[str, object] = {"__name__": "page"}
    output: list[str] = []
    for code in re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S):
        test = doctest.DocTestParser().get_doctest(code, names, "page", "docs/adapters.md", 0)
        results = doctest.DocTestRunner().run(test, out=output.append, clear_globs=False)
        names = test.globs
        assert not results.failed, "".join(output)
    assert names["model"]


def test_the_methods_and_settings_of_the_page_are_those_of_recipes():
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|[^|]*\| ([^|]*)\|", PAGE, re.M)
    named = {method: set(re.findall(r"`(\w+)`", cell)) for cells, cell in rows for method in re.findall(r"\w+", cells)}
    assert named.keys() == ADAPTERS.keys() - {"none"}
    for method, settings in named.items():
        assert settings | {"merge"} == set(ADAPTERS[method]) | {"merge"}, method
