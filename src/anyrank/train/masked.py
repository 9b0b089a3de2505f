"""Training of a masked language model on plain text, for language adapters and sparse fine-tunings of languages.

Of 15% of the tokens of each text the model predicts what they were: 80% of them are masked, 10% another word, 10% left
(BERT, arXiv 1810.04805). Masks are drawn in the training step, by torch's random numbers, which checkpoints hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..core.content import text_of
from ..core.errors import InputError
from ..models.parts.masking import mask
from ..models.parts.ragged import fits, longest, run_body
from .group import Group
from .recipe import Model
from .starts import opened, start_folder


class Masked(nn.Module):  # type: ignore[misc,unused-ignore]
    """A transformers masked language model, ``body``, and its tokenizer."""

    kind: ClassVar[str] = "mlm"

    def __init__(self, body: Any, tokenizer: Any, max_length: int = 256) -> None:
        super().__init__()
        fits(body, max_length)
        if tokenizer.mask_token_id is None:
            raise InputError("model.start: its tokenizer has no mask token: choose a masked language model")
        self.body = body
        self.tokenizer = tokenizer
        self.max_length = max_length

    @classmethod
    def load(cls, model: Model) -> Masked:
        """The model that a recipe starts from. Raises InputError if it starts from nothing, or has no head."""
        from transformers import AutoModelForMaskedLM, AutoTokenizer

        if not model.start:
            raise InputError("model: a masked language model needs start, a folder or hub id")
        folder = start_folder(model.start)
        with opened(model.start, "mlm"):
            tokenizer = AutoTokenizer.from_pretrained(folder)
            body, report = AutoModelForMaskedLM.from_pretrained(
                folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True
            )
        if lost := sorted(n for n in report["missing_keys"] if not n.startswith(f"{body.base_model_prefix}.")):
            raise InputError(f"model.start: {model.start} has no head of a masked language model ({lost[0]})")
        return cls(body, tokenizer, min(model.max_length, longest(body, tokenizer)))

    def collate(self, groups: Sequence[Group]) -> dict[str, Any]:
        """The texts of the groups' queries as one padded batch, with ``special`` tokens, which are never masked."""
        return dict(
            self.tokenizer(
                [text_of(g.query) for g in groups],
                truncation=True,
                max_length=self.max_length,
                padding=True,
                return_tensors="pt",
                return_special_tokens_mask=True,
            )
        )

    def forward(self, **inputs: Tensor) -> Tensor:
        """Logits [texts, tokens, vocabulary]."""
        logits: Tensor = run_body(self.body, inputs).logits
        return logits

    def save(self, folder: Path) -> None:
        """A folder of transformers."""
        self.tokenizer.model_max_length = self.max_length
        self.body.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def objective(model: Any, batch: Mapping[str, Any], epoch: float) -> Tensor:
    """The mean cross-entropy of the masked tokens of a batch; 0 if none is."""
    own: Any = getattr(model, "module", model)
    inputs = dict(batch)
    ids = inputs["input_ids"]
    inputs["input_ids"], chosen = mask(
        ids, inputs.pop("special_tokens_mask"), own.tokenizer.mask_token_id, len(own.tokenizer)
    )
    logits = model(**inputs)
    if not bool(chosen.any()):
        nothing: Tensor = (logits * 0).sum()
        return nothing
    return nn.functional.cross_entropy(logits[chosen].float(), ids[chosen])
