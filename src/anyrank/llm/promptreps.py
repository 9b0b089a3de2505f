"""PromptReps (arXiv 2404.18424): vectors of a language model that was asked for the one word that stands for a text.

The prompt ends where the model is to write that word. The last layer's hidden state there is the text's dense vector;
the logits there, restricted to the text's own words, are its sparse one. Nothing is trained.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray

from ..core.content import text_of
from ..core.errors import InputError
from ..core.language import GivesNextStates, NextStates, Prompt, Turn
from ..core.trace import Usage
from ..index.analysis import Analyser
from ..vectors import Dense, Encoded, Sparse, Tokens, Vectors

KINDS = ("dense", "sparse", "tokens")
MAX_LENGTH = 512
TERMS = 128
"""The heaviest of a text's own word-pieces that its sparse vector holds at most."""
FALLBACK = 10
"""The word-pieces of a text without words of its own: the heaviest of the whole vocabulary."""
_CHUNK = 512
"""Texts given to the model in one call, which sorts them by length."""
Floats = NDArray[np.float32]


def prompt(text: str, *, query: bool = False, words: int = 1) -> Prompt:
    """The question for the ``words`` that stand for a text, and the beginning of its answer.

    >>> prompt("how tall is it?", query=True)[-1].text
    'The word is: "'
    """
    thing = "query" if query else "passage"
    if words == 1:
        task = f"Which single word stands for this {thing} best in a retrieval task? Give that word alone"
        start = 'The word is: "'
    else:
        task = f"Which {words} words together stand for this {thing} best in a retrieval task? Give those words alone"
        start = 'The words are: "'
    return (
        Turn("system", "You understand what people write."),
        Turn("user", f'{thing.capitalize()}: "{text}"\n{task}, in lower case.'),
        Turn("assistant", start),
    )


def term_weights(
    logits: Floats, own: Collection[int], outside: NDArray[np.bool_] | None = None, expand: int = 0
) -> dict[int, int]:
    """Whole weights of word-pieces: 100 log(1 + max(logit, 0)), rounded, of the `TERMS` heaviest of a text's ``own``
    (of the `FALLBACK` heaviest of all, if it has none), and of the ``expand`` heaviest others that the mask
    ``outside`` allows. Weights of 0 are left out.

    >>> term_weights(np.array([0.0, 1.0, -2.0, 9.0], dtype=np.float32), own=[0, 1, 2])
    {1: 69}
    """
    values = np.log1p(np.maximum(logits, 0, dtype=np.float32))
    candidates = np.array(sorted(own), dtype=np.int64)
    chosen = _heaviest(values, candidates, TERMS) if len(candidates) else _heaviest(values, None, FALLBACK)
    if expand:
        free = np.ones(len(values), dtype=np.bool_) if outside is None else outside.copy()
        free[candidates] = False
        chosen = np.concatenate([chosen, _heaviest(values, np.flatnonzero(free), expand)])
    weights = np.rint(100 * values[chosen]).astype(int)
    return {int(i): int(w) for i, w in zip(chosen, weights) if w}


def _heaviest(values: Floats, among: NDArray[np.int64] | None, n: int) -> NDArray[np.int64]:
    """The n positions of the largest values, of equal ones the first."""
    at = np.arange(len(values)) if among is None else among
    return at[np.argsort(-values[at], kind="stable")[:n]]


@cache
def _analyser() -> Analyser:
    return Analyser("english")


def content_words(text: str) -> list[str]:
    """The words of a text in lower case, each once, without stop words and signs.

    >>> content_words("The quick fox, and the lazy dog.")
    ['quick', 'fox', 'lazy', 'dog']
    """
    english = _analyser()
    return [word for word in dict.fromkeys(english.words(text)) if not english.is_stop_word(word)]


