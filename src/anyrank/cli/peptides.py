"""``anyrank peptides``: rerank and judge the peptides that de novo sequencing engines propose for spectra."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ..core.errors import InputError
from .common import as_json, batches, report_status
from .near import Near
from .peptides_inputs import SPECTRA, input_options, read
from .peptides_train import propose_command, train_command


@click.group("peptides", cls=Near)
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
@input_options
@click.option("--method", default="hyperscore", show_default=True, help="A method of 'anyrank peptides methods'.")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The file to write the reranked peptides to, in mzTab 1.0.",
)
@click.option(
    "-k",
    "keep",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Write the best K peptides of each spectrum.",
)
@click.option("--html", type=click.Path(path_type=Path), help="Also write a self-contained HTML report.")
def rerank_command(method: str, out: Path, keep: int, html: Path | None, json_out: bool, **options: Any) -> int:
    """Merge the engines' peptides of each spectrum, put them in a better order and write the best as mzTab. Exit code 1
    means that some spectrum or row could not be used (each is named by file and line) or not be reranked."""
    from .. import __version__
    from ..domains.peptides.files.mztab import write_mztab
    from ..domains.peptides.methods import stage

    if html is not None:  # if a package is missing, fail now rather than after the work
        from ..domains.peptides.reports.rerank_page import Source, rerank_page
        from ..pages import write_page

    inputs = read(**options)
    before = inputs.rankings
    after = list(batches(stage(method, inputs.setting), before, "reranking"))
    rows = write_mztab(out, after, run=inputs.run, method=method, top=keep, version=__version__)
    pairs = [(a, b) for a, b in zip(before, after) if len(a)]
    summary = {
        "spectra": len(before),
        "with candidates": len(pairs),
        "candidates": sum(map(len, before)),
        "method": method,
        "engines": inputs.rows,
        "changed": sum(a[0].id != b[0].id for a, b in pairs),
        "rows written": rows,
        "out": str(out),
        "problems": inputs.counts,
    }
    if json_out:
        click.echo(as_json(summary))
    click.echo(
        f"{len(pairs)} of {len(before)} spectra have candidates ({summary['candidates']} in all); {method} chose "
        f"another than the engines' first for {summary['changed']}; wrote {rows} rows to {out}",
        err=True,
    )
    if html is not None:
        files, used = {SPECTRA: inputs.run, **inputs.files}, {SPECTRA: len(before), **inputs.rows}
        sources = [Source(n, files[n], used[n], tuple(map(str, errors))) for n, errors in inputs.problems.items()]
        write_page(html, rerank_page(before, after, sources, method=method, tolerance=inputs.setting.tolerance))
        click.echo(f"wrote {html}", err=True)
    return report_status(after) or int(any(inputs.counts.values()))


@peptides_command.command("eval")
@input_options
@click.option(
    "--method",
    "methods",
    multiple=True,
    help="A method to measure (repeat for several); by default all that need no model.",
)
@click.option("--html", type=click.Path(path_type=Path), help="Also write a self-contained HTML report.")
@click.option("--draw", help="The method whose spectra the report shows; by default the last.")
@click.option("--seed", default=0, show_default=True, help="The seed of the bootstrap.")
def eval_command(
    methods: tuple[str, ...], html: Path | None, draw: str | None, seed: int, json_out: bool, **options: Any
) -> int:
    """Measure methods, and each engine alone, on annotated spectra (MGF with SEQ=): amino-acid precision and recall,
    peptide recall (by mass, as the field counts it), exact peptides (I = L) and the area under precision against
    coverage; with 95% bootstrap intervals over spectra."""
    from ..domains.peptides.accuracy import assess, intervals, measures
    from ..domains.peptides.methods import METHODS, stage

    if html is not None:  # if a package is missing, fail now rather than after the work
        from ..domains.peptides.reports.eval_page import eval_page
        from ..pages import write_page

    inputs = read(**options)
    rankings = [r for r in inputs.rankings if r.query.content.peptide is not None]
    if not rankings:
        raise InputError("none of the spectra is annotated: expected lines SEQ=PEPTIDE", path=inputs.run)
    chosen = methods or tuple(m for m in METHODS if not METHODS[m].learned)
    names = [*(f"engine:{e}" for e in inputs.rows), *(m for m in chosen if not m.startswith("engine:"))]
    drawn = draw or names[-1]
    if drawn not in names:
        raise InputError(f"--draw {drawn}: choose one of {', '.join(names)}")
    ranked = {m: list(batches(stage(m, inputs.setting), rankings, m)) for m in names}
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
        page = eval_page(
            tables,
            ranked[drawn],
            title=f"Peptides of {Path(inputs.run).name}",
            method=drawn,
            oracle=oracle,
            values=values,
            bounds=bounds,
            tolerance=inputs.setting.tolerance,
        )
        write_page(html, page)
        click.echo(f"wrote {html}", err=True)
    return int(any(inputs.counts.values()))


@peptides_command.command("methods")
def methods_command() -> None:
    """List the methods that rerank and eval take."""
    from ..domains.peptides.methods import METHODS

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
