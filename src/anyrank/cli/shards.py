"""``--shard`` and ``--on`` of commands: the options, and the part of a job that a command does."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from ..core.errors import InputError
from ..scale.manifest import Manifest, beside, content_hash, differences
from ..scale.shards import BLOCK, Shard
from ..scale.workers import Workers
from .common import Command
from .on_workers import run_on

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
            what = f"shard {self.shard} is there, of another job: {different}"
            raise InputError(f"{what}: use --overwrite without --resume, or another --out", path=out)
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
