"""``anyrank adapt``: from documents to a better ranker for them, or the honest word that nothing was gained."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import InputError
from ..core.types import Candidate
from .common import SEED, Number, is_dataset, judged_of, overwrite_option, part_to_learn
from .jobs import stamp

if TYPE_CHECKING:
    from ..synth.adaptation import Outcome, Plan
    from ..train.group import Group

HELD_OUT = 0.3
"""The share of the documents whose queries are held out, half to choose by and half for the last judgement."""
BEGUN = "settings.json"
"""The file that an adaptation writes first."""
MEASURED = 32
"""Pairs that are scored to see how fast the student is."""


@click.command("adapt")
@click.argument("index", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="The folder to write."
)
@click.option("--minutes", default=30.0, show_default=True, type=Number(0, min_open=True), help="About how long.")
@click.option(
    "--queries",
    help="Queries that were judged, for held-out lists beside the synthetic ones: a file, or a collection (demo, a "
    "BEIR folder, irds:ID).",
)
@click.option("--qrels", help="Their judgements; not needed if --queries is a collection.")
@click.option("--split", help="The part of that collection, such as dev; needed if it has several.")
@click.option("--model", help="A language model that writes the queries; without one, rules do.")
@click.option("--pairs", help="Groups of queries and their documents (with ids), in place of queries that are written.")
@click.option("--start", default="mini", show_default=True, help="The student: mini, or a folder of ours.")
@click.option(
    "--with", "beside", default="minilm,splade", show_default=True, help="Models that the student learns from."
)
@click.option("--teacher", help="A pipeline that scores candidates, in place of the tuned fusion of all these.")
@click.option("--find", default="bm25", show_default=True, help="The pipeline that finds candidates.")
@click.option("--rate", default=2e-5, show_default=True, type=Number(0, min_open=True), help="Of learning.")
@click.option("--groups", type=click.IntRange(8), help="Groups to learn from, in place of what the minutes allow.")
@click.option("--lists", type=click.IntRange(8), help="Held-out lists, in place of what the minutes allow.")
@click.option("--least-found", default=0.6, show_default=True, type=Number(0, 1), help="Refuse queries that find less.")
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--resume", is_flag=True, help="Go on with a stopped adaptation, with the same arguments.")
@overwrite_option
def adapt_command(index: Path, out: Path, resume: bool, overwrite: bool, **options: Any) -> int:
    """Adapt a ranker to the documents of INDEX without labels: write queries, tune a fusion, train, and judge by
    held-out queries. OUT then has the model and a card, or the card alone, if nothing was gained.

    \b
    anyrank adapt my.index -o runs/mine --minutes 30
    anyrank search my.index "what causes lift" -p 'bm25 % 100 >> model("runs/mine")'
    """
    from ..backends.hf.load import torch_module
    from ..synth.adaptation import RESULT

    if (options["qrels"] or options["split"]) and not options["queries"]:
        raise InputError("--queries is missing: those that were judged")
    if options["queries"] and not options["qrels"] and not is_dataset(options["queries"]):
        raise InputError("--queries and --qrels go together: judged queries to hold the result against")
    if (out / RESULT).is_file() and not overwrite:
        raise InputError("it holds a finished adaptation: use --overwrite to replace it, or another name", path=out)
    if (out / BEGUN).is_file() and not overwrite and not resume:
        raise InputError("it holds an unfinished adaptation: --resume goes on, --overwrite begins anew", path=out)
    torch_module("train")
    outcome = adapt(index, out, resume=resume and not (out / RESULT).is_file(), **options)
    click.echo(f"{outcome.verdict}: {outcome.reason}")
    click.echo(f"rank by: {outcome.pipeline}")
    return 0


def adapt(
    index: Path,
    out: Path,
    *,
    minutes: float = 30.0,
    queries: str | None = None,
    qrels: str | None = None,
    split: str | None = None,
    model: str | None = None,
    pairs: str | None = None,
    start: str = "mini",
    beside: str = "minilm,splade",
    teacher: str | None = None,
    find: str = "bm25",
    rate: float = 2e-5,
    groups: int | None = None,
    lists: int | None = None,
    least_found: float = 0.6,
    seed: int = 0,
    resume: bool = False,
) -> Outcome:
    """Adapt as the command does, and say what came of it."""
    from ..index.collection import Collection
    from ..pipeline.parser import Settings, parse
    from ..synth import lists as listed
    from ..synth.adaptation import Adaptation, in_pipeline
    from ..synth.student import trainable
    from ..train.groups import read_groups, write_groups

    _quiet()
    collection = Collection.open(index)
    settings: dict[str, Any] = {
        "files": stamp(index, queries, qrels, pairs, model, start),
        "start": start,
        "beside": beside,
    }
    settings |= {"teacher": teacher, "find": find, "model": model, "seed": seed, "rate": rate, "minutes": minutes}
    settings |= {"groups": groups, "lists": lists, "least_found": least_found} | ({"split": split} if split else {})
    documents = [d for d in collection.documents() if isinstance(d.content, str) and d.content.strip()]
    if not documents:
        raise InputError(f"none of its {len(collection):,} documents has a text to write a query for", path=index)
    # whatever can be wrong with the arguments is found before anything is written or takes long
    context = Settings(collection, remember=True)
    names = [name.strip() for name in beside.split(",") if name.strip()]
    parts = {name: parse(in_pipeline(name), context, starts=False) for name in names}
    teaching = parse(teacher, context, starts=False) if teacher else None
    stage = parse(find, Settings(collection))
    topics, judgements = judged_of(queries, qrels, part_to_learn(qrels or queries, split)) if queries else ([], {})
    student = trainable(start)
    _begin(out, settings, resume)
    plan = _plan(out, student, documents, minutes, len(names), rate=rate, seed=seed, groups=groups, lists=lists)
    note = _note
    note(f"plan: {plan.groups:,} groups of {plan.texts} to learn from, {plan.lists:,} held-out lists of {plan.depth}")
    file = out / "pairs.jsonl"
    if not file.is_file():
        made, refusal = _pairs(collection, documents, stage, out, plan, model, pairs, settings, least_found)
        if refusal:
            return _refused(out, refusal, f"{find} % 100 >> {in_pipeline(start)}", start, plan)
        write_groups(file, made)
    written = sorted(read_groups(file), key=lambda g: listed.part_of(g.id, seed))
    halves = [
        [g for g in written if low <= listed.part_of(g.ids[0], seed) < low + HELD_OUT / 2][: plan.lists // 2]
        for low in (0.0, HELD_OUT / 2)
    ]
    learners = [g for g in written if listed.part_of(g.ids[0], seed) >= HELD_OUT][: plan.groups]
    learning = listed.learning(learners, stage, documents, texts=plan.texts, depth=plan.depth, seed=seed)
    held_out: dict[str, tuple[list[Group], list[Group]]] = {}
    if topics:
        known = listed.judged(topics, judgements, stage, plan.depth)
        if not known:
            raise InputError(
                f"none of the {len(topics):,} queries of {queries} has both a relevant and another document among the "
                f"first {plan.depth} of {find}: do the ids of {qrels or queries} belong to this index?"
            )
        halved = [[g for g in known if (listed.part_of(g.id, seed) < 0.5) == first] for first in (True, False)]
        held_out["judged"] = (_renamed(halved[0]), _renamed(halved[1]))
    held_out["synthetic"] = (listed.whole(halves[0], stage, plan.depth), listed.whole(halves[1], stage, plan.depth))
    adaptation = Adaptation(
        out,
        start,
        student,
        parts,
        plan,
        settings,
        teaching,
        teacher or "",
        f"{find} % 100",
        note,
    )
    return adaptation.run(learning, held_out)


def _begin(out: Path, settings: dict[str, Any], resume: bool) -> None:
    """Note the settings in the folder; with ``resume`` compare them. Without it an earlier adaptation there is
    removed. Raises InputError if the folder holds anything else."""
    from ..io.files import atomic
    from ..io.journal import fingerprint

    file, mark = out / BEGUN, fingerprint(settings)
    if out.is_dir() and not file.is_file() and any(out.iterdir()):
        raise InputError("holds files that are no adaptation's: give the name of a new folder to --out", path=out)
    if file.is_file() and resume:
        if json.loads(file.read_text(encoding="utf-8")) != mark:
            raise InputError("begun with other arguments or files: give the same ones, or another --out", path=out)
        return
    _clear(out)
    out.mkdir(parents=True, exist_ok=True)
    with atomic(file) as stream:
        stream.write(json.dumps(mark) + "\n")


def _clear(out: Path) -> None:
    """Remove what an adaptation writes, its model too: an interrupted or refused later one must not seem to have made
    it. The result is removed first, so that what is left is never taken for a finished adaptation."""
    import shutil

    from ..synth.adaptation import RESULT

    for name in (RESULT, "README.md", "plan.json", "pairs.jsonl", "pairs.journal", "scores.journal"):
        (out / name).unlink(missing_ok=True)
    for file in (*out.glob("*.safetensors"), *out.glob("*.onnx")):
        file.unlink()
    shutil.rmtree(out / "training", ignore_errors=True)


def _plan(
    out: Path,
    student: Any,
    documents: Sequence[Candidate],
    minutes: float,
    others: int,
    *,
    groups: int | None,
    lists: int | None,
    **settings: Any,
) -> Plan:
    """The plan, by the student's speed here; a resumed adaptation has the plan that it began with."""
    from dataclasses import asdict, replace

    from ..io.files import atomic
    from ..synth.adaptation import Plan

    file = out / "plan.json"
    if file.is_file():
        return Plan(**json.loads(file.read_text(encoding="utf-8")))
    if groups and lists:
        plan = Plan(groups=groups, lists=lists, **settings)
    else:
        plan = Plan.within(60 * minutes, _speed(student, documents), others, **settings)
        plan = replace(plan, groups=groups or plan.groups, lists=lists or plan.lists)
    with atomic(file) as stream:
        stream.write(json.dumps(asdict(plan)) + "\n")
    return plan


