"""Prompts as data: a template, and its rendering for one query and one group of documents.

A template's own text may hold placeholders. Queries and documents are filled in once and never read as a template
themselves, so braces in them are plain braces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from ..core.content import Image, Part, images_of, joined, parts_of, text_of
from ..core.errors import InputError, quoted
from ..core.language import Prompt, Turn
from ..core.types import Candidate, Query
from .labels import Labels

Scale = Literal["raw", "unit", "percent"]
Shown = str | tuple[Part, ...]
"""A content as a prompt shows it: a text, or texts and images in order."""

_FIELD = re.compile(r"\{\{|\}\}|\{(\w+)\}")
_LABEL_FIELDS = ("label", "rank", "index")
_TEXT_FIELDS = ("text", "candidate", "passage", "doc_content")
_KNOWN = {"query", "num", "instruction", "score", "labels", "psg_ids", *_LABEL_FIELDS, *_TEXT_FIELDS}
_MARKUP = re.compile(r"<(?=[|｜][^<>\n]{1,60}>|/?(?:s|think|answer|bos|eos|start_of_turn|end_of_turn)>)|\[(?=/?INST\])")
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt for any number of documents.

    ``prefix``, one ``body`` a document (joined by ``separator``) and ``suffix`` make one user turn. Placeholders:
    {query}, {num} (how many documents), {instruction} (the query's ``meta["instruction"]``, else the template's own),
    in the body {label} {text} {score}, in prefix and suffix {labels} (all of them) and {doc1}, {doc2}, … Images of a
    query or document are put between its texts, in their order. With ``prefix_assistant`` or ``body_assistant`` the
    parts become turns of a conversation that the assistant acknowledges. ``assistant`` is the beginning of the model's
    answer, which the model continues (prefill). ``examples`` are earlier (user, assistant) exchanges. With
    ``chat=False`` the prompt is plain text, and holds no images.

    ``words`` a document and ``query_words`` limit their texts (0: no limit, and the layout is kept). ``scale`` says
    how {score} is written: as it is, 0 to 1 or 0 to 100 within the group; it comes from ``meta[score_from]`` if that
    is set, else from the candidate's present score. ``answer``: an order of all labels, or the best one; ``tagged``:
    between answer tags, after thinking; ``valid`` and ``extract`` are regular expressions for answers in a form of
    their own (group 1 of ``extract`` is a label). ``mark`` is the text after which attention is read.
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
            for match in _FIELD.finditer(getattr(self, part)):
                if match[1] and match[1] not in _KNOWN and not re.fullmatch(r"doc\d+", match[1]):
                    raise InputError(
                        f"placeholder {{{match[1]}}} in the {part} of a template: known are "
                        f"{', '.join(sorted(_KNOWN))}, doc1, doc2, …; write {{{{ and }}}} for braces"
                    )
        for part in ("valid", "extract"):
            try:
                re.compile(getattr(self, part))
            except re.error as error:
                raise InputError(f"{part}={quoted(getattr(self, part))} is not a regular expression: {error}") from None
        if not self.chat and (self.prefix_assistant or self.body_assistant or self.examples):
            raise InputError("a plain-text template (chat=False) has no turns: leave out examples and assistant parts")

    def render(self, query: Query, members: Sequence[Candidate]) -> Rendered:
        """The prompt for one group. Raises InputError if a document has no content, and for an image in a plain-text
        prompt."""
        n = len(members)
        names = self.labels.names(n)
        documents = [self._document(candidate, n) for candidate in members]
        question, query_cut = self._query(query, n)
        instruction = self.labels.disarm(safe(text_of(query.meta.get("instruction"))), n) or self.instruction
        # Prefix and suffix may name any document, by its number or, if there is one alone, as the body does.
        fields: dict[str, Shown] = {"query": question, "num": str(n), "instruction": instruction}
        fields["labels"] = fields["psg_ids"] = f"[{', '.join(self.labels.marks(n))}]"
        fields |= {f"doc{i}": text for i, (text, _) in enumerate(documents, 1)}
        fields |= dict.fromkeys(_TEXT_FIELDS, documents[0][0] if n else "")
        fields |= dict.fromkeys(_LABEL_FIELDS, names[0] if n else "")
        bodies, replies = [], []
        for name, (text, _), score in zip(names, documents, self._scores(members)):
            own = fields | dict.fromkeys(_LABEL_FIELDS, name) | dict.fromkeys(_TEXT_FIELDS, text) | {"score": score}
            bodies.append(fill(self.body, own))
            replies.append(text_of(fill(self.body_assistant, own)))
        prefix, suffix = fill(self.prefix, fields), fill(self.suffix, fields)
        texts = tuple(map(text_of, bodies))
        if self.chat:
            prefix_reply = text_of(fill(self.prefix_assistant, fields))
            prompt: Prompt = self._turns(prefix, prefix_reply, bodies, replies, suffix)
        else:
            prompt = self.system + text_of(prefix) + self.separator.join(texts) + text_of(suffix) + self.assistant
        cuts = query_cut + sum(was_cut for _, was_cut in documents)
        return Rendered(prompt, text_of(question), names, texts, cuts)

    def _document(self, candidate: Candidate, n: int) -> tuple[Shown, bool]:
        if candidate.content is None:
            raise InputError(
                f"candidate {quoted(candidate.id)} has no content to put into a prompt: load the texts first"
            )
        return self._shown(candidate.content, n, self.words, f"candidate {quoted(candidate.id)}")

    def _query(self, query: Query, n: int) -> tuple[Shown, bool]:
        """The query on one line."""
        shown, was_cut = self._shown(query.content, n, self.query_words, f"query {quoted(query.id)}")
        if isinstance(shown, str):
            return " ".join(shown.split()), was_cut
        return tuple(" ".join(p.split()) if isinstance(p, str) else p for p in shown), was_cut

    def _shown(self, content: Any, n: int, words: int, owner: str) -> tuple[Shown, bool]:
        """A content as the prompt shows it, and whether it was cut: its texts together cut to ``words`` words and
        without anything that could be taken for a label or chat markup, its images unchanged."""
        if not images_of(content):
            return cut(self.labels.disarm(safe(text_of(content)), n), words)
        if not self.chat:
            raise InputError(
                f"{owner} holds an image, which a plain-text prompt (a template with chat=False) can't hold"
            )
        shown: list[Part] = []
        left, was_cut = words, False
        for is_image, run in groupby(parts_of(content), lambda part: isinstance(part, Image)):
            if is_image:
                shown += run
                continue
            text = self.labels.disarm(safe(" ".join(map(str, run))), n)
            if words and not left:  # all words were spent on earlier texts
                was_cut = True
                continue
            text, more = cut(text, left)
            left -= len(_WORD.findall(text)) if words else 0
            was_cut = was_cut or more
            shown.append(text)
        return joined(shown), was_cut

    def _scores(self, members: Sequence[Candidate]) -> list[str]:
        if "{score}" not in self.body:
            return [""] * len(members)
        return [f"{s:.3f}" for s in scaled(_scores_of(members, self.score_from), self.scale)]

    def _turns(
        self, prefix: Shown, reply: str, bodies: Sequence[Shown], replies: Sequence[str], suffix: Shown
    ) -> tuple[Turn, ...]:
        turns = [Turn("system", self.system)]
        for user, assistant in self.examples:
            turns += [Turn("user", user), Turn("assistant", assistant)]
        turns += [Turn("user", prefix), Turn("assistant", reply)]
        for i, (body, answer) in enumerate(zip(bodies, replies)):
            # The separator goes between bodies of one turn; an answer between two bodies separates them already.
            between = "" if answer or i == len(bodies) - 1 else self.separator
            turns += [Turn("user", _together(body, between)), Turn("assistant", answer)]
        turns += [Turn("user", suffix), Turn("assistant", self.assistant)]
        # Empty turns are dropped, and consecutive turns of one role are merged.
        merged: list[Turn] = []
        for turn in turns:
            if turn.content and merged and merged[-1].role == turn.role:
                merged[-1] = Turn(turn.role, _together(merged[-1].content, turn.content))
            elif turn.content:
                merged.append(turn)
        return tuple(merged)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt made of a template: the text of the query and of the documents' bodies as it shows them, the
    documents' labels, and the number of texts that were cut."""

    prompt: Prompt
    query: str
    names: tuple[str, ...]
    bodies: tuple[str, ...] = ()
    truncated: int = 0


