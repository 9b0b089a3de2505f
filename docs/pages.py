"""Pages that are made of the code: the commands' help, a page for each system of the literature, the API by rooms.

`conf.py` has them written into ``docs/made/`` before every build, so that they can't be stale.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

import click

from anyrank.cli import cli
from anyrank.papers import card, kind, systems
from anyrank.papers.reproduction import System, all_systems, measured_values

ROOT = Path(__file__).parents[1]

ROOMS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "anyrank": ("The public names", "What `import anyrank as ar` gives.", ("anyrank",)),
    "core": (
        "Core: types, stages, groupings",
        "The values that flow, the stages that take and give them, and the groupings that order candidates by a judge.",
        (
            "anyrank.core.types",
            "anyrank.core.trace",
            "anyrank.core.limits",
            "anyrank.core.content",
            "anyrank.core.stage",
            "anyrank.core.rerank",
            "anyrank.core.groupings.base",
            "anyrank.core.groupings.pointwise",
            "anyrank.core.groupings.all_pairs",
            "anyrank.core.groupings.sliding",
            "anyrank.core.groupings.heap",
            "anyrank.core.groupings.bubble",
            "anyrank.core.groupings.merge_sort",
            "anyrank.core.groupings.tournament",
            "anyrank.core.groupings.uncertain",
            "anyrank.core.groupings.whole",
            "anyrank.core.fusion",
            "anyrank.core.language",
            "anyrank.core.errors",
        ),
    ),
    "evaluate": ("Evaluate", "Measures, tests, intervals.", ("anyrank.evaluate", "anyrank.evaluate.significance")),
    "io": ("Files", "TREC, BEIR, JSONL and tables in and out.", ("anyrank.io",)),
    "stores": (
        "Stores and indexes",
        "Documents, and the indexes over them.",
        ("anyrank.vectors", "anyrank.index.base", "anyrank.index.collection", "anyrank.index.nearest"),
    ),
    "models": (
        "Opening models",
        "One door to models, and the protocol of those that are trained here.",
        ("anyrank.hub.open", "anyrank.models.base"),
    ),
    "judges": (
        "Judges",
        "What works on any judge or encoder.",
        (
            "anyrank.judges.both_orders",
            "anyrank.judges.votes",
            "anyrank.judges.presentation",
            "anyrank.judges.consensus",
            "anyrank.judges.passages",
            "anyrank.judges.similarity",
            "anyrank.judges.diversify",
        ),
    ),
    "llm": (
        "Language models as judges",
        "Prompts, and the judges that read a language model's answers or probabilities.",
        (
            "anyrank.llm.prompts",
            "anyrank.llm.generation",
            "anyrank.llm.first_token",
            "anyrank.llm.pointwise",
            "anyrank.llm.attention",
            "anyrank.llm.cache",
            "anyrank.llm.retry",
        ),
    ),
    "pipeline": ("Pipelines as text", "From a line to a stage and back.", ("anyrank.pipeline.parser",)),
    "papers": ("Papers", "Cards of methods and trainings.", ("anyrank.papers", "anyrank.papers.reproduction")),
    "train": ("Training", "Groups, recipes, the loop.", ("anyrank.train",)),
    "choose": (
        "Explain, cut, judge, tune",
        "What happens after a run.",
        (
            "anyrank.explanations",
            "anyrank.cutoffs.calibration",
            "anyrank.judging.session",
            "anyrank.tuning.tune",
        ),
    ),
    "benchmarks": ("Benchmarks", "Loaders and protocols of the field's benchmarks.", ("anyrank.benchmarks",)),
    "testing": ("Testing", "Fakes, and contract suites for parts of your own.", ("anyrank.testing",)),
}
"""Pages of the API: the title, a sentence, and the modules whose public names are shown."""


def write(folder: Path) -> None:
    """Write the pages that have changed; those that are no longer made are removed."""
    pages = {
        "commands.md": commands_page(),
        "methods.md": methods_page(),
        "systems/index.md": systems_page(),
        "api/index.md": api_page(),
        "log.md": (ROOT / "LOG.md").read_text(encoding="utf-8"),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    }
    pages |= {f"systems/{s.name}.md": system_page(s) for s in all_systems()}
    pages |= {f"api/{name}.md": room_page(name) for name in ROOMS}
    for old in set(folder.rglob("*.md")) - {folder / name for name in pages}:
        old.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def commands(
    command: click.Command = cli, name: str = "anyrank", parent: click.Context | None = None
) -> Iterator[tuple[str, str]]:
    """Every command's name and its help, groups before their members."""
    context = click.Context(command, parent, name, terminal_width=96, **command.context_settings)
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for member in command.list_commands(context):
            if (found := command.get_command(context, member)) is not None:
                yield from commands(found, member, context)


def commands_page() -> str:
    """The help of every command."""
    lines = ["# Commands", "", "What `anyrank COMMAND --help` prints, of every command.", ""]
    for name, text in commands():
        lines += [f"{'#' * min(len(name.split()) + 1, 4)} {name}", "", "```text", text.rstrip(), "```", ""]
    return "\n".join(lines)


