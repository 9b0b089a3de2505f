"""Training queries rewritten with their relevant document in sight, so that short and ambiguous ones say what they mean
(context-aware rewriting, arXiv 2308.16753). Only training data changes: at search nothing is rewritten.

Of the paper's prompt and rules for choosing queries nothing is published: both are ours.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..core.content import text_of
from ..core.language import Generates
from ..core.types import Candidate, Query
from ..llm.prompts import Template
from ..train.group import Group
from .job import Made
from .questions import clean

PROMPT = Template(
    prefix="A search user typed a query, and this passage is what they were looking for.\n\nPassage: {doc1}\n\n"
    "Query: {query}\n\nWrite the query again as one line that says clearly what the user wants to know. Keep the "
    "user's own words where you can. Don't give the answer. Write the query alone.",
    words=220,
)
_STOP = (
    "a an and are as at be by can do does for from how i in is it of on or that the this to was what when where which "
    "who why will with you your define definition meaning"
)
STOP = frozenset(_STOP.split())
_WORD = re.compile(r"\w[\w-]*")
_ACRONYM = re.compile(r"\b[A-Z][A-Z0-9]{1,5}\b")
_DEFINE = re.compile(r"^\s*(?:define|definition of|meaning of|what is)\b", re.IGNORECASE)


def content_words(text: str) -> list[str]:
    """The words of a text that aren't stop words, in lower case.

    >>> content_words("What is the lift of a wing?")
    ['lift', 'wing']
    """
    return [w for w in _WORD.findall(text.lower()) if w not in STOP]


def ambiguous(query: str, document: str, words: int = 3, overlap: float = 0.5) -> str:
    """Why a query is one to rewrite; "" if it isn't: at most ``words`` content words, an acronym, a request to define
    something, or less than ``overlap`` of its content words in the document.

    >>> ambiguous("PRP ranking of retrieved documents by models", "pairwise ranking prompting")
    'acronym'
    """
    content = content_words(query)
    if _ACRONYM.search(query) and not query.isupper():
        return "acronym"
    if _DEFINE.search(query):
        return "definition"
    if len(content) <= words:
        return "short"
    in_document = set(content_words(document))
    return "few words of its document" if sum(w in in_document for w in content) < overlap * len(content) else ""


def best_passage(query: str, document: str, words: int = 150, stride: int = 75) -> str:
    """Of a document longer than ``words`` the window with the most different content words of the query.

    >>> best_passage("wing", "heat " * 200 + "wing lift", words=4, stride=2)
    'heat heat wing lift'
    """
    tokens = document.split()
    if len(tokens) <= words:
        return document
    wanted = set(content_words(query))
    starts = [*range(0, len(tokens) - words, stride), len(tokens) - words]
    windows = [" ".join(tokens[s : s + words]) for s in starts]
    return max(windows, key=lambda window: len(wanted & set(content_words(window))))


def key_terms(query: str, document: str, n: int = 3) -> str:
    """A rewriting by rule: the query, and after it the ``n`` most frequent content words of the document's passage that
    it lacks.

    >>> key_terms("lift", "The wing gives lift: a wing with flaps gives more", 1)
    'lift wing'
    """
    mine = set(content_words(query))
    counts = Counter(w for w in content_words(best_passage(query, document)) if w not in mine and len(w) > 3)
    return " ".join([query, *(w for w, _ in counts.most_common(n))])


def fault(query: str, rewritten: str, document: str, longest: int = 24, copied: int = 8) -> str:
    """Why a rewriting is rejected; "" if it isn't: empty, unchanged, longer than ``longest`` words, with ``copied``
    words in a row out of the document that the query didn't have (the answer is likely among them), or without any
    content word of the query (unless that is an acronym).

    >>> fault("lift", "how does heat spread in plates", "…")
    'drifts'
    """
    words = rewritten.lower().split()
    if not words:
        return "empty"
    if words == query.lower().split():
        return "unchanged"
    if len(words) > longest:
        return "too long"
    text, own = " ".join(document.lower().split()), " ".join(query.lower().split())
    runs = (" ".join(words[i : i + copied]) for i in range(len(words) - copied + 1))
    if any(run in text and run not in own for run in runs):
        return "copied from the document"
    if not set(content_words(query)) & set(content_words(rewritten)) and not _ACRONYM.search(query):
        return "drifts"
    return ""


@dataclass(frozen=True, slots=True)
class Rewriting:
    """Rewrites the queries of groups that are ``ambiguous`` (or ``every`` one) with their first relevant text in sight,
    by a language model or, without one, by `key_terms`. ``blind`` shows the model no document (the paper's contrast).
    Each group comes back, its candidates and labels as they were; rejected rewritings leave the query as it was."""

    backend: Generates | None = None
    every: bool = False
    blind: bool = False
    max_tokens: int = 48

    def __call__(self, groups: Sequence[Group]) -> list[Made]:
        texts = [self._text(g) for g in groups]
        chosen = [
            i for i, (g, t) in enumerate(zip(groups, texts)) if t and (self.every or ambiguous(text_of(g.query), t))
        ]
        made = [Made((g,), {"clear as it is": 1}) for g in groups]
        if self.backend is None:
            for i in chosen:
                made[i] = self._made(groups[i], key_terms(text_of(groups[i].query), texts[i]), texts[i], made[i])
            return made
        prompts = []
        for i in chosen:
            query = text_of(groups[i].query)
            shown = "(not known)" if self.blind else best_passage(query, texts[i])
            prompts.append(PROMPT.render(Query(groups[i].id, query), [Candidate("d", shown)]).prompt)
        answers = self.backend.generate(prompts, max_tokens=self.max_tokens) if prompts else []
        for i, answer in zip(chosen, answers, strict=True):
            failed = Made((groups[i],), usage=answer.usage, error=answer.error)
            made[i] = (
                failed
                if answer.finish == "error"
                else self._made(groups[i], clean(answer.text), texts[i], Made(usage=answer.usage))
            )
        return made

    def _made(self, group: Group, rewritten: str, text: str, cost: Made) -> Made:
        reason = fault(text_of(group.query), rewritten, text)
        changed = group if reason else replace(group, query=rewritten)
        return Made((changed,), {reason: 1} if reason else {}, cost.usage)

    @staticmethod
    def _text(group: Group) -> str:
        judged = group.grades or group.labels
        best = max(range(len(judged)), key=lambda i: judged[i], default=-1)
        return group.texts[best] if best >= 0 and judged[best] > 0 else ""
