"""What the commands share: progress, running long jobs in batches, saying what went wrong."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from ..core.errors import InputError
from ..core.stage import Stage
from ..core.types import Ranking

Made = TypeVar("Made", bound=Callable[..., Any])


@contextmanager
def progress(what: str, total: int | None, unit: str) -> Iterator[Any]:
    """A progress bar on standard error, absent when that is not a terminal."""
    from tqdm import tqdm

    with tqdm(total=total, desc=what, unit=f" {unit}", file=sys.stderr, disable=not sys.stderr.isatty()) as bar:
        yield bar


def batches(stage: Stage, rankings: Sequence[Ranking], what: str, size: int = 16) -> Iterator[Ranking]:
    """The stage's results, a batch of queries at a time, with progress."""
    with progress(what, len(rankings), "queries") as bar:
        for at in range(0, len(rankings), size):
            part = stage.batch(rankings[at : at + size])
            bar.update(len(part))
            yield from part


def job(
    stage: Stage, rankings: Sequence[Ranking], out: Path, settings: Mapping[str, Any], resume: bool, what: str
) -> int:
    """Run a long job into a run file, journalled query by query beside it, so that a killed job can be resumed; queries
    that a dead server or the like left unjudged are not journalled, so that resuming tries them again. Returns the exit
    code."""
    from ..io.journal import Journal
    from ..io.runs import one_word, write_run

    queries = [r.query for r in rankings]
    for query in queries:
        one_word("query id", query.id)
    with Journal.open(f"{out}.journal", settings, resume=resume) as journal:
        if resume and len(journal):
            click.echo(f"resuming: {len(journal)} of {len(queries)} queries are done", err=True)
        failed: dict[str, Ranking] = {}
        for done in batches(stage, [r for r in rankings if r.query.id not in journal], what):
            for c in done:
                one_word("document id", c.id)
            if _failed(done):
                failed[done.query.id] = replace(done, candidates=tuple(replace(c, content=None) for c in done))
            else:
                journal.append(done)

        def results() -> Iterator[Ranking]:
            return (failed[q.id] if q.id in failed else next(journal.rankings([q])) for q in queries)

        code = report_status(results())
        if failed:
            write_run(out, results())
            again = f"the same command with --resume tries {len(failed)} of them again"
            click.echo(f"{again}; what is done is kept in {out}.journal", err=True)
        else:
            journal.finish(out, queries)
    click.echo(f"wrote {out}: {len(queries)} queries", err=True)
    return code


def _failed(ranking: Ranking) -> bool:
    """Whether some of it was not judged for a reason that may pass: anything but a spent budget."""
    return any(s.status in ("partial", "fallback") and not any("budget" in n for n in s.notes) for s in ranking.trace)


def stamp(*paths: str | Path | None) -> list[tuple[str, int, int]]:
    """Name, size and time of input files (of an index: of its manifest and its last commit), so that a resumed job is
    the same job."""
    found = []
    for path in (p for p in paths if p):
        inside = [p for n in ("manifest.json", "lexical/meta.json") if (p := Path(path) / n).is_file()]
        for place in inside or [Path(path)]:
            if place.exists():
                found.append((str(path), place.stat().st_size, place.stat().st_mtime_ns))
    return found


def from_run(run: str, queries: str, documents: str, depth: int | None) -> tuple[Any, list[Ranking]]:
    """The rankings of a TREC run, the first ``depth`` of each, with the texts of a file or a collection's folder; where
    ``documents`` is an index, that index, opened, whose texts are still to be attached (else None)."""
    from ..index.collection import Collection
    from ..io.corpus import read_documents, read_queries
    from ..io.dataset import Dataset
    from ..io.runs import attach, read_run

    found = {q: docs[:depth] for q, docs in read_run(run).items()}
    asked = read_queries(queries)
    if (Path(documents) / "manifest.json").is_file():
        return Collection.open(documents), attach(found, asked, path=run)
    texts = Dataset.open(documents).documents() if is_dataset(documents) else read_documents(documents)
    return None, attach(found, asked, texts, path=run)


_LACKING = ("no answer", "no log-probabilities")
"""Repairs that mended nothing: there was no answer. Their queries are told as not fully reranked."""


def report_status(rankings: Iterable[Ranking]) -> int:
    """Say on standard error what was cut, mended or not judged; the exit code: 1 where some was not judged."""
    cut = mended = unjudged = count = 0
    why: dict[str, None] = {}
    for r in rankings:
        usage = r.cost.usage
        count += 1
        cut += usage.truncated
        mended += usage.repaired - sum(usage.repairs.get(kind, 0) for kind in _LACKING)
        unjudged += r.status in ("partial", "fallback")
        why |= dict.fromkeys(r.cost.notes)
    if cut:
        click.echo(f"note: {cut} texts were cut to the model's length (passages(…) reads them whole)", err=True)
    if mended:
        click.echo(f"note: {mended} answers were mended", err=True)
    if unjudged:
        reasons = "; ".join(list(why)[:3])
        click.echo(f"warning: {unjudged} of {count} queries were not fully reranked: {reasons}", err=True)
    return int(unjudged > 0)


def tell_cut(count: int, model: str) -> None:
    """Say on standard error how many documents a model's stored vectors know the beginning of only."""
    if count:
        click.echo(f"note: {count:,} documents were cut to the length of {model} for their vectors", err=True)


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def filters(pairs: Sequence[str]) -> dict[str, Any] | None:
    """Filters from ``field=value`` and ``field=low..high`` (either end may be left out).

    A number or true or false also finds the same as text, which tables hold.

    >>> filters(["lang=en", "year=1990..", "draft=false"])
    {'lang': 'en', 'year': (1990, None), 'draft': [False, 'false']}
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise InputError(f"filter {pair!r}: expected field=value or field=low..high")
        low, dots, high = value.partition("..")
        found[name] = (_value(low), _value(high)) if dots else _either(value)
    return found or None


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
    """Whether a corpus argument names a whole collection rather than one file."""
    return spec == "demo" or spec.startswith("irds:") or os.path.isdir(spec)


as_json_option = click.option("--json", "json_out", is_flag=True, help="Results for machines: JSON on standard output.")


def pipeline_option(default: str, about: str) -> Callable[[Made], Made]:
    return click.option("-p", "--pipeline", default=default, show_default=True, help=about)
