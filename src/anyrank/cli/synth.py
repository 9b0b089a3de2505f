"""``anyrank synth``: make training data out of documents, queries, code and clicks."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import InputError, listed, quoted
from ..core.types import Candidate
from .common import SEED, Command, Number, OutputFile, PageFile, is_dataset, overwrite_option, qrels_of, queries_of
from .jobs import counted, not_finished, resume_hint, stamp
from .near import Near
from .progress import progress
from .shards import WHOLE, Piece, shard_options

if TYPE_CHECKING:
    from ..synth.job import Made, Report
    from ..train.group import Group

SAMPLES = 20
"""Groups that the report shows."""


@click.group("synth", cls=Near)
def synth_command() -> None:
    """Make training data: queries for documents, documents for queries, pairs of code, grades out of clicks."""


def job_options(command: Command) -> Command:
    """The options that every generation has."""
    for option in (
        click.option(
            "-o",
            "--out",
            required=True,
            type=OutputFile(),
            help="The file of groups to write: JSON lines.",
        ),
        click.option("--report", type=PageFile(), help="Write an HTML report with samples to read."),
        click.option("--seed", type=SEED, default=0, show_default=True, help="Of all draws."),
        click.option("--resume", is_flag=True, help="Resume a job that was stopped, with the same arguments."),
        overwrite_option,
    ):
        command = option(command)
    return command


def model_options(command: Command) -> Command:
    """The options of a generation by a language model."""
    for option in (
        click.option("--model", help="A language model (hf:…, llamacpp:…, openai:MODEL@URL); without one, by rules."),
        click.option(
            "--max-tokens", default=0, type=click.IntRange(0), help="Stop before this many tokens are exceeded."
        ),
    ):
        command = option(command)
    return command


def document_options(command: Command) -> Command:
    """The options of a generation of queries for documents."""
    for option in (
        click.option("--examples", help="JSON lines with document and query, shown to the model in place of ours."),
        click.option("--retriever", default="bm25", show_default=True, help="The pipeline of the round trip."),
        click.option(
            "--top",
            default=20,
            show_default=True,
            type=click.IntRange(0),
            help="The query must find it so early (0: no).",
        ),
    ):
        command = option(command)
    return command


@synth_command.command("questions")
@click.argument("corpus", metavar="INPUT")
@document_options
@click.option(
    "--queries", "n", default=1, show_default=True, type=click.IntRange(1), help="Draws a document, by a model."
)
@click.option("--rules", default="title,sentence,terms", show_default=True, help="Kinds of queries without a model.")
@click.option("--documents", default=0, type=click.IntRange(0), help="Draw this many documents (0: all).")
@click.option("--hard", default=4, show_default=True, type=click.IntRange(0), help="Hard negatives, the best results.")
@click.option("--easy", default=2, show_default=True, type=click.IntRange(0), help="Random negatives.")
@model_options
@job_options
@shard_options()
def questions_command(corpus: str, n: int, rules: str, documents: int, hard: int, easy: int, **options: Any) -> int:
    """Queries for the documents of INPUT (a file, a collection or an index), with negatives.

    \b
    anyrank synth questions corpus.jsonl -o groups.jsonl --report report.html
    anyrank synth questions my.index --model llamacpp:smollm2-135m-instruct --queries 3 -o groups.jsonl
    """
    from ..synth.lists import part_of

    job = Documents(corpus, **options)
    chosen = job.documents
    if documents:
        chosen = sorted(chosen, key=lambda d: part_of(d.id, job.seed))[:documents]
    settings = {"n": n, "rules": rules, "documents": documents, "hard": hard, "easy": easy}
    return job.run("Questions", chosen, settings, job.writer(n, rules), {"hard": hard, "easy": easy})


@synth_command.command("duqgen")
@click.argument("corpus", metavar="INPUT")
@document_options
@click.option("--n", default=1000, show_default=True, type=click.IntRange(1), help="Documents to sample.")
@click.option("--clusters", default=1000, show_default=True, type=click.IntRange(0), help="At most (0: by the elbow).")
@click.option(
    "--encoder", default="minilm", show_default=True, help="Its vectors are clustered; an index's own are used."
)
@click.option("--least", default=300, show_default=True, type=click.IntRange(0), help="Characters of a document.")
@click.option("--temperature", default=1.0, show_default=True, type=Number(), help="Of the draw within a cluster.")
@click.option(
    "--diversity", default=1.0, show_default=True, type=Number(), help="MMR's lambda: below 1, likeness counts against."
)
@model_options
@job_options
@shard_options()
def duqgen_command(
    corpus: str,
    n: int,
    clusters: int,
    encoder: str,
    least: int,
    temperature: float,
    diversity: float,
    **options: Any,
) -> int:
    """Queries for documents sampled from clusters by size, as DUQGen does, with its negatives.

    \b
    anyrank synth duqgen corpus.jsonl --model llamacpp:smollm2-135m-instruct -o groups.jsonl
    """
    from ..synth.sampling import number_of_clusters, sample

    job = Documents(corpus, **options)
    documents = [d for d in job.documents if len(str(d.content)) >= least]
    if not documents:
        raise InputError(f"no document has {least} characters: give a lower --least", path=corpus)
    vectors = job.vectors(documents, encoder)
    k = clusters or number_of_clusters(vectors, n)
    chosen = [documents[i] for i in sample(vectors, n, k, temperature=temperature, weight=diversity)]
    click.echo(f"{len(chosen):,} of {len(documents):,} documents, from at most {min(k, n):,} clusters", err=True)
    settings = {"n": n, "clusters": clusters, "encoder": encoder, "least": least}
    settings |= {"temperature": temperature, "diversity": diversity}
    return job.run("DUQGen", chosen, settings, job.writer(1, "title,sentence"), {"tail": 8, "hard": 4})


@synth_command.command("car")
@click.argument("groups", metavar="GROUPS")
@click.option("--every", is_flag=True, help="Rewrite all queries, not only ambiguous ones.")
@click.option("--blind", is_flag=True, help="Don't show the document to the model (to see what it is worth).")
@model_options
@job_options
@shard_options()
def car_command(groups: str, every: bool, blind: bool, **options: Any) -> int:
    """Rewrite ambiguous queries of training GROUPS with their relevant document in sight; at search none are rewritten.

    \b
    anyrank synth car groups.jsonl --model llamacpp:smollm2-135m-instruct -o clear.jsonl
    """
    from ..synth.rewriting import Rewriting
    from ..train.groups import read_groups

    model = options["model"]
    if blind and not model:
        raise InputError("--blind hides the document from a model: give a --model")
    items = named(list(read_groups(groups)))
    rewriting = Rewriting(backend_of(model) if model else None, every, blind)
    settings = {"files": stamp(groups, model), "every": every, "blind": blind}
    return generate("CAR", items, rewriting, settings, **options, distinct=False)


@synth_command.command("answers")
@click.argument("queries", metavar="QUERIES")
@click.option("--index", help="Without a model: take sentences from what a search of this index finds.")
@click.option("--negatives", default=4, show_default=True, type=click.IntRange(1), help="Answers to other queries.")
@click.option("--people", help="Groups of people's answers to the same queries: OUT then has the queries of both.")
@model_options
@job_options
def answers_command(queries: str, index: str | None, negatives: int, people: str | None, **options: Any) -> int:
    """Documents written for QUERIES, each with answers to others as negatives (ChatGPT-RetrievalQA).

    \b
    anyrank synth answers queries.tsv --model openai:gpt-4o-mini -o generated.jsonl
    anyrank synth answers queries.tsv --index my.index -o extracted.jsonl --people human.jsonl
    """
    from ..pipeline.parser import Settings, parse
    from ..stores.open import open_index
    from ..synth.answers import Answers, two_sources, with_others
    from ..train.groups import read_groups, write_groups

    model, out, seed = options["model"], options["out"], options["seed"]
    if not model and not index:
        raise InputError("answers come from --model, or from an --index: give one of the two")
    if model and index:
        raise InputError("answers come from --model or from --index: leave one of the two out")
    topics = queries_of(queries)
    if len(topics) < 2:
        raise InputError("one query alone: its negatives are the answers to others", path=queries)
    other = named(list(read_groups(people))) if people else []
    if people and {q.id for q in topics}.isdisjoint(g.id for g in other):
        raise InputError(f"none of its groups has the id of a query of {queries}", path=people)
    search = parse("bm25", Settings(open_index(index))) if index else None
    answers = Answers(backend_of(model) if model else None, search)

    def last(groups: Sequence[Group]) -> list[Group]:
        if not other:
            return with_others(groups, negatives, seed)
        mine, theirs = two_sources(groups, other)
        write_groups(f"{out}.people", with_others(theirs, negatives, seed))
        click.echo(f"wrote {out}.people: people's answers to the same {len(theirs):,} queries", err=True)
        return with_others(mine, negatives, seed)

    settings = {"files": stamp(queries, index, people, model), "negatives": negatives}
    return generate("Answers", topics, answers, settings, **options, last=last)


@synth_command.command("cornstack")
@click.argument("code", metavar="INPUT")
@click.option(
    "--encoder", default="minilm", show_default=True, help="Its similarities say whether a pair is consistent."
)
@click.option(
    "--top", default=2, show_default=True, type=click.IntRange(1), help="The code must be so near its docstring."
)
@click.option("--threshold", default=0.6, show_default=True, type=Number(), help="Of the similarity of a pair.")
@click.option(
    "--pool", default=100, show_default=True, type=click.IntRange(1), help="Negatives to draw from in training."
)
@job_options
def cornstack_command(code: str, encoder: str, top: int, threshold: float, pool: int, **options: Any) -> int:
    """Consistent pairs of docstring and code out of INPUT, a folder of Python files or groups as JSON lines.

    \b
    anyrank synth cornstack src/ -o code.jsonl
    """
    from ..core.trace import Usage
    from ..synth.code import curated
    from ..synth.job import Report
    from ..train.docstrings import docstring_pairs
    from ..train.groups import read_groups, write_groups

    out = options["out"]
    not_finished(out, options["overwrite"])
    rejected: Counter[str] = Counter()
    folder = Path(code).is_dir()
    pairs = named(list(docstring_pairs(code, left_out=rejected) if folder else read_groups(code)))
    if not pairs:
        why = f" ({', '.join(f'{n} {reason}' for reason, n in rejected.items())})" if rejected else ""
        raise InputError(f"no documented function{why}: expected Python files, or groups as JSON lines", path=code)
    if not math.isfinite(threshold):
        raise InputError(f"--threshold {threshold}: expected a number, such as 0.6")
    groups = curated(pairs, encoder_of(encoder), top=top, threshold=threshold, pool=pool, rejected=rejected)
    write_groups(out, groups)
    settings = {"encoder": encoder, "top": top, "threshold": threshold}
    total = len(pairs) + (sum(rejected.values()) - (len(pairs) - len(groups)))
    finish(Report("CoRNStack", settings, total, len(groups), rejected, Usage(), tuple(groups[:SAMPLES])), out, options)
    return 0


@synth_command.command("clicks")
@click.argument("log", metavar="LOG")
@click.option("--judged", required=True, help="Judgements of some of its results (TREC or BEIR), grades 0 to 4.")
@click.option("--queries", required=True, help="The texts of its queries.")
@click.option("--documents", required=True, help="The texts of its results: a file or collection.")
@job_options
def clicks_command(log: str, judged: str, queries: str, documents: str, **options: Any) -> int:
    """Grades for the results of a click LOG by a tree that learns from the judged ones, as groups.

    LOG has a JSON line for each query and result, with query, id, impressions, clicks and, if known, long_clicks,
    skips, dwell (seconds), query_changes and position.

    \b
    anyrank synth clicks log.jsonl --judged qrels.txt --queries q.tsv --documents corpus.jsonl -o groups.jsonl
    """
    from ..core.trace import Usage
    from ..io.records import json_lines, parsed
    from ..synth.clicks import Clicks, calibrated
    from ..synth.job import Report
    from ..train.group import Group
    from ..train.groups import write_groups

    out = options["out"]
    not_finished(out, options["overwrite"])
    rows = list(parsed(log, json_lines(log), _clicks(Clicks), "results with their clicks"))
    grades = calibrated(rows, qrels_of(judged))
    topics = {q.id: q for q in queries_of(queries)}
    texts = {d.id: d for d in _documents(documents)}
    members: dict[str, list[tuple[Candidate, float]]] = {}
    rejected: Counter[str] = Counter()
    for row, grade in zip(rows, grades):
        if row.query not in topics or row.id not in texts:
            rejected["query or document without a text"] += 1
        else:
            members.setdefault(row.query, []).append((texts[row.id], grade))
    groups = [Group.of(topics[q], [d for d, _ in rows], [g for _, g in rows]) for q, rows in members.items()]
    write_groups(out, groups)
    report = Report(
        "Click grades", {"judged": judged}, len(rows), len(groups), rejected, Usage(), tuple(groups[:SAMPLES])
    )
    finish(report, out, options)
    return 0


def _clicks(make: Any) -> Callable[[Mapping[str, Any]], Any]:
    """A reader of a record of a click log. It raises InputError on a field that is missing or unknown, and on a result
    that a query has twice."""
    from dataclasses import fields

    from ..io.records import id_of

    known = [f.name for f in fields(make)]
    seen: set[tuple[str, str]] = set()

    def read(record: Mapping[str, Any]) -> Any:
        if missing := [name for name in known[:4] if name not in record]:
            raise InputError(f"no {missing[0]}: expected {', '.join(known[:4])}, found {listed(record)}")
        if unknown := [name for name in record if name not in known]:
            raise InputError(f"unknown field {quoted(unknown[0])}: known are {', '.join(known)}")
        query, id = id_of(record, ("query",), "query's id")[1], id_of(record, ("id",), "result's id")[1]
        if (query, id) in seen:
            raise InputError(f"query {quoted(query)} has the result {quoted(id)} twice")
        seen.add((query, id))
        return make(**{**record, "query": query, "id": id})

    return read


class Documents:
    """The documents of a file, a collection or an index, and the generation of queries for them."""

    def __init__(self, corpus: str, **options: Any) -> None:
        from ..stores.open import is_index, open_index
        from .distill import _indexed

        self.corpus, self.options = corpus, options
        self.seed: int = options["seed"]
        not_finished(options["out"], options["overwrite"])
        own = corpus if is_index(corpus) else _indexed(corpus, Path(f"{options['out']}.index"), options["resume"])
        self.collection = open_index(own)
        self.documents = [d for d in self.collection.documents() if isinstance(d.content, str) and d.content.strip()]
        if not self.documents:
            raise InputError(f"none of its {len(self.collection):,} documents has a text", path=corpus)

    def vectors(self, documents: Sequence[Candidate], name: str) -> Any:
        """The vectors of documents: an index's own, else encoded."""
        from ..hub.registry import SHIPPED

        encoder = encoder_of(name)
        if SHIPPED.get(name, name) not in self.collection.encoded:
            click.echo(f"encoding {len(documents):,} documents by {name}", err=True)
            return encoder.encode([d.content for d in documents]).vectors.dense()
        stored: Any = self.collection.vectors(SHIPPED.get(name, name), exact=True)
        _, vectors = stored.vectors([d.id for d in documents])
        if vectors is None or len(vectors) != len(documents):
            raise InputError(
                f"{len(documents)} documents, but {len(vectors or ())} vectors of {name}: encode the index"
            )
        return vectors.dense()

    def writer(self, n: int, rules: str) -> Any:
        """Writes queries: a model if one is named, else rules."""
        from ..synth.questions import ModelWriter, RuleWriter, few_shots

        if not self.options["model"]:
            kinds: Any = [kind.strip() for kind in rules.split(",")]
            return RuleWriter.of(self.documents, kinds, self.seed)
        backend = backend_of(self.options["model"])
        shots = _examples(self.options["examples"]) if self.options["examples"] else None
        if shots is None:
            return ModelWriter(backend, n, seed=self.seed)
        return ModelWriter(backend, n, few_shots(shots), seed=self.seed, examples=shots)

    def run(
        self,
        title: str,
        documents: Sequence[Candidate],
        settings: Mapping[str, Any],
        writer: Any,
        rules: Mapping[str, int],
    ) -> int:
        """Write the queries, check that they find their documents, and give them negatives."""
        from ..pipeline.parser import Settings, parse
        from ..synth.negatives import RoundTrip

        o = self.options
        stage = parse(o["retriever"], Settings(self.collection))
        trip = RoundTrip(stage, o["top"], others=self.documents, seed=self.seed, **rules)
        names = ("model", "examples", "retriever", "top", "seed")
        files = stamp(self.corpus, o["examples"], o["model"])
        drawn = hashlib.sha256("\0".join(d.id for d in documents).encode()).hexdigest()[:16]
        stated = {"files": files, "drawn": drawn, **settings, **{name: o[name] for name in names}}
        given = ("out", "report", "seed", "resume", "overwrite", "model", "max_tokens", "piece")
        passed = {name: o[name] for name in given}
        return generate(title, documents, lambda batch: trip(writer(batch)), stated, **passed)


