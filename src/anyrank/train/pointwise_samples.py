"""Pointwise samples from triples, as cross-encoders are trained on: one positive for every few negatives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from ..core.content import text_of
from ..core.errors import InputError
from .group import Group


class Tokenizer(Protocol):
    """A tokenizer of ``tokenizers`` or ``transformers``, used to cut texts."""

    def encode(self, text: str, *, add_special_tokens: bool = False) -> Any: ...

    def decode(self, ids: Sequence[int]) -> str: ...


def one_to_four(
    triples: Iterable[Group],
    tokenizer: Tokenizer | None = None,
    *,
    negatives: int = 4,
    query: int = 70,
    document: int = 350,
) -> Iterator[Group]:
    """Groups of one text: of every 5 triples the first gives its positive (label 1), the others their negatives
    (label 0); with a tokenizer the query is cut to 70 tokens and the document to 350 (ChatGPT-RetrievalQA's set-up).

    Raises InputError on a group that isn't a pair of a positive and a negative.

    >>> triples = [Group.from_texts(f"q{i}", ("yes", "no"), (1.0, 0.0)) for i in range(6)]
    >>> [(g.query, g.labels[0]) for g in one_to_four(triples)]
    [('q0', 1.0), ('q1', 0.0), ('q2', 0.0), ('q3', 0.0), ('q4', 0.0), ('q5', 1.0)]
    """
    for position, triple in enumerate(triples):
        if len(triple.candidates) != 2 or not triple.labels[0] > triple.labels[1]:
            raise InputError(f"{triple.name}: expected two texts, a positive and then a negative")
        side = 0 if position % (negatives + 1) == 0 else 1
        text = triple.texts[side]
        query_text = text_of(triple.query) if tokenizer is None else cut(text_of(triple.query), query, tokenizer)
        text = text if tokenizer is None else cut(text, document, tokenizer)
        yield Group.from_texts(query_text, (text,), (1.0 - side,), triple.id, triple.ids[side : side + 1])


def cut(text: str, tokens: int, tokenizer: Tokenizer) -> str:
    """A text's first tokens, decoded; a text that is short enough stays as it is."""
    encoded = tokenizer.encode(text, add_special_tokens=False)
    ids = getattr(encoded, "ids", encoded)
    return text if len(ids) <= tokens else tokenizer.decode(ids[:tokens])
