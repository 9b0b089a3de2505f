"""The longest text that a transformer's configuration allows, in tokens: one answer for all who ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

AFTER_PADDING = frozenset({
    "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer",
    "data2vec-text", "ibert", "xmod", "lilt", "luke", "mluke", "layoutlmv3", "markuplm", "bridgetower_text_model",
    "altclip_text_model", "clap_text_model", "esm",
})  # fmt: skip
"""Families (``model_type``) whose first token has the position after the padding's id, so that a table of 514 reads 512
tokens."""
FIXED_PADDING = {"mpnet": 1}
"""Families that count from a padding id of their own, whatever the configuration's is."""
NO_TABLE = ("rotary", "rope", "alibi")
"""``position_embedding_type`` of configurations that state a length but have no table of positions."""


def most_tokens(config: Mapping[str, Any]) -> int | None:
    """The most tokens that a model of a configuration (config.json) reads; None if it states none.

    >>> most_tokens({"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0})
    512
    >>> most_tokens({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1})
    512
    """
    stated = config.get("max_position_embeddings")
    if not isinstance(stated, int) or isinstance(stated, bool) or stated < 1:
        return None
    return stated - first_position(config)


def first_position(config: Mapping[str, Any]) -> int:
    """The position of a text's first token in the table of positions: 0 for most families."""
    family = str(config.get("model_type", ""))
    if family not in AFTER_PADDING or config.get("position_embedding_type") in NO_TABLE:
        return 0
    padding = FIXED_PADDING.get(family, config.get("pad_token_id"))
    return (padding if isinstance(padding, int) else 1) + 1
