"""``--on`` of commands: all shards of a job on several workers, merged (`shards` has the options)."""

from __future__ import annotations

import functools
import glob
import io
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ..core.errors import AnyrankError, InputError
from ..io.traces import trace_path
from ..scale.manifest import ENDING, beside
from ..scale.shards import MOST, Shard, every
from ..scale.workers import Workers
from .progress import progress


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
