"""A resumable generation: items in batches, a record of each in a journal, and a report of what was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from ..core.trace import Usage
from ..io.journal import Journal
from ..train.group import Group
from ..train.groups import group_from_dict, group_to_dict


class Named(Protocol):
    """Anything with an id of its own: a document, a query, a group."""

    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=Named)
BATCH = 16
"""Items that are made at once. An unfinished batch is made whole again, since its composition decides the last digits
of some models' numbers."""
GIVE_UP = 64
"""Failures in a row after which a job ends, since whatever writes isn't there any more; what is left is for a resumed
one."""


@dataclass(frozen=True, slots=True)
class Made:
    """The groups that one item gave, how many others were rejected and why, and the cost. With an ``error`` the item
    failed, and is made again when the job is resumed."""

    groups: tuple[Group, ...] = ()
    rejected: Mapping[str, int] = field(default_factory=dict)
    usage: Usage = Usage()
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The JSON form, for the journal."""
        cost = [self.usage.calls, self.usage.prompt_tokens, self.usage.completion_tokens]
        return {"groups": [group_to_dict(g) for g in self.groups], "rejected": dict(self.rejected), "usage": cost}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Made:
        """What `as_dict` wrote."""
        groups = tuple(group_from_dict(g) for g in record["groups"])
        return cls(groups, record["rejected"], Usage(*record["usage"]))


@dataclass(frozen=True, slots=True)
class Report:
    """What a generation made: how many items it read and groups it wrote, what was rejected by reason, the cost, and
    some groups to read. ``unmade`` items came after the token budget was spent."""

    title: str
    settings: Mapping[str, Any]
    items: int
    written: int
    rejected: Mapping[str, int]
    usage: Usage
    samples: tuple[Group, ...] = ()
    errors: tuple[str, ...] = ()
    unmade: int = 0

    @property
    def cost(self) -> str:
        """The cost in words."""
        u = self.usage
        return f"{u.calls:,} calls, {u.prompt_tokens:,} prompt and {u.completion_tokens:,} completion tokens"

    @property
    def reasons(self) -> str:
        """The rejected ones by reason, in words.

        >>> Report("t", {}, 3, 1, {"too short": 2}, Usage()).reasons
        '2 too short'
        """
        return ", ".join(f"{n:,} {reason}" for reason, n in sorted(self.rejected.items(), key=lambda x: -x[1]))


@dataclass(frozen=True, slots=True)
class Generation(Generic[Item]):
    """A generation of groups from items with distinct ids by ``make``, which is given batches of them. With
    ``max_tokens`` no batch begins once so many were spent, in earlier runs of the same journal too."""

    make: Callable[[Sequence[Item]], Sequence[Made]]
    journal: Journal
    max_tokens: int = 0

    def run(self, items: Sequence[Item], on_progress: Callable[[int], None] = lambda n: None) -> list[str]:
        """Make what the journal lacks; returns the errors. Ends after `GIVE_UP` failures in a row."""
        errors: list[str] = []
        in_a_row = 0
        spent = sum(made.usage.tokens for made in self.finished(items)) if self.max_tokens else 0
        for start in range(0, len(items), BATCH):
            batch = items[start : start + BATCH]
            names = [item.id for item in batch]
            if all(name in self.journal for name in names):
                on_progress(len(batch))
                continue
            if in_a_row >= GIVE_UP or (self.max_tokens and spent >= self.max_tokens):
                break
            for name, made in zip(names, self.make(batch), strict=True):
                spent += made.usage.tokens
                in_a_row = in_a_row + 1 if made.error else 0
                if made.error:
                    errors.append(f"{name}: {made.error}")
                elif name not in self.journal:
                    self.journal.put(name, made.as_dict())
            on_progress(len(batch))
        return errors

    def finished(self, items: Sequence[Item]) -> Iterator[Made]:
        """What was made of the items, in their order."""
        for item in items:
            if item.id in self.journal:
                yield Made.from_dict(self.journal.get(item.id))


def query_key(query: Any) -> str:
    """The key by which two queries are the same: the text without case and repeated spaces.

    >>> query_key("What  causes Lift?")
    'what causes lift?'
    """
    return " ".join(str(query).lower().split())


def assembled(made: Iterator[Made], distinct: bool = True) -> tuple[list[Group], Counter[str], Usage]:
    """All groups, with ``distinct`` but those whose query came before, the rejected by reason, and the cost."""
    groups: list[Group] = []
    rejected: Counter[str] = Counter()
    usage, seen = Usage(), set[str]()
    for each in made:
        rejected.update(each.rejected)
        usage += each.usage
        for group in each.groups:
            key = query_key(group.query)
            if distinct and key in seen:
                rejected["written before"] += 1
                continue
            seen.add(key)
            groups.append(group)
    return groups, rejected, usage
