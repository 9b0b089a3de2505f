"""Fusion in decoder: every source is encoded alone, and one decoder reads them all together (arXiv 2007.01282)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...core.errors import ModelError
from ...core.language import Completion, LogProbs
from ...core.trace import Usage
from ...llm.token_ids import Tokens, common
from .decoder import eager
from .sampling import Draft
from .seq2seq import EncoderDecoder


class FusionInDecoder:
    """The methods of fusion in decoder, for an encoder-decoder on transformers."""

    path: str
    engine: Any
    _ends: Any
    _tokens: Any
    _decode: Any

    def generate_fused(self, groups: Sequence[Sequence[str]], *, max_tokens: int) -> list[Completion]:
        """A greedy answer to each group of sources; groups without sources have an empty one."""
        encoded = [[self._tokens(source) for source in group] for group in groups]
        drafts = [self._draft(rows, max_tokens) if rows else None for rows in encoded]
        return [
            Completion(d.text, replace(_usage(rows), completion_tokens=len(d.ids)), d.finish) if d else Completion("")
            for rows, d in zip(encoded, drafts)
        ]

    def attention_fused(self, groups: Sequence[Sequence[str]], *, max_tokens: int = 20) -> list[LogProbs]:
        """For each source of a group the attention that the answer pays to it, as ``values`` (not log-probabilities):
        a token's weight times the norm of its value vector, mean over the answer's tokens, sum over layers, heads
        and the source's tokens, without the prefix that all sources of the group share (the query)."""
        out = []
        for group in groups:
            rows = [self._tokens(source) for source in group]
            if not rows:
                out.append(LogProbs((), Usage()))
                continue
            draft = self._draft(rows, max_tokens)
            ids = [*rows[0].start, *draft.ids[:-1]]
            usage = replace(_usage(rows), completion_tokens=len(draft.ids))
            out.append(LogProbs(tuple(self._paid(rows, ids)), usage))
        return out

    def _encoder_decoder(self) -> EncoderDecoder:
        if not isinstance(self.engine, EncoderDecoder):
            raise ModelError(f"{self.path}: fusion in decoder needs an encoder-decoder, such as a T5")
        return self.engine

    def _draft(self, rows: Sequence[Tokens], max_tokens: int) -> Draft:
        """The answer to the sources."""
        engine = self._encoder_decoder()
        draft = Draft(self._decode, [i for t in rows for i in t.ids], max_tokens, self._ends)
        engine.generate_fused([t.ids for t in rows], rows[0].start, draft)
        return draft

    def _paid(self, rows: Sequence[Tokens], answer: Sequence[int]) -> list[float]:
        """The attention that an answer pays to each source."""
        import torch

        engine = self._encoder_decoder()
        with engine.lock, torch.inference_mode(), eager(engine.model):
            states, mask = engine.fused([t.ids for t in rows])
            ids = torch.tensor([list(answer)], device=mask.device)
            layers = engine.model.get_decoder()(
                input_ids=ids, encoder_hidden_states=states, encoder_attention_mask=mask, output_attentions=True
            ).cross_attentions
            total = torch.zeros(states.shape[1], dtype=torch.float64, device=mask.device)
            for block, weights in zip(_values(engine.model, self.path), layers):
                heads = weights.shape[1]
                length = block(states)[0].view(states.shape[1], heads, -1).double().norm(dim=-1)  # [tokens, heads]
                total += (weights[0].double().mean(1) * length.T).sum(0)
        shared = min(common(rows[0].ids, t.ids) for t in rows) if len(rows) > 1 else 0
        out, start = [], 0
        for t in rows:
            out.append(float(total[start + min(shared, len(t.ids)) : start + len(t.ids)].sum()))
            start += len(t.ids)
        return out


def _values(model: Any, path: str) -> list[Any]:
    """Each decoder layer's value projection of the encoder states."""
    try:
        return [block.layer[1].EncDecAttention.v for block in model.get_decoder().block]
    except AttributeError:
        raise ModelError(f"{path}: attention to sources can be read from models built like T5 only") from None


def _usage(rows: Sequence[Tokens]) -> Usage:
    """One call, the sources' tokens, and how many of them were cut."""
    return Usage(calls=1, prompt_tokens=sum(len(t.ids) for t in rows), truncated=sum(t.cut for t in rows))
