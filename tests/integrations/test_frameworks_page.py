"""The example for scikit-learn on the page of servers and frameworks runs as it stands."""

import doctest
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")


def test_the_example_runs():
    pytest.importorskip("sklearn")
    examples = doctest.DocTestParser().get_doctest(PAGE, {}, "serve.md", "docs/serve.md", 0)
    assert len(examples.examples) >= 6
    output: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    runner.run(examples, out=output.append)
    assert not runner.failures, "".join(output)


def test_the_modules_of_the_page_have_what_it_names():
    lines = re.findall(r"^from anyrank\.integrations\.(\w+) import ([\w, ]+)  #", PAGE, re.M)
    assert len(lines) == 7
    packages = {"langchain": "langchain_core", "llamaindex": "llama_index"}
    for module, names in lines:
        if find_spec(packages.get(module, module)):
            made = import_module(f"anyrank.integrations.{module}")
            assert [n for n in names.split(", ") if n not in vars(made)] == []
