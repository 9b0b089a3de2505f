"""The trace of a run, in a file beside it: what each query's ranking cost and what went wrong, as JSON lines.

The first line holds the run's checksum, so that the trace of an earlier run of the same name is not taken for its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..core.errors import InputError, reason
from ..core.trace import Step
from ..core.types import Ranking
from .candidates import step_from_dict
from .files import File, atomic, label, lines

_FORMAT = 1


def trace_path(run: File) -> Path:
    """The file of a run's trace.

    >>> trace_path("runs/bm25.trec").name
    'bm25.trec.trace.jsonl'
    """
    return Path(f"{run}.trace.jsonl")


def write_traces(run: File, rankings: Iterable[Ranking]) -> None:
    """The traces of rankings that were written as ``run``, whole or not at all."""
    with atomic(trace_path(run)) as file:
        file.write(json.dumps({"format": _FORMAT, "run": _checksum(run)}) + "\n")
        for ranking in rankings:
            record = {"query": ranking.query.id, "trace": [step.as_dict() for step in ranking.trace]}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def read_traces(run: File) -> dict[str, tuple[Step, ...]] | None:
    """The steps of every query of a run; None if no trace stands beside it, or one of another state of the run.

    Raises InputError, with the line, if the trace is damaged."""
    path = trace_path(run)
    if not path.is_file():
        return None
    out: dict[str, tuple[Step, ...]] = {}
    for n, raw in lines(path):
        try:
            record: Any = json.loads(raw)
            if n == 1:
                if record["format"] != _FORMAT or record["run"] != _checksum(run):
                    return None
                continue
            out[str(record["query"])] = tuple(map(step_from_dict, record["trace"]))
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            what = f"the trace of the run can't be read ({reason(error)}): delete the file"
            raise InputError(what, path=label(path), line=n) from None
    return out


def _checksum(run: File) -> str:
    try:
        with open(run, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"can't be read: {error.strerror or error}", path=label(run)) from None
