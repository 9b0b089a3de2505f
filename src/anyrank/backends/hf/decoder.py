"""Decoder-only models on token rows: scores, texts, attention and hidden states, with shared prefixes run once.

Rows are padded on the left, between the shared prefix and their own tokens, so that their ends are aligned.
"""

from __future__ import annotations

import copy
import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .plan import Group, Row, plan
from .sampling import Draft

LOGITS = 1 << 26  # the most logits computed at once, to bound memory


@dataclass(frozen=True)
class Decoder:
    """A loaded model and how it is run: ``budget`` tokens a batch, ``reuse`` of shared prefixes."""

    model: Any
    budget: int
    reuse: bool
    lock: Any = field(default_factory=threading.RLock)

    def score(self, rows: Sequence[Row], keep: Sequence[int], read: Callable[[int, Any], None]) -> None:
        """Give ``read`` each row's index and the log-probabilities over the vocabulary after each of its last ``keep``
        tokens: float32 [keep, vocabulary]."""
        import torch

        max_rows = max(1, LOGITS // (self.model.config.get_text_config().vocab_size * max(keep, default=1)))
        with self.lock, torch.inference_mode():
            for group in plan(rows, self.budget, keep, self.reuse, max_rows):
                shared = self._shared(rows, group)
                for batch in group.batches:
                    last = max(keep[i] for i in batch)
                    out, _ = self._forward(rows, batch, group.prefix, shared, **self._lasts(last))
                    logits = out.logits[:, -last:].float()
                    for k, i in enumerate(batch):
                        read(i, logits[k, last - keep[i] :].log_softmax(-1))

    def generate(self, rows: Sequence[Row], drafts: Sequence[Draft]) -> None:
        """Fill each row's draft, token by token, until it is done."""
        import torch

        with self.lock, torch.inference_mode():
            for group in plan(rows, self.budget, [1] * len(rows), self.reuse):
                shared = self._shared(rows, group)
                for batch in group.batches:
                    out, mask = self._forward(rows, batch, group.prefix, shared, use_cache=True, **self._lasts(1))
                    self._write(out, mask, [drafts[i] for i in batch])

    def _write(self, out: Any, mask: Any, live: list[Draft]) -> None:
        """Add tokens to the unfinished drafts; finished ones leave the batch and its cache."""
        while True:
            tokens = advance(live, out.logits[:, -1])
            stay = [k for k, d in enumerate(live) if not d.done]
            if not stay:
                return
            live, tokens = [live[k] for k in stay], [tokens[k] for k in stay]
            out, mask = self._next(out, mask, stay, tokens)

    def attention(self, rows: Sequence[Row], starts: Sequence[int]) -> list[list[float]]:
        """For each row the attention that its tokens from ``starts`` on pay to each of its tokens: mean over those
        tokens, sum over heads and layers. Only they run with attention weights kept; the tokens before them are run
        once for all rows that share them."""
        import torch

        out: list[list[float]] = [[] for _ in rows]
        tails = [len(r) - s for r, s in zip(rows, starts)]
        with self.lock, torch.inference_mode():
            for group in plan(rows, self.budget, tails, self.reuse, max_rows=1):
                shared = self._shared(rows, group)
                for (i,) in group.batches:
                    row, start, cache = rows[i], starts[i], copy.deepcopy(shared)
                    if start > group.prefix:
                        cache = self._one(row[group.prefix : start], group.prefix, cache, self.model.base_model)
                        cache = cache.past_key_values
                    with eager(self.model):
                        output = self._one(row[start:], start, cache, self.model.base_model, output_attentions=True)
                    layers = output.attentions
                    total = torch.zeros(len(row), dtype=torch.float64, device=layers[0].device)
                    for weights in layers:  # a layer with a sliding window keeps only the last keys
                        paid = weights[0].double().sum(0).mean(0)
                        total[len(row) - len(paid) :] += paid
                    out[i] = total.tolist()
        return out

    def hidden(self, rows: Sequence[Row], layer: int) -> list[Any]:
        """Hidden state of each row's last token after layer ``layer``: float32 arrays [dim]."""
        import torch

        out: list[Any] = [None] * len(rows)
        more = {} if layer == -1 else {"output_hidden_states": True}
        with self.lock, torch.inference_mode():
            for group in plan(rows, self.budget, [1] * len(rows), self.reuse):
                shared = self._shared(rows, group)
                for batch in group.batches:
                    output, _ = self._forward(rows, batch, group.prefix, shared, self.model.base_model, **more)
                    states = output.last_hidden_state if layer == -1 else output.hidden_states[layer]
                    for i, state in zip(batch, states[:, -1].float().cpu().numpy()):
                        out[i] = state
        return out

    def next_states(
        self, rows: Sequence[Row], limit: int, ends: Callable[[int], bool], read: Callable[[int, Any, Any, Any], None]
    ) -> None:
        """Give ``read`` each row's index and, for the positions of its next tokens, hidden states before the head
        [positions, dim], logits [positions, vocabulary] and the likeliest tokens: at most ``limit`` positions, up to
        the first token that ``ends`` the text, which counts only if it is the first."""
        import torch

        max_rows = max(1, LOGITS // (self.model.config.get_text_config().vocab_size * limit))
        with self.lock, torch.inference_mode(), _head_inputs(self.model) as inputs:
            for group in plan(rows, self.budget, [1] * len(rows), self.reuse, max_rows):
                shared = self._shared(rows, group)
                for batch in group.batches:
                    more = {"use_cache": True} if limit > 1 else {}
                    out, mask = self._forward(rows, batch, group.prefix, shared, **self._lasts(1), **more)
                    parts: list[list[tuple[Any, Any, int]]] = [[] for _ in batch]
                    live = list(range(len(batch)))
                    for position in range(limit):
                        states, logits = inputs.pop()[:, -1].float().cpu(), out.logits[:, -1].float().cpu()
                        tokens = logits.argmax(-1).tolist()
                        stay = [k for k, token in enumerate(tokens) if not ends(token)]
                        for k in stay if position else range(len(live)):
                            parts[live[k]].append((states[k].numpy(), logits[k].numpy(), tokens[k]))
                        if not stay or position + 1 == limit:
                            break
                        live = [live[k] for k in stay]
                        out, mask = self._next(out, mask, stay, [tokens[k] for k in stay])
                    inputs.clear()
                    for i, part in zip(batch, parts):
                        read(i, *zip(*part))

    def _next(self, out: Any, mask: Any, stay: Sequence[int], tokens: Sequence[int]) -> tuple[Any, Any]:
        """Output for one more token of the rows that stay, and their mask; the others leave the cache."""
        import torch

        cache = out.past_key_values
        if len(stay) < len(mask):
            rows = torch.tensor(stay, device=mask.device)
            cache.reorder_cache(rows)
            mask = mask[rows]
        mask = torch.cat([mask, mask.new_ones(len(stay), 1)], 1)
        out = self.model(
            input_ids=torch.tensor(tokens, device=mask.device)[:, None],
            attention_mask=mask,
            position_ids=mask.sum(1, keepdim=True) - 1,
            past_key_values=cache,
            use_cache=True,
        )
        return out, mask

    def _shared(self, rows: Sequence[Row], group: Group) -> Any:
        """Keys and values of a group's shared prefix, a cache of one row; None if there is no prefix."""
        if not group.prefix:
            return None
        row = rows[group.batches[0][0]]
        return self._one(row[: group.prefix], 0, None, self.model.base_model).past_key_values

    def _one(self, ids: Row, past: int, cache: Any, body: Any, **more: Any) -> Any:
        """Output for more tokens of one row, after ``past`` tokens in ``cache``."""
        import torch

        device = self.model.device
        positions = torch.arange(past, past + len(ids), device=device)[None]
        tokens = torch.tensor([list(ids)], device=device)
        return body(input_ids=tokens, position_ids=positions, past_key_values=cache, use_cache=True, **more)

    def _forward(
        self, rows: Sequence[Row], batch: Sequence[int], prefix: int, shared: Any, body: Any = None, **more: Any
    ) -> tuple[Any, Any]:
        """Output for some rows, padded on the left after ``prefix`` shared tokens, and the mask of real
        tokens [rows, prefix + width]."""
        import torch

        device, part = self.model.device, [rows[i][prefix:] for i in batch]
        width = max(map(len, part))
        ids = torch.zeros(len(part), width, dtype=torch.long, device=device)
        mask = torch.zeros(len(part), prefix + width, dtype=torch.long, device=device)
        mask[:, :prefix] = 1
        for k, row in enumerate(part):
            ids[k, width - len(row) :] = torch.tensor(list(row), device=device)
            mask[k, prefix + width - len(row) :] = 1
        if shared is not None:
            shared = copy.deepcopy(shared)
            shared.batch_repeat_interleave(len(part))
        out = (body or self.model)(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp_min(0)[:, prefix:],
            **{"past_key_values": shared, "use_cache": shared is not None} | more,
        )
        return out, mask

    def _lasts(self, last: int) -> dict[str, int]:
        """The argument that limits the output to the last logits, under this model's name for it."""
        parameters = inspect.signature(self.model.forward).parameters
        return next(({name: last} for name in ("logits_to_keep", "num_logits_to_keep") if name in parameters), {})


@contextmanager
def _head_inputs(model: Any) -> Iterator[list[Any]]:
    """A list that gets the input of the model's head at every call: the hidden states of the last layer."""
    inputs: list[Any] = []
    handle = model.get_output_embeddings().register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    try:
        yield inputs
    finally:
        handle.remove()


@contextmanager
def eager(model: Any) -> Iterator[None]:
    """The model with the attention implementation that returns its weights."""
    before = model.config._attn_implementation
    change = getattr(model, "set_attn_implementation", None)

    def use(name: str) -> None:
        if change is not None:
            change(name)
        else:
            model.config._attn_implementation = name

    use("eager")
    try:
        yield
    finally:
        use(before)


def advance(drafts: Sequence[Draft], logits: Any) -> list[int]:
    """The next token of each draft by its row of logits [drafts, vocabulary]."""
    best = logits.argmax(-1).tolist()
    return [d.add(b, partial(_plain, row)) for d, b, row in zip(drafts, best, logits)]


def _plain(row: Any) -> Any:
    return row.float().cpu().numpy()
