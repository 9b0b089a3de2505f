"""``--shard`` and ``--on`` of commands: a part of a job, and a whole job on several workers."""

from __future__ import annotations

import functools
import glob
import io
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from ..core.errors import AnyrankError, InputError
from ..io.traces import trace_path
from ..scale.manifest import ENDING, Manifest, beside, content_hash, differences
from ..scale.shards import BLOCK, MOST, Shard, every
from ..scale.workers import Workers
from .common import Command
from .progress import progress

Row = TypeVar("Row")


@dataclass(slots=True)
class Piece:
    """The part of a job that a command does: a shard, or without one the whole. ``words`` are its command line;
    ``resume`` says that a finished shard is not made again."""

    shard: Shard | None = None
    words: Sequence[str] = ()
    block: int = BLOCK
    resume: bool = False

    def rows(self, rows: Iterable[Row]) -> list[Row]:
        """The rows of this part, in their order."""
        return list(rows) if self.shard is None else self.shard.rows(rows, self.block)

    def stream(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The rows of this part, one by one."""
        return rows if self.shard is None else self.shard.stream(rows, self.block)

    def manifest(self, kind: str, settings: Mapping[str, Any], lines: Sequence[int], output: str) -> Manifest:
        """The manifest of this shard."""
        assert self.shard is not None
        shared = json.loads(json.dumps({"command": self.words[0], **settings}, default=repr))
        number, of = self.shard.number, self.shard.of
        return Manifest(number, of, kind, self.words, shared, self.block, len(lines), lines, output)

    def finished(self, out: Path, kind: str, settings: Mapping[str, Any]) -> bool:
        """Whether this shard is to be resumed, and was finished before. Raises InputError if it was of another job."""
        if self.shard is None or not self.resume or not beside(out).exists():
            return False
        if different := differences(self.manifest(kind, settings, (), ""), Manifest.read(out)):
            what = f"shard {self.shard} is there, of another job: {different}: use --overwrite, or another --out"
            raise InputError(what, path=out)
        click.echo(f"shard {self.shard} is done already: {out}", err=True)
        return True

    def finish(self, out: Path, kind: str, settings: Mapping[str, Any], lines: Sequence[int]) -> None:
        """Writes the shard's manifest: ``lines`` counts the lines of ``out`` for each of its rows."""
        if self.shard is None:
            return
        self.manifest(kind, settings, lines, content_hash(out)).write(out)
        click.echo(f"shard {self.shard}: {len(lines):,} rows", err=True)


WHOLE = Piece()


class ShardType(click.ParamType[Shard]):
    """A shard such as 3/16."""

    name = "shard"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Shard:
        if isinstance(value, Shard):
            return value
        try:
            return Shard.parse(value)
        except InputError as error:
            self.fail(str(error), param, ctx)


def shard_options(block: int = BLOCK) -> Callable[[Command], Command]:
    """The options --shard and --on of a command that writes to --out: with --shard it is given the shard's own ``out``,
    and a `Piece` that says which rows are its own; with --on it is run once for each shard by workers, whose shards are
    merged."""

    def decorate(command: Command) -> Command:
        @click.option(
            "--shard",
            type=ShardType(),
            metavar="I/N",
            help="Do part I of N only, and write it to OUT.I-of-N; 'anyrank merge OUT.*-of-N -o OUT' joins the parts.",
        )
        @click.option(
            "--on",
            metavar="WORKERS",
            help="Do all shards on processes:4, on ray:4 (this machine), or on a cluster (ray://HEAD:10001), and merge "
            "them.",
        )
        @functools.wraps(command)
        def run(*, shard: Shard | None, on: str | None, words: Sequence[str] = (), **options: Any) -> int:
            if shard is None and on is None:
                return int(command(piece=WHOLE, **options) or 0)
            name = "--shard" if shard is not None else "--on"
            if shard is not None and on is not None:
                raise InputError("--shard is one part, --on does all: give one of them")
            if options["out"] is None:
                raise InputError(f"{name} needs --out: what the parts are written to")
            if given := [n for n, value in options.items() if value == "-"]:
                raise InputError(
                    f"{name} reads its inputs once for each part, which standard input ({given[0]}) can't: write it to "
                    "a file"
                )
            context = click.get_current_context(silent=True)
            words = words or (command_words(context) if context else ())
            if on is not None:
                return run_on(Workers.parse(on), words, names_of(context), options)
            assert shard is not None
            own = shard.path(options["out"])
            words = [*words, "--shard", str(shard)]
            resume = bool(options.get("resume"))
            changed: dict[str, Any] = {"out": own}
            if resume and beside(own).exists():
                changed["overwrite"] = True
            elif options.get("overwrite"):
                beside(own).unlink(missing_ok=True)
            if options.get("log_file"):
                changed["log_file"] = shard.path(options["log_file"])
            return int(command(piece=Piece(shard, words, block, resume), **{**options, **changed}) or 0)

        return run  # type: ignore[return-value]

    return decorate


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a shard: the command's exit code, its standard error, and its error, if it has one."""

    code: int
    text: str
    error: str = ""


def run_shard(
    names: tuple[str, ...], words: Sequence[str], options: Mapping[str, Any], folder: str, shard: Shard
) -> Outcome:
    """Run a command on one shard, in the folder that it was called in: what each worker does."""
    from . import cli

    if not os.path.isdir(folder):
        return Outcome(2, "", f"no folder {folder} here: all machines must see the job's files under the same paths")
    os.chdir(folder)
    command: Any = cli
    for name in names:
        command = command.get_command(click.Context(command), name)
    text = io.StringIO()
    with redirect_stderr(text), redirect_stdout(io.StringIO()):
        try:
            code = command.callback(shard=shard, on=None, words=words, **options)
        except AnyrankError as error:
            return Outcome(2 if isinstance(error, InputError) else 3, text.getvalue(), str(error))
    return Outcome(code, text.getvalue())


def run_on(workers: Workers, words: Sequence[str], names: tuple[str, ...], options: dict[str, Any]) -> int:
    """Run a command on all shards by workers, merge them into its output and remove them; returns the exit code.

    Shards that an earlier call finished are kept with --resume, and removed with --overwrite. If a shard fails, the
    others are finished first.
    """
    from ..scale.joins import merge

    out, resume, overwrite = Path(options["out"]), options.get("resume"), bool(options.get("overwrite"))
    before = leftovers(out)
    if out.exists() and not overwrite:
        raise InputError("is there already: use --overwrite to replace it, or another name", path=out)
    if before and overwrite and not resume:
        remove(before)
        before = []
    if before and not resume and "resume" in options:
        raise InputError(
            "shards of an earlier job are there: --resume keeps them, --overwrite begins anew", path=before[0]
        )
    numbers = {int(path.name.rpartition("-of-")[2]) for path in before}
    if len(numbers) > 1:
        kinds = " and ".join(map(str, sorted(numbers)))
        raise InputError(f"shards of jobs of {kinds} parts are there: remove those of one", path=before[0])
    of = numbers.pop() if numbers else workers.shards()
    shards = every(of)
    if done := sum(beside(s.path(out)).exists() for s in shards):
        click.echo(f"resuming: {done} of {of} shards are done", err=True)
    # What a lost worker has begun is taken up where it stopped; an index does so by itself.
    again = options | dict.fromkeys({"resume", "overwrite"} & set(options), True)
    if names == ("index",):
        again["overwrite"] = False
    outcomes: dict[Shard, Outcome] = {}
    with progress(words[0], of, "shards") as bar:
        # Finished shards too: each compares its inputs with those of this call.
        for shard, outcome in workers.run(functools.partial(run_shard, names, words, again, os.getcwd()), shards):
            outcomes[shard] = outcome
            bar.update(1)
    report(outcomes)
    for shard, outcome in outcomes.items():
        if outcome.error:
            kind = InputError if outcome.code == 2 else AnyrankError
            raise kind(f"shard {shard}: {outcome.error}")
    code = max((o.code for o in outcomes.values()), default=0)
    if open_shards := [s for s in shards if not beside(s.path(out)).exists()]:
        click.echo(
            f"shards {', '.join(map(str, open_shards[:5]))} are not finished: --resume tries them again", err=True
        )
        return max(code, 1)
    if text := merge([s.path(out) for s in shards], out, overwrite):
        click.echo(text)
    remove([s.path(out) for s in shards])
    click.echo(f"wrote {out}: {of} shards", err=True)
    return code


def report(outcomes: Mapping[Shard, Outcome]) -> None:
    """Write the notes and warnings of shards to standard error, the same line of several once."""
    counts = Counter(
        line
        for outcome in outcomes.values()
        for line in outcome.text.splitlines()
        if line.startswith(("note: ", "warning: "))
    )
    for line, count in counts.items():
        click.echo(line if count == 1 else f"{line} ({count} shards)", err=True)


def leftovers(out: Path) -> list[Path]:
    """The files and folders of shards of an output that are there, finished or not, without what is beside them."""
    pattern = f"{glob.escape(out.name)}.*-of-*"
    names = {p.name.removesuffix(ENDING).removesuffix(".journal") for p in out.parent.glob(pattern)}
    return sorted(out.parent / name for name in names if _is_shard(out, name))


def _is_shard(out: Path, name: str) -> bool:
    """Whether a file's name is that of a shard of an output, and of nothing else."""
    match = re.fullmatch(r"\.0*([0-9]+)-of-([0-9]+)", name[len(out.name) :])
    if match is None or not 1 <= int(match[1]) <= int(match[2]) <= MOST:
        return False
    return Shard(int(match[1]), int(match[2])).path(out).name == name


def remove(shards: Iterable[Path]) -> None:
    """Removes shards with their manifests, journals and traces."""
    for path in shards:
        for file in (beside(path), Path(f"{path}.journal"), trace_path(path)):
            file.unlink(missing_ok=True)
        for folder in (path, Path(f"{path}.index")):
            if folder.is_dir():
                shutil.rmtree(folder)
        path.unlink(missing_ok=True)


def names_of(context: click.Context | None) -> tuple[str, ...]:
    """The names of a command and its groups, without that of the program."""
    names: list[str] = []
    while context is not None and context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    return tuple(names)


def command_words(context: click.Context) -> list[str]:
    """The command line of a context, without --shard, --on, --resume and --overwrite."""
    words = list(names_of(context))
    for param in context.command.params:
        value = context.params.get(str(param.name))
        if value is None or param.name in ("shard", "on", "resume", "overwrite") or value == param.get_default(context):
            continue
        several = list(value) if isinstance(value, tuple | list) else [value]
        if isinstance(param, click.Argument):
            words += map(str, several)
        elif isinstance(value, bool):
            words.append(param.opts[0] if value else param.secondary_opts[0])
        else:
            words += [w for v in several for w in (max(param.opts, key=len), str(v))]
    return words
