"""What a server's refusals teach: which field of a request it doesn't take, and how to ask without it."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .http import NoAnswer

MOST = 8
"""The most times that one request is asked again in another form."""

_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens", "num_predict")
"""Names that servers give the number of new tokens."""
_OTHER_LIMIT = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_REFUSING = re.compile(
    r"\bnot\s+(?:\w+\s+)?(?:support|allow|permit|accept|recogni|availab|valid|implement|compatib|enabled|known)"
    r"|n't\s+(?:support|allow|accept|permit|recogni|have|know)|\bcannot\b|\bcan't\b|unsupported|unknown|unrecogni"
    r"|unexpected|invalid|deprecated|forbidden|disallowed|\bextra\b|\bmust\b|\bshould\b|\bonly\b|remove|no longer"
    r"|\bno such\b|does not|out of range|between|illegal|reject|without|incompatible|disabled|greater than|less than"
    r"|too (?:large|high)|at most|maximum|positive|\bomit\b|refus",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"context.{0,20}(?:length|window|size)|input.{0,20}(?:length|tokens)|prompt.{0,30}(?:long|tokens)|reduce the length"
    r"|context_length|in the messages",
    re.IGNORECASE,
)
_AT_LEAST = re.compile(r"at least|minimum|>=|≥|greater than or equal", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.,-])\d{1,3}(?:,\d{3})+(?!\d)|(?<![\w.-])\d{1,7}(?![\w-]|\.\d)")
_QUOTED = re.compile(r"['\"`‘“]\$?\.?(?:body\.|request\.)?([A-Za-z_]\w*)[\w.\[\]]*['\"`’”]")
_LOCATED = re.compile(r"['\"]loc['\"]: ?[(\[]([^)\]]*)")
_PREFILL = re.compile(
    r"prefill|(?:must|should|has to) end with a?n? ?'?user|last (?:message|turn).{0,40}user|ends? with an? assistant",
    re.IGNORECASE,
)
_NO_SYSTEM = re.compile(
    r"system.{0,30}\b(role|turn|message|prompt|instruction)|roles? must alternate|developer instruction"
    r"|\brole\b.{0,40}\bsystem\b|only\b.{0,40}\broles?\b|messages\W+0\W+role\b|['\"]system['\"]",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Form:
    """The form in which a server takes requests: fields left out, names changed, numbers bounded, and of conversations
    the system turn put into the user's (``folded``) and the answer's beginning left to the model (``no_prefill``)."""

    dropped: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)
    least: Mapping[str, int] = field(default_factory=dict)
    folded: bool = False
    no_prefill: bool = False

    def apply(self, body: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """The request in this form, and in words how it differs.

        >>> Form(frozenset({"seed"}), {"max_tokens": "max_completion_tokens"}).apply({"max_tokens": 9, "seed": 1})
        ({'max_completion_tokens': 9}, ['without seed', 'max_completion_tokens for max_tokens'])
        """
        sent: dict[str, Any] = {}
        left_out, changes = [], []
        for name, value in body.items():
            number = isinstance(value, int) and not isinstance(value, bool)
            if number and value > self.most.get(name, value):
                value = self.most[name]
                changes.append(f"{name}={value}")
            elif number and value < self.least.get(name, value):
                value = self.least[name]
                changes.append(f"{name}={value}")
            if name in self.dropped or self.renamed.get(name) in self.dropped:
                left_out.append(name)
                continue
            if name in self.renamed:
                changes.append(f"{self.renamed[name]} for {name}")
            sent[self.renamed.get(name, name)] = value
        return sent, ([f"without {', '.join(left_out)}"] if left_out else []) + changes

    def with_other(self, other: Form) -> Form:
        """What either form holds; of two bounds the stricter."""
        return Form(
            self.dropped | other.dropped,
            {**self.renamed, **other.renamed},
            {n: min(f.most[n] for f in (self, other) if n in f.most) for n in {**self.most, **other.most}},
            {n: max(f.least[n] for f in (self, other) if n in f.least) for n in {**self.least, **other.least}},
            self.folded or other.folded,
            self.no_prefill or other.no_prefill,
        )

    def after(self, error: NoAnswer, body: Mapping[str, Any], needed: Collection[str]) -> Form | None:
        """The form in which to ask again after ``error`` refused ``body`` (as the caller made it); None if the error
        is of something else. ``needed`` are fields without which the answer is of no use."""
        if error.status not in (400, 422, 500, 501):
            return None
        sent, _ = self.apply(body)
        if refuses_system(error) and not self.folded and "messages" in body:
            return replace(self, folded=True)
        if error.status == 500 and "logprobs" not in error.message:
            return None  # a server's own failure may name anything
        for name in ("top_logprobs", "logprobs"):
            top = sent.get(name)
            if type(top) is int and (less := fewer(error, top)):
                return replace(self, most={**self.most, name: less})
        original = {self.renamed.get(name, name): name for name in body}
        optional = [name for name in sent if name not in needed]
        name = refused_field(error, {n: sent[n] for n in optional})
        if name in _LIMITS:
            return self._other_limit(error, name, original[name], sent[name])
        if name:
            return replace(self, dropped=self.dropped | {name})
        if "messages" in body and not self.no_prefill and _PREFILL.search(error.message):
            return replace(self, no_prefill=True)
        return None

    def _other_limit(self, error: NoAnswer, name: str, original: str, value: Any) -> Form | None:
        """Another number, another name, or none, for the refused number of new tokens."""
        message = error.message
        other = next((n for n in _LIMITS if n != name and re.search(rf"\b{n}\b", message)), "")
        if _TOO_LONG.search(message):
            return None  # of this prompt alone
        numbers = [int(n.replace(",", "")) for n in _NUMBER.findall(message)]
        if type(value) is int and not other:
            below, above = [n for n in numbers if 0 < n < value], [n for n in numbers if value < n <= 4096]
            if above and _AT_LEAST.search(message):
                return replace(self, least={**self.least, original: min(above)})
            if below:
                return replace(self, most={**self.most, original: max(below)})
        other = other or _OTHER_LIMIT.get(name, "")
        if other and original not in self.renamed:
            return replace(self, renamed={**self.renamed, original: other})
        return replace(self, dropped=self.dropped | {name})


class Learned:
    """The form that a server was found to take, shared by all calls and threads; it only grows."""

    def __init__(self) -> None:
        self.form = Form()
        self._lock = threading.Lock()

    def learn(self, form: Form) -> None:
        """Take over a form in which the server answered."""
        if form != self.form:
            with self._lock:
                self.form = self.form.with_other(form)

    def __reduce__(self) -> tuple[Any, ...]:
        return Learned, ()


def refuses_system(error: NoAnswer) -> bool:
    """Whether a server's error says that its model knows no system turn."""
    return error.status in (400, 422, 500) and bool(_NO_SYSTEM.search(error.message))


