"""PreTTR: the lower layers of a cross-encoder read query and document apart, so that the document's states can be
computed before there is a query; the upper ones read both (arXiv 2004.14255).

    [CLS] query [MASK]* [SEP] | document [SEP]      layers < join apart, layers >= join together      s = w . [CLS]

Design choices: document positions begin behind the longest query (``query_length`` tokens with special ones), so that
they don't depend on the query; the document has no [CLS]; ``masks`` mask tokens lengthen a query, as in the code of
cross-architecture distillation (8 there); states are stored as they are, without the paper's compression.
``document_states`` and ``score_states`` are the two halves: their scores are those of the whole pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..core.content import text_of
from ..core.errors import InputError
from .parts.pairs import Row
from .parts.split_encoder import Segment, SplitEncoder, row_of


class PreTTR(SplitEncoder):
    """Scores [B, n] of groups of texts; see `SplitEncoder` for the arguments. A document has the tokens that a query
    leaves of ``max_length``."""

    kind: ClassVar[str] = "prettr"

    def __init__(
        self,
        body: Any,
        tokenizer: Any,
        max_length: int = 256,
        *,
        join: int = -1,
        query_length: int = 32,
        masks: int = 8,
    ) -> None:
        super().__init__(body, tokenizer, max_length, join=join)
        if masks and tokenizer.mask_token_id is None:
            raise InputError(f"masks={masks}: this tokenizer has no mask token: set masks to 0")
        self.query_length = min(query_length, max_length // 2)
        self.masks = max(0, min(masks, self.query_length - 3))
        if self.query_length < 3:
            raise InputError(f"query_length={query_length}, max_length={max_length}: a query needs 3 tokens at least")

    def read(self, queries: Sequence[Any], contents: Sequence[Any]) -> tuple[list[Row], list[bool]]:
        first, first_cut = self._queries([text_of(q) for q in queries])
        second, second_cut = self._documents([text_of(c) for c in contents])
        rows = [row_of(q, d) for q, d in zip(first, second, strict=True)]
        return rows, [a or b for a, b in zip(first_cut, second_cut)]

    def _queries(self, texts: Sequence[str]) -> tuple[list[Segment], list[bool]]:
        most = self.query_length - self.masks
        out = []
        for ids in self._ids(texts):
            kept = [*ids[:-1][: most - 1], *[self.tokenizer.mask_token_id] * self.masks, ids[-1]]
            out.append(Segment(kept))
        return out, [len(s.ids) < len(ids) + self.masks for s, ids in zip(out, self._ids(texts))]

    def _documents(self, texts: Sequence[str]) -> tuple[list[Segment], list[bool]]:
        most = self.max_length - self.query_length
        every = [ids[1:] for ids in self._ids(texts)]
        cut = [len(ids) > most for ids in every]
        parts = [[*ids[: most - 1], ids[-1]] if over else ids for ids, over in zip(every, cut)]
        return [Segment(ids, self.query_length, self._second_type) for ids in parts], cut

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids with special tokens at both ends."""
        ids: list[list[int]] = self.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        return ids

    @property
    def _second_type(self) -> int:
        return int(getattr(self.body.config, "type_vocab_size", 1) > 1)

    def document_states(self, contents: Sequence[Any]) -> list[Tensor]:
        """The states [tokens, width] at the join of each document, for any query: what an index would store."""
        segments, _ = self._documents([text_of(c) for c in contents])
        out: list[Tensor] = [torch.empty(0)] * len(segments)
        device = self.out.weight.device
        for chunk in self.chunked([row_of(s, first=1) for s in segments]):
            states = self.low({name: values.to(device) for name, values in chunk.items()})
            for row, tokens, real in zip(chunk["rows"].tolist(), states, chunk["attention_mask"].bool()):
                out[row] = tokens[real.to(device)]
        return out

    def score_states(self, query: Any, documents: Sequence[Tensor]) -> Tensor:
        """The scores [documents] for a query of documents' states at the join. The layers below it read the query
        alone."""
        (segment,), _ = self._queries([text_of(query)])
        device = self.out.weight.device
        (chunk,) = self.chunked([row_of(segment)])
        mine = self.low({name: values.to(device) for name, values in chunk.items()})[0]
        scores = []
        for states in documents:
            joined = torch.cat([mine, states.to(device)])[None]
            scores.append(self.high(joined, torch.ones(joined.shape[:2], device=device)))
        return torch.cat(scores)
