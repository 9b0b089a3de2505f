"""Write candidates with their features for other rescorers: Percolator and mokapot (.pin), MS2Rescore (psm_utils'
.tsv).

De novo engines propose no decoys, so every row is a target: these programs need the decoys of a database search, or of
an engine that proposes them, in further rows of the same form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from ....core.types import Candidate, Ranking
from ....io.files import File, atomic
from ..features import features, names
from ..matching import NARROW, Tolerance
from ..residues import PROTON


def write_pin(
    path: File,
    rankings: Sequence[Ranking],
    engines: Sequence[str],
    tolerance: Tolerance = NARROW,
) -> int:
    """Write Percolator's input: a row a candidate with SpecId, Label, ScanNr, ExpMass, CalcMass, the features, the
    peptide between dashes, and ``denovo`` as its protein. Missing values are 0. Returns the row count."""
    columns = [_identifier(n) for n in names(engines)]
    head = ["SpecId", "Label", "ScanNr", "ExpMass", "CalcMass", *columns, "Peptide", "Proteins"]

    def cells(r: Ranking, c: Candidate, rank: int, numbers: list[str]) -> list[str]:
        s = r.query.content
        scan = s.scan.rsplit(":", 1)[-1]
        return [
            f"{_cell(r.query.id)}_{s.charge}_{rank}", "1", scan if scan.isdigit() else str(s.index),
            f"{s.mass + PROTON:.6f}", f"{c.content.mass + PROTON:.6f}", *numbers, f"-.{c.content.proforma}.-", "denovo",
        ]  # fmt: skip

    return _write(path, head, rankings, engines, tolerance, cells)


def write_ms2rescore(
    path: File,
    rankings: Sequence[Ranking],
    engines: Sequence[str],
    tolerance: Tolerance = NARROW,
    *,
    run: Sequence[str] = (),
) -> int:
    """Write psm_utils' table, which MS2Rescore reads: a row a candidate with the peptidoform in ProForma, the
    spectrum's title (or native id), its run, the score, the precursor, and the features as ``rescoring:NAME``. Returns
    the row count."""
    columns = [_identifier(n) for n in names(engines)]
    head = [
        "peptidoform",
        "spectrum_id",
        "run",
        "is_decoy",
        "score",
        "precursor_mz",
        "retention_time",
        "rank",
        "source",
    ]
    only = Path(run[0]).name.removesuffix(".gz").rsplit(".", 1)[0] if len(run) == 1 else ""

    def cells(r: Ranking, c: Candidate, rank: int, numbers: list[str]) -> list[str]:
        s = r.query.content
        return [
            f"{c.content.proforma}/{s.charge}", _cell(s.name), s.run or only, "False", _number(c.score),
            f"{s.precursor_mz:.6f}", "" if s.rt is None else f"{s.rt:.3f}", str(rank), "anyrank", *numbers,
        ]  # fmt: skip

    return _write(path, [*head, *(f"rescoring:{c}" for c in columns)], rankings, engines, tolerance, cells)


def _write(
    path: File,
    head: Sequence[str],
    rankings: Sequence[Ranking],
    engines: Sequence[str],
    tolerance: Tolerance,
    cells: Callable[[Ranking, Candidate, int, list[str]], list[str]],
) -> int:
    """Write a table: the cells of every candidate, given its rank and its features as texts. Returns the row count."""
    count = 0
    with atomic(path) as f:
        f.write("\t".join(head) + "\n")
        for r in rankings:
            table = features(r.query, r.candidates, engines, tolerance)
            for rank, (c, row) in enumerate(zip(r, table.tolist()), 1):
                count += 1
                f.write("\t".join(cells(r, c, rank, list(map(_number, row)))) + "\n")
    return count


def _identifier(name: str) -> str:
    """A feature's name without spaces."""
    return "_".join(name.split())


def _number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else "0"


def _cell(text: str) -> str:
    return " ".join(text.split())
