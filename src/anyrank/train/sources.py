"""Training data from files of several formats: `Source` names a file and its format."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from ..core.content import text_of
from ..core.errors import InputError
from ..io.corpus import read_documents, read_queries
from ..io.dataset import Dataset
from ..io.files import texts
from ..io.runs import attach, read_run
from .group import Group
from .groups import read_groups
from .judgements import training_part
from .permutations import read_permutations
from .ranges import check_settings
from .triples import Texts, contents, merged, read_teacher_scores, read_triples

log = logging.getLogger(__name__)

Format = Literal["groups", "triples", "teacher_scores", "permutations", "judged", "text"]
READS = {
    "groups": ("scores",),
    "triples": ("queries", "documents", "merge"),
    "teacher_scores": ("queries", "documents", "merge"),
    "permutations": ("queries", "documents", "mend"),
    "judged": ("split", "run", "depth"),
    "text": (),
}
"""The options of each format besides its path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file of training data, its format and options.

    groups          our JSON lines, or FlagEmbedding's (without ``scores`` a teacher's scores in it are ignored)
    triples         query, positive, negative, by tabs: texts; or ids, with the files (or collections) ``queries`` and
                    ``documents``, held in memory; ``merge`` makes one group of neighbouring lines of one query
    teacher_scores  the same after two columns of scores, the positive's and the negative's
    permutations    a teacher's orders, as JSON lines in one of four forms; ``mend`` takes incomplete ones too
    judged          a collection (a BEIR folder, "demo", "irds:…"): its judged documents in a part (``split``); with a
                    TREC ``run`` the run's first ``depth`` candidates (0: all) as well, its scores as priors
    text            a text a line, for masked language models

    ``weight`` is how often each of its groups is drawn in an epoch: 2 is twice, 0.5 a half of them, others each time.
    Raises InputError on an option that the format doesn't have.

    >>> Source(format="triples", path="triples.tsv", merge=True).path
    'triples.tsv'
    """

    path: str
    format: Format = "groups"
    queries: str = ""
    documents: str = ""
    scores: bool = True
    merge: bool = False
    mend: bool = False
    split: str = "train"
    run: str = ""
    depth: int = 0
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.format not in get_args(Format):
            raise InputError(f"no format {self.format!r}: choose one of {', '.join(get_args(Format))}")
        check_settings(self)
        for field in fields(self)[2:]:
            if field.name == "weight":  # of all formats
                continue
            if getattr(self, field.name) != field.default and field.name not in READS[self.format]:
                what = f"the format {self.format} has no option {field.name}"
                raise InputError(f"{what}: leave it out (it has {', '.join(READS[self.format])})")
        if bool(self.queries) != bool(self.documents):
            raise InputError("a file of ids needs both queries and documents")

    def __str__(self) -> str:
        return self.path if self.format == "groups" else f"{self.path} ({self.format})"


def read_source(source: Source | str) -> Iterator[Group]:
    """The groups of a source, or of a file of groups, one at a time. Raises InputError, with file and line, as its
    reader does, and names the format if the file looks like another one."""
    source = Source(path=source) if isinstance(source, str) else source
    try:
        yield from _READERS[source.format](source)
    except InputError as error:
        guess = looks_like(source.path)
        if guess in (None, source.format):
            raise
        hint = f"{source.path} looks like {guess}: give it as {{format: {guess}, path: {source.path}}}"
        hint += f" in a recipe, with --format {guess} to distill" * (guess in ("groups", "triples", "permutations"))
        raise InputError(f"{error}; {hint}") from None


def read_sources(sources: Iterable[Source | str]) -> list[Group]:
    """The groups of several sources, one after the other."""
    return [group for source in sources for group in read_source(source)]


def read_parts(sources: Iterable[Source | str]) -> tuple[list[Group], list[tuple[int, float]]]:
    """The groups of several sources, and of each source their number and weight (see `batches.Batches`)."""
    groups: list[Group] = []
    parts: list[tuple[int, float]] = []
    for source in sources:
        before = len(groups)
        groups += read_source(source)
        parts.append((len(groups) - before, source.weight if isinstance(source, Source) else 1.0))
    return groups, parts


def looks_like(path: str) -> Format | None:
    """The format that a file's first line, or a folder, looks like; None if it looks like none.

    >>> looks_like("demo")
    'judged'
    """
    if path == "demo" or path.startswith("irds:") or Path(path).is_dir():
        return "judged"
    if not Path(path).is_file():
        return None
    line = next((line for _, line in texts(path) if not line.isspace()), "")
    columns = line.rstrip("\r\n").split("\t")
    if len(columns) in (3, 5):
        return "triples" if len(columns) == 3 else "teacher_scores"
    try:
        names = set(json.loads(line))
    except (TypeError, ValueError):
        return None
    if names & {"initial_list", "candidates", "conversations"} or {"prompt", "response"} <= names:
        return "permutations"
    return "groups" if names & {"texts", "pos"} else None


def _collected(source: Source) -> tuple[Texts | None, Texts | None]:
    """The contents of queries and documents by id."""
    if not source.queries:
        return None, None
    q, d = source.queries, source.documents
    queries = Dataset.open(q).queries() if looks_like(q) == "judged" else read_queries(q)
    documents = Dataset.open(d).documents() if looks_like(d) == "judged" else read_documents(d)
    return contents(queries), contents(documents)


def _groups(source: Source) -> Iterator[Group]:
    return read_groups(source.path, scores=source.scores)


def _triples(source: Source) -> Iterator[Group]:
    read = read_triples if source.format == "triples" else read_teacher_scores
    groups = read(source.path, *_collected(source))
    yield from merged(_checked(source, groups)) if source.merge else _checked(source, groups)


def _checked(source: Source, groups: Iterator[Group]) -> Iterator[Group]:
    """The groups; logs a warning if the texts of the first look like ids."""
    for i, group in enumerate(groups):
        if i == 0 and not group.ids and not any(" " in text for text in (text_of(group.query), *group.texts)):
            log.warning(
                "%s: %r looks like an id, not a text: for ids give queries and documents", source.path, group.query
            )
        yield group


def _permutations(source: Source) -> Iterator[Group]:
    return read_permutations(source.path, *_collected(source), mend=source.mend)


def _judged(source: Source) -> Iterator[Group]:
    dataset = Dataset.open(source.path)
    if not source.run:
        return training_part(dataset, source.split)
    queries = dataset.queries(source.split)
    ids = {q.id for q in queries}
    run = {q: rows[: source.depth or None] for q, rows in read_run(source.run).items() if q in ids}
    return training_part(dataset, source.split, attach(run, queries, dataset.documents(), path=source.run))


def _text(source: Source) -> Iterator[Group]:
    if looks_like(source.path) in ("groups", "permutations"):
        raise InputError("expected plain text, a text a line, and found JSON", path=source.path, line=1)
    return (
        Group.from_texts(line.strip(), (line.strip(),), (1.0,)) for _, line in texts(source.path) if not line.isspace()
    )


_READERS = {
    "groups": _groups,
    "triples": _triples,
    "teacher_scores": _triples,
    "permutations": _permutations,
    "judged": _judged,
    "text": _text,
}
