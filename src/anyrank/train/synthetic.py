"""Queries made from the documents themselves, without a model: titles, sentences, keywords.

They are substitutes for real queries: people don't ask titles and sentences, and the words of a sentence or a keyword
query all come from its document, which favours lexical matching. ``consistency`` filters them; ``distilled`` labels
candidates for them. Every function depends on its arguments only and gives a group of one text, label 1, with the
document's id.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from ..core.errors import InputError
from ..core.types import Candidate
from .group import Group

_WORD = re.compile(r"[^\W\d_][\w-]*[^\W_]")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def title_queries(documents: Iterable[Candidate], words: int = 3) -> Iterator[Group]:
    """The title (of at least ``words`` words) as the query, the text without it as the document. Documents without
    ``meta["title"]``, or with nothing else, are left out.

    >>> next(title_queries([Candidate("d", "Flow past a wing. It lifts.", meta={"title": "Flow past a wing."})])).texts
    ('It lifts.',)
    """
    for d in documents:
        title = " ".join(str(d.meta.get("title") or "").split())
        body = " ".join(str(d.content).split())
        while title and (again := re.match(rf"{re.escape(title)}(?!\w)", body, re.IGNORECASE)):
            body = body[again.end() :].strip()
        if len(title.split()) >= words and body:
            yield _pair("title", d.id, title, body)


def cloze_queries(
    documents: Iterable[Candidate], seed: int = 0, *, keep: float = 0.1, words: tuple[int, int] = (5, 40)
) -> Iterator[Group]:
    """A sentence drawn from the document as the query, the rest as the document: the inverse cloze task (Lee et al.
    2019, arXiv 1906.00300), which keeps the sentence in the text with the probability ``keep``. Sentences end at . ! or
    ? before white space; only those of ``words`` (least, most) are drawn. Documents of one sentence are left out.

    >>> d = Candidate("d", "The wing lifts the plane. Drag slows it down.")
    >>> g = next(cloze_queries([d], keep=0, words=(3, 9)))
    >>> g.query in d.content, g.query in g.texts[0]
    (True, False)
    """
    for d in documents:
        rng = random.Random(f"{seed}/{d.id}")
        sentences = _SENTENCE.split(" ".join(str(d.content).split()))
        fit = [i for i, s in enumerate(sentences) if words[0] <= len(s.split()) <= words[1]]
        if len(sentences) > 1 and fit:
            drawn = rng.choice(fit)
            rest = sentences if rng.random() < keep else sentences[:drawn] + sentences[drawn + 1 :]
            yield _pair("cloze", d.id, sentences[drawn], " ".join(rest))


def keyword_queries(
    documents: Iterable[Candidate], seed: int = 0, *, words: tuple[int, int] = (2, 5), pool: int = 10
) -> Iterator[Group]:
    """From two to five of the document's ten words of highest tf-idf, in the order of the text, as the query; the whole
    text as the document. Words of only one document are left out. Holds the documents in memory.

    >>> docs = [Candidate(str(i), f"{w} flow past the wing") for i, w in enumerate(["laminar", "turbulent"] * 2)]
    >>> sorted(next(keyword_queries(docs, words=(1, 1), pool=1)).query.split())
    ['laminar']
    """
    if not 0 < words[0] <= words[1]:
        raise InputError(f"words={words}: expected (least, most) with 0 < least <= most")
    held = list(documents)
    frequency: Counter[str] = Counter()
    for d in held:
        frequency.update(set(_words(d)))
    for d in held:
        tf = Counter(w for w in _words(d) if frequency[w] > 1)
        weight = {w: n * math.log(len(held) / frequency[w]) for w, n in tf.items()}
        best = sorted(weight, key=lambda w: -weight[w])[:pool]
        if len(best) >= words[0]:
            rng = random.Random(f"{seed}/{d.id}")
            chosen = set(rng.sample(best, min(rng.randint(*words), len(best))))
            yield _pair("keywords", d.id, " ".join(w for w in tf if w in chosen), str(d.content))


def _words(document: Candidate) -> list[str]:
    return _WORD.findall(str(document.content).lower())


def _pair(kind: str, id: str, query: str, text: str) -> Group:
    return Group.from_texts(query, (text,), (1.0,), f"{kind}-{id}", (id,))
