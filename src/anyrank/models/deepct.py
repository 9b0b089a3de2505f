"""DeepCT: a linear regression from the state of each word of a text to the word's importance, the share of the queries
answered by the text that contain it (arXiv 1910.10687).

    y_t = w . state_t + b      loss = mean over words t of the text of (y_t - recall_t)^2

Trained with ``losses: []`` it has this loss, on the words of each text labelled above 0: a word's target is 1 if the
group's query has it, else 0, and over the queries of a text the mean of such errors is least at the recall. Any loss of
scores works too: a score is the sum of y over the query's words. The paper's use is BM25 over text in which each word
stands round(100 y) times: `papers/deepct.py`, ``anyrank expand --model FOLDER``. A word counts at its first position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from .parts.ragged import owners
from .parts.terms import NONE, Weights


class DeepCT(Weights):
    """Scores [B, n] of groups of texts; ``bits`` and ``most`` as in `Weights`."""

    kind: ClassVar[str] = "deepct"
    words: ClassVar[bool] = True
    reads_queries: ClassVar[bool] = False

    def __init__(
        self,
        body: Any,
        tokenizer: Any,
        max_length: int = 256,
        bits: int = 0,
        most: float = 1.0,
        in_batch: bool = False,
    ) -> None:
        super().__init__(body, tokenizer, max_length, bits, most, in_batch)
        self.weigh = nn.Linear(body.config.hidden_size, 1)
        nn.init.normal_(self.weigh.weight, std=0.02)
        nn.init.constant_(self.weigh.bias, 0.1)

    def values(self, states: Tensor) -> Tensor:
        weights: Tensor = self.weigh(states)
        return weights

    def weighed(self, texts: Sequence[str]) -> list[list[tuple[str, float]]]:
        """The words of each text, lower-cased, with their weights: of passages of ``max_length`` tokens or less, so
        that none is cut, each word once a passage."""
        device = next(self.parameters()).device
        parts = [(i, part) for i, text in enumerate(texts) for part in passages(text, self.max_length // 2)]
        out: list[list[tuple[str, float]]] = [[] for _ in texts]
        encoded = self.tokenizer([part for _, part in parts], truncation=True, max_length=self.max_length)
        for chunk in self.read([part for _, part in parts]):
            terms, values = self.document({k: v.to(device) for k, v in chunk.items()})
            for row, mine, weights in zip(chunk["rows"].tolist(), terms.tolist(), values[..., 0].tolist()):
                owner, text = parts[row]
                for at, (term, weight) in enumerate(zip(mine, weights)):
                    if term != NONE:
                        start, end = encoded.word_to_chars(row, encoded.token_to_word(row, at))
                        out[owner].append((text[start:end].lower(), weight))
        return out

    def loss(self, features: Mapping[str, Any], labels: Tensor) -> Tensor:
        """The mean squared error over the words of the texts labelled above 0; 0 if there is none."""
        mask, queries = features["mask"], features["queries"]["terms"]
        owner, relevant = owners(mask), labels[mask] > 0
        total, count = labels.new_zeros(()), labels.new_zeros(())
        for chunk in features["chunks"]:
            terms, values = self.document(chunk)
            counted = (terms != NONE) & relevant[chunk["rows"]][:, None]
            targets = (terms[:, :, None] == queries[owner[chunk["rows"]]][:, None, :]).any(2)
            errors = (values[..., 0] - targets.float()) ** 2
            total = total + errors.masked_fill(~counted, 0.0).sum()
            count = count + counted.sum()
        return total / count.clamp(min=1)


def passages(text: str, words: int) -> list[str]:
    """A text in passages of so many words each, the last with what is left.

    >>> passages("lift and drag", 2)
    ['lift and', 'drag']
    """
    parts = text.split()
    return [" ".join(parts[i : i + words]) for i in range(0, len(parts), words)]
