"""``anyrank judge``: judge the few documents that tell runs apart, and say when they are enough."""

from __future__ import annotations

import getpass
import shutil
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import InputError
from .common import (
    SEED,
    IndexType,
    Number,
    OutputFile,
    as_json,
    as_json_option,
    overwrite_option,
    printable,
    qrels_of,
    queries_of,
)
from .jobs import not_finished

if TYPE_CHECKING:
    from ..judging.sitting import Sitting

SHOWN = 1200
"""The characters of a document that are shown at first."""


@click.command("judge")
@click.argument("runs", nargs=-1)
@click.option("--index", type=IndexType(), help="Instead of RUNS, pipelines (-p) over this index, with --queries.")
@click.option("-p", "--pipeline", "pipelines", multiple=True, help="A pipeline to compare (repeat).")
@click.option("--queries", required=True, help="The texts of the queries: JSONL or id<TAB>text.")
@click.option("--documents", help="The texts of the documents: a file, a collection's folder, or an index.")
@click.option("-o", "--out", required=True, type=OutputFile(), help="The judgements to write (qrels).")
@click.option(
    "-m",
    "--measure",
    default="SDCG@10",
    show_default=True,
    help="What the runs are compared by: SDCG@k (discounted gain as a share of the highest), P@k or RBP@k.",
)
@click.option("--most", default=3, show_default=True, type=click.IntRange(1, 9), help="The highest label.")
@click.option("--relevant", default=1, show_default=True, help="For P and RBP, the lowest label that is relevant.")
@click.option("--all-pairs", is_flag=True, help="Compare every run with every other, not only with the first.")
@click.option(
    "--margin",
    default=0.0,
    show_default=True,
    type=Number(0, 1),
    help="Runs that differ by less than this are level.",
)
@click.option(
    "--alpha",
    default=0.05,
    show_default=True,
    type=Number(0, 1, min_open=True, max_open=True),
    help="The probability that any verdict is wrong.",
)
@click.option(
    "--labels", help="Another judge's qrels (a language model's), used to need fewer judgements, never as them."
)
@click.option("--labels-by", default="", metavar="NAME", help="Whose --labels they are.")
@click.option("--who", help="The judge's name, written beside each label.  [default: the user's]")
@click.option(
    "--repeats",
    default=0.0,
    show_default=True,
    type=Number(0, 1),
    help="The share of documents shown a second time.",
)
@click.option("--go-on", is_flag=True, help="Go on after the verdict, to narrow the interval.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="The seed of the draws.")
@click.option("--resume", is_flag=True, help="Go on with a session that was stopped, by the same arguments.")
@overwrite_option
@as_json_option
def judge_command(
    runs: tuple[str, ...],
    index: str | None,
    pipelines: tuple[str, ...],
    queries: str,
    documents: str | None,
    out: Path,
    measure: str,
    most: int,
    relevant: int,
    all_pairs: bool,
    margin: float,
    alpha: float,
    labels: str | None,
    labels_by: str,
    who: str | None,
    repeats: float,
    go_on: bool,
    seed: int,
    resume: bool,
    overwrite: bool,
    json_out: bool,
) -> int:
    """Judge the documents that tell RUNS apart, one key each (0 to 3; u takes back, m shows more, q stops), until it is
    clear which is better. You don't see which run ranked what; the order is shuffled.

    \b
    anyrank judge a.trec b.trec --queries topics.tsv --documents corpus.jsonl -o my.qrels
    anyrank judge --index my.index -p "bm25 % 100" -p "bm25 % 100 >> mini" --queries topics.tsv -o my.qrels
    """
    from ..core.content import text_of
    from ..judging.pool import Measure, Pool
    from ..judging.session import Session
    from ..judging.sitting import Sitting
    from .evaluate import documents_of

    if labels is not None and not labels_by:
        raise InputError("--labels needs --labels-by: the name of the judge, which the results show")
    if not Path(f"{out}.journal").exists():  # of a session that was stopped
        for file in (out, Path(f"{out}.jsonl")):
            not_finished(file, overwrite)
    topics = {q.id: text_of(q.content) for q in queries_of(queries)}
    lists, documents = _lists(runs, index, pipelines, queries, documents)
    pool = Pool.of(lists, Measure(measure, most, relevant), every_pair=all_pairs)
    if lost := [q for q in pool.queries if q not in topics]:
        raise InputError(f"{len(lost)} queries of the runs have no text, such as {lost[0]!r}", path=queries)
    wanted = {d for _, d in pool.items}
    texts = {c.id: text_of(c.content) for c in documents_of(documents, wanted) if c.id in wanted}
    if missing := sorted(wanted - texts.keys()):
        raise InputError(f"lacks {len(missing)} documents of the runs, such as {missing[0]!r}", path=documents)
    session = Session(pool, seed, alpha, margin, _other(labels))
    settings: dict[str, Any] = {"who": who or _user(), "repeats": repeats, "after": go_on}
    sitting = Sitting.open(session, f"{out}.journal", resume=resume, **settings)
    with sitting.journal:
        click.echo(f"{len(pool.items)} documents could be judged; the fewest that decide are asked for", err=True)
        try:
            stopped = _judge(sitting, topics, texts)
        except (click.Abort, KeyboardInterrupt, EOFError):
            stopped = True
        sitting.write(out)
        _report(sitting, labels_by, json_out)
        if not session.judged:
            sitting.journal.close(remove=True)
            return 0
        click.echo(f"wrote {out} and {out}.jsonl: {len(session.judged)} judgements", err=True)
        if stopped:
            click.echo("stopped: the same command with --resume goes on", err=True)
        else:
            sitting.journal.close(remove=True)
    return 0


def _judge(sitting: Sitting, topics: Mapping[str, str], texts: Mapping[str, str]) -> bool:
    """Ask for labels until all is decided; True if the judge stopped before that."""
    most = sitting.session.pool.measure.most
    keys = {str(n): n for n in range(most + 1)}
    while (item := sitting.next()) is not None:
        query, document = topics[item[0]], texts[item[1]]
        _show(sitting, query, document[:SHOWN], len(document) > SHOWN)
        while (key := _key()) not in keys:
            if key in ("q", "\x03", "\x04", ""):
                return True
            if key == "u":
                sitting.undo()
                break
            if key == "m":
                _show(sitting, query, document, False)
            else:
                click.echo(f"0 to {most}, u to take back, m for more of the text, q to stop", err=True)
        else:
            sitting.record(keys[key])
    return False


def _key() -> str:
    """The next key, "" at the end of what is piped in."""
    if sys.stdin.isatty():
        return click.getchar().lower()
    try:
        while (key := sys.stdin.read(1)).isspace():
            pass
    except UnicodeDecodeError:
        return "?"  # no key, as any other that isn't known; the decoder goes on after it
    return key.lower()


def _show(sitting: Sitting, query: str, document: str, shortened: bool) -> None:
    session, width = sitting.session, min(shutil.get_terminal_size().columns, 100)
    count, most = len(session.judged), session.pool.measure.most
    state = f"judged {count} · still open" + (f" · about {session.remaining()} more" if count >= 10 else "")
    state = f"judged {count} · decided" if session.decided else state
    click.echo(f"\n{'─' * width}\n{state}\n")
    click.echo(
        textwrap.fill(printable(" ".join(query.split())), width, initial_indent="QUERY  ", subsequent_indent=" " * 7)
    )
    click.echo()
    click.echo(textwrap.fill(printable(" ".join(document.split())) + (" … (m: more)" if shortened else ""), width))
    click.echo(f"\n0 not relevant … {most} perfect   u take back   q stop")


def _report(sitting: Sitting, labels_by: str, json_out: bool) -> None:
    """Print what the labels show."""
    session = sitting.session
    agreements = {"yourself": sitting.with_itself(), labels_by: sitting.with_labels()}
    if json_out:
        from dataclasses import asdict

        rows = [asdict(d) for d in session.differences()]
        body = {"judged": len(session.judged), "pool": len(session.pool.items), "measure": session.pool.measure.name}
        kappas = {name: asdict(a) for name, a in agreements.items() if a is not None}
        click.echo(as_json({**body, "alpha": session.alpha, "differences": rows, "agreement": kappas}))
        return
    click.echo(f"\n{session.pool.measure.name}, {len(session.judged)} of {len(session.pool.items)} documents judged")
    for d in session.differences():
        if d.estimate is None:
            continue
        verdict = {"": "still open", "level": "level"}.get(d.verdict, f"{d.verdict} is better")
        interval = f"{d.estimate:+.4f}  [{d.low:+.4f}, {d.high:+.4f}]"
        click.echo(printable(f"{d.first} - {d.second}  {interval}  {verdict}"))
    for name, a in agreements.items():
        if a is not None:
            kappa = f"kappa {a.kappa:.2f} [{a.low:.2f}, {a.high:.2f}] on {a.count}"
            click.echo(printable(f"agreement with {name}: {kappa}"))
    if session.labels:
        click.echo(printable(f"the labels of {labels_by} narrowed the interval and are no judgements"))


def _lists(
    runs: tuple[str, ...], index: str | None, pipelines: tuple[str, ...], queries: str, documents: str | None
) -> tuple[dict[str, Any], str]:
    """The lists of each run by name, and where the documents are."""
    from ..evaluate.inputs import lists
    from .evaluate import run_names

    if index is None:
        if pipelines or len(runs) < 2 or documents is None:
            raise InputError("give two runs or more with --documents, or --index with two pipelines (-p) or more")
        return {name: lists(path, name)[0] for name, path in zip(run_names(runs), runs)}, documents
    if runs or len(pipelines) < 2:
        raise InputError("--index takes two pipelines (-p) or more, and no runs")
    from ..core.types import Ranking
    from ..pipeline.parser import Settings, parse
    from ..stores.open import open_index
    from .progress import batches

    settings = Settings(open_index(index))
    topics = [Ranking(q) for q in queries_of(queries)]
    results = {p: {r.query.id: r.ids for r in batches(parse(p, settings), topics, p)} for p in pipelines}
    return results, documents or index


def _other(path: str | None) -> dict[tuple[str, str], float]:
    if path is None:
        return {}
    return {(q, d): float(grade) for q, docs in qrels_of(path).items() for d, grade in docs.items()}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
