"""Labels: the short names of documents in a prompt and in an answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from string import ascii_uppercase
from typing import Literal

from ..core.errors import InputError, quoted

Style = Literal["numbers", "padded", "letters"]


@dataclass(frozen=True, slots=True)
class Labels:
    """A scheme of labels: ``numbers`` 1, 2, …; ``padded`` 01, 02, … (of equal width, so that none begins another);
    ``letters`` A to Z, or AA, AB, … if there are more than 26. ``open`` and ``close`` are put around each.

    >>> Labels().marks(3)
    ('[1]', '[2]', '[3]')
    >>> Labels("letters").names(28)[:2], Labels("padded").names(10)[-1]
    (('AA', 'AB'), '10')
    """

    style: Style = "numbers"
    open: str = "["
    close: str = "]"

    def __post_init__(self) -> None:
        if self.style not in ("numbers", "padded", "letters"):
            raise InputError(f"label style {quoted(self.style)}: choose 'numbers', 'padded' or 'letters'")

    def names(self, n: int) -> tuple[str, ...]:
        """The first n labels, bare. Raises InputError for more than 676 letters."""
        return _names(self.style, n)

    def marks(self, n: int) -> tuple[str, ...]:
        """The first n labels as a prompt shows them."""
        return tuple(self.open + name + self.close for name in self.names(n))

    def index(self, name: str, n: int) -> int | None:
        """The index of a label read in an answer; None if n documents have no such label."""
        if self.style != "letters":
            return int(name) - 1 if name.isdecimal() and 1 <= int(name) <= n else None
        return _letter_indices(n).get(name.upper())

    def name_pattern(self, n: int) -> str:
        """A regular expression for one bare label, in range or not."""
        if self.style != "letters":
            return r"\d{1,6}"
        width = 1 if n <= 26 else 2
        return rf"[A-Za-z]{{{width}}}" if self.close.strip() else rf"[A-Z]{{{width}}}"

    def mark_pattern(self, n: int) -> re.Pattern[str]:
        """A regular expression for one label as a prompt shows it; group 1 is the bare label."""
        return _mark_pattern(self, n)

    def disarm(self, text: str, n: int) -> str:
        """Text in which nothing can be mistaken for a label: what looks like one, and any bracketed number, gets round
        brackets.

        >>> Labels().disarm("as shown in [2] and [ 13 ]", 20)
        'as shown in (2) and (13)'
        """
        text = self.mark_pattern(n).sub(self._round, text)
        return _BRACKETED.sub(r"(\1)", text)

    def _round(self, match: re.Match[str]) -> str:
        return ("" if self.open == "[" else self.open.strip() + " ") + f"({match[1]})"


_BRACKETED = re.compile(r"\[\s*(\d{1,6})\s*\]")


@lru_cache(maxsize=1024)
def _names(style: Style, n: int) -> tuple[str, ...]:
    if style != "letters":
        width = len(str(n)) if style == "padded" else 1
        return tuple(str(i).zfill(width) for i in range(1, n + 1))
    if n > 26 * 26:
        raise InputError(f"{n} documents, but only {26 * 26} labels of letters: use Labels('numbers')")
    return tuple(ascii_uppercase[:n]) if n <= 26 else tuple(map("".join, product(ascii_uppercase, repeat=2)))[:n]


@lru_cache(maxsize=1024)
def _letter_indices(n: int) -> dict[str, int]:
    return {name: i for i, name in enumerate(_names("letters", n))}


@lru_cache(maxsize=1024)
def _mark_pattern(labels: Labels, n: int) -> re.Pattern[str]:
    name = labels.name_pattern(n)
    start, end = re.escape(labels.open.strip()), re.escape(labels.close.strip())
    start = start if not labels.open[:1].isalpha() else rf"\b(?i:{start})"
    return re.compile(rf"{start}\s*({name})\s*{end}" if end else rf"{start}\s*({name})(?!\w)")
