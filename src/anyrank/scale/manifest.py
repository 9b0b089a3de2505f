"""The manifest of a shard: what it was made of, beside its file. A shard has one only when it is finished."""

from __future__ import annotations

import hashlib
import json
import shlex
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..core.errors import InputError, quoted, reason
from ..disk import whole_file
from ..store.linked import SHARDS
from .shards import Shard

FORMAT = 1
NAMES = {"run": "a run", "groups": "groups", "bench": "a benchmark's rankings", "index": "an index"}
"""The kinds of shards, and what they are called."""
ENDING = ".shard.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A finished shard: its part of the job, the ``settings`` that all shards must share (hashes of the inputs,
    pipeline, model, options), how many rows the ``block`` of its job has, and its own ``rows``.

    ``kind`` says how shards are joined: "run", "groups", "bench" or "index". ``lines`` counts the lines of the output
    for each of its rows. ``output`` is the hash of the output (`content_hash`). ``command`` made the shard, as words.
    """

    number: int
    of: int
    kind: str
    command: Sequence[str]
    settings: Mapping[str, Any]
    block: int
    rows: int
    lines: Sequence[int]
    output: str
    anyrank: str = __version__
    format: int = FORMAT

    @property
    def shard(self) -> Shard:
        return Shard(self.number, self.of)

    def line(self, shard: Shard) -> str:
        """The command line that makes another shard of the same job.

        >>> Manifest(1, 2, "run", ["search", "my.index", "--shard", "1/2"], {}, 16, 0, [], "").line(Shard(2, 2))
        'anyrank search my.index --shard 2/2'
        """
        words = [str(shard) if before == "--shard" else word for before, word in zip(["", *self.command], self.command)]
        return "anyrank " + shlex.join(words)

    def again(self) -> str:
        """How this shard is made again."""
        return f"make it again: {self.line(self.shard)} --overwrite"

    @staticmethod
    def lines_of(file: Path) -> int:
        """The lines of a file."""
        with open(file, "rb") as lines:
            return sum(1 for _ in lines)

    def check(self) -> None:
        """Raises ValueError on values that no command writes."""
        counts = (self.number, self.of, self.block, self.rows, *self.lines)
        if not all(type(n) is int and n >= 0 for n in counts) or len(self.lines) != self.rows:
            raise ValueError("its counts are wrong")
        if not (1 <= self.number <= self.of and self.block):
            raise ValueError("its part is none of a job's")
        if self.kind not in NAMES or not isinstance(self.settings, dict) or not isinstance(self.output, str):
            raise ValueError("its kind, settings or output are wrong")
        files = self.settings.get("files", [])
        if not isinstance(files, list) or not all(isinstance(f, list) and len(f) == 2 for f in files):
            raise ValueError("its files are wrong")
        if not all(isinstance(w, str) for w in self.command):
            raise ValueError("its command is wrong")

    def write(self, output: Path) -> None:
        """Written beside the shard's output, whole or not at all, with a checksum of itself."""
        values = asdict(self)
        with whole_file(beside(output)) as file:
            file.write((json.dumps({**values, "checksum": _checksum(values)}) + "\n").encode())

    @classmethod
    def read(cls, output: Path) -> Manifest:
        """The manifest of a shard's output. Raises InputError if there is none, it can't be read, or the output is not
        the one that it describes."""
        path = beside(output)
        try:
            record = json.loads(path.read_bytes())
            if record["format"] != FORMAT:
                raise InputError(
                    f"a manifest of format {record['format']}, not {FORMAT}: make the shard again", path=path
                )
            if record.pop("checksum") != _checksum(record):
                raise ValueError("its checksum is not that of what was written")
            self = cls(**record)
            self.check()
        except FileNotFoundError:
            what = "it is no shard" if output.exists() else "there is no such shard"
            raise InputError(
                f"{what} that was finished (no {path.name}): the command that made it, with --shard and --resume, "
                "finishes it",
                path=output,
            ) from None
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            again = "make the shard again, by the command that made it with --shard and --overwrite"
            raise InputError(f"can't be read ({reason(error)}): {again}", path=path) from None
        if not output.exists() or content_hash(output) != self.output:
            raise InputError(
                f"shard {self.shard} was changed since it was finished; make it again: {self.line(self.shard)} "
                "--overwrite",
                path=output,
            )
        return self


