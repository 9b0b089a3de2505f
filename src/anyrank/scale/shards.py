"""A shard: one part of a job's rows. The rule by which rows are dealt out is here, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ..core.errors import InputError

BLOCK = 16
"""Rows that stay together: as many as commands hand to a pipeline at once."""
MOST = 100_000
"""The most shards of a job."""
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Shard:
    """Part ``number`` (from 1) of a job that is cut into ``of`` parts.

    Blocks of consecutive rows are dealt out in turn, as cards are: shard 1 of 3 has the blocks 0, 3, 6, … Rows go by
    their position and not by a hash of their ids, for three reasons. A position needs no unique id. Dealing needs no
    count of the rows, so a stream is cut as it is read, and shards are equal to within a block. And a block is
    the batch that one process would have made: a batch's composition decides the last digits of an encoder's numbers,
    so that only whole batches give the same bytes.

    >>> Shard(2, 3).rows(range(10), block=2), Shard.parse("2/3")
    ([2, 3, 8, 9], Shard(number=2, of=3))
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise InputError(
                f"shard {self.number}/{self.of}: shards count from 1, so 1/{self.of} to {self.of}/{self.of}"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """A shard from "3/16". Raises InputError on anything else."""
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if match is None or not 1 <= int(match[2]) <= MOST:
            raise InputError(f"shard {text!r}: expected NUMBER/OF, such as 3/16, of at most {MOST:,}")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def owns(self, row: int, block: int = BLOCK) -> bool:
        """Whether the row at this position is this shard's."""
        return row // block % self.of == self.number - 1

    def rows(self, rows: Iterable[Row], block: int = BLOCK) -> list[Row]:
        """The rows that are this shard's, in their order."""
        return list(self.stream(rows, block))

    def stream(self, rows: Iterable[Row], block: int = BLOCK) -> Iterator[Row]:
        """The rows that are this shard's, one by one."""
        return (row for n, row in enumerate(rows) if self.owns(n, block))

    def path(self, out: str | Path) -> Path:
        """The file or folder of this shard of ``out``.

        >>> Shard(3, 16).path("run.trec").name
        'run.trec.03-of-16'
        """
        return Path(f"{out}.{self.number:0{len(str(self.of))}}-of-{self.of}")


def every(of: int) -> list[Shard]:
    """All shards of a job."""
    return [Shard(n, of) for n in range(1, of + 1)]


def in_order(sizes: Sequence[int], block: int = BLOCK) -> Iterator[tuple[int, range]]:
    """The whole job's rows in their order: (index of a shard, range of its own rows) for each block, given how many
    rows each shard has. Raises InputError if no job is dealt out so.

    >>> list(in_order([3, 2], block=2))
    [(0, range(0, 2)), (1, range(0, 2)), (0, range(2, 3))]
    """
    if list(sizes) != dealt(sum(sizes), len(sizes), block):
        raise InputError(
            f"{sum(sizes)} rows in {len(sizes)} shards are {dealt(sum(sizes), len(sizes), block)}, not {list(sizes)}"
        )
    starts = range(0, max(sizes, default=0), block)
    for start in starts:
        for shard, size in enumerate(sizes):
            if start < size:
                yield shard, range(start, min(start + block, size))


def dealt(total: int, of: int, block: int = BLOCK) -> list[int]:
    """How many rows each of the shards of a job has.

    >>> dealt(5, 3, block=2)
    [2, 2, 1]
    """
    rounds, rest = divmod(total, block * of)
    return [rounds * block + min(max(rest - n * block, 0), block) for n in range(of)]
