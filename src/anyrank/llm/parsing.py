"""Parses a model's answer into an order or a choice of documents.

Every departure from the form that the prompt asks for is counted as a repair, by kind:
``empty`` no answer; ``unended think`` thinking that never ended, so no answer; ``no answer tag`` the answer was not
between its tags; ``unreadable`` words without a label; ``preamble`` text before the labels; ``other wording`` text
between or after them, or another separator; ``no brackets`` bare labels; ``repeat``, ``out of range``, ``missing`` one
count a label; ``several answers`` more than one label in an answer of one; ``another form`` labels in other brackets,
after words or in quotes (`_FORMS`), JSON objects, or a score a label.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from . import answer_tables as tables
from .conclusion import conclusion
from .labels import Labels

_NUMBERS = Labels()
_WORD = (
    r"(?:passage|document|doc|text|option|candidate|item|result|answer|label|choice|id|paragraph|chunk|snippet|source"
    r"|dokument|absatz|abschnitt|documento|texto|pasaje|texte|文档|文檔|文書|段落|文章|문서|документ|текст)"
)
_ESCAPED = re.compile(r"\\([\[\](){}>#])")
_EMPHASIS = re.compile(r"[*_`]{1,3}")
_NUMBERED = re.compile(r"^[ \t]*(\d{1,3})[.)][ \t]+", re.MULTILINE)
_TAGS = re.compile(r"<answer>(.*?)(?:</answer>|(?=<answer>)|\Z)", re.IGNORECASE | re.DOTALL)
_ITEM = re.compile(r"\n[ \t]*(?:(?i:rank|no\.)\s*)?#?\d{1,3}(?:st|nd|rd|th)?[.):]\s")
_CUE = rf"\b(?:{_WORD}|boxed|best|one)s?\b\W{{0,4}}(?:is\b\W{{0,4}})?(?:{_WORD}s?\b\W{{0,4}})?"


@dataclass(frozen=True, slots=True)
class Reading:
    """A parsed answer: indices of documents, best first, each once; and the repairs that were needed."""

    order: tuple[int, ...] = ()
    repairs: Mapping[str, int] = field(default_factory=dict)


def read_order(
    text: str, n: int, labels: Labels = _NUMBERS, *, tagged: bool = False, valid: str = "", extract: str = ""
) -> Reading:
    """The indices of n documents in the order an answer gives them.

    The labels of the longest unbroken run count; a run joined by ">" goes before a list, and of equal ones the last
    counts. An answer that is only a count ("20 passages are provided") has none.

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
    ("[3] > [1]") counts, else the one that its sentences conclude with (`conclusion`).

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
    # A chain of labels is an order, whose first is the best; labels with words between them are thoughts, which have a
    # conclusion.
    if not matches.best:
        ranked = len(matches.names) > 1 and (matches.another_form or not matches.other_wording)
        return Reading((indices[0 if ranked else -1],) if indices else (), _positive(repairs))
    index = labels.index(matches.best, n)
    return Reading(() if index is None else (index,), _positive(repairs))


def _count_wording(repairs: Counter[str], answer: str, matches: _Matches, valid: str) -> None:
    """Count the departures in form; a template's own pattern for valid answers replaces the general rules."""
    if valid:
        repairs["other wording"] += not re.match(valid, answer)
    else:
        repairs["preamble"] += matches.preamble
        repairs["other wording"] += matches.other_wording
    repairs["no brackets"] += matches.bare
    repairs["another form"] += matches.another_form


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
    another_form: bool = False  # they have a form of `_FORMS`, or are a table of scores or JSON
    best: str = ""  # the name that sentences about several labels pick


def _matches(answer: str, n: int, labels: Labels, extract: str, lone: bool = False) -> _Matches:
    """The labels that an answer gives: by the template's own pattern, as JSON or scores, in brackets, else in another
    form. ``lone``: one label in a sentence is an answer."""
    if extract:
        marks = list(re.finditer(extract, answer))
        names = [(m[1] if m.re.groups else m[0]) or "" for m in marks]
        return _Matches(names, bool(marks and answer[: marks[0].start()].strip()), not marks)
    table = tables.names_in_json(answer, labels.name_pattern(n))
    if table is None and not re.search(_CHAIN.format(name=labels.name_pattern(n)), answer):
        table = tables.names_by_score(answer, labels.name_pattern(n))
    if table is not None:
        return _Matches(table, another_form=True)
    plain = _ESCAPED.sub(r"\1", answer)
    marks, form = list(labels.mark_pattern(n).finditer(plain)), ""
    if marks:
        run = _longest_run(plain, marks, _NO_WORD)
        if len(run) == 1 and len(marks) > 1:
            run = marks  # nothing but single labels in sentences: all of them, in the order they are named
            if not lone and _only_verdicts(plain, marks, labels, n):
                return _Matches()
    else:
        plain = _EMPHASIS.sub("", _without_items(plain))
        run, form = _other_form(plain, n, labels, lone)
    if not run:
        return _Matches()
    # Brackets (and for bare labels quotes) around the whole list are no wording; labels without brackets of their own
    # may be listed with commas.
    ends = "" if labels.close.strip() and not form else "[]"
    before = plain[: run[0].start()].strip(" \n\t" + ends + ("[(\"'*" if form else ""))
    after = plain[run[-1].end() :].strip(" \n\t" + ends + ("])\"'*." if form else ""))
    gaps = [plain[a.end() : b.start()].strip() for a, b in pairwise(run)]
    names = [m[1] for m in run]
    rising = bool(gaps) and _RISING.issuperset(gaps)  # the worst first
    if rising:
        names, gaps = names[::-1], []
    separators = {">", ","} if ends else {">"}
    chain = separators.issuperset(gaps)
    # Labels with signs alone between them and nothing after are an order, whose first is the best.
    listed = not any(map(_LETTER.search, [after, *gaps])) and bool(_LED_IN.search(before))
    best = "" if not lone or chain else names[0] if listed else conclusion(plain, run)
    other = rising or (form not in ("", "no brackets") if form else plain != answer)
    return _Matches(names, bool(before), bool(after) or not chain, form == "no brackets", other, best)


