"""Helpers that the commands share: progress bars, resumable jobs, and reports of what went wrong."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..core.errors import InputError
from ..core.stage import Stage
from ..core.trace import UNANSWERED, Usage
from ..core.types import Ranking

if TYPE_CHECKING:
    from ..io.journal import Journal

Command = TypeVar("Command", bound=Callable[..., Any])


@contextmanager
def progress(title: str, total: int | None, unit: str) -> Iterator[Any]:
    """A progress bar on standard error; plain lines, one every half minute, if that is not a terminal."""
    if not sys.stderr.isatty():
        yield PlainProgress(title, total, unit)
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=title, unit=f" {unit}", file=sys.stderr) as bar:
        yield bar


def advance(bar: Any, count: int) -> None:
    """Bring a bar of `progress` to a count."""
    bar.update(count - bar.n)


EVERY = 30.0
"""Seconds between two lines of progress."""


class PlainProgress:
    """Progress as lines on standard error, for logs: a line when ``every`` seconds have passed since the last, so that
    a short job writes none. ``update`` and ``n`` are those of tqdm's bars."""

    def __init__(
        self,
        title: str,
        total: int | None,
        unit: str,
        every: float = EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.every, self.clock = every, clock
        self.n = 0
        self.start = self.last = clock()

    def update(self, count: float = 1) -> None:
        """Count what was done, and write a line if it is time."""
        self.n += int(count)
        now = self.clock()
        if now - self.last < self.every:
            return
        self.last = now
        passed = now - self.start
        of, left = "", ""
        if self.total:
            of = f" of {self.total:,}"
            left = f", about {_duration(passed / self.n * (self.total - self.n))} left" if self.n else ""
        click.echo(f"{self.title}: {self.n:,}{of} {self.unit} in {_duration(passed)}{left}", err=True)


def _duration(seconds: float) -> str:
    """Seconds in words.

    >>> _duration(42.4), _duration(130), _duration(7300)
    ('42 s', '2 min 10 s', '2 h 1 min')
    """
    whole = round(max(seconds, 0))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def batches(stage: Stage, rankings: Sequence[Ranking], title: str, size: int = 16) -> Iterator[Ranking]:
    """The stage's results, a batch of queries at a time, with progress."""
    with progress(title, len(rankings), "queries") as bar:
        for start in range(0, len(rankings), size):
            results = stage.batch(rankings[start : start + size])
            bar.update(len(results))
            yield from results


def job(
    stage: Stage,
    rankings: Sequence[Ranking],
    out: Path,
    settings: Mapping[str, Any],
    resume: bool,
    title: str,
    overwrite: bool = False,
) -> int:
    """Run a stage over all queries into the run file ``out``, with their trace beside it; returns the exit code.

    Each finished query goes into a journal beside the file, so that a killed job can be resumed. Queries that were not
    judged, because a server was down for example, are left out of the journal, so that resuming tries them again.
    Raises InputError if ``out`` is there already and finished, unless it is to be overwritten.
    """
    from ..io.journal import Journal
    from ..io.runs import one_word, write_run
    from ..io.traces import write_traces

    queries = [r.query for r in rankings]
    for query in queries:
        one_word("query id", query.id)
    not_finished(out, overwrite)
    with Journal.open(f"{out}.journal", settings, resume=resume) as journal, kept_for_resume(journal, len(queries)):
        if resume and len(journal):
            click.echo(f"resuming: {len(journal)} of {len(queries)} queries are done", err=True)
        failed: dict[str, Ranking] = {}
        for ranking in batches(stage, [r for r in rankings if r.query.id not in journal], title):
            for c in ranking:
                one_word("document id", c.id)
            if _failed(ranking):
                without_texts = tuple(replace(c, content=None) for c in ranking)
                failed[ranking.query.id] = replace(ranking, candidates=without_texts)
            else:
                journal.append(ranking)

        def results() -> Iterator[Ranking]:
            return (failed[q.id] if q.id in failed else next(journal.rankings([q])) for q in queries)

        code = report_status(results())
        write_run(out, results())
        if out.is_file():  # not a pipe or a terminal
            write_traces(out, results())
        if failed:
            echo_resume(len(failed), out)
        else:
            journal.close(remove=True)
    click.echo(f"wrote {out}: {len(queries)} queries", err=True)
    return code


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
def kept_for_resume(journal: Journal, total: int) -> Iterator[None]:
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
    """Name and hash of the content of input files. A job is resumed only if they are the same as when it began,
    whatever their times say.

    Of an index its manifest and its last commit count; of a collection's folder its documents, queries and judgements;
    of any other folder (a model's) all files.
    """
    return [(str(path), _content_hash(Path(path))) for path in paths if path and Path(path).exists()]


def _content_hash(path: Path) -> str:
    if path.is_file():
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    index = [p for n in ("manifest.json", "lexical/meta.json") if (p := path / n).is_file()]
    collection = sorted(p for n in ("corpus.jsonl*", "queries.jsonl*", "qrels/*") for p in path.glob(n) if p.is_file())
    files = index or collection or sorted(p for p in path.rglob("*") if p.is_file())
    parts = "".join(f"{p.relative_to(path)}\0{_content_hash(p)}\0" for p in files)
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


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


def from_run(
    run: str, queries: str, documents: str, depth: int | None, ignore_self: bool = False
) -> tuple[Any, list[Ranking]]:
    """An opened index or None, and the rankings of a TREC run, the first ``depth`` of each (with ``ignore_self``
    without the document whose id is the query's).

    If ``documents`` is an index, that index is returned and the rankings have no texts yet (`Attach` adds them); if it
    is a file or a collection's folder, the rankings have its texts.
    """
    from ..index.collection import Collection
    from ..io.corpus import read_documents, read_queries
    from ..io.dataset import Dataset
    from ..io.runs import attach, read_run

    results = {q: [d for d in docs if not ignore_self or d[0] != q][:depth] for q, docs in read_run(run).items()}
    topics = read_queries(queries)
    if (Path(documents) / "manifest.json").is_file():
        return Collection.open(documents), attach(results, topics, path=run)
    texts = Dataset.open(documents).documents() if is_dataset(documents) else read_documents(documents)
    return None, attach(results, topics, texts, path=run)


def report_status(rankings: Iterable[Ranking]) -> int:
    """Say on standard error how much was cut, mended or not judged. Returns the exit code, 1 if queries were not
    judged."""
    cut = mended = answers = unjudged = count = 0
    replayed = Usage()
    notes: dict[str, None] = {}
    remarks: dict[str, int] = {}  # notes of queries that were fully ranked, and of how many queries
    repairs: Counter[str] = Counter()
    for r in rankings:
        usage = r.cost.usage
        replayed += usage
        count += 1
        cut += usage.truncated
        # answers that never came count as queries that were not fully reranked, not as mended answers
        repairs.update({kind: number for kind, number in usage.repairs.items() if kind not in UNANSWERED})
        mended += usage.mended
        answers += usage.calls + usage.cached
        unjudged += r.status in ("partial", "fallback")
        notes |= dict.fromkeys(r.cost.notes)
        # what was cut is summed up below, over all queries
        for note in dict.fromkeys(n for n in r.cost.notes if "were cut to" not in n) if r.status == "ok" else ():
            remarks[note] = remarks.get(note, 0) + 1
    if replayed.cached_prompt_tokens or replayed.cached_completion_tokens:
        first = f"{replayed.cached_prompt_tokens:,} prompt and {replayed.cached_completion_tokens:,} completion tokens"
        now = f"{replayed.calls:,} calls and {replayed.tokens:,} tokens"
        click.echo(f"note: {replayed.cached:,} answers came from the cache and first cost {first}; now {now}", err=True)
    for note, queries in list(remarks.items())[:3]:
        click.echo(f"note: {f'{queries} of {count} queries: ' if count > 1 else ''}{note}", err=True)
    if cut:
        click.echo(f"note: {cut} texts were cut to the model's length (passages(…) reads them whole)", err=True)
    if mended:
        listed = ", ".join(f"{kind} {number}" for kind, number in repairs.most_common())
        click.echo(f"note: {mended} of {answers} answers were mended: {listed}", err=True)
    if unjudged:
        reasons = "; ".join(list(notes)[:3])
        click.echo(f"warning: {unjudged} of {count} queries were not fully reranked: {reasons}", err=True)
    return int(unjudged > 0)


def echo_cut(count: int, model: str) -> None:
    """Say on standard error how many documents were cut to a model's length, so that its vectors cover their
    beginning."""
    if count:
        click.echo(f"note: {count:,} documents were cut to the length of {model} for their vectors", err=True)


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def is_dataset(spec: str) -> bool:
    """True if a corpus argument names a whole collection rather than one file."""
    return spec == "demo" or spec.startswith("irds:") or os.path.isdir(spec)


overwrite_option = click.option("--overwrite", is_flag=True, help="Replace finished results at --out.")
times_option = click.option("--times", is_flag=True, help="Write seconds into the JSON, which differ from run to run.")
log_option = click.option(
    "--log",
    "log_file",
    type=click.Path(path_type=Path),
    help="Write every call of a language model or of a reranker on a server to this file: prompt, settings, answer, "
    "tokens, seconds, a JSON line each.",
)


def call_log(path: Path | None, resume: bool) -> Any:
    """The log of calls that a command writes; None without a path. A resumed job continues its file."""
    if path is None:
        return None
    from ..llm.call_log import CallLog

    return CallLog(path, append=resume)


as_json_option = click.option("--json", "json_out", is_flag=True, help="Write the results as JSON to standard output.")


ignore_self_option = click.option(
    "--ignore-self", is_flag=True, help="Leave out the document whose id is the query's (ArguAna, duplicates)."
)


def pipeline_option(default: str, help: str) -> Callable[[Command], Command]:
    return click.option("-p", "--pipeline", default=default, show_default=True, help=help)
