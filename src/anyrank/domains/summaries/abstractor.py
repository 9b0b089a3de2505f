"""Summaries by an encoder-decoder of transformers: after a plan (marked EDUs), and many different ones by diverse
beams; and the loss that teaches it to follow a plan (arXiv 2305.17779)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...train.losses.language import IGNORED, language_loss
from .beams import Beam, beam_search
from .plans import CLOSE, OPEN, marked

SMALLEST = 1e-20


@dataclass(frozen=True, slots=True)
class Planned:
    """An article's EDUs, its reference summary, the plan of that summary and a wrong one."""

    edus: Sequence[str]
    reference: str
    plan: Sequence[int]
    wrong: Sequence[int]


def smoothed_unlikelihood(logits: Tensor, tokens: Tensor, smoothing: float = 0.1) -> Tensor:
    """The label-smoothed negative logarithm of 1 - p, mean over target tokens: small where the model does not write
    them. Logits [batch, length, vocabulary] aligned with tokens [batch, length]; -100 is no target.

    >>> round(float(smoothed_unlikelihood(torch.zeros(1, 1, 2), torch.tensor([[0]]), 0.0)), 4)
    0.6931
    """
    against = -(1 - logits.float().softmax(-1)).clamp(min=SMALLEST).log()
    real = tokens != IGNORED
    own = against.gather(2, tokens.clamp(min=0)[:, :, None])[:, :, 0]
    each = (1 - smoothing) * own + smoothing * against.mean(-1)
    return each.masked_fill(~real, 0.0).sum() / real.sum().clamp(min=1)


@dataclass(frozen=True, eq=False)
class Abstractor:
    """An encoder-decoder and its tokenizer, which gets the marks as tokens of their own."""

    model: Any
    tokenizer: Any
    max_length: int = 1024
    most: int = 142
    """Tokens of a summary at most."""

    def __post_init__(self) -> None:
        self.tokenizer.add_special_tokens({"additional_special_tokens": [OPEN, CLOSE]})
        self.model.resize_token_embeddings(len(self.tokenizer))

    def loss(
        self,
        examples: Sequence[Planned],
        *,
        mle: float = 1.0,
        like: float = 1.0,
        unlike: float = 1.0,
        smoothing: float = 0.1,
    ) -> Tensor:
        """The three terms: the reference after the article alone (``mle``), after the article under its plan
        (``like``), and not after it under the wrong plan (``unlike``)."""
        plain = self._logits([" ".join(e.edus) for e in examples], [e.reference for e in examples])
        right = self._logits([marked(e.edus, e.plan) for e in examples], [e.reference for e in examples])
        wrong = self._logits([marked(e.edus, e.wrong) for e in examples], [e.reference for e in examples])
        return (
            mle * language_loss(*plain, smoothing=smoothing)
            + like * language_loss(*right, smoothing=smoothing)
            + unlike * smoothed_unlikelihood(*wrong, smoothing=smoothing)
        )

    def write(self, edus: Sequence[str], plans: Sequence[Sequence[int]]) -> list[str]:
        """A summary for each plan, by one beam."""
        return [self.diverse(marked(edus, plan), 1)[0] for plan in plans]

    def diverse(self, article: str, n: int = 16, *, penalty: float = 1.0, alpha: float = 1.0) -> list[str]:
        """``n`` summaries in as many groups of diverse beams of one beam each, best first; fewer if some are alike.

        Every step reads the whole beginning again (no cache), so a step costs as much as its length.
        """
        with torch.inference_mode():
            encoded = self.tokenizer([article], truncation=True, max_length=self.max_length, return_tensors="pt")
            encoded = {k: encoded[k].to(self.model.device) for k in ("input_ids", "attention_mask")}
            states = self.model.get_encoder()(**encoded).last_hidden_state
            start, end = self.model.config.decoder_start_token_id, self.model.config.eos_token_id

            def step(prefixes: Sequence[tuple[int, ...]]) -> Any:
                rows = torch.tensor([[start, *p] for p in prefixes], device=states.device)
                out = self.model(
                    encoder_outputs=(states.expand(len(rows), -1, -1),),
                    attention_mask=encoded["attention_mask"].expand(len(rows), -1),
                    decoder_input_ids=rows,
                    use_cache=False,
                )
                return out.logits[:, -1].double().log_softmax(-1).cpu().numpy()

            beams: list[Beam] = beam_search(
                step, n, end, groups=n, penalty=penalty, least=1, most=self.most, alpha=alpha
            )
            return [self.tokenizer.decode(b.symbols, skip_special_tokens=True).strip() for b in beams]

    def _logits(self, articles: Sequence[str], summaries: Sequence[str]) -> tuple[Tensor, Tensor]:
        options: Any = {"truncation": True, "padding": True, "return_tensors": "pt"}
        source = self.tokenizer(list(articles), max_length=self.max_length, **options).to(self.model.device)
        target = self.tokenizer(list(summaries), max_length=self.most, **options).to(self.model.device)
        tokens: Tensor = target["input_ids"].masked_fill(target["attention_mask"] == 0, IGNORED)
        start = torch.full_like(tokens[:, :1], self.model.config.decoder_start_token_id)
        shifted = torch.cat([start, target["input_ids"][:, :-1]], 1)
        inputs = {k: source[k] for k in ("input_ids", "attention_mask")}
        return self.model(**inputs, decoder_input_ids=shifted, use_cache=False).logits, tokens
