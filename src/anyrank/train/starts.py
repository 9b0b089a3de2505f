"""The folder of the weights that a training starts from, for any name of a model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import AnyrankError, InputError, ModelError, short
from ..hub.registry import get, resolve

FLOAT = {"minilm": "all-minilm-l6-v2", "mini": "all-minilm-l6-v2", "splade-tiny": "splade-tiny-fp32"}
"""The shipped int8 models, and the rows of the registry with the same weights in floating point."""

WORD_VECTORS = (".txt", ".vec", ".txt.gz", ".vec.gz")
"""Files of word vectors (GloVe, word2vec, fastText) end so."""


def start_folder(name: str, *, word_vectors: bool = False) -> Path:
    """The folder of a start: a local folder, a name of the registry (fetched if it isn't here), or a hub id, which is
    taken from here if the registry's copy or the hub's cache has it; with ``word_vectors`` also a file of them. Raises
    InputError if it holds int8 weights alone, ModelError if there is no such model."""
    if word_vectors and name.endswith(WORD_VECTORS) and Path(name).is_file():
        return Path(name)
    if name in FLOAT and not Path(name).is_dir():
        better = FLOAT[name]
        fetch = "" if (row := get(better)) and row.complete else f" (fetch it by: anyrank models get {better})"
        raise InputError(f"model.start: {name} is an int8 graph, which can't be trained: start from {better}{fetch}")
    try:
        folder = resolve(name, "torch")
    except ModelError as error:
        raise ModelError(f"model.start: {error}") from error
    if not folder.is_dir():
        raise InputError(f"model.start: {name} is a file: give the folder of a model")
    if (folder / "adapter.json").is_file():
        raise InputError(
            f"model.start: {folder} holds an adapter alone: start from its base, and give a language's adapter as "
            "adapters.language"
        )
    weights = [*folder.glob("*.safetensors"), *folder.glob("*.gguf")]
    if not weights:
        graph = " (an ONNX graph can't be trained)" if [*folder.glob("**/*.onnx")] else ""
        raise InputError(f"model.start: {folder} has no model.safetensors{graph}: save its weights as safetensors")
    return folder


@contextmanager
def opened(start: str, kind: str) -> Iterator[None]:
    """What other packages raise as a start is opened as a model of a kind, as our errors: ModelError if its files can't
    be read, InputError if no such model can be made of them."""
    try:
        yield
    except AnyrankError:
        raise
    except TypeError as error:
        raise impossible(kind, error) from error
    except OSError as error:
        what = f"model.start: {start!r} is neither a model's folder nor a model of the hub"
        raise ModelError(f"{what}: {' '.join(str(error).split())}") from error
    except (ValueError, LookupError, AttributeError, RuntimeError) as error:
        reason = short(next(iter(str(error).split("\n")), "").strip() or type(error).__name__, 300)
        raise InputError(f"model.start: no model of kind {kind} can be made of {start}: {reason}") from error


def impossible(kind: str, error: TypeError) -> InputError:
    """What Python says of arguments that a model's class doesn't take, in the words of a recipe."""
    if unknown := re.search(r"unexpected keyword argument '(\w+)'", str(error)):
        return InputError(f"model.options: a model of kind {kind} has no option {unknown[1]!r}")
    return InputError(f"model: a {kind} model can't be made so: {error}")


def tokenizer_folder(name: str) -> Path:
    """The folder of a tokenizer: a local one, or that of any model. Raises ModelError if there is no such model."""
    try:
        return resolve(name)
    except ModelError as error:
        raise ModelError(f"model.tokenizer: {error}") from error