def _longest_run(answer: str, marks: Sequence[re.Match[str]], gap: re.Pattern[str]) -> Sequence[re.Match[str]]:
    """The labels that most likely are the order: a run with nothing but ``gap`` between its labels. One that is called
    the original order goes after all others; a run joined by ">" before others up to twice as long; then the run of
    most labels; of equally long ones one that ends its line; then the last."""
    runs = [[marks[0]]]
    for a, b in pairwise(marks):
        between = _ITEM.sub("\n", answer[a.end() : b.start()])
        last = len(runs[-1]) > 1 and _AND.fullmatch(between)  # "3, 1 and 2"
        if not last and not gap.fullmatch(between):
            runs.append([])
        runs[-1].append(b)

    def weight(run: Sequence[re.Match[str]]) -> tuple[bool, int, bool, bool]:
        arrow = any(">" in answer[a.end() : b.start()] for a, b in pairwise(run))
        ends_line = not answer[run[-1].end() : run[-1].end() + 200].partition("\n")[0].strip(" \t.*])")
        own = not _GIVEN_ORDER.search(answer[max(run[0].start() - 120, 0) : run[0].start()])
        return own, len({m[1] for m in run}) * (2 if arrow else 1), arrow, ends_line

    return max(reversed(runs), key=weight)


def _only_verdicts(answer: str, marks: Sequence[re.Match[str]], labels: Labels, n: int) -> bool:
    """Whether an answer names its labels in the order of the prompt and says of each whether it is relevant,
    which is no order."""
    indices = [labels.index(m[1], n) for m in marks]
    return indices == list(range(len(marks))) and bool(_VERDICT.search(answer)) and not _ORDER.search(answer)


def _other_form(answer: str, n: int, labels: Labels, lone: bool) -> tuple[Sequence[re.Match[str]], str]:
    """Labels in one of the forms of `_FORMS`, and the repair that this form counts as. A number in a sentence is no
    label, so they count only as a chain, as the whole answer, or (for an answer of one) after a word such as
    "passage"."""
    name = labels.name_pattern(n)
    if re.fullmatch(rf"[\W_]*{name}(?:[ \t]+{name})+[\W_]*", answer):  # nothing but labels
        return list(re.finditer(rf"(?<!\w)({name})(?!\w)", answer)), "no brackets"
    best: tuple[Sequence[re.Match[str]], str] = ((), "")
    for form in _FORMS:
        marks = list(re.compile(form.pattern.format(name=name, word=_WORD)).finditer(answer))
        run = _longest_run(answer, marks, form.gap) if marks else []
        if len(run) > 1 and len(run) > len(best[0]):
            best = run, form.repair
    if best[0]:
        return best
    if whole_order := _whole_order(answer, n, labels):
        return whole_order, "another form"
    if whole := re.fullmatch(rf"[\W_]*(?:(?i:{_WORD})s?\b\W*)?({name})[\W_]*", answer):
        return [whole], "no brackets"
    return (list(re.finditer(rf"(?i:{_CUE})({name})(?!\w)", answer)) if lone else []), "no brackets"


def _whole_order(answer: str, n: int, labels: Labels) -> Sequence[re.Match[str]]:
    """The labels of an answer in a form of `_WHOLE`: it names every label once and says nothing after them."""
    name = r"[A-Z]" if labels.style == "letters" and n <= 26 else labels.name_pattern(n)
    for form in _WHOLE:
        if n < form.least or (not form.gap and name != r"[A-Z]"):
            continue
        match = re.fullmatch(rf"{_LEAD}[\W_]*?({name}(?:{form.gap}{name}){{{n - 1}}})[\W_]*", answer)
        if match is None:
            continue
        marks = list(re.compile(f"({name})").finditer(answer, match.start(1), match.end(1)))
        if {labels.index(m[1], n) for m in marks} == set(range(n)):
            return marks
    return []


