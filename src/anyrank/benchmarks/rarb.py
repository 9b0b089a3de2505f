"""RAR-b: questions of reasoning whose answers are retrieved.

Xiao et al., "RAR-b: Reasoning as Retrieval Benchmark", 2024, arXiv 2404.06347. Two settings. *Multiple choice*: the
question's own options are ranked, accuracy. *Pool*: all options of a set are searched, nDCG@10 and R@10. The full
setting's pools hold further texts: a folder in BEIR's layout (``full/TASK``) is read as it is; the pool of a
multiple-choice file is that of its own options, and its figures are no rows of the paper's table.

"instructed" tasks put the set's instruction before the query, as the paper does for plain encoders.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ..core.errors import InputError
from ..core.types import Candidate, Query, Ranking
from ..io.dataset import Dataset
from ..io.files import texts
from ..io.records import Fields, Record, records
from .base import Benchmark, Task, is_there, searched, text
from .measures import accuracy

FIELDS = Fields(("queries",), ("documents",))
MEASURES = ("nDCG@10", "R@10")


def load(folder: Path) -> Iterator[Task]:
    """The tasks of a folder: its multiple-choice files (``NAME-test.csv``, also in ``mcr/``) and its full sets."""
    files = sorted(p for f in (folder, folder / "mcr") for p in (*f.glob("*.csv"), *f.glob("*.csv.gz")))
    for path in files:
        name = path.name.split(".csv")[0].removesuffix("-test")
        rows = [row for _, row in records(path, FIELDS, format="csv", header=True)]
        if not rows:
            raise InputError("the file is empty: expected questions, with queries, documents and labels", path=path)
        try:
            tasks = list(choices(name, rows))
        except InputError as error:
            raise InputError(str(error), path=path) from None
        yield from tasks
    for path in sorted((folder / "full").glob("*")):
        if is_there(path, "corpus.jsonl"):
            plain = searched(f"{path.name} full", Dataset.open(path), MEASURES)
            yield plain
            if (path / "instruction.txt").is_file():
                instruction = "".join(line for _, line in texts(path / "instruction.txt")).strip()
                yield instructed(plain, [instruction] * len(plain.rankings))


def choices(name: str, rows: Sequence[Record]) -> Iterator[Task]:
    """The four tasks of a multiple-choice file: own options and the pool of all, without and with instruction. Equal
    texts are one document."""
    ids: dict[str, str] = {}
    rankings, grades = [], {}
    for number, row in enumerate(rows):
        written, answer = text(row, "documents"), text(row, "labels")
        try:
            options, label = [str(o) for o in ast.literal_eval(written)], int(answer)
        except (ValueError, SyntaxError, TypeError):
            raise InputError(
                f"{name}, row {number}: expected a list of texts as documents and a number as labels"
            ) from None
        if not 0 <= label < len(options):
            raise InputError(f"{name}, row {number}: label {label} of {len(options)} options")
        own = [ids.setdefault(o, f"{name}-d-{len(ids)}") for o in options]
        query = Query(f"{name}-q-{number}", text(row, "queries"), {"options": list(dict.fromkeys(own))})
        unique = dict(zip(own, options))
        rankings.append(Ranking(query, tuple(Candidate(d, o) for d, o in unique.items())))
        grades[query.id] = {own[label]: 1}
    instructions = [text(row, "instructions") for row in rows]
    documents = [Candidate(id, option) for option, id in ids.items()]
    given = Task(f"{name} options", tuple(rankings), grades, own={"accuracy": accuracy})
    pool = Task(
        f"{name} pool",
        tuple(Ranking(r.query) for r in rankings),
        grades,
        MEASURES,
        {"accuracy": accuracy},
        documents=lambda: documents,
        depth=len(documents),
    )
    for task in (given, pool):
        yield task
        yield instructed(task, instructions)


def instructed(task: Task, instructions: Sequence[str]) -> Task:
    """The task with an instruction before each query."""
    rankings = tuple(
        replace(r, query=replace(r.query, content=f"{i} {r.query.content}"))
        for r, i in zip(task.rankings, instructions, strict=True)
    )
    return replace(task, name=f"{task.name} instructed", rankings=rankings)


BENCHMARK = Benchmark(
    name="rarb",
    title="RAR-b: Reasoning as Retrieval Benchmark",
    arxiv="2404.06347",
    summary="answers to questions of reasoning, among their own options or in a pool of all",
    data="mcr/*-test.csv of github.com/gowitheflow-1998/RAR-b, or sets in BEIR's layout (huggingface.co/RAR-b) in "
    "full/TASK",
    load=load,
)
