"""Encoder-decoder models (T5 and others) on token rows: each source is encoded once for all answers about it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .decoder import LOGITS, advance
from .plan import Row, plan
from .sampling import Draft


@dataclass(frozen=True)
class EncoderDecoder:
    """A loaded model and how it is run: ``budget`` source tokens a batch."""

    model: Any
    budget: int
    lock: Any = field(default_factory=threading.RLock)

    def score(
        self,
        sources: Sequence[Row],
        owners: Sequence[int],
        rows: Sequence[Row],
        keep: Sequence[int],
        read: Callable[[int, Any], None],
        raw: bool = False,
    ) -> None:
        """Give ``read`` each answer's index and the log-probabilities over the vocabulary after each of its last
        ``keep`` tokens (``raw``: the logits themselves). ``rows`` are answers, start token first; ``owners`` says which
        source each belongs to."""
        import torch

        answers: dict[int, list[int]] = {}
        for i, owner in enumerate(owners):
            answers.setdefault(owner, []).append(i)
        with self.lock, torch.inference_mode():
            for batch in self._batches(sources, list(answers)):
                states, mask = self._encode([sources[s] for s in batch])
                todo = [(k, i) for k, s in enumerate(batch) for i in answers[s]]
                longest = max(len(rows[i]) for _, i in todo)
                step = max(1, LOGITS // (longest * self.model.config.vocab_size))
                for at in range(0, len(todo), step):
                    self._answers(todo[at : at + step], states, mask, rows, keep, read, raw)

    def _answers(self, todo: Any, states: Any, mask: Any, rows: Any, keep: Any, read: Any, raw: bool) -> None:
        import torch

        owners = torch.tensor([k for k, _ in todo], device=mask.device)
        width = max(len(rows[i]) for _, i in todo)
        ids = torch.zeros(
            len(todo), width, dtype=torch.long, device=mask.device
        )  # padded on the right, which no token attends to
        for k, (_, i) in enumerate(todo):
            ids[k, : len(rows[i])] = torch.tensor(list(rows[i]), device=mask.device)
        logits = self._decode(states[owners], mask[owners], ids, None, use_cache=False).logits
        for k, (_, i) in enumerate(todo):
            n = len(rows[i])
            last = logits[k, n - keep[i] : n].float()
            read(i, last if raw else last.log_softmax(-1))

    def generate(self, sources: Sequence[Row], starts: Sequence[Row], drafts: Sequence[Draft]) -> None:
        """Fill each source's draft, token by token, after the answer's beginning ``starts``."""
        import torch

        with self.lock, torch.inference_mode():
            for length in sorted({len(s) for s in starts}):
                members = [i for i, s in enumerate(starts) if len(s) == length]
                for batch in self._batches(sources, members):
                    states, mask = self._encode([sources[i] for i in batch])
                    ids = torch.tensor([list(starts[i]) for i in batch], device=mask.device)
                    self._write(states, mask, ids, [drafts[i] for i in batch])

    def generate_fused(self, rows: Sequence[Row], start: Row, draft: Draft) -> None:
        """Fill the draft of one answer to all sources together."""
        import torch

        with self.lock, torch.inference_mode():
            states, mask = self.fused(rows)
            self._write(states, mask, torch.tensor([list(start)], device=mask.device), [draft])

    def fused(self, rows: Sequence[Row]) -> tuple[Any, Any]:
        """The states of sources encoded alone, one after another: [1, all their tokens, dim], and a mask of ones."""
        import torch

        parts: list[Any] = [None] * len(rows)
        for batch in self._batches(rows, range(len(rows))):
            states, mask = self._encode([rows[i] for i in batch])
            for i, state, n in zip(batch, states, mask.sum(1)):
                parts[i] = state[:n]
        whole = torch.cat(parts)[None]
        return whole, torch.ones(whole.shape[:2], dtype=torch.long, device=whole.device)

    def _write(self, states: Any, mask: Any, ids: Any, live: list[Draft]) -> None:
        import torch

        cache = None
        while True:
            out = self._decode(states, mask, ids, cache, use_cache=True)
            tokens = advance(live, out.logits[:, -1])
            stay = [k for k, d in enumerate(live) if not d.done]
            if not stay:
                return
            cache = out.past_key_values
            if len(stay) < len(live):
                rows = torch.tensor(stay, device=mask.device)
                cache.reorder_cache(rows)
                states, mask = states[rows], mask[rows]
                live, tokens = [live[k] for k in stay], [tokens[k] for k in stay]
            ids = torch.tensor(tokens, device=mask.device)[:, None]

    def hidden(self, sources: Sequence[Row], layer: int) -> list[Any]:
        """The encoder's state of each source's last token after layer ``layer``: float32 arrays [dim]."""
        import torch

        out: list[Any] = [None] * len(sources)
        with self.lock, torch.inference_mode():
            for batch in self._batches(sources, range(len(sources))):
                states, mask = self._encode([sources[i] for i in batch], layer)
                for i, state, n in zip(batch, states, mask.sum(1)):
                    out[i] = state[n - 1].float().cpu().numpy()
        return out

    def _batches(self, sources: Sequence[Row], members: Sequence[int]) -> list[list[int]]:
        rows = [sources[i] for i in members]
        groups = plan(rows, self.budget, [1] * len(rows), reuse=False)
        return [[members[k] for k in batch] for group in groups for batch in group.batches]

    def _encode(self, rows: Sequence[Row], layer: int = -1) -> tuple[Any, Any]:
        """Encoder states [rows, width, dim] and the mask of real tokens."""
        import torch

        device, width = self.model.device, max(map(len, rows))
        ids = torch.zeros(len(rows), width, dtype=torch.long, device=device)
        mask = torch.zeros_like(ids)
        for k, row in enumerate(rows):
            ids[k, : len(row)] = torch.tensor(list(row), device=device)
            mask[k, : len(row)] = 1
        more = {} if layer == -1 else {"output_hidden_states": True}
        out = self.model.get_encoder()(input_ids=ids, attention_mask=mask, **more)
        return (out.last_hidden_state if layer == -1 else out.hidden_states[layer]), mask

    def _decode(self, states: Any, mask: Any, ids: Any, cache: Any, use_cache: bool) -> Any:
        from transformers.modeling_outputs import BaseModelOutput

        return self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=mask,
            decoder_input_ids=ids,
            past_key_values=cache,
            use_cache=use_cache,
        )
