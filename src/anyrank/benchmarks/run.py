"""Runs a pipeline on a benchmark's tasks and measures it by the benchmark's protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.stage import Stage
from ..core.types import Ranking
from ..evaluate.comparisons import Statistics, Summary
from ..evaluate.inputs import lists
from ..evaluate.measures import Meter
from ..index.build import build, differs
from ..index.collection import Collection
from ..store.manifest import NAME, Manifest
from ..store.rows import Rows
from .base import Published, Task

Runner = Callable[[Stage, Sequence[Ranking]], Sequence[Ranking]]


@dataclass(frozen=True, slots=True)
class Result:
    """The measured figures of a pipeline on one task: values a query and their mean with a 95% interval."""

    task: str
    pipeline: str
    queries: int
    values: Mapping[str, Sequence[float]]
    summaries: Mapping[str, Summary]

    def as_dict(self) -> dict[str, Any]:
        """The result without the values of single queries, for files."""
        rows = {m: {"mean": s.mean, "interval": [s.low, s.high]} for m, s in self.summaries.items()}
        return {"task": self.task, "pipeline": self.pipeline, "queries": self.queries, "measures": rows}


def collection(task: Task, folder: Path, encoders: Sequence[Any] = ()) -> Collection | None:
    """The task's documents made searchable in a folder, with the encoders' vectors; None if there are none to search.
    A collection that is there already is opened, and an unfinished one goes on. Raises InputError if the one that is
    there holds other documents."""
    if task.documents is None:
        return None
    if (folder / NAME).is_file() and Manifest.read(folder).complete:
        rows, documents = Rows(folder), iter(task.documents())
        different = differs(documents, rows, len(rows))
        if different or next(documents, None) is not None:
            what = different or f"the data has more than the {len(rows):,} documents that were indexed"
            raise InputError(f"{what}: the data is another: remove the index, or choose another --index", path=folder)
    else:
        build(task.documents(), folder, language=task.language)
    opened = Collection.open(folder)
    for encoder in encoders:
        opened.encode(encoder)
    return opened


def ranked(task: Task, stage: Stage, run: Runner | None = None) -> list[Ranking]:
    """The task's rankings after the stage, without the documents that the protocol excludes. ``run`` applies the stage
    (in batches, with progress); by default all at once."""
    if task.documents is not None:
        most = max((len(docs) for docs in task.excluded.values()), default=0)
        stage = stage % (task.depth + most)
    results = stage.batch(task.rankings) if run is None else run(stage, task.rankings)
    if not task.excluded:
        return list(results)
    out = []
    for r in results:
        left_out = set(task.excluded.get(r.query.id, ()))
        out.append(replace(r, candidates=tuple(c for c in r if c.id not in left_out))[: task.depth])
    return out


def measured(task: Task, rankings: Sequence[Ranking], pipeline: str) -> Result:
    """The figures of rankings by the task's protocol. Raises InputError if a query's ranking is missing."""
    if [r.query.id for r in rankings] != [r.query.id for r in task.rankings]:
        raise InputError(f"{len(rankings)} rankings for the {len(task.rankings)} queries of {task.name}")
    values: dict[str, Sequence[float]] = {}
    if task.measures:
        judged = {q: g for q, g in task.grades.items() if g}
        if not judged.keys() & {r.query.id for r in rankings}:
            raise InputError(f"none of the {len(rankings):,} queries of {task.name} is judged: do the ids agree?")
        meter = Meter(task.measures, judged)
        values |= meter(lists(rankings, pipeline)[0])
    for name, measure in task.own.items():
        values[name] = measure(rankings, task.grades)
    # Queries without judgements are in no measure of ir_measures, so that the columns may differ in length.
    summaries = {name: Statistics().summaries({"": {name: column}})[""][name] for name, column in values.items()}
    return Result(task.name, pipeline, len(rankings), values, summaries)


def report(results: Sequence[Result], published: Sequence[Published]) -> str:
    """Measured figures beside the published rows, as lines of text: "ours" and "paper"."""
    lines = []
    for result in results:
        lines.append(f"{result.task}: {result.queries:,} queries")
        for name, s in result.summaries.items():
            lines.append(f"  ours   {result.pipeline:38}  {name:12} {s.mean:.4f}  [{s.low:.4f}, {s.high:.4f}]")
        for row in published:
            if row.task and (row.task == result.task or result.task.startswith(f"{row.task} ")):
                lines.append(_row(row))
    if whole := [row for row in published if not row.task]:
        lines.append("all tasks of the benchmark")
        names = list(dict.fromkeys(m for r in results for m in r.summaries))
        for name in names if len(results) > 1 else ():
            having = [r.summaries[name].mean for r in results if name in r.summaries]
            label = f"mean of {len(having)} tasks run"
            lines.append(f"  ours   {results[0].pipeline:38}  {name:12} {sum(having) / len(having):.4f}  ({label})")
        lines += map(_row, whole)
    return "\n".join(lines)


def _row(row: Published) -> str:
    source = "" if row.source == "the paper" else f"; {row.source}"
    note = f"{row.note}{source}".removeprefix("; ")
    return f"  paper  {row.system:38}  {row.measure:12} {row.value:.4f}" + (f"  ({note})" if note else "")