def methods_page() -> str:
    """A table of all papers: methods, rewriters, retrievers, trainings."""
    lines = [
        "# Methods",
        "",
        "Each is one file of `src/anyrank/papers/`; `anyrank papers show NAME` prints its card, with what it costs and "
        'the figures that its paper reports. A method is a name in pipelines: `bm25 % 100 >> rankgpt("MODEL")`.',
        "",
        "| name | kind | year | what it does | paper |",
        "|---|---|---|---|---|",
    ]
    for name in systems():
        c = card(name)
        lines.append(f"| `{name}` | {kind(name)} | {c.year} | {_cell(c.summary)} | {_paper(c.title, c.arxiv)} |")
    return "\n".join(lines) + "\n"


def systems_page() -> str:
    """The list of the systems, which links to the page of each."""
    lines = [
        "# Systems",
        "",
        "A page for each of the 36 systems of the literature that anyrank is made for: its claim, the commands that "
        "run it here, the figures measured here with their data and weights, and beside them, never mixed with them, "
        "those of its paper. All methods, with those beside the 36: [methods](../methods.md).",
        "",
        "| | system | claim |",
        "|---|---|---|",
    ]
    lines += [f"| {s.number} | [{_cell(s.title)}]({s.name}.md) | {_cell(s.claim)} |" for s in all_systems()]
    tree = "\n".join(s.name for s in all_systems())
    return "\n".join(lines) + f"\n\n```{{toctree}}\n:hidden:\n:maxdepth: 1\n\n{tree}\n```\n"


def system_page(system: System) -> str:
    """A system's reproduction card as a page, with the cards of the files that make it."""
    made_of = [p for p in system.papers if p in systems()]
    lines = [f"# {system.name}", "", f"**{_paper(system.title, system.arxiv)}**", ""]
    lines += [system.claim, "", f"- Needs: {system.needs}."]
    files = [f"`papers/{p}.py`" for p in made_of] + [f"`benchmarks/{b}.py`" for b in system.benchmarks]
    lines += [f"- Made of {', '.join(files)}.", "", "## Run it here", "", *_shell(system.run)]
    lines += ["## Measured here", ""]
    if system.measured:
        values = measured_values()
        lines += ["| what | figure | data | weights | result file |", "|---|---|---|---|---|"]
        for m in system.measured:
            value = f"{values[m.name]:.4g}" if m.name in values else "not measured yet"
            lines.append(f"| {_cell(m.what)} | {value} | {_cell(m.data)} | {_cell(m.weights)} | `{m.file}` |")
    else:
        lines.append(f"Nothing. {system.unmeasured}")
    lines += ["", "## The paper's figures, not ours", ""]
    if system.reported:
        lines += ["| measure | figure | data | setting | source |", "|---|---|---|---|---|"]
        for f in system.reported:
            cells = (f.metric, f"{f.value:g}", f.dataset, f.setting, f.source)
            lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    else:
        lines.append("No figure in the sources at hand.")
    if system.real_run:
        lines += ["", "## With the real weights", "", f"Needs {system.real_needs}.", "", *_shell(system.real_run)]
        e = system.expected
        lines.append(
            "What to expect isn't known."
            if e is None
            else f"Expected: {e.metric} {e.value:g} on {e.dataset} ({e.source}), within {e.tolerance:g}. "
            "Not run by anyrank."
        )
    if system.note:
        lines += ["", system.note]
    for name in made_of:
        text = ast.get_docstring(ast.parse((ROOT / "src/anyrank/papers" / f"{name}.py").read_text(encoding="utf-8")))
        lines += ["", f"## papers/{name}.py", "", "```text", *(text or "").splitlines(), "```"]
        lines += ["", "```text", str(card(name)), "```"]
    return "\n".join(lines) + "\n"


def api_page() -> str:
    """The list of the pages of the API."""
    lines = [
        "# Python API",
        "",
        "From the docstrings, by rooms. How to use it: [anyrank from Python](../../python.md).",
        "",
    ]
    lines += [f"- [{title}]({name}.md): {sentence}" for name, (title, sentence, _) in ROOMS.items()]
    tree = "\n".join(ROOMS)
    return "\n".join(lines) + f"\n\n```{{toctree}}\n:hidden:\n:maxdepth: 1\n\n{tree}\n```\n"


def room_page(name: str) -> str:
    """A page of the API: what a module's docstring says, and its public names."""
    title, sentence, modules = ROOMS[name]
    lines = [f"# {title}", "", sentence, ""]
    for module in modules:
        lines += [f"## {module}", "", f"```{{eval-rst}}\n.. automodule:: {module}\n   :members:\n```", ""]
    return "\n".join(lines)


def public_names(module: str) -> list[str]:
    """The names that a page of the API shows of a module: those of ``__all__``, else what it defines itself.

    >>> "Rerank" in public_names("anyrank.core.rerank")
    True
    """
    members = import_module(module)
    named: Sequence[str] | None = getattr(members, "__all__", None)
    if named is not None:
        return list(named)
    own = [n for n, v in vars(members).items() if getattr(v, "__module__", None) == module and not n.startswith("_")]
    return [n for n in own if inspect.getdoc(vars(members)[n])]


def _shell(lines: Sequence[str]) -> list[str]:
    return ["```sh", *lines, "```", ""]


def _paper(title: str, arxiv: str) -> str:
    return f"{_cell(title)}, [arXiv {arxiv}](https://arxiv.org/abs/{arxiv})" if arxiv else _cell(title)


def _cell(text: str) -> str:
    """A text in a cell of a table."""
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;").replace("_", "\\_")
