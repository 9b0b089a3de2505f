"""Parses a model's answer into an order or a choice of documents.

Every departure from the form that the prompt asks for is counted as a repair, by kind:
``empty`` no answer; ``unended think`` thinking that never ended, so no answer; ``no answer tag`` the answer was not
between its tags; ``unreadable`` words without a label; ``preamble`` text before the labels; ``other wording`` text
between or after them, or another separator; ``no brackets`` bare labels; ``repeat``, ``out of range``, ``missing`` one
count a label; ``several answers`` more than one label in an answer of one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from .labels import Labels

_NUMBERS = Labels()
_TAGS = re.compile(r"<answer>(.*?)(?:</answer>|(?=<answer>)|\Z)", re.IGNORECASE | re.DOTALL)
_ITEM = re.compile(r"\n[ \t]*\d{1,3}[.)]\s")
_CUE = r"\b(?:passage|document|answer|option|label|choice|text)\b\W{0,4}(?:is\b\W{0,4})?"


@dataclass(frozen=True, slots=True)
class Reading:
    """A parsed answer: indices of documents, best first, each once; and the repairs that were needed."""

    order: tuple[int, ...] = ()
    repairs: Mapping[str, int] = field(default_factory=dict)


def read_order(
    text: str, n: int, labels: Labels = _NUMBERS, *, tagged: bool = False, valid: str = "", extract: str = ""
) -> Reading:
    """The indices of n documents in the order an answer gives them.

    The labels of the longest unbroken run count (the last such run, if several are as long); an answer that is only a
    count ("20 passages are provided") has none.

    >>> read_order("Sure! [2] > [3] > [2] > [9]", 3)
    Reading(order=(1, 2), repairs={'preamble': 1, 'repeat': 1, 'out of range': 1, 'missing': 1})
    """
    answer, repairs = answer_part(text, tagged)
    matches = _matches(answer, n, labels, extract)
    if matches.names:
        _count_wording(repairs, answer, matches, valid)
    elif answer:
        repairs["unreadable"] += 1
    order: dict[int, None] = {}
    for name in matches.names:
        index = labels.index(name, n)
        if index is None:
            repairs["out of range"] += 1
        elif index in order:
            repairs["repeat"] += 1
        else:
            order[index] = None
    repairs["missing"] += n - len(order) if order else 0
    return Reading(tuple(order), _positive(repairs))


def read_best(
    text: str, n: int, labels: Labels = _NUMBERS, *, tagged: bool = False, valid: str = "", extract: str = ""
) -> Reading:
    """The index of the document that an answer picks, if it picks one. Of several labels the first of a run
    ("[3] > [1]") counts, else the last one named.

    >>> read_best("<think>[1] or [2]?</think><answer>[2]</answer>", 3, tagged=True)
    Reading(order=(1,), repairs={})
    """
    answer, repairs = answer_part(text, tagged)
    matches = _matches(answer, n, labels, extract, lone=True)
    indices = [i for i in (labels.index(name, n) for name in matches.names) if i is not None]
    if answer and not matches.names:
        repairs["unreadable"] += 1
    else:
        _count_wording(repairs, answer, matches, valid)
    repairs["out of range"] += len(matches.names) - len(indices)
    repairs["several answers"] += len(set(indices)) > 1
    # A chain of labels is an order, whose first is the best; labels with words between them are thoughts, of which the
    # last is the conclusion.
    ranked = len(matches.names) > 1 and not matches.other_wording
    return Reading((indices[0 if ranked else -1],) if indices else (), _positive(repairs))


def _count_wording(repairs: Counter[str], answer: str, matches: _Matches, valid: str) -> None:
    """Count the departures in form; a template's own pattern for valid answers replaces the general rules."""
    if valid:
        repairs["other wording"] += not re.match(valid, answer)
    else:
        repairs["preamble"] += matches.preamble
        repairs["other wording"] += matches.other_wording
    repairs["no brackets"] += matches.bare


