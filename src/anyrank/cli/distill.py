"""``anyrank distill``: write a teacher's scores as training data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import InputError
from ..core.fusion import Combine
from ..core.stage import Each, Fuse, Stage
from ..core.types import Query, Ranking
from .common import OutputFile, from_run, is_dataset, overwrite_option, part_to_learn, queries_of, report_status
from .jobs import echo_resume, not_finished, other_inputs, resume_hint, stamp
from .progress import progress
from .shards import Piece, shard_options

if TYPE_CHECKING:
    from ..train.group import Group

BATCH = 16
FIND = "bm25 % 50"
FEW = 3
"""Groups of fewer texts get the same summed z-scores whatever the teachers' scores are: 2 and -2, or 0."""


@click.command("distill")
@click.option(
    "--queries", help="The queries: JSONL or id<TAB>text, '-' for standard input; or a collection, with --split."
)
@click.option(
    "--split", help="The part to take queries from (such as train), if --queries is a collection with several."
)
@click.option("--index", help="An index (made by 'anyrank index') to take candidates from.")
@click.option("--corpus", help="Instead of an index, a file or collection, which is indexed beside OUT.")
@click.option("--run", help="Instead of searching, a TREC run's candidates, with --documents.")
@click.option("--groups", help="Instead of searching, label the texts of this training data anew.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["groups", "triples", "permutations"]),
    default="groups",
    show_default=True,
    help="The format of --groups; if it holds ids, give --queries and --documents too.",
)
@click.option("--documents", help="The run's documents: a file, a collection's folder, or an index.")
@click.option("--candidates", help=f"The pipeline that finds the candidates.  [default: {FIND}]")
@click.option(
    "--teacher",
    default="splade + minilm",
    show_default=True,
    help="The pipeline that scores the candidates. A sum such as this one adds z-scores within a query, so for pairs "
    "give a single model.",
)
@click.option("--depth", type=click.IntRange(1), help="Take only the first N candidates of each query of the run.")
@click.option("-o", "--out", required=True, type=OutputFile(), help="The file to write the groups to: JSON lines.")
@click.option("--resume", is_flag=True, help="Resume a job that was stopped, with the same arguments.")
@overwrite_option
@shard_options()
def distill_command(
    queries: str | None,
    split: str | None,
    index: str | None,
    corpus: str | None,
    run: str | None,
    groups: str | None,
    format_: str,
    documents: str | None,
    candidates: str | None,
    teacher: str,
    depth: int | None,
    out: Path,
    resume: bool,
    overwrite: bool,
    piece: Piece,
) -> int:
    """Make training data: candidates by one pipeline, labels by another. Each line of OUT is a query with its
    candidates' texts, the teacher's scores (labels) and the candidates' own (priors).

    \b
    anyrank distill --queries topics.tsv --index my.index -o groups.jsonl --resume
    anyrank distill --queries scifact/ --split train --corpus scifact/ --teacher "splade + minilm" -o groups.jsonl
    anyrank distill --queries q.tsv --run bm25.trec --documents corpus.jsonl -o groups.jsonl
    anyrank distill --groups triples.tsv --format triples --teacher minilm -o groups.jsonl
    """
    from ..pipeline.parser import Settings, parse
    from ..retrieve.stages import Attach
    from ..stores.open import open_index
    from ..train.teachers import ranking_of

    not_finished(out, overwrite)
    if sum(source is not None for source in (index, corpus, run, groups)) != 1:
        raise InputError("give one of --index, --corpus, --run and --groups")
    if candidates is not None and (run is not None or groups is not None):
        raise InputError("--candidates goes with --index and --corpus: a run and groups bring their own")
    candidates = candidates or FIND
    if groups is not None:
        if depth is not None or split:
            raise InputError("--depth and --split don't go with --groups")
        old = _read(groups, format_, queries, documents)
        settings: dict[str, Any] = {"files": stamp(queries, groups, documents), "teacher": teacher, "format": format_}
        labels = parse(teacher, Settings(None, remember=True), starts=False)
        few = sum(len(g.candidates) < FEW for g in old.values())
        if few and isinstance(labels, Fuse) and labels.method == Combine():
            click.echo(
                f"note: {few} groups have fewer than {FEW} texts, where summed z-scores say which is better but "
                "not by how much: for margins give --teacher one part, such as minilm",
                err=True,
            )
        rankings = [ranking_of(replace(group, id=name)) for name, group in old.items()]
        settings |= other_inputs(rankings, [queries, groups, documents], teacher)
        return _job(Each(lambda r: r), labels, rankings, out, settings, resume, piece, old)
    if queries is None:
        raise InputError("--queries is missing: a file of queries, or a collection")
    if (documents is None) != (run is None) or (depth is not None and run is None) or (split and run):
        raise InputError("--run goes with --documents, --depth with --run, --split without it")
    find: Stage
    if run is not None and documents is not None:
        collection, rankings = from_run(run, queries, documents, depth)
        find = Each(lambda r: r) if collection is None else Attach(collection)
    else:
        rankings = [Ranking(q) for q in _queries(queries, split)]
        collection = open_index(index or _indexed(str(corpus), Path(f"{out}.index"), resume))
        find = parse(candidates, Settings(collection))
    labels = parse(teacher, Settings(collection, remember=True), starts=False)
    options = {"candidates": None if run else candidates, "teacher": teacher, "depth": depth, "split": split}
    settings = {"files": stamp(queries, index, corpus, run, documents), **options}
    settings |= other_inputs(rankings, [queries, corpus, run, documents], teacher, None if run else candidates)
    return _job(find, labels, rankings, out, settings, resume, piece)