def generate(
    title: str,
    items: Sequence[Any],
    make: Callable[[Sequence[Any]], Sequence[Made]],
    settings: Mapping[str, Any],
    *,
    out: Path,
    report: Path | None,
    seed: int,
    resume: bool,
    overwrite: bool,
    model: str | None,
    max_tokens: int,
    last: Callable[[Sequence[Group]], Sequence[Group]] = lambda groups: groups,
    distinct: bool = True,
    piece: Piece = WHOLE,
) -> int:
    """Run a generation with its journal, write the groups and say what it cost; ``last`` changes all groups at the end,
    ``distinct`` leaves out repeated queries, ``piece`` says which items are made. Returns the exit code, 1 if items are
    not done."""
    from ..io.journal import Journal
    from ..synth.job import GIVE_UP, Generation, Report, assembled
    from ..train.groups import write_groups

    not_finished(out, overwrite)
    items = piece.rows(items)
    stated = {"title": title, **settings, "model": model, "seed": seed}
    if piece.shard is not None and report is not None:
        raise InputError("--report shows a whole job: leave it out of a part")
    if piece.finished(out, "groups", {**stated, "distinct": distinct}):
        return 0
    with Journal.open(f"{out}.journal", stated, resume=resume) as journal, resume_hint(journal, len(items)):
        if resume and len(journal):
            click.echo(f"resuming: {len(journal)} of {len(items)} are done", err=True)
        job = Generation(make, journal, max_tokens)
        with progress(title, len(items), "items") as bar:
            errors = job.run(items, bar.update)
        sizes: list[int] = []
        made = counted(job.finished(items), sizes, lambda each: len(each.groups))
        # Queries that stand in several shards are left out when these are merged.
        groups, rejected, usage = assembled(made, distinct and piece.shard is None)
        unmade = len(items) - len(journal) - len(errors)
        groups = list(last(groups))
        write_groups(out, groups)
        if not errors and not unmade:
            piece.finish(out, "groups", {**stated, "distinct": distinct}, sizes)
            journal.close(remove=True)
    shown = Report(
        title, stated, len(items), len(groups), rejected, usage, tuple(groups[:SAMPLES]), tuple(errors), unmade
    )
    finish(shown, out, {"report": report})
    if model:
        click.echo(f"cost: {shown.cost}", err=True)
    if errors:
        what = f"{len(errors)} failed ({errors[0]})"
        click.echo(f"warning: {what}: the same command with --resume tries them again", err=True)
    if unmade:
        why = f"the budget of {max_tokens:,} tokens is spent: --resume with more --max-tokens goes on"
        if not max_tokens or len(errors) >= GIVE_UP:
            why = f"{GIVE_UP} in a row failed: the same command with --resume goes on"
        click.echo(f"warning: {unmade} are not made, since {why}", err=True)
    return int(bool(errors or unmade))


