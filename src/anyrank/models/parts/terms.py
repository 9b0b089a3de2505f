"""`TermModel`: models that give each term of a text a weight or a short vector, so that a text is compared with a query
by the terms that both have (uniCOIL, COIL, DeepImpact, DeepCT). Each is a file that says what a term is and how it is
weighed; reading, scores, vectors and folders are the same for all and stand here.

    s(q, d) = sum over terms t of q of  max over the positions of t in d of  q_t . d_t      (0 if d lacks t)

Terms are word pieces, or whole words, of which the first piece's state counts. A word of one piece has the number of
that piece; a word of several has a number behind those, of 2^20, by a checksum of its pieces: so every index has the
same numbers without a list of words, and of 30,000 such words about 430 pairs share one.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.content import text_of
from ...core.errors import InputError
from ...core.types import Candidate
from ...vectors import Sparse, Vectors
from .encoder_model import EncoderModel
from .ragged import filled, gathered, grouped, member_mask, owners, padded, run_body, texts_of, too_long

HEAD = "terms.safetensors"
"""The file with the weights that a folder holds beside its encoder."""
WORDS = 1 << 20
"""Numbers for words of several pieces."""
NONE = -1
"""The number of a token that is no term: [CLS], padding, the second piece of a word."""


class TermModel(EncoderModel, ABC):
    """Scores [B, n] of groups of texts; while training with ``in_batch``, [B, B x n], every query with every text.

    ``body`` is a transformers encoder; texts are cut to ``max_length`` tokens. Texts of other queries share few terms
    with a query, so against them a weight above 0 pays. Against negatives of BM25 alone, which share about as many as
    the relevant text, the shortest way to a lower loss is weights of 0, from which a relu doesn't come back.
    """

    kind: ClassVar[str]
    words: ClassVar[bool] = False
    """Whether terms are words without punctuation marks, each once a text (at its first position), else word pieces."""
    reads_queries: ClassVar[bool] = True
    """Whether the encoder reads queries; else each of their terms has the weight 1."""

    file: ClassVar[str] = HEAD

    def __init__(self, body: Any, tokenizer: Any, max_length: int = 256, in_batch: bool = False) -> None:
        super().__init__(body, tokenizer, max_length)
        if self.words and not tokenizer.is_fast:
            raise InputError(f"{self.kind} needs a fast tokenizer, which knows the words of its pieces")
        self.in_batch = in_batch
        self.countable = countable(tokenizer, marks=not self.words)

    @abstractmethod
    def values(self, states: Tensor) -> Tensor:
        """The vectors [..., dim] of tokens by their states [..., width], in single precision."""

    def options(self) -> dict[str, Any]:
        """The options of the class with which this model was made."""
        return {}

    @property
    def vocabulary(self) -> int:
        """The number of terms that there are."""
        return len(self.countable) + WORDS if self.words else len(self.countable)

    def features(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
        """The inputs of `forward` for contents of queries and, for each, its candidates."""
        # Queries stay one chunk, in their order, since every text is compared with the one at its group's position.
        (first,) = self.read([text_of(q) for q in queries], together=True)
        return {
            "queries": {name: values for name, values in first.items() if name != "rows"},
            "chunks": self.inputs(texts_of(candidates)),
            "mask": member_mask(candidates),
        }

    def inputs(self, texts: Sequence[str], *, query: bool = False) -> list[dict[str, Any]]:
        """Texts as chunks for `vectors`; queries are read as documents are."""
        return self.read(texts)

    def read(self, texts: Sequence[str], *, together: bool = False) -> list[dict[str, Any]]:
        """Texts as chunks of a transformers body, each with ``terms`` [texts, tokens], the number of each token's term.
        Texts of similar length share a chunk; with ``together`` all are one, in their order."""
        encoded = self.tokenizer(list(texts), truncation=True, max_length=self.max_length)
        rows = [dict(zip(encoded, values)) for values in zip(*encoded.values())]
        for i, row in enumerate(rows):
            row["terms"] = self.terms(row["input_ids"], encoded.word_ids(i) if self.words else None)
        parts = [list(range(len(rows)))] if together else grouped([len(row["input_ids"]) for row in rows])
        return [padded(rows, part, {"input_ids": self.tokenizer.pad_token_id or 0, "terms": NONE}) for part in parts]

    def terms(self, ids: Sequence[int], words: Sequence[int | None] | None) -> list[int]:
        """The number of the term at each token of a text; ``words`` are the positions of the tokens' words."""
        if words is None:
            return [i if self.countable[i] else NONE for i in ids]
        out, seen = [NONE] * len(ids), {NONE}
        start = 0
        for at in range(1, len(ids) + 1):
            if at < len(ids) and words[at] == words[start] and words[at] is not None:
                continue
            number = self.word(ids[start:at])
            if number not in seen:
                out[start] = number
                seen.add(number)
            start = at
        return out

    def word(self, pieces: Sequence[int]) -> int:
        """The number of a word by its pieces."""
        if not any(self.countable[i] for i in pieces):
            return NONE
        if len(pieces) == 1:
            return pieces[0]
        return len(self.countable) + zlib.crc32(np.asarray(pieces, dtype="<u4").tobytes()) % WORDS

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """The number of texts of each group, the query counted in, that are longer than ``max_length`` tokens."""
        return too_long(self.tokenizer, queries, candidates, self.max_length)

    def forward(self, queries: Mapping[str, Tensor], chunks: Sequence[Mapping[str, Tensor]], mask: Tensor) -> Tensor:
        """Scores [B, n], 0 at padding (``mask`` False); see the class for ``in_batch``."""
        query, owner, rows = self.query(queries), owners(mask), [chunk["rows"] for chunk in chunks]
        if self.in_batch and self.training:
            flat = gathered([self.every(query, self.document(chunk)) for chunk in chunks], rows)
            # [B x n, B], zeros for padding, so that a text's column is the same for every query
            return flat.new_zeros(mask.numel(), len(mask)).masked_scatter(mask.reshape(-1, 1), flat).T
        parts = []
        for chunk in chunks:
            mine = owner[chunk["rows"]]  # the query of each text
            parts.append(self.compare(*(x[mine] for x in query), *self.document(chunk)))
        return filled(gathered(parts, rows), mask)

    def every(self, query: tuple[Tensor, ...], document: tuple[Tensor, ...]) -> Tensor:
        """Scores [texts, B] of a chunk's texts with every query."""
        texts = len(document[0])
        # Query by query, so that memory is that of one query's table of equal terms.
        return torch.stack(
            [self.compare(*(x[i].expand(texts, *x[i].shape) for x in query), *document) for i in range(len(query[0]))],
            dim=1,
        )

    def document(self, chunk: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Terms [texts, tokens] and their vectors [texts, tokens, dim] of a chunk of documents."""
        states = run_body(self.body, chunk).last_hidden_state
        with torch.autocast(states.device.type, enabled=False):  # bfloat16 has too few digits to rank by
            return chunk["terms"], self.values(states.float())

    def query(self, chunk: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """The same of queries."""
        if self.reads_queries:
            return self.document(chunk)
        return chunk["terms"], torch.ones((*chunk["terms"].shape, 1), device=chunk["terms"].device)

    def compare(self, query_terms: Tensor, query: Tensor, terms: Tensor, values: Tensor) -> Tensor:
        """Scores [texts], each of a text with its query: terms [texts, tokens] and vectors [texts, tokens, dim]."""
        # [texts, query tokens, tokens]
        same = (query_terms[:, :, None] == terms[:, None, :]) & (query_terms != NONE)[:, :, None]
        with torch.autocast(values.device.type, enabled=False):  # bfloat16 has too few digits to rank by
            # A term that the text lacks, or whose best product is below 0, adds nothing.
            return ((query @ values.mT) * same).amax(2).sum(1)

    def vectors(self, chunk: Mapping[str, Any], *, query: bool = False) -> Vectors:
        """The sparse vectors of a chunk of texts: of a document the heaviest weight of each term, of a query the sum
        over its positions."""
        terms, values = self.query(chunk) if query else self.document(chunk)
        return sparse(terms.cpu().numpy(), values[..., 0].float().cpu().numpy(), self.vocabulary, query=query)


class Weights(TermModel, ABC):
    """Models of one weight a term, never below 0, which a folder may store as whole numbers.

    With ``bits`` (8 in the papers) `vectors` gives weights as whole numbers, 2^bits for ``most`` and more; rankings by
    documents' weights hardly change (scores become larger), and 0 leaves them as they are.
    """

    def __init__(
        self,
        body: Any,
        tokenizer: Any,
        max_length: int = 256,
        bits: int = 0,
        most: float = 5.0,
        in_batch: bool = False,
    ) -> None:
        super().__init__(body, tokenizer, max_length, in_batch)
        if not 0 <= bits <= 11 or not most > 0:
            raise InputError(f"bits={bits}, most={most}: expected 0 (none) to 11 bits, and a weight above 0")
        self.bits = bits
        self.most = most

    def options(self) -> dict[str, Any]:
        return {"bits": self.bits, "most": self.most}

    def vectors(self, chunk: Mapping[str, Any], *, query: bool = False) -> Vectors:
        vectors = super().vectors(chunk, query=query)
        if not self.bits or (query and not self.reads_queries):
            return vectors
        assert isinstance(vectors, Sparse)
        return whole(vectors, self.bits, self.most, self.rounded)

    rounded: ClassVar[Any] = np.rint
    """The rounding to whole numbers."""


def sparse(terms: NDArray[Any], weights: NDArray[Any], vocabulary: int, *, query: bool) -> Sparse:
    """Sparse rows of the terms [texts, tokens] and weights [texts, tokens] of texts: of equal terms the heaviest
    weight, or with ``query`` their sum; weights of 0 and less are left out.

    >>> row = [[7, -1, 2, 7]], [[1.0, 9.0, 0.5, 2.0]]
    >>> [sparse(*map(np.array, row), 8, query=q).row(0) for q in (False, True)]
    [{2: 0.5, 7: 2.0}, {2: 0.5, 7: 3.0}]
    """
    row, token = np.nonzero((terms >= 0) & (weights > 0))
    key = row.astype(np.int64) * vocabulary + terms[row, token]
    distinct, position = np.unique(key, return_inverse=True)
    out = np.zeros(len(distinct), dtype=np.float32)
    (np.add if query else np.maximum).at(out, position, weights[row, token].astype(np.float32))
    indptr = np.searchsorted(distinct, np.arange(len(terms) + 1) * vocabulary).astype(np.int64)
    return Sparse(indptr, (distinct % vocabulary).astype(np.int32), out, vocabulary)


def whole(vectors: Sparse, bits: int, most: float, rounded: Any = np.rint) -> Sparse:
    """Weights as whole numbers up to 2^bits, which stands for ``most`` and more; those that become 0 are left out.

    >>> whole(Sparse.of([{0: 0.001, 1: 2.5, 2: 9.0}], 3), 8, 5.0).row(0)
    {1: 128.0, 2: 256.0}
    """
    levels = 1 << bits
    values = np.minimum(rounded(vectors.values * (levels / most)), levels).astype(np.float32)
    stay = values > 0
    indptr = np.concatenate([[0], np.cumsum(stay)])[vectors.indptr].astype(np.int64)
    return Sparse(indptr, vectors.indices[stay], values[stay], vectors.dim)


def countable(tokenizer: Any, marks: bool = True) -> list[bool]:
    """For every token of a vocabulary whether it may be a term: not if it is special, or without ``marks`` if it holds
    no letter or digit."""
    special = set(tokenizer.all_special_ids)
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    return [i not in special and (marks or any(c.isalnum() for c in str(t))) for i, t in enumerate(tokens)]
