"""A transformer with random weights, and its tokenizer: the body of a model that is trained from nothing."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ...core.errors import InputError


def fresh_body(
    head: Literal["AutoModel", "AutoModelForMaskedLM", "AutoModelForSequenceClassification", "AutoModelForCausalLM"],
    shape: Mapping[str, Any],
    tokenizer: str | Path | Any,
    **config: Any,
) -> tuple[Any, Any]:
    """(body, tokenizer) of a shape: ``{"model_type": "bert", "hidden_size": 128, …}``, by default a BERT.

    ``head`` is the class of transformers that builds it; the tokenizer (or the folder or hub id of one) gives the size
    of the vocabulary; ``config`` are further settings of the configuration. Raises InputError on a setting that the
    configuration doesn't have, a vocabulary smaller than the tokenizer's, and numbers of which no model can be made.
    """
    import transformers

    if isinstance(tokenizer, str | Path):
        tokenizer = transformers.AutoTokenizer.from_pretrained(tokenizer)
    words = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    settings = {"model_type": "bert", **words, **config, **shape}
    kind = settings.pop("model_type")
    try:
        default = transformers.AutoConfig.for_model(kind)
    except (ValueError, KeyError) as error:
        raise _impossible(kind, error) from error
    _check_names(shape, default)
    if settings["vocab_size"] < len(tokenizer):
        size = f"{len(tokenizer)} words of the tokenizer"
        raise InputError(f"shape: vocab_size {settings['vocab_size']} is less than the {size}: leave it out")
    try:
        declared = transformers.AutoConfig.for_model(kind, **settings)
        return getattr(transformers, head).from_config(declared), tokenizer
    except (ValueError, ArithmeticError, KeyError, RuntimeError) as error:
        raise _impossible(kind, error) from error


def _check_names(shape: Mapping[str, Any], default: Any) -> None:
    """Raises InputError at a setting that a configuration doesn't have. Some are only read, and then stored under
    another name: these stand in the source of its class alone."""
    known, source = default.to_dict(), inspect.getsource(type(default))
    for name in shape:
        if name in known or name in ("model_type", "num_labels") or re.search(rf"\b{re.escape(name)}\b", source):
            continue
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else "see transformers' configuration"
        raise InputError(f"shape: a {default.model_type} has no setting {name!r}: {hint}")


def _impossible(kind: str, error: Exception) -> InputError:
    return InputError(f"shape: no {kind} can be made of it: {' '.join(str(error).split())[:300]}")
