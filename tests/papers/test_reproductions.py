"""Every one of the 36 systems has a reproduction card: figures by file and key, fresh, and commands that exist."""

import json
import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from anyrank.benchmarks import names as benchmarks
from anyrank.cli import cli
from anyrank.cli.papers import papers_command
from anyrank.core.errors import InputError
from anyrank.papers import card, load
from anyrank.papers import systems as papers
from anyrank.papers.reproduction import Measured, all_systems, measured_values, read_values, system
from anyrank.pipeline.explain import misfit

RESULTS = Path(__file__).parents[2] / "bench" / "results"
SYSTEMS = all_systems()


def test_there_are_thirty_six_of_distinct_names():
    assert [s.number for s in SYSTEMS] == list(range(1, 37))
    assert len({s.name for s in SYSTEMS}) == len({s.title for s in SYSTEMS}) == len({s.arxiv for s in SYSTEMS}) == 36


@pytest.mark.parametrize("s", SYSTEMS, ids=lambda s: s.name)
def test_every_system_has_a_whole_card(s):
    text = str(s)
    assert s.claim
    assert s.needs
    assert re.fullmatch(r"\d{4}\.\d{5}", s.arxiv)
    assert set(s.benchmarks) <= set(benchmarks())
    assert "paper, not ours: " in text
    if not s.built:
        assert "not in anyrank yet" in text
        assert not s.measured
        return
    assert "not in anyrank yet" not in text
    if s.papers and not s.benchmarks:
        missing = [p for p in s.papers if p not in papers()]
        assert not missing, "a part that isn't built"
    assert s.run, "no command that runs it here"
    assert s.measured or s.unmeasured
    assert "  measured here: " in text
    assert s.real_run or s.name == "baidu"
    assert s.expected is not None or s.note, "an expected figure, or why there is none"
    assert all(f"({m.name})" in text and "not measured yet" not in text for m in s.measured)
    own = [p for p in s.papers if card(p).name == s.name]
    assert not own or card(own[0]).arxiv == s.arxiv


def test_measured_figures_are_fresh():
    """A stale figure: run ``python bench/reproductions.py``."""
    if not RESULTS.is_dir():
        pytest.skip("bench/results is not in this copy")
    assert dict(measured_values()) == read_values(RESULTS)


def test_no_figure_stands_in_the_list_of_systems_itself():
    rows = json.loads((Path(__file__).parents[2] / "src/anyrank/papers/systems.json").read_text(encoding="utf-8"))
    assert all(set(m) == {"what", "data", "weights", "file", "key"} for row in rows for m in row["measured"])


def commands():
    return [(s.name, c) for s in SYSTEMS if s.built for c in (*s.run, *s.real_run)]


@pytest.mark.parametrize(("name", "line"), commands(), ids=lambda v: v if " " not in v else "")
def test_commands_exist_with_these_options(name, line):
    program, *words = shlex.split(line.split(" > ")[0])
    assert program == "anyrank"
    command, path = cli, []
    while isinstance(command, click.Group):
        path.append(words.pop(0))
        command = command.get_command(click.Context(command), path[-1])
        assert command is not None, path
    _, left, _ = command.make_parser(click.Context(command)).parse_args(list(words))
    assert not left, "arguments that the command doesn't take"
    if "-p" in words and path[-1] != "mteb":
        pipeline = words[words.index("-p") + 1]
        # with a search before it, a reranker's names and options are checked without opening its model
        assert None in (misfit(pipeline, starts=True), misfit(f"bm25 >> {pipeline}", starts=True))
    if path == ["papers", "recipe"]:
        assert CliRunner().invoke(papers_command, ["recipe", *words]).exit_code == 0
    if "--method" in words:
        assert words[words.index("--method") + 1] in (*papers(), "ranknovo")


@pytest.mark.parametrize("name", papers())
def test_commands_that_cards_name_exist(name):
    text = f"{card(name)} {' '.join((load(name).__doc__ or '').split())}"
    for line in re.findall(r"anyrank ([a-z][a-z-]* [^`'\".,;:)]*)", text):
        command, words = cli, line.split()
        while isinstance(command, click.Group):
            command = command.get_command(click.Context(command), words.pop(0))
            assert command is not None, line
        options = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
        assert {w for w in words if w.startswith("-")} <= options, line


def test_the_commands_print_the_cards():
    for s in SYSTEMS:
        shown = CliRunner().invoke(papers_command, ["show", s.name])
        assert shown.exit_code == 0
        assert str(s) in shown.output
        if s.name in papers():
            assert str(card(s.name)) in shown.output
    listed = CliRunner().invoke(papers_command, ["systems"]).output
    assert all(s.title in listed for s in SYSTEMS)
    rows = json.loads(CliRunner().invoke(papers_command, ["systems", "--json"]).output)
    assert [r["built"] for r in rows] == [s.built for s in SYSTEMS]
    assert "no paper 'rankgtp'" in str(CliRunner().invoke(papers_command, ["show", "rankgtp"]).exception)


def test_a_key_selects_a_row_by_its_fields(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"rows": [{"v": "x", "p": 1}, {"v": "y", "p": 2, "s": "text"}]}))

    def read(*key, file="a.json"):
        return Measured("", "", "", file, key).read(tmp_path)

    assert read("rows", {"v": "y"}, "p") == 2
    for key in [("rows", {"v": "z"}, "p"), ("rows", 5, "p"), ("none",), ("rows", 0, "p", "q")]:
        with pytest.raises(InputError, match="nothing at"):
            read(*key)
    with pytest.raises(InputError, match="is no number"):
        read("rows", {"v": "y"}, "s")
    with pytest.raises(InputError, match="no such result file"):
        read("p", file="b.json")


def test_systems_that_are_not_built_say_so():
    assert system("easyrec").name == "easyrec"
    for s in SYSTEMS:
        assert s.built == (bool(s.benchmarks) or any(p in papers() for p in s.papers))
