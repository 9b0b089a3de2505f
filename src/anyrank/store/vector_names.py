"""The names of folders of vectors in a collection: valid for a folder, and read back as the names of their models."""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path
from urllib.parse import quote, unquote

from .linked import is_linked, shard_words

META = "vectors.json"
"""The file in the folder of a model's vectors that says what they are."""
BLOCKS, BLOCK = 64, 1 << 16
"""The number of blocks of each file of weights that are hashed, and the bytes of a block."""


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


def weights_of(model: str) -> str:
    """A hash of the weights in a model's folder, of 64 blocks of each file; "" of a name that is no path of a folder
    here, and of a folder without such files. A graph that is exported later doesn't change it.

    >>> weights_of("minilm"), weights_of("runs/nowhere")
    ('', '')
    """
    folder = Path(model).expanduser()
    if not re.search(r"[/\\]", model) or not folder.is_dir():
        return ""
    kinds = (sorted(folder.glob(f"*{suffix}")) for suffix in (".safetensors", ".onnx", ".gguf"))
    digest, files = hashlib.sha256(), next((found for found in kinds if found), [])
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name}\0{size}\0".encode("utf-8", "surrogatepass"))
        with file.open("rb") as stream:
            for i in range(BLOCKS):  # evenly spaced over the file
                stream.seek(i * max(size - BLOCK, 0) // (BLOCKS - 1))
                digest.update(stream.read(BLOCK))
    return digest.hexdigest()[:16] if files else ""


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
