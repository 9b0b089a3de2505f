"""Planner: a network that reads an article's EDUs and copies out the positions of those a summary should say, rising.

Specified by "Generating EDU Extracts for Plan-Guided Summary Re-Ranking" (arXiv 2305.17779): an encoder reads the
article with every EDU marked; an EDU's vector is the mean of its states from <e> to </e>, the document's is the first
state; a small transformer reads [document, EDU 1 … n, stop], and another one points at the next EDU.

Design choices: torch's own transformer layers for the small ones, with learned positions; the beam search is
`beams.beam_search`, so that any number of plans comes back, each once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...core.errors import InputError
from .beams import Beam, beam_search
from .plans import CLOSE, OPEN, marked

FORBIDDEN = -1e3
"""The score of positions that would not rise."""
SHARPNESS = 10.0
"""The factor of soft labels before their softmax."""


@dataclass(frozen=True, slots=True)
class Example:
    """An article's EDUs, the plan to learn (rising positions), and a soft label of each EDU."""

    edus: Sequence[str]
    plan: Sequence[int]
    soft: Sequence[float]


class Planner(nn.Module):  # type: ignore[misc,unused-ignore]
    """``body`` is an encoder of transformers (BART's, T5's, a BERT); its ``tokenizer`` gets the marks as tokens of
    their own, and an article longer than ``max_length`` tokens loses its last EDUs."""

    def __init__(self, body: Any, tokenizer: Any, max_length: int = 1024, layers: int = 2, heads: int = 4) -> None:
        super().__init__()
        tokenizer.add_special_tokens({"additional_special_tokens": [OPEN, CLOSE]})
        body.resize_token_embeddings(len(tokenizer))
        self.body = body.get_encoder() if body.config.is_encoder_decoder else body
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.open, self.close = tokenizer.convert_tokens_to_ids([OPEN, CLOSE])
        width = body.config.hidden_size
        options: Any = {"dim_feedforward": 4 * width, "dropout": 0.1, "batch_first": True}
        self.encode_edus = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(width, heads, **options), layers, enable_nested_tensor=False
        )
        self.decode = nn.TransformerDecoder(nn.TransformerDecoderLayer(width, heads, **options), layers)
        self.positions = nn.Embedding(512, width)
        self.stop = nn.Parameter(torch.zeros(width).normal_(std=0.02))
        self.point = nn.Sequential(nn.Linear(2 * width, width), nn.Tanh(), nn.Linear(width, 1))
        self.salience = nn.Linear(width, 1)

    def read(self, edus: Sequence[str]) -> Tensor:
        """The states of [document, the EDUs that were read, stop]: [n + 2, width]."""
        if not edus:
            raise InputError("an article without EDUs has no plan")
        ids = self.tokenizer(marked(edus), truncation=True, max_length=self.max_length)["input_ids"]
        row = torch.tensor([ids], device=self.stop.device)
        states = self.body(input_ids=row, attention_mask=torch.ones_like(row)).last_hidden_state[0]
        starts = [i for i, t in enumerate(ids) if t == self.open]
        ends = [i for i, t in enumerate(ids) if t == self.close]
        spans = list(zip(starts, ends))  # an EDU that is cut has no end and is left out
        if not spans:
            raise InputError(f"the first EDU is longer than max_length={self.max_length} tokens: raise it")
        vectors = [states[0], *(states[a : b + 1].mean(0) for a, b in spans), self.stop]
        sequence = torch.stack(vectors)
        # positions beyond the table share its last row
        where = torch.arange(len(vectors), device=row.device).clamp(max=self.positions.num_embeddings - 1)
        encoded: Tensor = self.encode_edus((sequence + self.positions(where))[None])[0]
        return encoded

    def pointers(self, states: Tensor, prefixes: Sequence[Sequence[int]]) -> Tensor:
        """Log-probabilities [prefixes, length + 1, n + 1] of the next position after each beginning of a prefix (all
        of one length); the last position is the stop, and what would not rise is forbidden."""
        n, length = len(states) - 2, len(prefixes[0])
        chosen = torch.tensor([[0, *(i + 1 for i in p)] for p in prefixes], dtype=torch.long, device=states.device)
        inputs = states[chosen] + self.positions(torch.arange(length + 1, device=states.device))
        causal = torch.ones(length + 1, length + 1, dtype=torch.bool, device=states.device).triu(1)
        decoded = self.decode(inputs, states.expand(len(prefixes), -1, -1), tgt_mask=causal)
        targets = states[1:]  # the EDUs and the stop
        pairs = torch.cat(
            [
                targets.expand(*decoded.shape[:2], -1, -1),
                decoded[:, :, None].expand(-1, -1, len(targets), -1),
            ],
            -1,
        )
        scores = self.point(pairs)[..., 0]
        last = torch.cat([torch.full_like(chosen[:, :1], -1), chosen[:, 1:] - 1], 1)  # chosen just before
        passed = torch.arange(n + 1, device=states.device) <= last[:, :, None]
        logprobs: Tensor = scores.masked_fill(passed, FORBIDDEN).log_softmax(-1)
        return logprobs

    def loss(self, examples: Sequence[Example], salience_weight: float = 1.0) -> Tensor:
        """The mean over articles of the cross-entropy of the plan with its stop, and ``salience_weight`` times the
        divergence of a salience head from the soft labels."""
        total = self.stop.new_zeros(())
        for example in examples:
            states = self.read(example.edus)
            n = len(states) - 2
            plan = [i for i in example.plan if i < n]
            targets = torch.tensor([*plan, n], device=states.device)
            total = total + F.nll_loss(self.pointers(states, [plan])[0], targets)
            soft = torch.tensor(list(example.soft)[:n], device=states.device)
            wanted = (SHARPNESS * soft).softmax(0)
            salience = self.salience(states[1:-1])[:, 0].log_softmax(0)
            total = total + salience_weight * F.kl_div(salience, wanted, reduction="sum")
        return total / max(len(examples), 1)

    def plans(self, edus: Sequence[str], width: int = 16, least: int = 3, most: int = 20) -> list[Beam]:
        """The ``width`` best plans of ``least`` to ``most`` EDUs, best first. Of an article with fewer EDUs ``least``
        is their number."""
        with torch.inference_mode():
            states = self.read(edus)
            n = len(states) - 2

            def step(prefixes: Sequence[tuple[int, ...]]) -> Any:
                values = self.pointers(states, prefixes)[:, -1].double()
                return values.masked_fill(values < FORBIDDEN / 2, -torch.inf).cpu().numpy()

            return beam_search(step, width, n, least=min(least, n), most=min(most, n))
