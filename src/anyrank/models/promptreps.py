"""PromptReps in training: the vectors of a causal model that was asked for one word, pulled towards the right texts
(arXiv 2404.18424).

    dense   the last layer's state at the prompt's end, of length 1         product / temperature
    sparse  log(1 + max(logit, 0)) of the text's own word-pieces             product
    loss    InfoNCE of the dense scores + InfoNCE of the sparse scores, each against the negatives of the whole batch

Design choices: the prompts, words and cut-offs are those of the encoders that use the model afterwards
(`llm.promptreps`: ``promptreps-dense:hf:FOLDER``, ``promptreps-sparse:hf:FOLDER``), but for weights as they are, not
rounded; a score is the sum of both products.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..core.content import text_of
from ..core.types import Candidate
from ..llm.promptreps import FALLBACK, TERMS, content_words, prompt
from .base import declare
from .parts.fresh import fresh_body
from .parts.peft_adapters import adapted, merged
from .parts.prompted import causal_folder, encoded, left_padded, shortened
from .parts.ragged import filled, gathered, longer, member_mask, owners, texts_of

NONE = -1
"""The filler of lists of word-pieces."""


class PromptReps(nn.Module):  # type: ignore[misc,unused-ignore]
    """Scores [B, n] of groups of texts. ``temperature`` divides the products of dense vectors; ``lora`` is the rank of
    an adapter that is trained in place of the weights, and merged when the model is saved. A text is cut to
    ``max_length`` tokens before it is put into the prompt."""

    kind: ClassVar[str] = "promptreps"

    def __init__(
        self, body: Any, tokenizer: Any, max_length: int = 512, temperature: float = 0.01, lora: int = 0
    ) -> None:
        super().__init__()
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        self.body = adapted(body, lora)
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.temperature = temperature

    @classmethod
    def from_folder(cls, name: str | Path, *, max_length: int | None = None, **options: Any) -> PromptReps:
        """A model of a folder or a hub id of a causal language model."""
        body, tokenizer, length, own = causal_folder(name, max_length, ("temperature",))
        return cls(body, tokenizer, length, **{**own, **options})

    @classmethod
    def from_config(
        cls, shape: Mapping[str, Any], tokenizer: str | Path | Any, *, max_length: int = 512, **options: Any
    ) -> PromptReps:
        """A fresh model of a shape, by default a Llama, and a tokenizer (or the folder or hub id of one)."""
        shape = {"model_type": "llama", **shape}
        return cls(*fresh_body("AutoModelForCausalLM", shape, tokenizer), max_length, **options)

    def features(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
        """The inputs of `forward`; ``same`` [B, members] marks texts that are no negatives of a query, since one of its
        own candidates has the same text, or another group asks the same."""
        texts, mask = texts_of(candidates), member_mask(candidates)
        owner = owners(mask).tolist()
        asked = [text_of(q) for q in queries]
        own = [{t for t, o in zip(texts, owner) if o == i} for i in range(len(asked))]
        same = [
            [o != i and (t in own[i] or asked[o] == asked[i]) for t, o in zip(texts, owner)] for i in range(len(own))
        ]
        queries_, chunks = self.inputs(asked, query=True), self.inputs(texts)
        return {"queries": queries_, "chunks": chunks, "mask": mask, "same": torch.tensor(same)}

    def inputs(self, texts: Sequence[str], *, query: bool = False) -> list[dict[str, Tensor]]:
        """Prompts for texts as chunks, with each text's own word-pieces."""
        cut = [shortened(self.tokenizer, t, self.max_length) for t in texts]
        rows = [encoded(self.tokenizer, prompt(t, query=query)).ids for t in cut]
        pieces = [self._pieces(t) for t in cut]
        width = max(1, *map(len, pieces)) if pieces else 1
        own = torch.tensor([p + [NONE] * (width - len(p)) for p in pieces])
        return [{**part, "own": own[part["rows"]]} for part in left_padded(rows, self.tokenizer.pad_token_id)]

    def _pieces(self, text: str) -> list[int]:
        words = content_words(text)
        ids = self.tokenizer(words, add_special_tokens=False)["input_ids"] if words else []
        return sorted({i for word in ids for i in word})

    def forward(
        self,
        queries: Sequence[Mapping[str, Tensor]],
        chunks: Sequence[Mapping[str, Tensor]],
        mask: Tensor,
        same: Tensor,
    ) -> Tensor:
        """Scores [B, n], 0 at padding (``mask`` False)."""
        dense, sparse = self.products(queries, chunks)
        members = torch.arange(dense.shape[1], device=dense.device)
        return filled((dense + sparse)[owners(mask), members], mask)

    def products(
        self, queries: Sequence[Mapping[str, Tensor]], chunks: Sequence[Mapping[str, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        """Products [B, members] of every query with every text of the batch: dense / temperature, and sparse."""
        dense_q, sparse_q = self.represent(queries)
        dense_t, sparse_t = self.represent(chunks)
        return dense_q @ dense_t.T / self.temperature, sparse_q @ sparse_t.T

    def represent(self, chunks: Sequence[Mapping[str, Tensor]]) -> tuple[Tensor, Tensor]:
        """Dense vectors [texts, width] and sparse ones [texts, vocabulary]."""
        parts = [self._chunk(chunk) for chunk in chunks]
        rows = [chunk["rows"] for chunk in chunks]
        return gathered([dense for dense, _ in parts], rows), gathered([sparse for _, sparse in parts], rows)

    def _chunk(self, chunk: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        inputs = {k: chunk[k] for k in ("input_ids", "attention_mask", "position_ids")}
        out = self.body(**inputs, logits_to_keep=1, use_cache=False, output_hidden_states=True)
        dense = nn.functional.normalize(out.hidden_states[-1][:, -1].float(), dim=1)
        return dense, own_weights(out.logits[:, -1].float(), chunk["own"])

    def loss(self, features: dict[str, Any], labels: Tensor) -> Tensor:
        """The sum of both InfoNCE losses."""
        mask = features["mask"]
        mine = torch.arange(len(mask), device=mask.device)[:, None] == owners(mask)[None, :]
        right = mine & (labels[mask] > 0)[None, :]
        scores = self.products(features["queries"], features["chunks"])
        return sum((contrast(s, right, ~features["same"]) for s in scores), scores[0].new_zeros(()))

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """The number of texts of each group, the query counted in, that are longer than ``max_length`` tokens."""
        return [
            sum(longer(self.tokenizer, [text_of(q), *texts_of([group])], None, self.max_length, special=False))
            for q, group in zip(queries, candidates, strict=True)
        ]

    def save(self, folder: Path) -> None:
        """A folder for transformers and for our backends, by ``model(FOLDER)`` and as a language model by
        ``promptreps-dense:hf:FOLDER`` and its like."""
        merged(self.body).save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        declare(folder, self.kind, max_length=self.max_length, pooling="none", temperature=self.temperature)


def own_weights(logits: Tensor, own: Tensor) -> Tensor:
    """Weights [texts, vocabulary] of each text's ``own`` word-pieces [texts, m] (`NONE` fills): log(1 + max(logit, 0))
    of the heaviest `TERMS`; of a text without any, of the heaviest `FALLBACK` of all.

    >>> [round(w, 2) + 0 for w in own_weights(torch.tensor([[0.0, 1, -2, 9]]), torch.tensor([[0, 1, 2]]))[0].tolist()]
    [0.0, 0.69, 0.0, 0.0]
    """
    values = torch.log1p(logits.clamp(min=0))
    allowed = torch.zeros_like(values, dtype=torch.bool).scatter(1, own.clamp(min=0), own != NONE)
    # the filler points at piece 0, which is allowed only if the text has it
    allowed[:, 0] = (own == 0).any(1)
    bare = ~allowed.any(1)
    most = torch.where(bare, FALLBACK, TERMS)[:, None]
    ranked = values.masked_fill(~(allowed | bare[:, None]), -1.0)
    heaviest = ranked.topk(min(TERMS, values.shape[1]), dim=1)
    counted = (torch.arange(heaviest.indices.shape[1], device=values.device) < most) & (heaviest.values > 0)
    return torch.zeros_like(values).scatter(1, heaviest.indices, heaviest.values.masked_fill(~counted, 0.0))


def contrast(scores: Tensor, right: Tensor, counted: Tensor) -> Tensor:
    """InfoNCE over the texts of a batch [B, members]: the mean over ``right`` texts of -log softmax among them and the
    ``counted`` ones that aren't right; 0 if nothing is right.

    >>> scores = torch.tensor([[2.0, 1.0, 0.0]])
    >>> right = torch.tensor([[True, False, False]])
    >>> round(float(contrast(scores, right, torch.ones_like(right))), 6)
    0.407606
    """
    rest = torch.logsumexp(scores.masked_fill(right | ~counted, -1e30), 1, keepdim=True)
    losses = nn.functional.softplus(rest - scores).masked_fill(~right, 0.0)
    return losses.sum() / right.sum().clamp(min=1)