def answer_part(text: str, tagged: bool = False) -> tuple[str, Counter[str]]:
    """An answer without its thinking and its tags, digits of any script made plain, and the repairs so far."""
    repairs: Counter[str] = Counter()
    text = "".join(map(_plain, text)) if not text.isascii() else text
    head, ended, tail = text.rpartition("</think>")
    if ended:
        text = tail  # the answer follows the last thought
    elif "<think>" in text and "<answer>" not in text.partition("<think>")[2].lower():
        return "", Counter({"unended think": 1})
    if tagged:
        # Some models answer within their thinking and write nothing after it.
        inside = _TAGS.findall(text) or (_TAGS.findall(head) if not text.strip() else [])
        repairs["no answer tag"] += not inside
        text = inside[-1] if inside else text
    text = text.strip()
    repairs["empty"] += not text
    return text, repairs


def _plain(char: str) -> str:
    digit = unicodedata.digit(char, None)
    return char if digit is None else str(digit)


def _positive(repairs: Counter[str]) -> dict[str, int]:
    return {kind: count for kind, count in repairs.items() if count > 0}


class _Matches(NamedTuple):
    """The names of the labels in an answer, in order, and the text around them."""

    names: Sequence[str] = ()
    preamble: bool = False  # there is text before the labels
    other_wording: bool = False  # there is text between or after them
    bare: bool = False  # they have no brackets


def _matches(answer: str, n: int, labels: Labels, extract: str, lone: bool = False) -> _Matches:
    """The labels that an answer gives: by the template's own pattern, else in brackets, else bare. ``lone``: one label
    in a sentence is an answer."""
    if extract:
        marks = list(re.finditer(extract, answer))
        names = [(m[1] if m.re.groups else m[0]) or "" for m in marks]
        return _Matches(names, bool(marks and answer[: marks[0].start()].strip()), not marks)
    bare = False
    marks = list(labels.mark_pattern(n).finditer(answer))
    if not marks:
        marks, bare = _bare_labels(answer, n, labels, lone), True
    if not marks:
        return _Matches()
    run = _longest_run(answer, marks)
    if len(run) == 1 and len(marks) > 1:
        run = marks  # nothing but single labels in sentences: all of them, in the order they are named
    # Brackets (and for bare labels quotes) around the whole list are no wording; labels without brackets of their own
    # may be listed with commas.
    ends = "" if labels.close.strip() and not bare else "[]"
    before = answer[: run[0].start()].strip(" \n\t" + ends + ("[(\"'*" if bare else ""))
    after = answer[run[-1].end() :].strip(" \n\t" + ends + ("])\"'*." if bare else ""))
    gaps = [answer[a.end() : b.start()].strip() for a, b in pairwise(run)]
    separators = {">", ","} if ends else {">"}
    return _Matches([m[1] for m in run], bool(before), bool(after) or not separators.issuperset(gaps), bare)


def _longest_run(answer: str, marks: Sequence[re.Match[str]]) -> Sequence[re.Match[str]]:
    """The most labels with no word between them; numbers of list items are no words."""
    runs = [[marks[0]]]
    for a, b in pairwise(marks):
        gap = _ITEM.sub("\n", answer[a.end() : b.start()])
        if re.search(r"\w", gap):
            runs.append([])
        runs[-1].append(b)
    return max(reversed(runs), key=len)


def _bare_labels(answer: str, n: int, labels: Labels, lone: bool) -> list[re.Match[str]]:
    """Labels without their brackets. A number in a sentence is no label, so they count only as a chain, as the whole
    answer, or (for an answer of one) after a word such as "passage"."""
    name = labels.name_pattern(n)
    chains = list(re.finditer(rf"(?<!\w){name}(?!\w)(?:[ \t]*[>,;\n]\s*{name}(?!\w))+", answer))
    if chains:
        longest = max(reversed(chains), key=lambda m: len(m[0]))
        return list(re.compile(rf"({name})").finditer(answer, longest.start(), longest.end()))
    if whole := re.fullmatch(rf"[\W_]*({name})[\W_]*", answer):
        return [whole]
    return list(re.finditer(rf"(?i:{_CUE})({name})(?!\w)", answer))[-1:] if lone else []
