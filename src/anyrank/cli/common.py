"""Helpers that the commands share: progress bars, resumable jobs, filters, and reports of what went wrong."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from ..core.errors import InputError
from ..core.stage import Stage
from ..core.trace import SPENT
from ..core.types import Ranking

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
    stage: Stage, rankings: Sequence[Ranking], out: Path, settings: Mapping[str, Any], resume: bool, title: str
) -> int:
    """Run a stage over all queries into the run file ``out``; returns the exit code.

    Each finished query goes into a journal beside the file, so that a killed job can be resumed. Queries that were not
    judged, because a server was down for example, are left out of the journal, so that resuming tries them again.
    """
    from ..io.journal import Journal
    from ..io.runs import one_word, write_run

    queries = [r.query for r in rankings]
    for query in queries:
        one_word("query id", query.id)
    with Journal.open(f"{out}.journal", settings, resume=resume) as journal:
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
        if failed:
            write_run(out, results())
            echo_resume(len(failed), out)
        else:
            journal.finish(out, queries)
    click.echo(f"wrote {out}: {len(queries)} queries", err=True)
    return code


def echo_resume(failed: int, out: Path) -> None:
    """Say on standard error that the same command with --resume tries the failed queries again."""
    again = f"the same command with --resume tries {failed} of them again"
    click.echo(f"{again}; finished queries are in {out}.journal", err=True)


def _failed(ranking: Ranking) -> bool:
    """True if candidates were not judged for a reason that may pass, which is any but a spent budget."""
    return any(step.failed for step in ranking.trace)


def stamp(*paths: str | Path | None) -> list[tuple[str, int, int]]:
    """Name, size and time of change of input files (for an index, of its manifest and its last commit). A job is
    resumed only if they are the same as when it began."""
    stamps = []
    for path in (p for p in paths if p):
        index_files = [p for n in ("manifest.json", "lexical/meta.json") if (p := Path(path) / n).is_file()]
        for file in index_files or [Path(path)]:
            if file.exists():
                stamps.append((str(path), file.stat().st_size, file.stat().st_mtime_ns))
    return stamps


def from_run(run: str, queries: str, documents: str, depth: int | None) -> tuple[Any, list[Ranking]]:
    """An opened index or None, and the rankings of a TREC run, the first ``depth`` of each.

    If ``documents`` is an index, that index is returned and the rankings have no texts yet (`Attach` adds them); if it
    is a file or a collection's folder, the rankings have its texts.
    """
    from ..index.collection import Collection
    from ..io.corpus import read_documents, read_queries
    from ..io.dataset import Dataset
    from ..io.runs import attach, read_run

    results = {q: docs[:depth] for q, docs in read_run(run).items()}
    topics = read_queries(queries)
    if (Path(documents) / "manifest.json").is_file():
        return Collection.open(documents), attach(results, topics, path=run)
    texts = Dataset.open(documents).documents() if is_dataset(documents) else read_documents(documents)
    return None, attach(results, topics, texts, path=run)


_UNANSWERED = ("no answer", "no log-probabilities", SPENT)
"""Repairs for answers that never came. They count as queries that were not fully reranked, not as mended answers."""


def report_status(rankings: Iterable[Ranking]) -> int:
    """Say on standard error how much was cut, mended or not judged. Returns the exit code, 1 if queries were not
    judged."""
    cut = mended = unjudged = count = 0
    notes: dict[str, None] = {}
    remarks: dict[str, int] = {}  # notes of queries that were fully ranked, and of how many queries
    repairs: Counter[str] = Counter()
    for r in rankings:
        usage = r.cost.usage
        count += 1
        cut += usage.truncated
        kinds = {kind: number for kind, number in usage.repairs.items() if kind not in _UNANSWERED}
        repairs.update(kinds)
        mended += bool(kinds)
        unjudged += r.status in ("partial", "fallback")
        notes |= dict.fromkeys(r.cost.notes)
        # what was cut is summed up below, over all queries
        for note in dict.fromkeys(n for n in r.cost.notes if "were cut to" not in n) if r.status == "ok" else ():
            remarks[note] = remarks.get(note, 0) + 1
    for note, queries in list(remarks.items())[:3]:
        click.echo(f"note: {f'{queries} of {count} queries: ' if count > 1 else ''}{note}", err=True)
    if cut:
        click.echo(f"note: {cut} texts were cut to the model's length (passages(…) reads them whole)", err=True)
    if mended:
        listed = ", ".join(f"{kind} {number}" for kind, number in repairs.most_common())
        click.echo(f"note: answers to {mended} of {count} queries were mended: {listed}", err=True)
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


def filters(pairs: Sequence[str]) -> dict[str, Any] | None:
    """Filters from the texts ``field=value`` and ``field=low..high`` (either end may be left out).

    A value that reads as a number, true or false also matches the same value stored as text, as CSV files do.

    >>> filters(["lang=en", "year=1990..", "draft=false"])
    {'lang': 'en', 'year': (1990, None), 'draft': [False, 'false']}
    """
    conditions: dict[str, Any] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise InputError(f"filter {pair!r}: expected field=value or field=low..high")
        low, dots, high = value.partition("..")
        conditions[name] = (_value(low), _value(high)) if dots else _either(value)
    return conditions or None


def _either(text: str) -> Any:
    value = "" if text == "" else _value(text)
    return value if isinstance(value, str) else [value, text]


def _value(text: str) -> Any:
    if text == "":
        return None
    try:
        parsed = json.loads(text)
    except ValueError:
        return text
    return parsed if isinstance(parsed, int | float | bool) else text


def is_dataset(spec: str) -> bool:
    """True if a corpus argument names a whole collection rather than one file."""
    return spec == "demo" or spec.startswith("irds:") or os.path.isdir(spec)


as_json_option = click.option("--json", "json_out", is_flag=True, help="Write the results as JSON to standard output.")


def pipeline_option(default: str, help: str) -> Callable[[Command], Command]:
    return click.option("-p", "--pipeline", default=default, show_default=True, help=help)
