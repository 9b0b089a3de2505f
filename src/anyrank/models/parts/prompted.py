"""Causal models that are trained on prompts: read from a folder, and their prompts' token ids, as our transformers
backend makes them, padded on the left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ...core.language import Prompt
from ...llm.token_ids import Tokens, continued, render
from ..base import DECLARATION
from .model_folder import folder_of
from .ragged import grouped, longest


def causal_folder(
    name: str | Path, max_length: int | None, settings: Sequence[str]
) -> tuple[Any, Any, int, dict[str, Any]]:
    """Body (float32), tokenizer, length in tokens and those of the ``settings`` that its anyrank.json states, of a
    folder or a hub id of a causal language model."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = folder_of(name)
    stated = json.loads((folder / DECLARATION).read_text("utf-8")) if (folder / DECLARATION).is_file() else {}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    body = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
    length = max_length or stated.get("max_length") or longest(body, tokenizer)
    return body, tokenizer, length, {k: stated[k] for k in settings if k in stated}


def encoded(tokenizer: Any, prompt: Prompt, options: Sequence[str] = ()) -> Tokens:
    """A prompt's ids under the tokenizer's chat template, if it has one, and those of each option after it."""
    form = partial(tokenizer.apply_chat_template, tokenize=False, add_generation_prompt=True)
    text, beginning, templated = render(form if tokenizer.chat_template else None, prompt)

    def spell(texts: Sequence[str]) -> list[list[int]]:
        rows: list[list[int]] = tokenizer(list(texts), add_special_tokens=not templated)["input_ids"]
        return rows

    first = next((t for t in (tokenizer.bos_token_id, tokenizer.eos_token_id) if t is not None), None)
    return continued(spell, text + beginning, options, first)


def shortened(tokenizer: Any, text: str, length: int) -> str:
    """A text cut to so many tokens, as text."""
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return text if len(ids) <= length else str(tokenizer.decode(ids[: max(length, 0)]))


def left_padded(rows: Sequence[Sequence[int]], pad: int) -> list[dict[str, torch.Tensor]]:
    """Rows of ids in chunks of near lengths, padded on the left, with the positions of real tokens from 0; ``rows`` of
    a chunk are the positions of its rows.

    >>> chunk, = left_padded([[5], [6, 7]], 0)
    >>> chunk["input_ids"].tolist(), chunk["position_ids"].tolist(), chunk["rows"].tolist()
    ([[6, 7], [0, 5]], [[0, 1], [0, 0]], [1, 0])
    """
    out = []
    for part in grouped([len(row) for row in rows]):
        width = len(rows[part[0]])
        ids = torch.tensor([[pad] * (width - len(rows[i])) + list(rows[i]) for i in part])
        real = torch.tensor([[0] * (width - len(rows[i])) + [1] * len(rows[i]) for i in part])
        positions = (real.cumsum(1) - 1).clamp(min=0)
        out.append({"input_ids": ids, "attention_mask": real, "position_ids": positions, "rows": torch.tensor(part)})
    return out
