"""The site of docs/: it builds without a warning, loads nothing from elsewhere, lists every page, and what is made of
the code is what the code says."""

import ast
import json
import re
import shlex
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from anyrank.cli import COMMANDS, cli
from anyrank.papers.reproduction import all_systems
from anyrank.pipeline.parser import read

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))
import pages  # noqa: E402
import tables  # noqa: E402

sys.path.remove(str(DOCS))
WRITTEN = sorted(p for p in DOCS.rglob("*.md") if "made" not in p.parts)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The pages that are made of the code."""
    folder = tmp_path_factory.mktemp("made")
    pages.write(folder)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site; a broken link or a docstring that can't be read fails the build."""
    for package in ("sphinx", "furo", "myst_parser"):
        pytest.importorskip(package)
    out = tmp_path_factory.mktemp("site")
    doctrees = ROOT / "build" / "doctrees"
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(doctrees), str(DOCS), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def test_it_loads_nothing_from_elsewhere(site):
    """Links may lead out; scripts, styles, fonts and pictures may not."""
    assert (site / "index.html").is_file()
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img|iframe|source)[^>]+src=\"(?:https?:)?//", text), page
        assert not re.findall(r"<link[^>]+rel=\"(?:stylesheet|preload|preconnect)\"[^>]+href=\"(?:https?:)?//", text), (
            page
        )
    for style in site.rglob("*.css"):
        assert not re.findall(r"url\(['\"]?(?:https?:)?//|@import", style.read_text(encoding="utf-8")), style


def test_every_page_is_in_the_order_of_the_site():
    listed = set(
        re.findall(r"^((?:made/|guides/|howto/)?[\w-]+(?:/index)?)$", (DOCS / "index.md").read_text("utf-8"), re.M)
    )
    here = {str(p.relative_to(DOCS).with_suffix("")) for p in WRITTEN} - {"index"}
    assert here <= listed, f"add to a toctree of docs/index.md: {', '.join(sorted(here - listed))}"
    assert listed - here == {
        "made/log",
        "made/changelog",
        "made/commands",
        "made/methods",
        "made/systems/index",
        "made/api/index",
    }


def test_links_between_pages_lead_somewhere(made):
    """Also those that no build has checked yet; headings are checked by the build."""
    for page in [*WRITTEN, *made.rglob("*.md")]:
        own = made if made in page.parents else DOCS / "made"
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        for link in re.findall(r"\]\(([\w./-]+\.(?:md|png|svg))(?:#[\w-]+)?\)", text):
            target = (DOCS / "made" / page.relative_to(made)).parent / link if own is made else page.parent / link
            target = target.resolve()
            inside = DOCS / "made" in target.parents
            assert (made / target.relative_to(DOCS / "made") if inside else target).is_file(), f"{page.name}: {link}"


def test_the_page_of_commands_is_what_they_print(made):
    text = (made / "commands.md").read_text(encoding="utf-8")
    named = [name for name, _ in pages.commands()]
    assert {f"anyrank {c}" for c in COMMANDS} <= set(named)
    assert "anyrank peptides rerank" in named
    for name in ("search", "peptides rerank", "index"):
        printed = CliRunner().invoke(cli, [*name.split(), "--help"], prog_name="anyrank", terminal_width=96).output
        assert f"```text\n{printed.rstrip()}\n```" in text, name


def test_every_system_has_its_page_with_what_was_measured(made):
    assert len(all_systems()) == 36
    measured = json.loads((ROOT / "src/anyrank/papers/measured.json").read_text(encoding="utf-8"))
    for system in all_systems():
        text = (made / "systems" / f"{system.name}.md").read_text(encoding="utf-8")
        assert all(command in text for command in (*system.run, *system.real_run))
        assert all(f"{measured[m.name]:.4g}" in text for m in system.measured if m.name in measured)
        assert "## The paper's figures, not ours" in text


def test_the_pages_of_the_api_name_modules_that_have_docstrings():
    for _, _, modules in pages.ROOMS.values():
        for module in modules:
            path = ROOT / "src" / Path(*module.split("."))
            file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            assert file.read_text(encoding="utf-8").startswith('"""'), module


def test_the_tables_of_speed_are_filled_from_the_results():
    if not tables.RESULTS.is_dir():
        pytest.skip("bench/results is not in this copy")
    source = (DOCS / "speed.md").read_text(encoding="utf-8")
    assert set(tables.PLACE.findall(source)) == set(tables.TABLES)
    text = tables.filled(source)
    assert not tables.PLACE.search(text)
    assert text.count("\n| --- |") == len(tables.TABLES)
    assert f"| {tables._read('encoders.json')['engines']['torch']['pairs_per_second']:.0f} |" in text


LINES = [
    pytest.param(line, id=f"{page.relative_to(DOCS)}: {line[:60]}")
    for page in WRITTEN
    for block in re.findall(r"^```(?:sh|bash)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    for line in block.splitlines()
    if line.startswith("anyrank ")
]


@pytest.mark.parametrize("line", LINES)
def test_every_command_line_of_the_pages_can_be_read(line):
    """Its command and options exist, and its pipelines are pipelines; whether it runs is for the test of its page."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="<>|&;")
    lexer.whitespace_split = True
    words = []
    for word in lexer:
        if set(word) <= set("<>|&;"):
            break
        words.append(word)
    command, context = cli, click.Context(cli, info_name="anyrank")
    words = words[1:]
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, words)
        context = click.Context(command, info_name=name, parent=context)
    try:
        context = command.make_context(context.info_name, list(words), parent=context.parent)
    except click.BadParameter as error:
        if "does not exist" in error.message:
            return
        raise
    for pipeline in _pipelines(context.params):
        _, tree = read(re.sub(r"^\w+=(?!=)", "", pipeline))
        called = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        assert called <= names_of_pipelines(), line


def _pipelines(parameters):
    """The pipelines among the values of a command's options."""
    values = [v for name, v in parameters.items() if name in ("pipeline", "pipelines") and v]
    return [p for v in values for p in ([v] if isinstance(v, str) else v) if isinstance(p, str)]


@cache
def names_of_pipelines():
    printed = CliRunner().invoke(cli, ["pipeline", "list"]).output
    return {line.split()[0] for line in printed.splitlines() if line.strip()}


def test_every_extra_is_on_the_page_of_installation():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    table = "".join(re.findall(r"^\|.*\|$", (DOCS / "install.md").read_text("utf-8"), re.M))
    assert [name for name in extras if f"`{name}`" not in table] == ["dev"]
