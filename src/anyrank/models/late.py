"""LateInteraction: one transformer reads queries and texts separately; a score adds the similarity of each query token
to the nearest token of the text (MaxSim, ColBERT, arXiv 2004.12832) and that of the mean vectors of both
(Sentence-BERT, arXiv 1908.10084).

Design choices: any encoder is a start, without a projection, so that training begins at its quality or above; MaxSim
counts twice, with all tokens of the query alike ([CLS] and [SEP] among them) and with weights, a softmax over a learned
direction of their states (0 at first; `weigh_by_rarity` gives it a better start). The three parts of a score have fixed
``scales``, which set how far apart scores are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..core.content import text_of
from ..core.errors import InputError
from ..core.types import Candidate
from ..vectors import Tokens, Vectors
from .base import declare
from .parts.fresh import fresh_body
from .parts.model_folder import ModelFolder, folder_of
from .parts.ragged import (
    chunks,
    filled,
    fits,
    gathered,
    in_single_precision,
    longest,
    member_mask,
    owners,
    run_body,
    texts_of,
    too_long,
)

SCALES = (10.0, 12.0, 9.0)
HEAD = "late.safetensors"
"""The file with the weights that a folder holds beside its encoder."""


class LateInteraction(nn.Module):  # type: ignore[misc,unused-ignore]
    """Scores [B, n] of groups of texts. ``scales``: of weighted MaxSim, of even MaxSim, of the means' cosine."""

    kind: ClassVar[str] = "late"

    def __init__(self, body: Any, tokenizer: Any, max_length: int = 256, scales: Sequence[float] = SCALES) -> None:
        super().__init__()
        fits(body, max_length)
        if len(values := list(scales)) != 3 or not all(isinstance(s, int | float) for s in values):
            raise InputError(f"scales={values}: expected three numbers, of weighted MaxSim, even MaxSim and the cosine")
        self.body = body
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.scales = tuple(map(float, values))
        self.weigh = nn.Linear(body.config.hidden_size, 1, bias=False)
        nn.init.zeros_(self.weigh.weight)
        in_single_precision(self.weigh)

    @classmethod
    def from_folder(
        cls, name: str | Path, *, max_length: int | None = None, scales: Sequence[float] | None = None, **config: Any
    ) -> LateInteraction:
        """A model of one of our folders, or any encoder's folder or hub id. ``config`` overrides the configuration."""
        from safetensors.torch import load_file
        from transformers import AutoModel, AutoTokenizer

        folder = folder_of(name)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        body = AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32, **config)
        head = load_file(file) if (file := folder / HEAD).is_file() else {}
        if scales is None:
            scales = head["scales"].tolist() if head else SCALES
        length = max_length or longest(body, tokenizer, ModelFolder.of(folder).max_length())
        model = cls(body, tokenizer, length, scales)
        if head:
            model.weigh.weight.data.copy_(head["weigh"])
        return model

    @classmethod
    def from_config(
        cls, shape: Mapping[str, Any], tokenizer: str | Path | Any, *, max_length: int = 256, **options: Any
    ) -> LateInteraction:
        """A fresh model of a shape, by default a BERT, and a tokenizer (or the folder or hub id of one)."""
        return cls(*fresh_body("AutoModel", shape, tokenizer), max_length, **options)

    def features(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
        """The inputs of `forward` for contents of queries and, for each, its candidates."""
        return {
            "queries": self._padded([text_of(q) for q in queries]),
            "chunks": chunks(self.tokenizer, texts_of(candidates), None, self.max_length),
            "mask": member_mask(candidates),
        }

    def _padded(self, texts: Sequence[str]) -> dict[str, Tensor]:
        return dict(
            self.tokenizer(list(texts), truncation=True, max_length=self.max_length, padding=True, return_tensors="pt")
        )

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """The number of texts of each group, the query counted in, that are longer than ``max_length`` tokens."""
        return too_long(self.tokenizer, queries, candidates, self.max_length)

    def forward(self, queries: Mapping[str, Tensor], chunks: Sequence[Mapping[str, Tensor]], mask: Tensor) -> Tensor:
        """Scores [B, n], 0 at padding (``mask`` False)."""
        query, _, weights, means = self.token_vectors(queries, query=True)
        assert weights is not None
        owner = owners(mask)
        parts = []
        for chunk in chunks:
            states, real_text, _, text_means = self.token_vectors(chunk)
            mine = owner[chunk["rows"]]  # the query of each text
            with torch.autocast(states.device.type, enabled=False):  # bfloat16 has too few digits to rank by
                cosines = query[mine] @ states.mT  # [texts, query tokens, tokens]
            best = cosines.masked_fill(~real_text[:, None], -torch.inf).amax(2)
            parts.append((weights[mine] * best).sum(1) + (means[mine] * text_means).sum(1))
        return filled(gathered(parts, [chunk["rows"] for chunk in chunks]), mask)

    def inputs(self, texts: Sequence[str], *, query: bool = False) -> list[dict[str, Any]]:
        """Texts as chunks for `vectors`."""
        return chunks(self.tokenizer, texts, None, self.max_length)

    def token_vectors(
        self, chunk: Mapping[str, Tensor], *, query: bool = False
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
        """Unit states [texts, tokens, width], which of them are real, the weights of a query's (None for texts), and
        means [texts, width], a query's scaled: a score is weighted MaxSim and the dot product of the means."""
        states, real = self.embed(chunk)
        means = _mean(states, real)
        unit = nn.functional.normalize(states, dim=-1)
        if not query:
            return unit, real, None, means
        weights = self.weigh(states)[..., 0].masked_fill(~real, -torch.inf).softmax(1)
        even = real / real.sum(1, keepdim=True)
        return unit, real, self.scales[0] * weights + self.scales[1] * even, self.scales[2] * means

    def vectors(self, chunk: Mapping[str, Tensor], *, query: bool = False) -> Vectors:
        """The vectors of a chunk's texts: nearness to a query's is the score of `forward`."""
        states, real, weights, means = self.token_vectors(chunk, query=query)
        rows = [text[counted].float().cpu().numpy() for text, counted in zip(states, real)]
        own = None if weights is None else [w[counted].float().cpu().numpy() for w, counted in zip(weights, real)]
        return Tokens.of(rows, own, means.float().cpu().numpy())

    def weigh_by_rarity(self, queries: Sequence[str], texts: Sequence[str]) -> float:
        """Set the direction of the weights so that a token of a query weighs about its inverse document frequency in
        ``texts``; [CLS], [SEP] and words of every text weigh a twentieth of the rarest.

        Weights are a softmax over a linear map of states, so the map is a ridge regression of the logarithms of the
        wanted weights. Returns the share of their variance that it explains (R squared). Raises InputError without
        queries or texts.
        """
        if not queries or not texts:
            raise InputError("rarity needs queries and texts")
        rows = self.tokenizer(list(texts), truncation=True, max_length=self.max_length)["input_ids"]
        frequency = Counter(i for ids in rows for i in set(ids))
        rarity = {i: math.log(1 + (len(texts) - n + 0.5) / (n + 0.5)) for i, n in frequency.items()}
        rarest = math.log(1 + (len(texts) + 0.5) / 0.5)
        special = set(self.tokenizer.all_special_ids)
        states, targets = [], []
        device, was_training = self.weigh.weight.device, self.training
        self.eval()
        with torch.inference_mode():
            for at in range(0, len(queries), 64):
                part = {k: v.to(device) for k, v in self._padded(queries[at : at + 64]).items()}
                token_states, real = self.embed(part)
                states.append(token_states[real])
                ids = part["input_ids"][real].tolist()
                targets += [rarest / 20 if i in special else max(rarity.get(i, rarest), rarest / 20) for i in ids]
        self.train(was_training)
        x, y = torch.cat(states).double().cpu(), torch.tensor(targets, dtype=torch.float64).log()
        y = y - y.mean()
        x = x - x.mean(0)
        direction = torch.linalg.solve(x.T @ x + len(x) * 1e-3 * torch.eye(x.shape[1], dtype=x.dtype), x.T @ y)
        self.weigh.weight.data.copy_(direction[None].float())
        return float(1 - (y - x @ direction).var() / y.var().clamp_min(1e-12))

    def embed(self, chunk: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """States [texts, tokens, width] in single precision, and which of them are real."""
        states = run_body(self.body, chunk).last_hidden_state.float()
        return states, chunk["attention_mask"].bool()

    def save(self, folder: Path) -> None:
        """The encoder as transformers reads it, and beside it the head."""
        from safetensors.torch import save_file

        self.tokenizer.model_max_length = self.max_length
        self.body.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        save_file({"weigh": self.weigh.weight.detach().cpu(), "scales": torch.tensor(self.scales)}, folder / HEAD)
        declare(folder, self.kind, pooling="none", max_length=self.max_length, scales=list(self.scales))


def _mean(states: Tensor, real: Tensor) -> Tensor:
    """Means of the real states, of length 1."""
    weight = real.float()[..., None]
    return nn.functional.normalize((states * weight).sum(1) / weight.sum(1), dim=-1)
