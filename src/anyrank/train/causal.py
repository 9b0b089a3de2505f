"""Causal language models as training takes them: loaded by any name, saved with a merged adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from ..backends.hf.load import unpacked
from ..core.errors import InputError
from ..models.base import declare
from ..models.parts.peft_adapters import merged
from .starts import opened, start_folder


def load(start: str, dtype: Literal["float32", "bfloat16"] = "float32") -> tuple[Any, Any]:
    """(model, tokenizer) of a folder, a name of the registry or a hub id; a GGUF file is unpacked once. The tokenizer
    has a padding token. Raises InputError if no start is named."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not start:
        raise InputError("model: a language model needs start, a folder or hub id")
    number = torch.bfloat16 if dtype == "bfloat16" else torch.float32
    folder = start_folder(start)
    options: dict[str, Any] = {"use_safetensors": True}
    if not [*folder.glob("*.safetensors")]:
        gguf = sorted(folder.glob("*.gguf"))[0]
        fresh = unpacked(gguf, number)
        folder, options = (fresh, options) if fresh is not None else (folder, {"gguf_file": gguf.name})
    with opened(start, "language"):
        file = {k: v for k, v in options.items() if k == "gguf_file"}
        tokenizer = AutoTokenizer.from_pretrained(folder, **file)
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        return AutoModelForCausalLM.from_pretrained(folder, dtype=number, **options), tokenizer


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """A folder for transformers and our own backends (``hf:FOLDER``); an adapter is merged into its model, and also
    saved alone in adapter/."""
    whole = merged(model)
    if whole is not model:
        model.save_pretrained(str(folder / "adapter"))
    whole.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    declare(folder, "language", "hf")
