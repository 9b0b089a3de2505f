"""Resumable jobs: a run file with its journal beside it, and stamps of what a job depends on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..core.errors import InputError
from ..core.stage import Stage
from ..core.types import Ranking
from ..scale.manifest import content_hash
from .common import is_dataset, report_status
from .progress import batch_results
from .shards import WHOLE, Piece

if TYPE_CHECKING:
    from ..io.journal import Journal

Row = TypeVar("Row")


def job(
    stage: Stage,
    rankings: Sequence[Ranking],
    out: Path,
    settings: Mapping[str, Any],
    resume: bool,
    title: str,
    overwrite: bool = False,
    piece: Piece = WHOLE,
) -> int:
    """Run a stage over all queries, or those of a ``piece``, into the run file ``out``, with their trace beside it;
    returns the exit code.

    Each finished query goes into a journal beside the file, so that a killed job can be resumed. Queries that were not
    judged, because a server was down for example, are left out of the journal, so that resuming tries them again.
    Raises InputError if ``out`` is there already and finished, unless it is to be overwritten.
    """
    from ..io.journal import Journal
    from ..io.runs import one_word, write_run
    from ..io.traces import write_traces

    for ranking in rankings:
        one_word("query id", ranking.query.id)
    rankings = piece.rows(rankings)
    queries = [r.query for r in rankings]
    lines: list[int] = []
    not_finished(out, overwrite)
    if piece.finished(out, "run", settings):
        return 0
    with Journal.open(f"{out}.journal", settings, resume=resume) as journal, resume_hint(journal, len(queries)):
        if resume and len(journal):
            click.echo(f"resuming: {len(journal)} of {len(queries)} queries are done", err=True)
        failed: dict[str, Ranking] = {}
        for results in batch_results(stage, [r for r in rankings if r.query.id not in journal], title):
            # A batch is finished as a whole, since its composition decides the last digits of some models' scores.
            with journal.together():
                for ranking in results:
                    for c in ranking:
                        one_word("document id", c.id)
                    if _failed(ranking):
                        without_texts = tuple(replace(c, content=None) for c in ranking)
                        failed[ranking.query.id] = replace(ranking, candidates=without_texts)
                    else:
                        journal.append(ranking)

        def all_results() -> Iterator[Ranking]:
            return (failed[q.id] if q.id in failed else next(journal.rankings([q])) for q in queries)

        code = report_status(all_results())
        write_run(out, counted(all_results(), lines, len))
        if out.is_file():  # not a pipe or a terminal
            write_traces(out, all_results())
        if failed:
            echo_resume(len(failed), out)
        else:
            piece.finish(out, "run", settings, lines)
            journal.close(remove=True)
    click.echo(f"wrote {out}: {len(queries)} queries", err=True)
    return code


def counted(rows: Iterable[Row], sizes: list[int], size: Callable[[Row], int]) -> Iterator[Row]:
    """The rows, as they are; the size of each is added to ``sizes``."""
    for row in rows:
        sizes.append(size(row))
        yield row


def echo_resume(failed: int, out: Path) -> None:
    """Say on standard error that the same command with --resume tries the failed queries again."""
    again = f"the same command with --resume tries {failed} of them again"
    click.echo(f"{again}; finished queries are in {out}.journal", err=True)


def _failed(ranking: Ranking) -> bool:
    """True if candidates were not judged for a reason that may pass, which is any but a spent budget."""
    return any(step.failed for step in ranking.trace)


def not_finished(out: Path, overwrite: bool) -> None:
    """Raises InputError if the output is there already from a finished job: one that ended has removed its journal."""
    if out.is_file() and out.stat().st_size and not overwrite and not Path(f"{out}.journal").exists():
        raise InputError("it holds finished results: use --overwrite to replace them, or another name", path=out)


@contextmanager
def resume_hint(journal: Journal, total: int) -> Iterator[None]:
    """If the block is interrupted or fails, say that the same command with --resume goes on from the journal."""
    try:
        yield
    except BaseException:
        with suppress(Exception):  # the journal itself may be what failed
            if done := len(journal):
                click.echo(
                    f"stopped: {done} of {total} queries are done and kept in {journal.path}; "
                    "the same command with --resume goes on from there",
                    err=True,
                )
        raise


def stamp(*paths: str | Path | None) -> list[tuple[str, str]]:
    """Name and hash of the content of input files and folders (`content_hash`). A job is resumed only if they are the
    same as when it began, whatever their times say. Of a collection on a server, and of one that is no folder,
    only the name is known."""
    from ..stores.address import is_address, shown

    out = []
    for path in paths:
        if is_address(path):
            out.append((shown(str(path)), ""))
        elif path and Path(path).exists():
            out.append((str(path), content_hash(Path(path))))
        elif path and is_dataset(str(path)):
            out.append((str(path), ""))
    return out


_QUOTED = re.compile(r"""(\bcache\s*=\s*)?(?:"([^"]+)"|'([^']+)')""")


def other_inputs(rankings: Iterable[Ranking], paths: Sequence[Any], *pipelines: str | None) -> dict[str, Any]:
    """What a job depends on beside the `stamp` of its files, if there is any: the content that was read from standard
    input, and the stamps of files and folders that pipelines name in quotes (models and templates, but no caches)."""
    out: dict[str, Any] = {}
    if "-" in map(str, paths):
        digest = hashlib.sha256()
        for r in rankings:
            whole = (r.query.id, r.query.content, r.ids, r.scores, [c.content for c in r])
            digest.update(repr(whole).encode("utf-8", "surrogatepass"))
        out["inputs"] = digest.hexdigest()[:16]
    names = [a or b for text in pipelines if text for cache, a, b in _QUOTED.findall(text) if not cache]
    if models := stamp(*dict.fromkeys(names)):
        out["models"] = models
    return out