def _speed(student: Any, documents: Sequence[Candidate]) -> float:
    """Pairs of query and text a second that the student scores."""
    from ..synth.student import LENGTH
    from ..train.group import Group
    from ..train.validation import scores

    texts = [str(d.content) for d in documents[:: max(1, len(documents) // MEASURED)]][:MEASURED]
    group = Group.from_texts(texts[0][:60], texts, [0.0] * len(texts))
    length, student.max_length = student.max_length, min(student.max_length, LENGTH)
    try:
        scores(student, [group.take([0])])  # the first call takes longer
        begin = time.perf_counter()
        scores(student, [group])
        return len(texts) / (time.perf_counter() - begin)
    finally:
        student.max_length = length


def _pairs(
    collection: Any,
    documents: Sequence[Candidate],
    stage: Any,
    out: Path,
    plan: Plan,
    model: str | None,
    given: str | None,
    settings: dict[str, Any],
    least_found: float,
) -> tuple[list[Group], str]:
    """Pairs of queries and the documents that they find; or why there are too few of them."""
    from ..io.journal import Journal
    from ..synth.job import Generation, Made, assembled
    from ..synth.negatives import RoundTrip
    from ..synth.questions import ModelWriter, RuleWriter
    from ..train.groups import read_groups
    from .synth import backend_of, named

    trip = RoundTrip(stage, top=plan.depth, depth=plan.depth, hard=0)
    if given:
        read = named(list(read_groups(given)))
        if bare := next((g for g in read if not g.ids), None):
            raise InputError(f"{bare.name} has no ids of its texts: give pairs of this index's documents", path=given)
        groups, rejected, _ = assembled(iter(trip([Made((g.take([0]),)) for g in read])))
    else:
        writer: Any = (
            ModelWriter(backend_of(model), seed=plan.seed) if model else RuleWriter.of(documents, seed=plan.seed)
        )
        wanted = 2 * (plan.groups + plan.lists) if model else plan.groups + plan.lists
        chosen = _sampled(collection, documents, min(wanted, len(documents)), plan.seed)
        _note(f"queries for {len(chosen):,} documents by {model or 'rules'}")
        with Journal.open(out / "pairs.journal", settings, resume=True) as journal:
            job: Generation[Candidate] = Generation(lambda batch: trip(writer(batch)), journal)
            if errors := job.run(chosen):
                raise InputError(f"{len(errors)} documents have no query ({errors[0]}): --resume tries them again")
            groups, rejected, _ = assembled(job.finished(chosen))
    lost = sum(n for reason, n in rejected.items() if reason.startswith("not found"))
    _note(f"{len(groups):,} queries find their document, rejected: {dict(rejected) or 'none'}")
    if not groups and not lost:
        raise InputError(
            f"no query could be written for the {len(documents):,} documents of {collection.path}: "
            + (
                f"{model} wrote none that can be used ({dict(rejected)}): try another model, or give --pairs"
                if model
                else "rules need texts of several sentences or with a title, and words between spaces; let a language "
                "model write (--model), or give --pairs"
            )
        )
    share = len(groups) / (len(groups) + lost)
    if share < least_found:
        return [], (
            f"{share:.0%} of the queries find their document among the first {plan.depth} of {len(groups) + lost:,}, "
            f"less than {least_found:.0%}: the pairs look wrong"
        )
    return groups, ""


def _sampled(collection: Any, documents: Sequence[Candidate], n: int, seed: int) -> list[Candidate]:
    """Documents from all clusters of the stored vectors; any, if there are none."""
    from ..synth.lists import part_of
    from ..synth.sampling import sample

    if "minilm" not in collection.encoded or n >= len(documents):
        # by another number than the one by which documents are held out
        return sorted(documents, key=lambda d: part_of(f"sampled {d.id}", seed))[:n]
    positions, vectors = collection.vectors("minilm", exact=True).vectors([d.id for d in documents])
    rows = sample(vectors.dense(), n, min(100, n))
    return [documents[positions[i]] for i in rows]


def _renamed(groups: Sequence[Group]) -> list[Group]:
    from dataclasses import replace

    return [replace(g, id=f"judged {g.id}") for g in groups]


def _refused(out: Path, reason: str, pipeline: str, start: str, plan: Plan) -> Outcome:
    from ..synth.adaptation import Outcome, write_outcome

    outcome = Outcome("refused", reason, pipeline)
    write_outcome(out, outcome, start, plan)
    return outcome


def _note(text: str) -> None:
    click.echo(text, err=True)


def _quiet() -> None:
    """Turn the progress bars of transformers off."""
    from transformers import utils

    logs: Any = utils.logging
    logs.disable_progress_bar()
    logs.set_verbosity_error()
