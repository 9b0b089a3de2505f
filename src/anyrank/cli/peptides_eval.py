"""``anyrank peptides eval``: methods and engines measured on spectra whose peptides are known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import InputError
from ..core.types import Ranking
from .common import SEED, PageFile, as_json
from .peptides_inputs import read
from .peptides_options import input_options
from .progress import batches

if TYPE_CHECKING:
    from ..domains.peptides.methods import Setting


@click.command("eval")
@input_options
@click.option(
    "--method",
    "methods",
    multiple=True,
    help="A method to measure (repeat for several); by default all that need no model.",
)
@click.option("--html", type=PageFile(), help="Also write a self-contained HTML report.")
@click.option("--draw", help="The method whose spectra the report shows; by default the last.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="The seed of the bootstrap.")
def eval_command(
    methods: tuple[str, ...], html: Path | None, draw: str | None, seed: int, json_out: bool, **options: Any
) -> int:
    """Measure methods, and each engine alone, on spectra whose peptides are known (MGF with SEQ=, or --truth):
    amino-acid precision and recall, peptide recall (by mass, as the field counts it), exact peptides (I = L) and the
    area under precision against coverage; with 95% bootstrap intervals over peptides, and the paired differences from
    the best engine. Engines are measured in their own order; of methods, peptides that don't fit the precursor come
    last (see --off-precursor)."""
    from ..domains.peptides.accuracy import assess, by_part, intervals, measures
    from ..domains.peptides.methods import METHODS, judge, stage

    if html is not None:  # if a package is missing, fail now rather than after the work
        from ..domains.peptides.reports.eval_page import eval_page
        from ..pages import write_page

    inputs = read(**options)
    rankings = [r for r in inputs.rankings if r.query.content.peptide is not None]
    if not rankings:
        raise InputError(
            "none of the spectra is annotated: expected lines SEQ=PEPTIDE, or --truth FILE", path=", ".join(inputs.runs)
        )
    chosen = methods or tuple(m for m in METHODS if not METHODS[m].learned)
    own = [f"engine:{e}" for e in inputs.rows]
    names = [*own, *(m for m in chosen if not m.startswith("engine:"))]
    drawn = draw or names[-1]
    if drawn not in names:
        raise InputError(f"--draw {drawn}: choose one of {', '.join(names)}")
    for name in names:
        if name not in own:
            warn_of_training(name, judge(name, inputs.setting), rankings)
    stages = {m: stage(m, inputs.setting) if m in own else stage(m, inputs.setting) >> inputs.fit for m in names}
    ranked = {m: list(batches(stages[m], rankings, m)) for m in names}
    truths = [r.query.content.peptide for r in rankings]
    tables = {
        m: [assess(r[0].content if len(r) else None, t, r[0].score if len(r) else 0.0) for r, t in zip(out, truths)]
        for m, out in ranked.items()
    }
    oracle = sum(any(c.id == t.key for c in r) for r, t in zip(rankings, truths)) / len(rankings)
    groups = [t.backbone for t in truths]
    values = {m: measures(t) for m, t in tables.items()}
    bounds = {m: intervals(t, seed=seed, groups=groups) for m, t in tables.items()}
    best = max(own, key=lambda m: (values[m]["exact"], values[m]["auc"]))
    changes = {m: {k: v - values[best][k] for k, v in values[m].items()} for m in names if m != best}
    change_bounds = {m: intervals(tables[m], tables[best], seed=seed, groups=groups) for m in changes}
    by_confidence = {m: calibrated(ranked[m], m, inputs.setting, seed) for m in names}
    peptides = len(set(groups))
    if json_out:
        result = {
            "spectra": len(rankings), "peptides": peptides, "oracle": oracle, "methods": values, "intervals": bounds,
            "best engine": best, "differences": changes, "difference intervals": change_bounds,
            "confidence": {m: v for m, v in by_confidence.items() if v}, "matched ions": inputs.matched,
        }  # fmt: skip
        click.echo(as_json(result))
    else:
        click.echo(_table(values, bounds))
        if changes:
            click.echo(f"\ndifferences from {best}, the best engine alone (paired)")
            click.echo(_table(changes, change_bounds, signed=True))
        shown = {m: v for m, v in by_confidence.items() if v}
        if shown:
            click.echo("\nby the calibrated confidence (cross-fitted over peptides): auc, calibration error")
            for m, v in shown.items():
                click.echo(f"{m:<{max(map(len, names)) + 2}}{v['auc']:.3f}  {v['calibration error']:.3f}")
        click.echo(
            f"\n{len(rankings)} annotated spectra of {peptides} peptides; the true peptide is among the candidates of "
            f"{oracle:.1%}"
        )
    if html is not None:
        title = ", ".join(Path(run).name for run in inputs.runs)
        page = eval_page(
            tables,
            ranked[drawn],
            title=f"Peptides of {title}",
            method=drawn,
            oracle=oracle,
            values=values,
            bounds=bounds,
            tolerance=inputs.setting.tolerance,
            best=best,
            changes=changes,
            change_bounds=change_bounds,
            parts=by_part(tables[drawn], [r.query.content for r in rankings], inputs.setting.tolerance),
        )
        write_page(html, page)
        click.echo(f"wrote {html}", err=True)
    return inputs.code


def calibrated(rankings: Sequence[Ranking], method: str, setting: Setting, seed: int) -> dict[str, float]:
    """The area under precision against coverage by the cross-fitted confidence, and its calibration error; empty if
    there are too few right or wrong choices. An engine alone is calibrated by its own score."""
    from ..domains.peptides.accuracy import auc
    from ..domains.peptides.confidence import calibration_error, cross_fitted

    engines = (method.removeprefix("engine:"),) if method.startswith("engine:") else setting.engines
    try:
        values = cross_fitted(rankings, engines, setting.tolerance, seed=seed)
    except InputError:
        return {}
    right = [bool(len(r)) and r[0].id == r.query.content.peptide.key for r in rankings]
    known = [i for i, v in enumerate(values) if v is not None]
    scores = [-math.inf if v is None else v for v in values]
    return {
        "auc": auc(right, scores),
        "calibration error": calibration_error([scores[i] for i in known], [right[i] for i in known]),
    }


def warn_of_training(name: str, judge: object, rankings: Sequence[Ranking]) -> None:
    """Warn on standard error if spectra to be measured are of peptides that the method was trained on."""
    from ..domains.peptides.judges import Trained
    from ..domains.peptides.split import fingerprints

    if not isinstance(judge, Trained):
        return
    known = set(judge.trained_on)
    seen = sum(fingerprints([r.query.content.peptide])[0] in known for r in rankings)
    if seen:
        click.echo(
            f"warning: {name} was trained on the peptides of {seen} of the {len(rankings)} spectra: its figures are no "
            "measurement; evaluate it on spectra of other peptides",
            err=True,
        )


def _table(
    values: Mapping[str, Mapping[str, float]],
    bounds: Mapping[str, Mapping[str, tuple[float, float]]],
    signed: bool = False,
) -> str:
    columns = list(next(iter(values.values())))
    wide, sign = max(map(len, values)) + 2, "+" if signed else ""
    lines = ["method".ljust(wide) + "".join(c.replace("_", " ").rjust(24) for c in columns)]
    between = " to " if signed else "-"
    for name, row in values.items():
        cells = []
        for c in columns:
            low, high = bounds[name][c]
            cells.append(f"{row[c]:{sign}.3f} ({low:{sign}.3f}{between}{high:{sign}.3f})")
        lines.append(name.ljust(wide) + "".join(c.rjust(24 + 2 * signed) for c in cells))
    return "\n".join(lines)