def _without_items(answer: str) -> str:
    """The answer without the numbers of its list items, if its lines are numbered 1, 2, …"""
    numbers = [int(m[1]) for m in _NUMBERED.finditer(answer)]
    return _NUMBERED.sub("", answer) if len(numbers) > 1 and numbers == list(range(1, len(numbers) + 1)) else answer


class _Form(NamedTuple):
    """A form of labels that no prompt asks for: a pattern of one label, what may stand between two, the repair it
    counts as, and an example, which a test reads as 3, 1, 2."""

    pattern: str
    gap: re.Pattern[str]
    repair: str
    example: str


class _WholeForm(NamedTuple):
    """A form that is read only where it is the whole answer and names every label once, since it may mean other things:
    what stands between two labels, the least number of labels, and an example, which a test reads as 3, 1, 2."""

    gap: str
    least: int
    example: str


_LEAD = r"(?:[^\n]{0,80}(?::|\bis\b))?"
_WHOLE = (
    _WholeForm(r"\s*\|{1,2}\s*", 2, "3 | 1 | 2"),
    _WholeForm(r"\s*[/\\]\s*", 3, "3/1/2"),
    _WholeForm(r"\s*[-–—~:=+&.]\s*", 3, "3-1-2"),
    _WholeForm(r"['\"]\s*\]\s*,?\s*\[\s*['\"]", 2, '["3"], ["1"], ["2"]'),
    _WholeForm("", 2, "CAB"),  # of labels that are letters
)
_LETTER = re.compile(r"\w")
_LED_IN = re.compile(r"\A\W*\Z|:\W*\Z|\bis\W*\Z")
_NO_WORD = re.compile(r"\W*")
_SIGN = r"(?:[>≥≻»≫＞→]{1,3}=?|[<≤≺≪]{1,3}=?|[-=]>|&gt;|[,;，、；\n]|\\(?:succ|prec|gt|rightarrow|to)[a-z]*)"
_BETWEEN = re.compile(rf"\s*{_SIGN}\s*(?:(?i:and|then|and then)\s+)?(?:[-*•]\s*)?")
_CLOSE = re.compile(rf"\s*(?:{_SIGN}\s*)?(?:[-*•]\s*)?")
_ARROW = re.compile(r"\s*[>≥≻]\s*")
_CHAIN = r"(?<!\w){name}\W{{0,4}}[>≻]\W{{0,4}}{name}(?!\w)"
_AND = re.compile(r"\s*,?\s*(?i:and|und|et|y|и|和)\s*(?i:then|finally|lastly)?\s*")
_RISING = frozenset({"<", "≤", "<=", "<<", "≺"})
_GIVEN_ORDER = re.compile(
    r"\b(?:original|initial|input|given|previous|provided|starting)\s+(?:order|ranking|list|sequence)\b[^\n.]*\Z",
    re.IGNORECASE,
)
_VERDICT = re.compile(r"\b(?:ir|un)?re(?:levan|late)|\b(?:off.topic|not? match|useful|helpful)", re.IGNORECASE)
_ORDER = re.compile(r"\b(?:rank|order|first|then|next|followed|best|most|before|over|better|beats|last)", re.IGNORECASE)
_SPACES = re.compile(r"\s+")
_FORMS = (
    _Form(r"[\[【［〔「(（{{《〈]\s*(?:(?i:{word})s?\s*)?[:#№]?\s*({name})\s*[\]】］〕」)）}}》〉]", _CLOSE,
          "another form", "(3) > (1) > (2)"),
    _Form(r"<(?:(?i:{word})s?[ #:_-]?)?({name})>", _CLOSE, "another form", "<3> > <1> > <2>"),
    _Form(r"<(?i:{word})s?>\s*({name})\s*</(?i:{word})s?>", _CLOSE, "another form",
          "<passage>3</passage><passage>1</passage><passage>2</passage>"),
    _Form(r"(?<![^\W\d_])(?i:{word})s?[\s:#№-]{{0,3}}['\"]?({name})(?!\w)['\"]?", _BETWEEN, "another form",
          "Passage 3 > Passage 1 > Passage 2"),
    _Form(r"#\s?({name})(?!\w)", _BETWEEN, "another form", "#3 > #1 > #2"),
    _Form(r"['\"“‘`]({name})['\"”’`]", _BETWEEN, "another form", "['3','1','2']"),
    _Form(r"(?<![\w.])({name})(?!\w|\.\d)", _BETWEEN, "no brackets", "3 > 1 > 2"),
    _Form(r"(?:(?<=[\[(])|(?<=[\[(] )|(?<=\d ))({name})(?= \d|\s?[\])])", _SPACES, "another form", "[3 1 2]"),
    _Form(r"(?<!\w)[A-Za-z]({name})(?!\w)", _ARROW, "another form", "D3 > D1 > D2"),
)  # fmt: skip
