"""A trie over identifiers of documents, each a sequence of tokens, and the beam search that never leaves it.

Generative retrieval lets a decoder write the identifier of a document token by token; the trie allows only the tokens
that lead to a document that may be returned (as in GENRE, arXiv 2010.00904, and NCI, arXiv 2206.02743).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, quoted

PAD, END, FIRST = 0, 1, 2
"""Tokens of every identifier: padding (which also starts a decoder, as T5's does), its end, and the first token that an
identifier itself may use."""
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Step = Callable[[Ints, Ints], Floats]
"""(queries [m], prefixes [m, t] that begin with PAD) -> log-probabilities of the next token [m, vocabulary]."""


@dataclass(frozen=True, slots=True)
class Node:
    """A prefix of ``depth`` tokens: the identifiers from ``start`` to before ``stop``, in sorted order, begin with
    it."""

    start: int
    stop: int
    depth: int


@dataclass(frozen=True, slots=True, eq=False)
class Trie:
    """The identifiers of n documents, sorted, so that a node is a range of rows.

    ``tokens`` [n, length] hold each identifier, its END and padding, sorted; ``documents`` [n] is the number of the
    document of each row. Make one by `of`.
    """

    tokens: NDArray[np.int32]
    documents: Ints
    _children: dict[tuple[int, int], tuple[Ints, tuple[Node, ...]]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, identifiers: Sequence[Sequence[int]]) -> Trie:
        """The trie of the identifiers of documents 0, 1, … Raises InputError if two are equal, one is empty, or a
        token is under `FIRST`.

        >>> trie = Trie.of([[2, 5], [2, 4], [3]])
        >>> trie.children(trie.root)[0].tolist()
        [2, 3]
        """
        rows = closed(identifiers)
        order = np.lexsort(rows.T[::-1]) if len(rows) else np.zeros(0, dtype=np.int64)
        tokens = rows[order]
        same = np.flatnonzero((tokens[1:] == tokens[:-1]).all(axis=1))
        if len(same):
            first, second = sorted(order[same[0] : same[0] + 2].tolist())
            raise InputError(f"documents {first} and {second} have the same identifier {quoted(identifiers[first])}")
        return cls(tokens, order.astype(np.int64))

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def root(self) -> Node:
        """The empty prefix."""
        return Node(0, len(self.tokens), 0)

    def children(self, node: Node) -> tuple[Ints, tuple[Node, ...]]:
        """The tokens that may follow a prefix, ascending, and the node of each; none after END."""
        key = (node.start, node.depth)
        if key not in self._children:
            if node.start == node.stop or (node.depth and self.tokens[node.start, node.depth - 1] == END):
                self._children[key] = np.zeros(0, dtype=np.int64), ()
            else:
                column = self.tokens[node.start : node.stop, node.depth]
                starts = np.concatenate([[0], np.flatnonzero(np.diff(column)) + 1])
                stops = np.append(starts[1:], len(column)) + node.start
                nodes = tuple(Node(int(a), int(b), node.depth + 1) for a, b in zip(starts + node.start, stops))
                self._children[key] = column[starts].astype(np.int64), nodes
        return self._children[key]

    def document(self, node: Node) -> int | None:
        """The document whose identifier a prefix is, END included; None for other prefixes."""
        ended = node.depth > 0 and node.start < node.stop and self.tokens[node.start, node.depth - 1] == END
        return int(self.documents[node.start]) if ended else None


def closed(identifiers: Sequence[Sequence[int]]) -> NDArray[np.int32]:
    """Identifiers, each with its END, padded to one length: int32 [n, length]. Raises InputError on an empty one and on
    a token under `FIRST`.

    >>> closed([[5], [4, 3]]).tolist()
    [[5, 1, 0], [4, 3, 1]]
    """
    rows = np.full((len(identifiers), max(map(len, identifiers), default=0) + 1), PAD, dtype=np.int32)
    for i, tokens in enumerate(identifiers):
        if not len(tokens) or min(tokens) < FIRST:
            raise InputError(
                f"document {i}: identifier {quoted(list(tokens))}: at least one token, each {FIRST} or more"
            )
        rows[i, : len(tokens)] = tokens
        rows[i, len(tokens)] = END
    return rows


def beam_search(
    trie: Trie, step: Step, queries: int, width: int, k: int, allowed: Mask | None = None
) -> list[list[tuple[int, float]]]:
    """The k documents with the likeliest identifiers for each query, as (document, log-probability), best first.

    ``step`` gives the log-probabilities of the next tokens; those that the trie doesn't allow are never taken, and the
    others keep their values (they are not normalised again). ``width`` is the number of prefixes kept after each token,
    at least k; a width of all documents makes the search exact. ``allowed`` [documents] are the documents that may be
    returned. A query gets k documents if so many are allowed, since every prefix that is kept leads to one.
    """
    width = max(width, k)
    # the number of allowed documents before each row: a node leads to one if the count rises within its range
    ok = np.ones(len(trie), dtype=bool) if allowed is None else allowed[trie.documents]
    before = np.concatenate([[0], np.cumsum(ok)])
    active = [(q, trie.root, 0.0) for q in range(queries)] if ok.any() else []
    prefixes: Ints = np.full((len(active), 1), PAD, dtype=np.int64)
    ended: list[list[tuple[int, float]]] = [[] for _ in range(queries)]
    while active:
        logs = step(np.array([q for q, _, _ in active], dtype=np.int64), prefixes)
        longer: list[list[tuple[float, Node, int, int]]] = [[] for _ in range(queries)]
        for i, (q, node, score) in enumerate(active):
            tokens, nodes = trie.children(node)
            for token, child, log in zip(tokens.tolist(), nodes, logs[i, tokens].tolist()):
                if before[child.stop] == before[child.start]:
                    continue
                if token == END:
                    ended[q].append((int(trie.documents[child.start]), score + log))
                else:
                    longer[q].append((score + log, child, i, token))
        active, parents, last = [], [], []
        for q, options in enumerate(longer):
            options.sort(key=lambda option: -option[0])  # of equal scores the smaller token, as the trie is sorted
            for score, child, parent, token in options[:width]:
                active.append((q, child, score))
                parents.append(parent)
                last.append(token)
        if active:
            prefixes = np.concatenate([prefixes[parents], np.array(last, dtype=np.int64)[:, None]], axis=1)
    return [sorted(documents, key=lambda d: (-d[1], d[0]))[:k] for documents in ended]