def _job(
    find: Stage,
    teacher: Stage,
    rankings: Sequence[Ranking],
    out: Path,
    settings: Mapping[str, Any],
    resume: bool,
    piece: Piece,
    labelled: Mapping[str, Group] = MappingProxyType({}),
) -> int:
    """Find candidates, score them with the teacher and write the groups to ``out``; returns the exit code.

    Each finished query goes into a journal beside ``out``. Queries with unjudged candidates are left out of both, so
    that resuming tries them again. ``labelled``: groups by query id, of which only the labels are replaced.
    """
    from ..io.candidates import step_from_dict
    from ..io.journal import Journal
    from ..io.records import write_jsonl
    from ..train.groups import group_to_dict
    from ..train.teachers import judged_whole, relabelled, taught

    rankings = piece.rows(rankings)
    queries = [r.query for r in rankings]
    if piece.finished(out, "groups", settings):
        return 0
    failed: dict[str, Ranking] = {}
    with Journal.open(f"{out}.journal", settings, resume=resume) as journal, resume_hint(journal, len(queries)):
        if resume and len(journal):
            click.echo(f"resuming: {len(journal)} of {len(queries)} queries are done", err=True)
        parts = [rankings[start : start + BATCH] for start in range(0, len(rankings), BATCH)]
        todo = [part for part in parts if any(r.query.id not in journal for r in part)]
        with progress("distilling", sum(map(len, todo)), "queries") as bar:
            # A batch with any unfinished query is run whole, since its composition decides the last digits of scores.
            for part in todo:
                before = find.batch(part)
                for old, new in zip(before, teacher.batch(before)):
                    id = new.query.id
                    if id in journal:
                        continue
                    if judged_whole(new):
                        trace = [s.as_dict() for s in new.trace]
                        group = taught(old, new)
                        group = relabelled(labelled[id], group.labels) if id in labelled else group
                        journal.put(id, {"group": group_to_dict(group), "trace": trace})
                    else:
                        failed[id] = replace(new, candidates=())
                bar.update(len(before))

        def judged() -> Iterator[Ranking]:
            for q in queries:
                if q.id in failed:
                    yield failed[q.id]
                else:
                    yield Ranking(Query(q.id), (), tuple(map(step_from_dict, journal.get(q.id)["trace"])))

        def groups() -> Iterator[Mapping[str, Any]]:
            for group in (journal.get(q.id)["group"] for q in queries if q.id not in failed):
                sizes.append(len(group["texts"]))
                if group["texts"]:
                    yield group

        code = report_status(judged())
        sizes: list[int] = []
        write_jsonl(out, groups())
        if failed:
            echo_resume(len(failed), out)
        else:
            piece.finish(out, "groups", settings, [int(size > 0) for size in sizes])
            journal.close(remove=True)
    if empty := sizes.count(0):
        click.echo(f"note: {empty} queries found no candidates and are left out", err=True)
    click.echo(f"wrote {out}: {len(sizes) - empty} groups, {sum(sizes)} texts", err=True)
    return max(code, int(bool(failed)))


def _read(path: str, format: str, queries: str | None, documents: str | None) -> dict[str, Group]:
    """The groups of a file by unique names: the id, "q" and the position if it has none, or both if the id is taken.

    Consecutive triples of one query form one group. Raises InputError if a query's triples are not consecutive.
    """
    from ..train.sources import Source, read_source

    kind: Any = format
    source = Source(
        path=path,
        format=kind,
        queries=queries or "",
        documents=documents or "",
        merge=format == "triples",
        mend=format == "permutations",
        scores=format != "groups",
    )
    groups: dict[str, Group] = {}
    for position, group in enumerate(read_source(source)):
        named = group if group.id else replace(group, id=f"q{position}")
        if named.id in groups and format == "triples":
            raise InputError(f"query {named.id!r} comes twice: put the lines of a query together", path=path)
        groups[f"{named.id} ({position})" if named.id in groups else named.id] = named
    return groups


def _queries(queries: str, split: str | None) -> list[Query]:
    """The queries of a file, or of one part of a collection. The part must be named, so that test queries don't slip
    in."""
    part = part_to_learn(queries, split)
    if not is_dataset(queries):
        return queries_of(queries)
    from ..io.dataset import Dataset

    return Dataset.open(queries).queries(part)


def _indexed(corpus: str, folder: Path, resume: bool) -> Path:
    """Index a corpus into ``folder`` and return it; with ``resume`` a finished index there is used as it is. Raises
    InputError if that is of another corpus."""
    from ..index.build import build, differs
    from ..io.corpus import read_documents
    from ..io.dataset import Dataset
    from ..store.manifest import NAME, Manifest
    from ..store.rows import Rows

    documents = Dataset.open(corpus).documents() if is_dataset(corpus) else read_documents(corpus)
    finished = resume and (folder / NAME).is_file() and Manifest.read(folder).complete
    if finished:
        rows = Rows(folder)
        different = differs(documents, rows, len(rows))
        if different or next(documents, None) is not None:
            what = different or "this corpus has more documents than were indexed"
            raise InputError(f"{what}: give the same corpus, or begin anew without --resume", path=folder)
    else:
        with progress("indexing", None, "documents") as bar:
            build(documents, folder, overwrite=not resume, on_progress=lambda n: bar.update(n - bar.n))
    return folder
