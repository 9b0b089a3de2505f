"""What commands share: options, inputs, and the report of what went wrong."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..core.errors import InputError
from ..core.trace import UNANSWERED, Usage
from ..core.types import Query, Ranking
from ..io.files import opened
from .inputs import read_by
from .near import ARGUMENTS

Command = TypeVar("Command", bound=Callable[..., Any])


class IndexType(click.Path):
    """An index: a folder (a `Path`), or the address of a collection on a server (a text)."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from ..stores.address import is_address

        return value if is_address(value) else super().convert(value, param, ctx)


def from_run(
    run: str, queries: str, documents: str, depth: int | None, ignore_self: bool = False
) -> tuple[Any, list[Ranking]]:
    """An opened index or None, and the rankings of a TREC run, the first ``depth`` of each (with ``ignore_self``
    without the document whose id is the query's).

    If ``documents`` is an index, that index is returned and the rankings have no texts yet (`Attach` adds them); if it
    is a file or a collection's folder, the rankings have its texts.
    """
    from ..io.corpus import read_documents
    from ..io.dataset import Dataset
    from ..io.runs import attach, read_run
    from ..stores.open import is_index, open_index

    results = {q: [d for d in docs if not ignore_self or d[0] != q][:depth] for q, docs in read_run(run).items()}
    topics = queries_of(queries)
    if is_index(documents):
        return open_index(documents), attach(results, topics, path=run)
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


def queries_of(spec: str) -> list[Query]:
    """The queries of an argument: those of a file ('-' for standard input), or all of a collection."""
    from ..io.corpus import read_queries
    from ..io.dataset import Dataset

    return Dataset.open(spec).queries() if is_dataset(spec) else read_queries(spec)


def qrels_of(spec: str, split: str | None = None) -> dict[str, dict[str, int]]:
    """The judgements of an argument: those of a file, or of one part of a collection."""
    from ..io.dataset import Dataset
    from ..io.qrels import read_qrels

    return Dataset.open(spec).qrels(split) if is_dataset(spec) else read_qrels(spec)


def judged_of(
    queries: str, qrels: str | None, split: str | None = None
) -> tuple[list[Query], dict[str, dict[str, int]]]:
    """Queries and their judgements, each those of a file or of a collection; without ``qrels`` those of the collection
    ``queries``, whose judged part is then taken. Raises InputError if there are none."""
    if qrels is not None:
        return queries_of(queries), qrels_of(qrels, split)
    if not is_dataset(queries):
        raise InputError(f"--queries {queries} is a file without judgements: --qrels is missing")
    from ..io.dataset import Dataset

    data = Dataset.open(queries)
    part = data.chosen(split)
    return data.queries(part), data.qrels(part)


def part_to_learn(spec: str, split: str | None) -> str | None:
    """The part of a collection to learn from; None for a file, and for a collection without judgements. One of several
    parts must be named, so that test queries don't slip in: raises InputError."""
    if not is_dataset(spec):
        if split is not None:
            raise InputError(f"--split goes with a collection, and {spec} is a file")
        return None
    from ..io.dataset import Dataset

    data = Dataset.open(spec)
    if split is None and len(data.splits()) > 1:
        raise InputError(f"{data.name} has several parts: name one with --split ({', '.join(data.splits())})")
    return data.chosen(split) if data.splits() else None


def is_dataset(spec: str) -> bool:
    """True if a corpus argument names a whole collection rather than one file."""
    return spec == "demo" or spec.startswith("irds:") or os.path.isdir(spec)


class Number(click.FloatRange):
    """The type of an option that is a finite number, within a range if one is given: nan is in any range of click's,
    and true of no comparison after it."""

    def _describe_range(self) -> str:
        return "" if self.min is None and self.max is None else super()._describe_range()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r:.40} is no finite number", param, ctx)
        return number


class OutputFile(click.Path):
    """The type of an option that names a file to write: refused before the work if there is no folder for it, or if
    the command reads the same file by another argument, and it would be lost."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.parent.is_dir():
            self.fail(f"there is no folder {path.parent}: make it first", param, ctx)
        if ctx is not None and path.is_file() and (other := read_by(path, ctx.meta.get(ARGUMENTS, ()))):
            where = f"lies in {other}, which" if os.path.isdir(other) else "is a file that"
            self.fail(f"{path} {where} another argument names, and would be overwritten: choose another", param, ctx)
        return path


class PageFile(OutputFile):
    """The type of an option that names an HTML page to write: a file that is there and holds something else is kept."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = super().convert(value, param, ctx)
        if path.is_file():
            with opened(path) as file:
                beginning = file.peek(1)[:200].lstrip()
            if beginning and not beginning.startswith(b"<"):
                self.fail(f"{path} holds something other than a page, which would be lost: choose another", param, ctx)
        return path


SEED = click.IntRange(0, 2**31 - 1)
"""The type of an option that is a seed, as all libraries take it."""
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace finished results at --out.")
times_option = click.option("--times", is_flag=True, help="Write seconds into the JSON, which differ from run to run.")
log_option = click.option(
    "--log",
    "log_file",
    type=OutputFile(),
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


def printable(line: str) -> str:
    """A line with its control characters replaced, so that a document can't change the terminal."""
    return line if line.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
