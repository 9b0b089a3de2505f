"""Pyramid-ERNIE: the lower layers read query and title together and a summary of the document apart; the upper layers
read all, at less cost than reading all in every layer (arXiv 2105.11108).

    [CLS] query [SEP] title [SEP] | [CLS] summary [SEP]      s = w . [CLS] + b
    cost of attention: low ((q + t)^2 + s^2) + high (q + t + s)^2

The summary holds the sentences that cover the query's words best (QUITE, `core.passages.quite`), in the order of their
choice, so that what is cut is what covers least. Design choices: words are the tokenizer's pieces; their importance is
their inverse document frequency in the training texts, or 1 without training; a content without a title has an empty
one; the summary's positions begin at 0. Which share of the layers is low is not in what we have read of the paper:
``join`` -1 is half.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import torch

from ..core.content import TEXT_FIELDS, text_of
from ..core.passages import quite, sentences
from .parts.pairs import Row
from .parts.split_encoder import Segment, SplitEncoder, row_of


class Pyramid(SplitEncoder):
    """Scores [B, n] of groups of documents; see `SplitEncoder` for the arguments. ``head_length`` tokens are the
    query's and the title's, the rest of ``max_length`` the summary's, of at most ``sentences`` sentences; ``decay`` is
    QUITE's factor of words that the summary has."""

    kind: ClassVar[str] = "pyramid"

    def __init__(
        self,
        body: Any,
        tokenizer: Any,
        max_length: int = 256,
        *,
        join: int = -1,
        head_length: int = 64,
        sentences: int = 4,
        decay: float = 0.5,
    ) -> None:
        super().__init__(body, tokenizer, max_length, join=join, bias=True)
        self.head_length = min(head_length, max_length // 2)
        self.sentences = sentences
        self.decay = decay
        self.register_buffer("importance", torch.ones(len(tokenizer)))
        self.importance: torch.Tensor

    def count(self, texts: Iterable[str]) -> None:
        """Count the texts that hold each word piece: its importance is log((n + 1) / (df + 1)). A model that has
        counted stays as it is."""
        if not bool((self.importance == 1).all()):
            return
        frequency, distinct = torch.zeros(len(self.importance)), list(dict.fromkeys(texts))
        for ids in self._pieces(distinct):
            frequency[list(set(ids))] += 1
        self.importance.copy_(torch.log((len(distinct) + 1) / (frequency + 1)))

    def _pieces(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        ids: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    def summary(self, query: str, text: str) -> str:
        """The sentences of a text that cover a query's words best, in the order of choice."""
        parts = sentences(text)
        if len(parts) <= 1:
            return text
        (first, *each) = self._pieces([query, *parts])
        weights = dict(zip(first, self.importance[first].tolist()))
        return " ".join(parts[i] for i in quite(weights, list(map(set, each)), self.sentences, self.decay))

    def read(self, queries: Sequence[Any], contents: Sequence[Any]) -> tuple[list[Row], list[bool]]:
        first, titles, summaries, cut = [], [], [], []
        for query, content in zip(map(text_of, queries), contents, strict=True):
            title, text = title_and_text(content)
            summary = self.summary(query, text)
            cut.append(len(summary) < len(text) and len(sentences(text)) > self.sentences)
            first.append(query)
            titles.append(title)
            summaries.append(summary)
        heads = self._tokens(first, titles, self.head_length)
        bodies = self._tokens(summaries, None, self.max_length - self.head_length)
        rows = []
        for i, (head, body) in enumerate(zip(heads, bodies)):
            rows.append(row_of(Segment(head[0]), Segment(body[0])))
            if "token_type_ids" in self.tokenizer.model_input_names and head[1]:
                rows[-1]["token_type_ids"] = [*head[1], *[0] * len(body[0])]
            cut[i] = cut[i] or head[2] or body[2]
        return rows, cut

    def _tokens(
        self, first: Sequence[str], second: Sequence[str] | None, most: int
    ) -> list[tuple[list[int], list[int], bool]]:
        """Ids and token types of texts or pairs, cut to ``most``, and whether they are cut."""
        strategy = "longest_first" if second is not None else True
        pair = None if second is None else list(second)
        whole = self.tokenizer(list(first), pair, truncation=False, verbose=False)["input_ids"]
        short = self.tokenizer(list(first), pair, truncation=strategy, max_length=most)
        types = short.get("token_type_ids") or [[] for _ in first]
        return [(ids, t, len(ids) < len(w)) for ids, t, w in zip(short["input_ids"], types, whole)]


def title_and_text(content: Any) -> tuple[str, str]:
    """The title of a content ("" if it has none) and its text.

    >>> title_and_text({"title": "Lift", "text": "of wings"}), title_and_text("Lift of wings")
    (('Lift', 'of wings'), ('', 'Lift of wings'))
    """
    if isinstance(content, Mapping) and content.get("title") and any(content.get(f) for f in TEXT_FIELDS):
        rest = {name: value for name, value in content.items() if name != "title"}
        return str(content["title"]), text_of(rest)
    return "", text_of(content)


def attention_cost(low: int, high: int, head: int, summary: int) -> int:
    """Pairs of tokens that attend to each other: ``low`` layers over the head (query and title) and the summary apart,
    ``high`` ones over both.

    >>> attention_cost(9, 3, 32, 224), attention_cost(0, 12, 32, 224)
    (657408, 786432)
    """
    return low * (head**2 + summary**2) + high * (head + summary) ** 2
