"""``anyrank peptides``: rerank and judge the peptides that de novo sequencing engines propose for spectra."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from ..core.errors import InputError
from ..core.types import Ranking
from .common import as_json, as_json_option, batches, progress
from .peptides_train import propose_command, train_command

Made = TypeVar("Made", bound=Callable[..., Any])
SHOWN = 5


def inputs(command: Made) -> Made:
    """The options of both commands."""
    for option in (
        click.option("--spectra", required=True, help="The spectra: MGF or mzML, gzipped or not."),
        click.option("--engine", "engines", multiple=True, required=True, metavar="NAME=FILE",
                     help="An engine's output, mzTab or a table (repeat for several; the first wins ties)."),
        click.option("--columns", multiple=True, metavar="NAME:spectrum=COL,sequence=COL,score=COL",
                     help="Which columns an engine's table has, where they aren't known by name."),
        click.option("--by", type=click.Choice(["title", "scan", "index"]),
                     help="How engines name spectra; by default whichever finds most."),
        click.option("--fixed", multiple=True, metavar="TOKEN",
                     help="What a bare letter stands for, as in C+57.021 where a file leaves that unsaid."),
        click.option("--top", type=click.IntRange(1), help="Take only the best K of each engine."),
        click.option("--tolerance", default="20ppm", show_default=True, help="Of fragments: 20ppm, 0.5Da."),
        click.option("--model", help="A trained model's file or folder, for the methods that need one."),
        click.option("--problems", type=click.Path(path_type=Path),
                     help=f"A file for all that could not be read or found; {SHOWN} of each kind are shown anyway."),
        as_json_option,
    ):  # fmt: skip
        command = option(command)
    return command


@click.group("peptides")
def peptides_command() -> None:
    """Rerank peptide candidates of several de novo sequencing engines over their spectra, and measure them.

    \b
    anyrank peptides rerank --spectra run.mgf --engine casanovo=a.mztab --engine other=b.csv -o best.mztab
    anyrank peptides eval --spectra annotated.mgf --engine casanovo=a.mztab --engine other=b.csv --html report.html
    anyrank peptides train --spectra annotated.mgf -o model/
    anyrank peptides rerank --spectra run.mgf --engine casanovo=a.mztab --method ranknovo --model model/ -o best.mztab
    """


peptides_command.add_command(train_command)
peptides_command.add_command(propose_command)


@peptides_command.command("rerank")
@inputs
@click.option("--method", default="hyperscore", show_default=True, help="A method of 'anyrank peptides methods'.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The reranked peptides, mzTab 1.0.")
@click.option("-k", "keep", default=1, show_default=True, type=click.IntRange(1), help="Write the best K of each.")
def rerank_command(method: str, out: Path, keep: int, json_out: bool, **given: Any) -> int:
    """Merge the engines' peptides of each spectrum, put them in a better order and write the best as mzTab. Exit code
    1 says that some spectrum or row could not be used: each is named by file and line."""
    from .. import __version__
    from ..peptides.methods import stage
    from ..peptides.mztab import write_mztab

    given, problems = _read(**given)
    before: list[Ranking] = given["rankings"]
    after = list(batches(stage(method, given["setting"]), before, "reranking"))
    rows = write_mztab(out, after, run=given["run"], method=method, top=keep, version=__version__)
    some = [(a, b) for a, b in zip(before, after) if len(a)]
    summary = {
        "spectra": len(before), "with candidates": len(some), "candidates": sum(map(len, before)), "method": method,
        "engines": given["counts"], "changed": sum(a[0].id != b[0].id for a, b in some),
        "rows written": rows, "out": str(out), "problems": problems,
    }  # fmt: skip
    if json_out:
        click.echo(as_json(summary))
    click.echo(
        f"{len(some)} of {len(before)} spectra have candidates ({summary['candidates']} in all); {method} chose "
        f"another than the engines' first for {summary['changed']}; wrote {rows} rows to {out}",
        err=True,
    )
    return int(any(problems.values()))


@peptides_command.command("eval")
@inputs
@click.option("--method", "methods", multiple=True, help="Methods to measure; by default all that need no model.")
@click.option("--html", type=click.Path(path_type=Path), help="Also write a self-contained HTML report.")
@click.option("--draw", help="The method whose spectra the report draws; by default the last.")
@click.option("--seed", default=0, show_default=True, help="Of the bootstrap.")
def eval_command(
    methods: tuple[str, ...], html: Path | None, draw: str | None, seed: int, json_out: bool, **given: Any
) -> int:
    """Measure methods, and each engine alone, on annotated spectra (MGF with SEQ=): amino-acid precision and recall,
    peptide recall (by mass, as the field counts it), exact peptides (I = L) and the area under precision against
    coverage; with 95% bootstrap intervals over spectra."""
    from ..io.files import atomic
    from ..peptides.accuracy import assess, intervals, measures
    from ..peptides.methods import METHODS, stage
    from ..peptides.page import page

    given, problems = _read(**given)
    rankings = [r for r in given["rankings"] if r.query.content.peptide is not None]
    if not rankings:
        raise InputError("none of the spectra is annotated: expected lines SEQ=PEPTIDE", path=given["run"])
    chosen = methods or tuple(m for m in METHODS if not METHODS[m].learned)
    names = [*(f"engine:{e}" for e in given["counts"]), *(m for m in chosen if not m.startswith("engine:"))]
    ranked = {m: list(batches(stage(m, given["setting"]), rankings, m)) for m in names}
    truths = [r.query.content.peptide for r in rankings]
    tables = {
        m: [assess(r[0].content if len(r) else None, t, r[0].score if len(r) else 0.0) for r, t in zip(out, truths)]
        for m, out in ranked.items()
    }
    oracle = sum(any(c.id == t.key for c in r) for r, t in zip(rankings, truths)) / len(rankings)
    values = {m: measures(t) for m, t in tables.items()}
    bounds = {m: intervals(t, seed=seed) for m, t in tables.items()}
    if json_out:
        click.echo(as_json({"spectra": len(rankings), "oracle": oracle, "methods": values, "intervals": bounds}))
    else:
        click.echo(_table(values, bounds))
        click.echo(f"{len(rankings)} annotated spectra; the true peptide is among the candidates of {oracle:.1%}")
    if html is not None:
        drawn = draw or names[-1]
        if drawn not in ranked:
            raise InputError(f"--draw {drawn}: choose one of {', '.join(ranked)}")
        with atomic(html) as f:
            f.write(page(
                tables, ranked[drawn], title=f"Peptides of {Path(given['run']).name}", method=drawn, oracle=oracle,
                values=values, bounds=bounds, tolerance=given["setting"].tolerance,
            ))  # fmt: skip
        click.echo(f"wrote {html}", err=True)
    return int(any(problems.values()))


@peptides_command.command("methods")
def methods_command() -> None:
    """List the methods."""
    from ..peptides.methods import METHODS

    for name, method in METHODS.items():
        click.echo(f"{name:<12} {method.about}")
    click.echo(f"{'engine:NAME':<12} the scores of one engine alone")


def _table(values: Mapping[str, Mapping[str, float]], bounds: Mapping[str, Mapping[str, tuple[float, float]]]) -> str:
    columns = list(next(iter(values.values())))
    wide = max(map(len, values)) + 2
    lines = ["method".ljust(wide) + "".join(c.replace("_", " ").rjust(22) for c in columns)]
    for name, row in values.items():
        cells = (f"{row[c]:.3f} ({bounds[name][c][0]:.3f}-{bounds[name][c][1]:.3f})".rjust(22) for c in columns)
        lines.append(name.ljust(wide) + "".join(cells))
    return "\n".join(lines)


def _read(
    spectra: str, engines: Sequence[str], columns: Sequence[str], by: str | None, fixed: Sequence[str],
    top: int | None, tolerance: str, model: str | None, problems: Path | None,
) -> tuple[dict[str, Any], dict[str, int]]:  # fmt: skip
    """The merged candidates of all spectra, and how much of what could not be used, which is told on standard error."""
    from ..peptides.matching import Tolerance
    from ..peptides.merge import merge
    from ..peptides.methods import Setting
    from ..peptides.psm import join
    from ..peptides.residues import RESIDUES
    from ..peptides.spectra import read_spectra
    from ..peptides.table import Columns, read_psms

    files = _pairs(engines, "=", "--engine", "NAME=FILE")
    known = _pairs(columns, ":", "--columns", "NAME:spectrum=COL,…")
    if strange := [e for e in known if e not in files] + [t for t in fixed if t not in RESIDUES]:
        raise InputError(f"{strange[0]!r}: no such engine or residue")
    letters = {t[0]: t for t in fixed}
    width = Tolerance.of(tolerance)
    bad: list[InputError] = []
    with progress("reading spectra", None, "spectra") as bar:
        found = []
        for s in read_spectra(spectra, fixed=letters, bad=bad):
            found.append(s)
            bar.update()
    _tell("of the spectra", bad)
    lost = {"spectra": len(bad)}
    every = list(bad)
    joined = {}
    for engine, path in files.items():
        rows: list[InputError] = []
        psms = read_psms(path, columns=Columns().named(known.get(engine, "")), run=spectra, fixed=letters, bad=rows)
        joined[engine] = join(psms, found, by, rows)
        _tell(f"of {engine}", rows)
        every += rows
        lost[engine] = len(rows)
    if problems is not None:
        problems.write_text("".join(f"{e}\n" for e in every), "utf-8")
    rankings = merge(found, joined, top)
    setting = Setting(tuple(files), rankings, width, model)
    counts = {e: sum(map(len, j.found.values())) for e, j in joined.items()}
    return {"rankings": rankings, "setting": setting, "counts": counts, "run": spectra}, lost


def _pairs(given: Sequence[str], sign: str, option: str, expected: str) -> dict[str, str]:
    out: dict[str, str] = {}
    for said in given:
        name, found, value = said.partition(sign)
        if not found or not name or not value:
            raise InputError(f"{option} {said!r}: expected {expected}")
        if name in out:
            raise InputError(f"{option} names {name!r} twice")
        out[name] = value
    return out


def _tell(whose: str, bad: Sequence[InputError]) -> None:
    for error in bad[:SHOWN]:
        click.echo(f"warning: {error}", err=True)
    if len(bad) > SHOWN:
        click.echo(f"warning: and {len(bad) - SHOWN} more {whose} (--problems FILE names all)", err=True)