def finish(report: Report, out: Path, options: Mapping[str, Any]) -> None:
    """Say what was written and rejected, and write the HTML report if one is wanted."""
    if report.rejected:
        click.echo(f"rejected: {report.reasons}", err=True)
    click.echo(f"wrote {out}: {report.written:,} groups from {report.items:,}", err=True)
    if not report.written and report.items:  # a part may have none
        click.echo("warning: there is nothing to train on; the reasons are above", err=True)
    if options["report"]:
        from ..synth.page import write_synth_report

        write_synth_report(options["report"], report)


def named(groups: Sequence[Group]) -> list[Group]:
    """Groups with distinct ids: q0, q1, … where there is none. Raises InputError on an id that comes twice."""
    from dataclasses import replace

    out = [g if g.id else replace(g, id=f"q{i}") for i, g in enumerate(groups)]
    ids = Counter(g.id for g in out)
    if twice := next((id for id, n in ids.items() if n > 1), None):
        raise InputError(f"the group id {twice!r} comes twice: give each group an id of its own")
    return out


def backend_of(name: str) -> Any:
    """The language model of a name. Raises InputError if it writes no text."""
    from ..core.language import Generates
    from ..llm.capabilities import need
    from ..pipeline import methods

    backend = methods.language_model(name)
    need(backend, Generates, "synth")
    return backend


def encoder_of(name: str) -> Any:
    """The encoder of a name. Raises InputError if it is none."""
    from ..hub.open import open_model
    from ..vectors import Encoder

    encoder = open_model(name)
    if not isinstance(encoder, Encoder):
        raise InputError(f"{name} gives no vectors: name an encoder, such as minilm")
    return encoder


def _documents(corpus: str) -> Any:
    from ..io.corpus import read_documents
    from ..io.dataset import Dataset

    return Dataset.open(corpus).documents() if is_dataset(corpus) else read_documents(corpus)


def _examples(path: str) -> list[tuple[str, str]]:
    from ..io.records import json_lines

    try:
        return [(str(row["document"]), str(row["query"])) for _, row in json_lines(Path(path))]
    except (KeyError, TypeError):
        raise InputError("expected JSON lines with document and query", path=path) from None
