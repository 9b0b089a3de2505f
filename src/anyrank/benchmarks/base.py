"""Benchmark, Task and Published: a benchmark of the field as a loader, a protocol and the published table."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.errors import InputError, listed
from ..core.types import Candidate, Query, Ranking
from ..io.corpus import document
from ..io.dataset import Dataset
from ..io.records import Record, json_lines

Grades = Mapping[str, Mapping[str, int]]
"""Grades by query id and document id."""
Measure = Callable[[Sequence[Ranking], Grades], list[float]]
"""A measure of a protocol's own: a value for each ranking, whose mean is the benchmark's figure."""
TABLES = Path(__file__).parent / "tables"


class MissingData(InputError):
    """Data of a benchmark that isn't in the folder."""


@dataclass(frozen=True, slots=True)
class Published:
    """A row of a published table, never a figure measured by anyrank. ``task`` is empty for a mean over all tasks;
    ``source`` names the source if it isn't the paper."""

    system: str
    measure: str
    value: float
    task: str = ""
    source: str = "the paper"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """One set of queries with the protocol that judges their rankings.

    ``rankings`` hold the candidates to rerank; they are empty where ``documents`` (a call that streams them) are to be
    searched, at most ``depth`` a query, in ``language``. ``measures`` are names of ir_measures, ``own`` the protocol's
    own measures. ``excluded`` documents of a query are left out of its results before they are judged.
    """

    name: str
    rankings: tuple[Ranking, ...]
    grades: Grades
    measures: tuple[str, ...] = ()
    own: Mapping[str, Measure] = field(default_factory=dict)
    documents: Callable[[], Iterable[Candidate]] | None = None
    depth: int = 1000
    language: str = "english"
    excluded: Mapping[str, Collection[str]] = field(default_factory=dict)

    def first(self, n: int | None) -> Task:
        """The task with its first n queries alone."""
        rankings = self.rankings[:n]
        ids = {r.query.id for r in rankings}
        return replace(self, rankings=rankings, grades={q: g for q, g in self.grades.items() if q in ids})


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark: its paper, what its data is and where it belongs (``data``), and the loader of its tasks from a
    folder. Its published table is ``tables/NAME.json``."""

    name: str
    title: str
    arxiv: str
    summary: str
    data: str
    load: Callable[[Path], Iterator[Task]] = field(compare=False)

    def tasks(self, folder: str | Path) -> Iterator[Task]:
        """The tasks whose data is in the folder. Raises MissingData, with what to get and where to put it, if there is
        none."""
        path = Path(folder)
        empty = True
        try:
            if not path.is_dir():
                raise MissingData("the folder doesn't exist")
            for task in self.load(path):
                empty = False
                yield task
            if empty:
                raise MissingData("it holds no task of the benchmark")
        except MissingData as error:
            raise MissingData(f"no data of {self.name} ({error}); put here: {self.data}", path=path) from None
        except InputError as error:
            if error.path is not None:
                raise
            raise InputError(str(error), path=path) from None

    def published(self) -> tuple[Published, ...]:
        """The rows of the published table, in its order."""
        file = TABLES / f"{self.name}.json"
        table = json.loads(file.read_text(encoding="utf-8"))
        return tuple(Published(**row) for row in table["rows"])


def find(folder: Path, *names: str) -> Path:
    """The first file of these names in a folder, plain or with .gz. Raises MissingData if there is none."""
    for name in names:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    raise MissingData(f"no {listed(names)} in {folder.name}/, plain or .gz")


def is_there(folder: Path, *names: str) -> bool:
    """True if a folder has a file of one of these names, plain or with .gz."""
    try:
        find(folder, *names)
    except MissingData:
        return False
    return True


def searched(name: str, dataset: Dataset, measures: Sequence[str], split: str | None = None, depth: int = 1000) -> Task:
    """The task of searching a collection for the queries that a part judges."""
    part = dataset.chosen(split)
    grades = dataset.qrels(part)
    rankings = tuple(Ranking(q) for q in dataset.queries(part))
    return Task(name, rankings, grades, tuple(measures), documents=dataset.documents, depth=depth)


def beir_folders(folder: Path, measures: Sequence[str], depth: int = 1000) -> Iterator[Task]:
    """A task for the folder itself, or for every folder in it, that is in BEIR's layout."""
    inside = [folder] if is_there(folder, "corpus.jsonl") else sorted(p for p in folder.iterdir() if p.is_dir())
    for path in inside:
        if is_there(path, "corpus.jsonl") and is_there(path, "queries.jsonl") and (path / "qrels").is_dir():
            dataset = Dataset.open(path)
            splits = dataset.splits()
            if not splits:
                raise InputError("no judgements: expected qrels/test.tsv", path=path)
            split = next((s for s in ("test", "dev") if s in splits), splits[0])
            yield searched(path.name if split == "test" else f"{path.name} {split}", dataset, measures, split, depth)


def documents(path: Path) -> Callable[[], Iterator[Candidate]]:
    """A call that streams the documents of a file of JSON lines."""

    def read() -> Iterator[Candidate]:
        for _, row in json_lines(path):
            yield document(row)

    return read


def text(row: Record, *names: str) -> str:
    """The first of a record's fields of these names, as a text. Raises InputError if it has none of them."""
    name = next((n for n in names if row.get(n) is not None), None)
    if name is None:
        raise InputError(f"a record without {' or '.join(names)}: it has {listed(row)}")
    return str(row[name])


def unranked(id: str, content: str, **meta: object) -> Ranking:
    """A query without candidates."""
    return Ranking(Query(id, content, meta))
