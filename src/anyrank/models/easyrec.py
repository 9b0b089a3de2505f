"""EasyRec: an encoder of profiles of users and items, trained by who interacted with what, and by masked words (arXiv
2408.08821).

    loss = cross-entropy over [all positive; all negative items of the batch] of the cosine / temperature
         + mlm * cross-entropy of masked tokens of all profiles

Trained with ``losses: []``; a group is a user's profile with an item that the user interacted with and one that not. It
is saved as any dense encoder; the head that predicts masked tokens is for the training alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .bi import BiEncoder
from .parts.masking import mask
from .parts.ragged import run_body


class EasyRec(BiEncoder):
    """`BiEncoder` with the loss above; ``mlm`` is the weight of its second part (0: none)."""

    kind: ClassVar[str] = "easyrec"

    def __init__(self, body: Any, tokenizer: Any, max_length: int = 64, mlm: float = 0.1, **options: Any) -> None:
        super().__init__(body, tokenizer, max_length, **{"in_batch": True, **options})
        self.mlm = mlm
        width, words = body.get_input_embeddings().weight.shape[::-1]
        self.head = nn.Sequential(nn.Linear(body.config.hidden_size, width), nn.GELU(), nn.LayerNorm(width))
        self.bias = nn.Parameter(torch.zeros(words))

    def loss(self, features: Mapping[str, Any], labels: Tensor) -> Tensor:
        """The loss of a batch; labels [batch, n], of which each group has one above 0."""
        scores = self(**features)  # [batch, batch * n], or [batch, n] where a group is only set against itself
        n = labels.shape[1]
        first = labels.argmax(1)
        columns = torch.arange(len(labels), device=scores.device) * n if scores.shape[1] > n else 0
        total: Tensor = nn.functional.cross_entropy(scores.float(), first + columns)
        return total + self.mlm * self.masked([*features["queries"], *features["chunks"]]) if self.mlm else total

    def masked(self, chunks: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """The mean cross-entropy of the masked tokens of some texts; 0 if none is masked."""
        logits, targets = [], []
        for chunk in chunks:
            ids = chunk["input_ids"]
            known = torch.tensor(self.tokenizer.all_special_ids, device=ids.device)
            inputs, chosen = mask(ids, torch.isin(ids, known), self.tokenizer.mask_token_id, len(self.tokenizer))
            states = run_body(self.body, {**chunk, "input_ids": inputs}).last_hidden_state[chosen]
            logits.append(self.head(states.float()) @ self.body.get_input_embeddings().weight.T + self.bias)
            targets.append(ids[chosen])
        if not sum(map(len, targets)):
            return self.bias.sum() * 0
        return nn.functional.cross_entropy(torch.cat(logits), torch.cat(targets))
