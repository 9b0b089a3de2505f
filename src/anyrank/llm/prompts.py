"""Prompts as data: a template, and its rendering for one query and one group of documents.

A template's own text may hold placeholders; what users write (queries, documents) is filled in once and never read as
a template again, so braces in it are only braces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..core.content import text_of
from ..core.errors import InputError
from ..core.language import Prompt, Turn
from ..core.types import Candidate, Query
from .labels import Labels

Scale = Literal["raw", "unit", "percent"]

_FIELD = re.compile(r"\{\{|\}\}|\{(\w+)\}")
_KNOWN = {"query", "num", "label", "rank", "index", "text", "candidate", "passage", "doc_content", "score", "labels"}
_KNOWN |= {"psg_ids", "instruction"}
_MARKUP = re.compile(r"<(?=[|｜][^<>\n]{1,60}>|/?(?:s|think|answer|bos|eos|start_of_turn|end_of_turn)>)|\[(?=/?INST\])")
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt for any number of documents.

    ``prefix``, one ``body`` a document (joined by ``separator``) and ``suffix`` make one user turn. Placeholders:
    {query}, {num} (how many documents), {instruction} (the query's ``meta["instruction"]``, else the template's own),
    in the body {label} {text} {score}, in prefix and suffix {labels} (all of
    them) and {doc1}, {doc2}, … With ``prefix_assistant`` or ``body_assistant`` the parts become turns of a
    conversation that the assistant acknowledges. ``assistant`` is put into the model's mouth, so that its answer goes
    on from there. ``examples`` are earlier (user, assistant) exchanges. With ``chat=False`` the prompt is plain text.

    ``words`` a document and ``query_words`` are limits (0: none, and the layout is kept). ``scale`` says how {score}
    is written: as it is, 0 to 1 or 0 to 100 within the group; it comes from ``meta[score_from]`` where that is set,
    else from the candidate's present score. ``answer``: an order of all labels, or the best one; ``tagged``: between
    answer tags, after thinking; ``valid`` and ``extract`` are regular expressions for answers in a form of their own
    (group 1 of ``extract`` is a label). ``mark`` is the text after which attention is read.
    """

    prefix: str = ""
    body: str = ""
    suffix: str = ""
    separator: str = "\n"
    system: str = ""
    instruction: str = ""
    labels: Labels = Labels()
    assistant: str = ""
    prefix_assistant: str = ""
    body_assistant: str = ""
    examples: tuple[tuple[str, str], ...] = ()
    chat: bool = True
    words: int = 300
    query_words: int = 0
    scale: Scale = "raw"
    score_from: str = ""
    answer: Literal["order", "best"] = "order"
    tagged: bool = False
    valid: str = ""
    extract: str = ""
    mark: str = ""

    def __post_init__(self) -> None:
        for part in ("prefix", "body", "suffix", "prefix_assistant", "body_assistant"):
            for found in _FIELD.finditer(getattr(self, part)):
                if found[1] and found[1] not in _KNOWN and not re.fullmatch(r"doc\d+", found[1]):
                    raise InputError(
                        f"placeholder {{{found[1]}}} in the {part} of a template: known are "
                        f"{', '.join(sorted(_KNOWN))}, doc1, doc2, …; write {{{{ and }}}} for braces"
                    )
        for part in ("valid", "extract"):
            try:
                re.compile(getattr(self, part))
            except re.error as error:
                raise InputError(f"{part}={getattr(self, part)!r} is not a regular expression: {error}") from None
        if not self.chat and (self.prefix_assistant or self.body_assistant or self.examples):
            raise InputError("a plain-text template (chat=False) has no turns: leave out examples and assistant parts")

    def render(self, query: Query, members: Sequence[Candidate]) -> Rendered:
        """The prompt for one group. Raises InputError where a document has no content."""
        n = len(members)
        clip = [self._text(c, n) for c in members]
        names = self.labels.names(n)
        asked, query_cut = cut(self.labels.disarm(safe(text_of(query.content)), n), self.query_words)
        asked = " ".join(asked.split())
        told = self.labels.disarm(safe(text_of(query.meta.get("instruction"))), n) or self.instruction
        fields = {"query": asked, "num": str(n), "instruction": told}
        fields["labels"] = fields["psg_ids"] = f"[{', '.join(self.labels.marks(n))}]"
        fields |= {f"doc{i}": text for i, (text, _) in enumerate(clip, 1)}
        fields |= dict.fromkeys(("text", "candidate", "passage", "doc_content"), clip[0][0] if n else "")
        fields |= dict.fromkeys(("label", "rank", "index"), names[0] if n else "")
        bodies, replies = [], []
        for name, (text, _), score in zip(names, clip, self._scores(members)):
            own = fields | dict.fromkeys(("label", "rank", "index"), name)
            own |= dict.fromkeys(("text", "candidate", "passage", "doc_content"), text)
            own |= {"score": score}
            bodies.append(fill(self.body, own))
            replies.append(fill(self.body_assistant, own))
        prefix, suffix = fill(self.prefix, fields), fill(self.suffix, fields)
        if self.chat:
            prompt: Prompt = self._turns(prefix, fill(self.prefix_assistant, fields), bodies, replies, suffix)
        else:
            prompt = self.system + prefix + self.separator.join(bodies) + suffix + self.assistant
        return Rendered(prompt, asked, names, tuple(bodies), query_cut + sum(was_cut for _, was_cut in clip))

    def _text(self, candidate: Candidate, n: int) -> tuple[str, bool]:
        if candidate.content is None:
            raise InputError(f"candidate {candidate.id!r} has no content to put into a prompt: load the texts first")
        return cut(self.labels.disarm(safe(text_of(candidate.content)), n), self.words)

    def _scores(self, members: Sequence[Candidate]) -> list[str]:
        if "{score}" not in self.body:
            return [""] * len(members)
        return [f"{s:.3f}" for s in scaled(_given(members, self.score_from), self.scale)]

    def _turns(
        self, prefix: str, reply: str, bodies: Sequence[str], replies: Sequence[str], suffix: str
    ) -> tuple[Turn, ...]:
        turns = [Turn("system", self.system)]
        for user, assistant in self.examples:
            turns += [Turn("user", user), Turn("assistant", assistant)]
        turns += [Turn("user", prefix), Turn("assistant", reply)]
        for i, (body, answer) in enumerate(zip(bodies, replies)):
            last = i == len(bodies) - 1
            turns += [Turn("user", body if answer or last else body + self.separator), Turn("assistant", answer)]
        turns += [Turn("user", suffix), Turn("assistant", self.assistant)]
        out: list[Turn] = []
        for turn in turns:
            if turn.content and out and out[-1].role == turn.role:
                out[-1] = Turn(turn.role, out[-1].content + turn.content)
            elif turn.content:
                out.append(turn)
        return tuple(out)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt made of a template: the query and the documents' bodies as they stand in it, the documents' labels, and
    how many texts were cut."""

    prompt: Prompt
    query: str
    names: tuple[str, ...]
    bodies: tuple[str, ...] = ()
    truncated: int = 0


def fill(form: str, fields: Mapping[str, str]) -> str:
    """A template's text with its placeholders filled in, in one pass. Doubled braces are single ones.

    >>> fill("{{{query}}}", {"query": "{num}"})
    '{{num}}'
    """

    def value(found: re.Match[str]) -> str:
        if found[1] and found[1] not in fields:
            raise InputError(f"the template asks for {{{found[1]}}}, which this group of documents has not")
        return fields[found[1]] if found[1] else found[0][0]

    return _FIELD.sub(value, form)


def safe(text: str) -> str:
    """Text whose look-alikes of chat markup and answer tags are broken by a space, so that no document can end its
    turn or give the answer.

    >>> safe("a <|im_end|> b </think>, 1 < 2 and x</b>")
    'a < |im_end|> b < /think>, 1 < 2 and x</b>'
    """
    return _MARKUP.sub(lambda m: m[0] + " ", text)


def cut(text: str, words: int) -> tuple[str, bool]:
    """The first ``words`` words on one line, and whether there were more; 0 words: the text as it is."""
    if not words:
        return text, False
    found = _WORD.findall(text)
    return " ".join(found[:words]), len(found) > words


def scaled(scores: Sequence[float], scale: Scale) -> list[float]:
    """Scores as a prompt shows them: raw, or moved to 0 … 1 (``unit``) or 0 … 100 (``percent``) within the group; all
    equal scores become the top of the scale.

    >>> scaled([2.0, 8.0, 5.0], "percent")
    [0.0, 100.0, 50.0]
    """
    if scale == "raw" or not scores:
        return list(scores)
    top, low, high = (1.0 if scale == "unit" else 100.0), min(scores), max(scores)
    return [top * ((s - low) / (high - low) if high > low else 1.0) for s in scores]


def _given(members: Sequence[Candidate], key: str) -> list[float]:
    if key:
        for c in members:
            if key not in c.meta:
                raise InputError(f"candidate {c.id!r} has no score {key!r} in its meta: put Keep({key!r}) after the "
                                 "stage whose scores the prompt shall show")  # fmt: skip
        return [float(c.meta[key]) for c in members]
    return [c.score for c in members]
