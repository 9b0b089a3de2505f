"""Which order of the choices is a confidence, and what the fit to the precursor changes, on 128 annotated spectra with
the outputs of two Casanovo versions.

    python bench/peptides_confidence.py     # anyrank[peptides] installed, the optional data at hand

For several methods, with peptides off the precursor left where they are and put last: exact first choices, choices over
50 ppm off, and the area under precision (exact peptides) against coverage by the method's score, the engines' agreement
(no known peptide needed), and the calibrated confidence, cross-fitted over peptides with five seeds of the folds (mean
and range), with its calibration error. The evidence was chosen from two sets of columns on these spectra, so its
figures are slightly favourable. Writes bench/results/peptides-confidence.json.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from anyrank.domains.peptides.accuracy import auc
from anyrank.domains.peptides.confidence import agreement, calibration_error, cross_fitted, thresholds
from anyrank.domains.peptides.files.spectra import read_spectra
from anyrank.domains.peptides.files.tables import read_psms
from anyrank.domains.peptides.merge import merge
from anyrank.domains.peptides.methods import Setting, stage
from anyrank.domains.peptides.precursor import PrecursorFit, fits
from anyrank.domains.peptides.psm import join

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("ANYRANK_DATA", ROOT.parent / "shared" / "data")) / "peptide-ms"
FILES = {"v4": "casanovo_4.1.1_sample.mztab", "v3": "casanovo_v3_output.csv.gz"}
METHODS = ("engine:v4", "engine:v3", "hyperscore", "cosine", "coverage", "rrf", "sum")
SEEDS = range(5)


def main() -> None:
    spectra = list(read_spectra(DATA / "casanovo_sample_128.mgf.gz"))
    engines = {name: join(read_psms(DATA / file), spectra, bad=[]) for name, file in FILES.items()}
    rankings = merge(spectra, engines)
    results: dict[str, Any] = {"spectra": len(spectra), "methods": {}}
    for method in METHODS:
        for action in ("keep", "last"):
            order = stage(method, Setting(tuple(engines), rankings)) >> PrecursorFit(action=action)  # type: ignore[arg-type]
            out = order.batch(rankings)
            right = [r[0].id == r.query.content.peptide.key for r in out]
            calibrated = [cross_fitted(out, tuple(engines), seed=seed) for seed in SEEDS]
            areas = [auc(right, c) for c in calibrated]
            results["methods"][f"{method}, {action}"] = {
                "exact": sum(right),
                "off precursor": sum(not fits(r[0].content, r.query.content, PrecursorFit().tolerance) for r in out),
                "auc by score": auc(right, [r[0].score for r in out]),
                "auc by agreement": auc(right, [v[0] for v in agreement(out, tuple(engines))]),
                "auc by calibration": sum(areas) / len(areas),
                "range": [min(areas), max(areas)],
                "calibration error": sum(calibration_error(c, right) for c in calibrated) / len(calibrated),
                "advised": [
                    {"rate": t.rate, "choices": t.count, "wrong": _wrong(calibrated[0], right, t.confidence)}
                    for t in thresholds(calibrated[0])
                ],
            }
    path = ROOT / "bench" / "results" / "peptides-confidence.json"
    path.write_text(json.dumps(results, indent=1) + "\n")
    for name, row in results["methods"].items():
        print(name, {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()})


def _wrong(confidences: Any, right: list[bool], least: float) -> int:
    """The wrong choices with at least this confidence."""
    return sum(c >= least and not ok for c, ok in zip(confidences, right))


if __name__ == "__main__":
    main()