@dataclass(frozen=True)
class PromptReps:
    """An encoder over a decoder-only language model. ``kind``: "dense", "sparse", or "tokens" (a state for each
    position of the generated words).

    ``generate``: 0 reads the next token's position alone; above, so many positions at most up to the closing quote,
    pooled: the mean of hidden states, the largest logits. ``words`` is how many words the prompt asks for. ``group``:
    the "tokens" of each position, or pooled over each whole "word". ``expand``: word-pieces outside the text that a
    sparse vector gets. A text is cut to ``max_length`` tokens before it is put into the prompt.
    """

    model: GivesNextStates
    kind: Literal["dense", "sparse", "tokens"] = "dense"
    name: str = "promptreps"
    generate: int = 0
    words: int = 1
    group: Literal["position", "word"] = "position"
    expand: int = 0
    max_length: int = MAX_LENGTH

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"kind={self.kind!r}: choose one of {', '.join(KINDS)}")
        if self.group not in ("position", "word"):
            raise InputError(f"group={self.group!r}: choose position or word")
        for name, least in (("generate", 0), ("words", 1), ("expand", 0), ("max_length", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name}={getattr(self, name)}: expected at least {least}")
        if not isinstance(self.model, GivesNextStates):
            raise InputError(
                f"{self.name} needs a decoder-only language model whose hidden states can be read (by transformers), "
                f"not {type(self.model).__name__}"
            )

    def encode(self, contents: Sequence[Any], *, query: bool = False) -> Encoded:
        """Vectors of contents, read as texts."""
        vectors, usage = self.vectors(contents, (self.kind,), query=query)
        return Encoded(vectors[self.kind], usage)

    def vectors(
        self, contents: Sequence[Any], kinds: Sequence[str] = KINDS, *, query: bool = False
    ) -> tuple[dict[str, Vectors], Usage]:
        """Vectors of several kinds from one reading of the texts."""
        if not len(contents):
            empty, _ = self.vectors([""], kinds, query=query)
            return {kind: v.take([]) for kind, v in empty.items()}, Usage()
        texts, cut = self._fitted([text_of(c) for c in contents])
        own: Sequence[Collection[int]] = self._own(texts) if "sparse" in kinds else [()] * len(texts)
        rows: dict[str, list[Any]] = {kind: [None] * len(texts) for kind in kinds}
        vocabulary, usage = 0, Usage(truncated=cut)
        for start in range(0, len(texts), _CHUNK):

            def read(i: int, found: NextStates, start: int = start) -> None:
                nonlocal vocabulary
                vocabulary = found.logits.shape[1]
                for kind in kinds:
                    rows[kind][start + i] = self._row(kind, found, own[start + i])

            prompts = [prompt(t, query=query, words=self.words) for t in texts[start : start + _CHUNK]]
            usage += self.model.next_states(prompts, read, max_tokens=max(self.generate, 1), stop='"')
        made: dict[str, Vectors] = {}
        for kind in kinds:
            if kind == "dense":
                made[kind] = Dense(np.stack(rows[kind]))
            else:
                made[kind] = Sparse.of(rows[kind], vocabulary) if kind == "sparse" else Tokens.of(rows[kind])
        return made, usage

    def _row(self, kind: str, read: NextStates, own: Collection[int]) -> Any:
        if kind == "dense":
            return unit(read.states.mean(axis=0))
        if kind == "sparse":
            outside = self._plain if self.expand else None
            return term_weights(read.logits.max(axis=0), own, outside, self.expand)
        states = unit(read.states)
        if self.group == "position":
            return states
        return np.stack([states[a:b].mean(axis=0) for a, b in word_spans(read.tokens)])

    def _fitted(self, texts: Sequence[str]) -> tuple[list[str], int]:
        """The texts, those longer than ``max_length`` tokens cut there; and how many were cut."""
        ids = self.model.token_ids(texts)
        long = [i for i, row in enumerate(ids) if len(row) > self.max_length]
        out = list(texts)
        for i in long:
            out[i] = self.model.token_text(ids[i][: self.max_length])
        return out, len(long)

    def _own(self, texts: Sequence[str]) -> list[set[int]]:
        """The word-pieces of each text's own words."""
        words = [content_words(t) for t in texts]
        every = list(dict.fromkeys(w for ws in words for w in ws))
        pieces: Mapping[str, list[int]] = dict(zip(every, self.model.token_ids(every)))
        return [{piece for w in ws for piece in pieces[w]} for ws in words]

    @cached_property
    def _plain(self) -> NDArray[np.bool_]:
        """A mask of the vocabulary: the word-pieces of letters or digits alone that begin with a to z."""
        sizes: list[int] = []
        self.model.next_states([prompt("")], lambda _, read: sizes.append(read.logits.shape[1]))
        texts = (self.model.token_text([i]) for i in range(sizes[0]))
        return np.array([(t.isalpha() or t.isdigit()) and "a" <= t[0] <= "z" for t in texts])


def unit(states: Floats) -> Floats:
    """Rows of length 1; a row of zeros stays."""
    length = np.linalg.norm(states, axis=-1, keepdims=True)
    return np.asarray(states / np.where(length > 0, length, 1), dtype=np.float32)


def word_spans(tokens: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The spans of the words among generated tokens: a token that begins with a space begins a word.

    >>> list(word_spans(["cat", " sh", "ark"]))
    [(0, 1), (1, 3)]
    """
    starts = [0, *(i for i, token in enumerate(tokens) if i and token[:1] == " ")]
    return iter(zip(starts, [*starts[1:], len(tokens)]))


SETTINGS: Mapping[str, Callable[[str], Any]] = {
    "generate": int,
    "words": int,
    "expand": int,
    "max_length": int,
    "group": str,
}
"""The settings that a name may state after "#", and their types."""


def of_name(name: str, model: Any) -> PromptReps:
    """The encoder of a name, "promptreps-KIND:MODEL#SETTINGS", over its opened model. Raises InputError on an unknown
    kind or setting."""
    prefix, _, rest = name.partition(":")
    options: dict[str, Any] = {}
    for key, value in parse_qsl(rest.partition("#")[2], keep_blank_values=True):
        if key not in SETTINGS:
            raise InputError(f"{name}: no setting {key!r}: known are {', '.join(SETTINGS)}")
        try:
            options[key] = SETTINGS[key](value)
        except ValueError:
            raise InputError(f"{name}: {key}={value!r}: expected a whole number") from None
    kind: Any = prefix.removeprefix("promptreps-")
    return dataclasses.replace(PromptReps(model, kind, name), **options)
