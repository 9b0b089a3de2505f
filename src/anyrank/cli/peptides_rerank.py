"""``anyrank peptides rerank`` and ``calibrate``: the best peptides as mzTab, with a confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import InputError
from ..core.types import Ranking
from .common import SEED, Number, OutputFile, PageFile, as_json, report_status
from .peptides_inputs import read
from .peptides_options import SPECTRA, TRUTH, input_options
from .progress import batches

if TYPE_CHECKING:
    from ..domains.peptides.confidence import Threshold
    from ..domains.peptides.methods import Setting


@click.command("rerank")
@input_options
@click.option("--method", default="hyperscore", show_default=True, help="A method of 'anyrank peptides methods'.")
@click.option(
    "-o",
    "--out",
    required=True,
    type=OutputFile(),
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
@click.option(
    "--confidence",
    "calibration",
    metavar="FILE",
    help="A calibration of 'anyrank peptides calibrate'. Without it, spectra with known peptides in the input "
    "calibrate the others; without these the confidence is the agreement of the engines, which is no probability.",
)
@click.option(
    "--fdr",
    type=Number(0, 1, min_open=True, max_open=True),
    metavar="RATE",
    help="Write only the spectra whose choices are expected to have at most this share of wrong ones (0.05), by the "
    "calibrated confidence.",
)
@click.option("--html", type=PageFile(), help="Also write a self-contained HTML report.")
@click.option("--pin", type=OutputFile(), help="Also write features for Percolator and mokapot (.pin).")
@click.option(
    "--ms2rescore",
    type=OutputFile(),
    help="Also write the table of peptides and features that MS2Rescore reads (psm_utils' .tsv).",
)
def rerank_command(
    method: str,
    out: Path,
    keep: int,
    calibration: str | None,
    fdr: float | None,
    html: Path | None,
    pin: Path | None,
    ms2rescore: Path | None,
    json_out: bool,
    **options: Any,
) -> int:
    """Merge the engines' peptides of each spectrum, put them in a better order and write the best as mzTab.

    The first score in the file is the confidence, the order to read it in; the method's and the engines' scores follow.
    Exit code 1 means that some spectrum or row could not be used (each is named by file and line) or not be reranked,
    or that an engine's peptides don't fit their precursors, as those of another run don't."""
    from .. import __version__
    from ..domains.peptides.files.features_out import write_ms2rescore, write_pin
    from ..domains.peptides.files.mztab import write_mztab
    from ..domains.peptides.methods import stage

    if html is not None:  # if a package is missing, fail now rather than after the work
        from ..domains.peptides.reports.rerank_page import Source, rerank_page
        from ..pages import write_page

    inputs = read(**options)
    before = inputs.rankings
    after = list(batches(stage(method, inputs.setting) >> inputs.fit, before, "reranking"))
    if inputs.fit.action == "drop":
        before = [replace(a, candidates=tuple(c for c in a if c.id in b.ids)) for a, b in zip(before, after)]
    confidence = confidences(after, inputs.setting, calibration, keep)
    after = [
        replace(r, candidates=(*(c.noted({"confidence": v}) for c, v in zip(r, values)), *r.candidates[len(values) :]))
        for r, values in zip(after, confidence.values)
    ]
    engines = inputs.setting.engines
    accepted = after if fdr is None else confidence.accepted(after, fdr)
    rows = write_mztab(
        out, accepted, run=inputs.runs, method=method, top=keep, version=__version__, engines=engines,
        confidence=confidence.about,
    )  # fmt: skip
    pairs = [(a, b) for a, b in zip(before, after) if len(a)]
    misfits = sum(not b[0].meta.get("precursor_fits", True) for _, b in pairs)
    summary = {
        "spectra": len(before),
        "with candidates": len(pairs),
        "candidates": sum(map(len, before)),
        "method": method,
        "engines": inputs.rows,
        "changed": sum(a[0].id != b[0].id for a, b in pairs),
        "off precursor": misfits,
        "matched ions": inputs.matched,
        "confidence": confidence.about,
        "thresholds": [asdict(t) for t in confidence.thresholds],
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
    if misfits:
        width = f"{inputs.fit.tolerance.value:g} {inputs.fit.tolerance.unit}"
        click.echo(
            f"note: {misfits} of {len(pairs)} choices are over {width} off their precursor, and marked", err=True
        )
    confidence.echo()
    if pin is not None:
        write_pin(pin, after, engines, inputs.setting.tolerance)
        click.echo(f"wrote {pin}", err=True)
    if ms2rescore is not None:
        write_ms2rescore(ms2rescore, after, engines, inputs.setting.tolerance, run=inputs.runs)
        click.echo(f"wrote {ms2rescore}", err=True)
    if html is not None:
        files = {SPECTRA: ", ".join(inputs.runs), **{e: ", ".join(paths) for e, paths in inputs.files.items()}}
        files[TRUTH] = options.get("truth") or ""
        used = {SPECTRA: len(before), TRUTH: sum(r.query.content.peptide is not None for r in before), **inputs.rows}
        sources = [Source(n, files[n], used[n], tuple(map(str, errors))) for n, errors in inputs.problems.items()]
        page = rerank_page(
            before, after, sources, method=method, tolerance=inputs.setting.tolerance, precursor=inputs.fit.tolerance,
            confidence=confidence.about, thresholds=confidence.thresholds, engines=engines,
        )  # fmt: skip
        write_page(html, page)
        click.echo(f"wrote {html}", err=True)
    return report_status(after) or inputs.code


@click.command("calibrate")
@input_options
@click.option("--method", default="hyperscore", show_default=True, help="The method whose choices are calibrated.")
@click.option("-o", "--out", required=True, type=OutputFile(), help="The file to write, for rerank --confidence.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="The seed of the folds.")
def calibrate_command(method: str, out: Path, seed: int, json_out: bool, **options: Any) -> int:
    """Calibrate the confidence of a method's choices on spectra whose peptides are known (MGF with SEQ=, or --truth):
    the probability that the choice is exactly right, by logistic regression over the match, the precursor and the
    engines' scores. It is measured by cross-fitting over peptides, and holds for spectra and engines like these."""
    from ..domains.peptides.accuracy import auc
    from ..domains.peptides.confidence import Calibration, calibration_error, cross_fitted
    from ..domains.peptides.methods import stage

    inputs = read(**options)
    rankings = [r for r in inputs.rankings if r.query.content.peptide is not None]
    ranked = [r for r in batches(stage(method, inputs.setting) >> inputs.fit, rankings, method) if len(r)]
    engines, tolerance = inputs.setting.engines, inputs.setting.tolerance
    fitted = Calibration.fit(ranked, engines, tolerance)
    values = [v for v in cross_fitted(ranked, engines, tolerance, seed=seed) if v is not None]
    right = [r[0].id == r.query.content.peptide.key for r in ranked]
    measured = {
        "auc by confidence": auc(right, values),
        "auc by score": auc(right, [r[0].score for r in ranked]),
        "calibration error": calibration_error(values, right),
    }
    fitted.save(out)
    if json_out:
        click.echo(as_json({**fitted.facts, "method": method, **measured, "out": str(out)}))
    shown = ", ".join(f"{name} {value:.3f}" for name, value in measured.items())
    click.echo(
        f"{fitted.facts['right']} of {fitted.facts['spectra']} choices are right; cross-fitted: {shown}", err=True
    )
    click.echo(f"wrote {out}", err=True)
    return inputs.code


@dataclass(frozen=True, slots=True)
class Confidences:
    """The confidences of each spectrum's first candidates, a text about them, and for calibrated ones the advised
    thresholds."""

    values: list[list[float]]
    about: str
    thresholds: list[Threshold]
    calibrated: bool = True

    def accepted(self, rankings: Sequence[Ranking], rate: float) -> list[Ranking]:
        """The rankings, those emptied whose choice isn't among the ones that are expected to have at most a share
        ``rate`` of wrong ones; says on standard error how many wrong ones are expected. Raises InputError without a
        calibration."""
        from ..domains.peptides.confidence import expected_wrong, thresholds

        if not self.calibrated:
            raise InputError(
                "--fdr needs a calibrated confidence, and the input has too few known peptides: give one by "
                "--confidence FILE of 'anyrank peptides calibrate'"
            )
        firsts = [v[0] if v else None for v in self.values]
        advised = next(iter(thresholds(firsts, (rate,))), None)
        least = math.inf if advised is None else advised.confidence
        chosen = [v for v in firsts if v is not None and v >= least]
        wrong, spread = expected_wrong(chosen)
        click.echo(
            f"{len(chosen)} of {len(rankings)} spectra are written, for an expected share of wrong choices of at most "
            f"{rate:.1%}: {wrong:.1f} wrong ones expected, standard deviation {spread:.1f}, if the calibration holds",
            err=True,
        )
        return [r if v is not None and v >= least else replace(r, candidates=()) for r, v in zip(rankings, firsts)]

    def echo(self) -> None:
        """Say on standard error how the confidence was made, and which choices to trust."""
        click.echo(f"confidence (search_engine_score[1]): {self.about}", err=True)
        for t in self.thresholds:
            click.echo(
                f"  {t.count} choices have at least {t.confidence:.3f}: expected error rate up to {t.rate:.0%}",
                err=True,
            )


def confidences(rankings: Sequence[Ranking], setting: Setting, path: str | None, top: int) -> Confidences:
    """The confidence of each ranking's first ``top`` candidates: by a calibration from a file; else by one that is
    cross-fitted on the annotated spectra; else, without enough of these, by the engines' agreement."""
    from ..domains.peptides.confidence import Calibration, agreement, cross_calibrations, of_candidates, thresholds

    if path is not None:
        calibrations = [Calibration.load(path, setting.engines)] * len(rankings)
        about = f"confidence calibrated by {Path(path).name}"
    else:
        annotated = sum(r.query.content.peptide is not None and len(r) > 0 for r in rankings)
        try:
            calibrations = cross_calibrations(rankings, setting.engines, setting.tolerance) if annotated else []
        except InputError:
            calibrations = []
        if not calibrations:
            about = "agreement of the engines: mean percentile of their scores (no probability; see anyrank peptides "
            return Confidences(agreement(rankings, setting.engines, top), about + "calibrate)", [], calibrated=False)
        about = f"confidence calibrated on {annotated} annotated spectra of the input by cross-fitting over peptides"
    values = of_candidates(rankings, calibrations, top)
    return Confidences(values, about, thresholds([v[0] for v in values if v]))
