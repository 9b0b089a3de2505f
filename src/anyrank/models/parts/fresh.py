"""A transformer with random weights, and its tokenizer: the body of a model that is trained from nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal


def fresh_body(
    head: Literal["AutoModel", "AutoModelForMaskedLM", "AutoModelForSequenceClassification"],
    shape: Mapping[str, Any],
    tokenizer: str | Path | Any,
    **config: Any,
) -> tuple[Any, Any]:
    """(body, tokenizer) of a shape: ``{"model_type": "bert", "hidden_size": 128, …}``, by default a BERT.

    ``head`` is the class of transformers that builds it; the tokenizer (or the folder or hub id of one) gives the size
    of the vocabulary; ``config`` are further settings of the configuration.
    """
    import transformers

    if isinstance(tokenizer, str | Path):
        tokenizer = transformers.AutoTokenizer.from_pretrained(tokenizer)
    words = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    settings = {"model_type": "bert", **words, **config, **shape}
    declared = transformers.AutoConfig.for_model(settings.pop("model_type"), **settings)
    return getattr(transformers, head).from_config(declared), tokenizer