def _checksum(values: Mapping[str, Any]) -> int:
    """The checksum of a manifest's other values."""
    return zlib.crc32(json.dumps(values, sort_keys=True).encode())


def beside(output: str | Path) -> Path:
    """The path of the manifest of a shard's output."""
    return Path(f"{output}{ENDING}")


def content_hash(path: Path) -> str:
    """A short hash of the content of a file or folder.

    Of an index its manifest and its last commit count; of a collection's folder its documents, queries and judgements;
    of any other folder (a model's) all files.
    """
    if path.is_file():
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    index = [p for n in ("manifest.json", "lexical/meta.json") if (p := path / n).is_file()]
    if (linked := path / SHARDS).is_file():  # the shards of an index that are searched as one
        parts = json.loads(linked.read_text("utf-8")).get("shards", ())
        inside = "".join(content_hash(path / part) for part in parts if (path / part).is_dir())
        return hashlib.sha256((content_hash(linked) + inside).encode()).hexdigest()[:16]
    collection = sorted(p for n in ("corpus.jsonl*", "queries.jsonl*", "qrels/*") for p in path.glob(n) if p.is_file())
    files = index or collection or sorted(p for p in path.rglob("*") if p.is_file())
    parts = "".join(f"{p.relative_to(path)}\0{content_hash(p)}\0" for p in files)
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def complete(paths: Sequence[Path]) -> list[tuple[Path, Manifest]]:
    """The shards of one job by number, with their manifests. Raises InputError, with the shard and the command that
    mends it, if one is missing, doubled, unfinished, or of another job."""
    if not paths:
        raise InputError("no shards: name the files or folders that commands with --shard wrote")
    shards = [(path, Manifest.read(path)) for path in paths]
    jobs = [json.dumps(_job(manifest), sort_keys=True) for _, manifest in shards]
    first_path, first = shards[jobs.index(Counter(jobs).most_common(1)[0][0])]
    for path, manifest in shards:
        if different := differences(first, manifest):
            again = Shard(min(manifest.number, first.of), first.of)
            raise InputError(
                f"shard {manifest.shard} is of another job than {first_path}: {different}; leave it out, or make it "
                f"again: {first.line(again)} --overwrite",
                path=path,
            )
    by_number: dict[int, tuple[Path, Manifest]] = {}
    for path, manifest in shards:
        if manifest.number in by_number:
            raise InputError(
                f"shard {manifest.shard} is there twice, also as {by_number[manifest.number][0]}: leave one out",
                path=path,
            )
        by_number[manifest.number] = path, manifest
    if missing := [n for n in range(1, first.of + 1) if n not in by_number]:
        others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        # It may have been stopped: then it is resumed, which an index is without an option.
        resume = "" if first.kind == "index" else " --resume"
        line = first.line(Shard(missing[0], first.of)) + resume
        raise InputError(f"shard {missing[0]}/{first.of} is missing{others}: {line}", path=first_path)
    return [by_number[n] for n in range(1, first.of + 1)]


def differences(one: Manifest, other: Manifest) -> str:
    """How the jobs of two shards differ, in words; empty if both are of one."""
    a, b = _job(one), _job(other)
    changed = [f"{k} {quoted(b.get(k))} instead of {quoted(a.get(k))}" for k in {**a, **b} if a.get(k) != b.get(k)]
    return ", ".join(changed)


def _job(manifest: Manifest) -> dict[str, Any]:
    """What all shards of a job share. Files, and the ``data`` of a benchmark, count by name and content, not by the
    folder that they lie in, which may differ from machine to machine."""
    files = [[Path(path).name, content] for path, content in manifest.settings.get("files", ())]
    job = {"shards": manifest.of, "kind": manifest.kind, "anyrank": manifest.anyrank, "block": manifest.block}
    job |= {k: v for k, v in manifest.settings.items() if k not in ("files", "data")}
    return job | ({"files": files} if files else {})
