"""Reading of a model's answer. Pure; nothing is ever lost: what an answer leaves out follows in the present order.

Every departure from the asked-for form is counted by kind:
``empty`` no answer; ``unended think`` thinking that never ended, so no answer; ``no answer tag`` the answer was not
between its tags; ``unreadable`` words without a label; ``preamble`` text before the labels; ``other wording`` text
between or after them, or another separator; ``no brackets`` bare labels; ``repeat``, ``out of range``, ``missing`` one
count a label; ``several answers`` more than one label where one was asked for.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from .labels import Labels

_NUMBERS = Labels()
_TAGS = re.compile(r"<answer>(.*?)(?:</answer>|(?=<answer>)|\Z)", re.IGNORECASE | re.DOTALL)
_ITEM = re.compile(r"\n[ \t]*\d{1,3}[.)]\s")
_CUE = r"\b(?:passage|document|answer|option|label|choice|text)\b\W{0,4}(?:is\b\W{0,4})?"


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: places (from 0), best first, each once; and the repairs that it took."""

    order: tuple[int, ...] = ()
    repairs: Mapping[str, int] = field(default_factory=dict)


def read_order(
    text: str, n: int, labels: Labels = _NUMBERS, *, tagged: bool = False, valid: str = "", extract: str = ""
) -> Reading:
    """The places of n documents in the order an answer gives them.

    The labels of the longest unbroken run count (the last such run, where several are as long); an answer that is only
    a count ("20 passages are provided") has none.

    >>> read_order("Sure! [2] > [3] > [2] > [9]", 3)
    Reading(order=(1, 2), repairs={'preamble': 1, 'repeat': 1, 'out of range': 1, 'missing': 1})
    """
    answer, repairs = answer_part(text, tagged)
    found, before, dirty, bare = _found(answer, n, labels, extract)
    if answer and not found:
        repairs["unreadable"] += 1
    elif found:
        if valid:
            repairs["other wording"] += not re.match(valid, answer)
        else:
            repairs["preamble"] += before
            repairs["other wording"] += dirty
        repairs["no brackets"] += bare
    order: dict[int, None] = {}
    for name in found:
        place = labels.place(name, n)
        if place is None:
            repairs["out of range"] += 1
        elif place in order:
            repairs["repeat"] += 1
        order |= {} if place is None else {place: None}
    repairs["missing"] += n - len(order) if order else 0
    return Reading(tuple(order), _positive(repairs))


def read_best(
    text: str, n: int, labels: Labels = _NUMBERS, *, tagged: bool = False, valid: str = "", extract: str = ""
) -> Reading:
    """The place of the document that an answer picks, if it picks one. Of several labels the first of a run
    ("[3] > [1]") counts, else the last one named.

    >>> read_best("<think>[1] or [2]?</think><answer>[2]</answer>", 3, tagged=True)
    Reading(order=(1,), repairs={})
    """
    answer, repairs = answer_part(text, tagged)
    found, before, dirty, bare = _found(answer, n, labels, extract, lone=True)
    places = [p for p in (labels.place(name, n) for name in found) if p is not None]
    if answer and not found:
        repairs["unreadable"] += 1
    elif valid:
        repairs["other wording"] += not re.match(valid, answer)
    else:
        repairs["preamble"] += before
        repairs["other wording"] += dirty
    repairs["no brackets"] += bare
    repairs["out of range"] += len(found) - len(places)
    repairs["several answers"] += len(set(places)) > 1
    ranked = len(found) > 1 and not dirty
    return Reading((places[0 if ranked else -1],) if places else (), _positive(repairs))


def answer_part(text: str, tagged: bool = False) -> tuple[str, Counter[str]]:
    """An answer without its thinking and its tags, digits of any script made plain, and the repairs so far."""
    repairs: Counter[str] = Counter()
    text = "".join(map(_plain, text)) if not text.isascii() else text
    head, ended, tail = text.rpartition("</think>")
    if ended:
        text = tail
    elif "<think>" in text and "<answer>" not in text.partition("<think>")[2].lower():
        return "", Counter({"unended think": 1})
    if tagged:
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


def _found(
    answer: str, n: int, labels: Labels, extract: str, lone: bool = False
) -> tuple[Sequence[str], bool, bool, bool]:
    """Label names of an answer in order; whether text stands before them; whether other text stands between or after;
    whether they are bare."""
    if extract:
        hits = list(re.finditer(extract, answer))
        names = [(m[1] if m.re.groups else m[0]) or "" for m in hits]
        return names, bool(hits and answer[: hits[0].start()].strip()), not hits, False
    bare = False
    hits = list(labels.mark_pattern(n).finditer(answer))
    if not hits:
        hits, bare = _bare(answer, n, labels, lone), True
    if not hits:
        return (), False, False, False
    run = _longest_run(answer, hits)
    if len(run) == 1 and len(hits) > 1:
        run = hits
    ends = "" if labels.close.strip() and not bare else "[]"
    before = answer[: run[0].start()].strip(" \n\t" + ends + ("[(\"'*" if bare else ""))
    after = answer[run[-1].end() :].strip(" \n\t" + ends + ("])\"'*." if bare else ""))
    gaps = [answer[a.end() : b.start()].strip() for a, b in pairwise(run)]
    allowed = {">", ","} if ends else {">"}
    return [m[1] for m in run], bool(before), bool(after) or not allowed.issuperset(gaps), bare


def _longest_run(answer: str, hits: Sequence[re.Match[str]]) -> Sequence[re.Match[str]]:
    """The most labels with no word between them; numbers of list items are no words."""
    runs = [[hits[0]]]
    for a, b in pairwise(hits):
        gap = _ITEM.sub("\n", answer[a.end() : b.start()])
        if re.search(r"\w", gap):
            runs.append([])
        runs[-1].append(b)
    return max(reversed(runs), key=len)


def _bare(answer: str, n: int, labels: Labels, lone: bool) -> list[re.Match[str]]:
    """Labels without their brackets: a chain of them, the whole answer, or (for one answer) after a word such as
    "passage"."""
    name = labels.name_pattern(n)
    chains = list(re.finditer(rf"(?<!\w){name}(?!\w)(?:[ \t]*[>,;\n]\s*{name}(?!\w))+", answer))
    if chains:
        best = max(reversed(chains), key=lambda m: len(m[0]))
        return list(re.compile(rf"({name})").finditer(answer, best.start(), best.end()))
    if whole := re.fullmatch(rf"[\W_]*({name})[\W_]*", answer):
        return [whole]
    return list(re.finditer(rf"(?i:{_CUE})({name})(?!\w)", answer))[-1:] if lone else []