def fill(form: str, fields: Mapping[str, Shown]) -> Shown:
    """A template's text with its placeholders filled in, in one pass. Doubled braces are single ones.

    >>> fill("{{{query}}}", {"query": "{num}"})
    '{{num}}'
    """
    filled: list[Part] = []
    end = 0
    for match in _FIELD.finditer(form):
        filled.append(form[end : match.start()])
        end = match.end()
        if not match[1]:
            filled.append(match[0][0])
        elif match[1] not in fields:
            raise InputError(
                f"the template has a placeholder {{{match[1]}}}, but this group has no such document or field"
            )
        else:
            filled += _parts(fields[match[1]])
    return joined([*filled, form[end:]])


def _parts(shown: Shown) -> tuple[Part, ...]:
    return (shown,) if isinstance(shown, str) else shown


def _together(*shown: Shown) -> Shown:
    return joined(part for one in shown for part in _parts(one))


def safe(text: str) -> str:
    """Text whose look-alikes of chat markup and answer tags are broken by a space, so that no document can end its
    turn or give the answer.

    >>> safe("a <|im_end|> b </think>, 1 < 2 and x</b>")
    'a < |im_end|> b < /think>, 1 < 2 and x</b>'
    """
    return _MARKUP.sub(lambda m: m[0] + " ", text)


def cut(text: str, words: int) -> tuple[str, bool]:
    """The first ``words`` words on one line, and whether there were more; with 0 words the text unchanged."""
    if not words:
        return text, False
    every = _WORD.findall(text)
    return " ".join(every[:words]), len(every) > words


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


def _scores_of(members: Sequence[Candidate], key: str) -> list[float]:
    if key:
        for c in members:
            if key not in c.meta:
                raise InputError(
                    f"candidate {quoted(c.id)} has no score {quoted(key)} in its meta: put "
                    f"Keep({quoted(key)}) after the stage whose scores the prompt is to show"
                )
        return [float(c.meta[key]) for c in members]
    return [c.score for c in members]
