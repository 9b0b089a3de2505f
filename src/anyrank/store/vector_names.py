"""The names of folders of vectors in a collection: valid for a folder, and read back as the names of their models."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import quote, unquote

from .linked import is_linked, shard_words

META = "vectors.json"
"""The file in the folder of a model's vectors that says what they are."""


def stored(name: str) -> str:
    """The name under which a collection stores the vectors of a model: the model's own, or for a hub id or a path one
    that is a valid folder name.

    >>> stored("minilm"), stored("owner/name"), model_of(stored("../a b"))
    ('minilm', '_owner+2Fname', '../a b')
    """
    if re.fullmatch(r"[^\W_][\w.+-]*", name):
        return name
    return "_" + quote(name, safe="").replace("~", "%7E").replace("%", "+")


def model_of(stored_name: str) -> str:
    """The model whose vectors are stored under a name, the inverse of `stored`."""
    return unquote(stored_name[1:].replace("+", "%")) if stored_name.startswith("_") else stored_name


def encode_command(index: str | Path, model: str) -> str:
    """The command that adds the vectors of a model to an index.

    >>> encode_command("my.index", "minilm")
    'anyrank index my.index --encode minilm'
    """
    if is_linked(index):
        words = shard_words(Path(index))
        return f"for part in {words}; do anyrank index $part --encode {shlex.quote(model)}; done"
    to = "--to " if "://" in str(index) else ""
    return f"anyrank index {to}{shlex.quote(str(index))} --encode {shlex.quote(model)}"
