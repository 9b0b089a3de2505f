"""Elementary discourse units (EDUs): the clauses of a text, by rules or by a model of token labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...core.errors import InputError, MissingExtra, ModelError, quoted

Segmenter = Callable[[Sequence[str]], list[list[str]]]
"""Texts -> the EDUs of each, in order; joined by spaces they are the text."""

LEAST = 3
"""Words that an EDU has at least; a shorter piece joins its neighbour."""

_SENTENCE = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"'”’)]))\s+")
_CLAUSE = "because|although|though|while|when|if|unless|until|since|whereas|so that|in order to|which|who"
_AFTER_COMMA = "whenever|after|before|whose|where|whether|but|and|or|yet|as well as|according to|despite"
_AFTER_MARK = re.compile(rf"(?:(?<=[;:—–])|(?<=--))\s+|(?<=,)\s+(?=(?:{_CLAUSE}|{_AFTER_COMMA})\b)", re.IGNORECASE)
"""Clause marks; and commas before a connective."""
_BEFORE_WORD = re.compile(rf"\s+(?=(?:{_CLAUSE})\b)", re.IGNORECASE)
"""Connectives that begin a clause without a comma too."""


def by_rules(texts: Sequence[str]) -> list[list[str]]:
    """The EDUs of texts, split at sentence ends, clause marks and connectives.

    >>> by_rules(["Police closed the road because a lorry had overturned, and drivers were told to wait. It reopened."])
    [['Police closed the road', 'because a lorry had overturned,', 'and drivers were told to wait.', 'It reopened.']]
    """
    return [_clauses(text) for text in texts]


def _clauses(text: str) -> list[str]:
    text = " ".join(text.split())
    out: list[str] = []
    for sentence in _SENTENCE.split(text):
        pieces = [p for mark in _AFTER_MARK.split(sentence) for p in _BEFORE_WORD.split(mark) if p]
        out += _joined(pieces)
    return out


def _joined(pieces: Sequence[str]) -> list[str]:
    """The pieces of a sentence, short ones joined to the piece before them, or to the next if they are first."""
    groups: list[list[str]] = []
    count = 0  # words of the last group
    for piece in pieces:
        words = len(piece.split())
        if groups and (words < LEAST or count < LEAST):
            groups[-1].append(piece)
            count += words
        else:
            groups.append([piece])
            count = words
    return [" ".join(group) for group in groups]


def by_model(name: str, *, begins: str = "B") -> Segmenter:
    """A segmenter by a token classifier of transformers, a folder or a hub id: an EDU begins at each word whose first
    token's label begins with ``begins``. Raises InputError if no label does, ModelError if there is no such model,
    MissingExtra without transformers."""
    try:
        import torch
        from transformers import AutoModelForTokenClassification, AutoTokenizer
    except ImportError as error:
        raise MissingExtra(error.name or "transformers", extra="torch") from error
    from ...backends.hf.load import quiet

    if not Path(name).is_dir() and name.count("/") != 1:
        raise ModelError(f"no segmenter {quoted(name)}: expected the folder or the hub id (owner/name) of a classifier")
    try:
        with quiet():
            tokenizer: Any = AutoTokenizer.from_pretrained(name)
            model: Any = AutoModelForTokenClassification.from_pretrained(name, use_safetensors=True).eval()
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{name}: can't be loaded: {' '.join(str(error).split())[:300]}") from error
    starts = [i for i, label in model.config.id2label.items() if str(label).startswith(begins)]
    if not starts:
        labels = ", ".join(map(str, model.config.id2label.values()))
        raise InputError(f"{name} has no label that begins with {begins!r}, only {labels}: set begins")

    def segment(texts: Sequence[str]) -> list[list[str]]:
        return [_at_starts(text.split(), _word_starts(text.split())) for text in texts]

    def _word_starts(words: list[str]) -> set[int]:
        """The positions of words that begin an EDU; words beyond what the model reads begin none."""
        if not words:
            return set()
        encoded = tokenizer(words, is_split_into_words=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            labels = model(**encoded).logits[0].argmax(-1).tolist()
        owners = encoded.word_ids(0)
        first = {w: i for i, w in reversed(list(enumerate(owners))) if w is not None}
        return {w for w, i in first.items() if labels[i] in starts}

    return segment


def _at_starts(words: Sequence[str], starts: set[int]) -> list[str]:
    """Words joined into EDUs that begin at some positions.

    >>> _at_starts(["a", "b", "c"], {1})
    ['a', 'b c']
    """
    out: list[list[str]] = []
    for i, word in enumerate(words):
        if i in starts or not out:
            out.append([])
        out[-1].append(word)
    return [" ".join(edu) for edu in out]
