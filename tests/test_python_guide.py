"""The examples of docs/python.md run as they stand, in an empty folder, the page's sections one after another."""

import doctest
import os
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

import anyrank as ar

PAGE = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
SECTIONS = re.split(r"^(?=## )", PAGE, flags=re.M)[1:]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
NEEDS = {"## DataFrames": "pandas", "## LangChain": "langchain_core"}
"""Sections that need a package which the tests' set-up may lack."""


@pytest.fixture(scope="module")
def names():
    """The names that the sections before have defined."""
    return {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("guide")


@pytest.mark.parametrize("section", SECTIONS, ids=[s.splitlines()[0][3:] for s in SECTIONS])
def test_section(section, names, folder, monkeypatch):
    for title, package in NEEDS.items():
        if section.startswith(title) and not find_spec(package):
            pytest.skip(f"needs {package}")
    monkeypatch.chdir(folder)
    names.setdefault("ar", ar)
    names.setdefault("__name__", "guide")
    examples = doctest.DocTestParser().get_doctest(section, names, section.splitlines()[0], "docs/python.md", 0)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    output: list[str] = []
    runner.run(examples, out=output.append, clear_globs=False)
    names.update(examples.globs)
    assert not runner.failures, "".join(output)
    assert len(os.listdir(folder)) <= 1  # the index alone


def test_the_index_of_the_readme(tmp_path, monkeypatch):
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (block,) = [b for b in re.findall(r"^```python\n(.*?)^```", readme, re.M | re.S) if ">>>" not in b]
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(block, names)
    hits = names["hits"]
    assert isinstance(hits, ar.Ranking)
    assert (hits.ids[0], hits.status) == ("d1", "ok")


def test_every_section_with_code_has_an_example():
    assert [s.splitlines()[0] for s in SECTIONS if "```" in s and ">>>" not in s] == []