def fewer(error: NoAnswer, top: int) -> int:
    """How many next tokens to ask for after a server refused to report ``top`` of them: the largest smaller number that
    its error names, else 5, then 1; 0 if the error is of something else, or nothing smaller is left.

    >>> fewer(NoAnswer("", status=400, message="logprobs of 20 is greater than max allowed: 8"), 20)
    8
    >>> fewer(NoAnswer("", status=400, message="too long by 7"), 20)
    0
    """
    if error.status not in (400, 422, 500) or "logprobs" not in (error.message + " ".join(error.fields)).lower():
        return 0
    if re.search(r"unknown|unrecogni|unexpected|extra (?:input|field)|not permitted", error.message, re.IGNORECASE):
        return 0  # the field itself
    named = [n for n in map(int, re.findall(r"(?<![\w.-])\d{1,4}(?![\w-]|\.\d)", error.message)) if 0 < n < top]
    return max(named, default=5 if top > 5 else int(top > 1))


def refused_field(error: NoAnswer, body: Mapping[str, Any]) -> str:
    """The field of a request that an error is about: the one it names apart from its text, else in quotes, else in its
    text beside a word of refusal; empty if it names none. A field inside of another counts as that one.

    >>> body = {"temperature": 0.0, "max_tokens": 9, "chat_template_kwargs": {"enable_thinking": False}}
    >>> refused_field(NoAnswer("", status=400, message="Unsupported value: 'temperature'"), body)
    'temperature'
    >>> refused_field(NoAnswer("", status=400, message="enable_thinking is not supported"), body)
    'chat_template_kwargs'
    >>> refused_field(NoAnswer("", status=400, message="the prompt is too long"), body)
    ''
    """
    own = {_plain(name): name for name in body}
    inner = {_plain(key): name for name, value in body.items() if isinstance(value, Mapping) for key in value}
    located = [part for text in _LOCATED.findall(error.message) for part in re.findall(r"\w+", text)]
    stated = [part for text in error.fields for part in re.findall(r"\w+", text)]
    quoted = _QUOTED.findall(error.message) if _REFUSING.search(error.message) else []
    for names in (stated, located, quoted):
        for owners in (own, inner):
            if owner := next((owners[n] for n in map(_plain, names) if n in owners), ""):
                return owner
    return _in_text(error.message, {**inner, **own})


def _in_text(message: str, owners: Mapping[str, str]) -> str:
    """The first field that a text names, written in any of the usual ways: top_logprobs, topLogprobs, top-logprobs."""
    first, chosen = len(message), ""
    for name, owner in owners.items():
        spelled = r"[_\s-]?".join(map(re.escape, name))
        if (match := re.search(rf"(?<![A-Za-z0-9_]){spelled}(?![A-Za-z0-9_])", message, re.IGNORECASE)) is None:
            continue
        # "stop", "user" and the like are words too: one counts only near a word of refusal
        near = message[max(match.start() - 80, 0) : match.end() + 80]
        # words of refusal in other languages aren't known
        if match.start() < first and (_REFUSING.search(near) or not near.isascii()):
            first, chosen = match.start(), owner
    return chosen


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
