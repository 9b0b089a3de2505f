"""Folders of adapters: small files that change a base model, which is named and held to its checksum.

    anyrank.json              kind, runtime, base
    adapter.json              method, base and its checksum, options of the model's class, settings below
    adapter.safetensors       weights of bottleneck adapters ("adapter:…"), a sparse fine-tuning ("index:…", "value:…"),
                              and what was trained in full ("head:…")
    adapter_config.json, adapter_model.safetensors    an adapter of peft, in its own form

Settings: ``language``, the folder of a language adapter or sparse fine-tuning below the trained one (what the training
used, or another); ``query_language``, that of queries, so that query tokens go through the one and document tokens
through the other; ``drop``, layers 1 to so many have no adapters; ``invertible``, whether the coupling of the
embeddings is used. Each is also an option when the model is opened.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...core.errors import InputError, ModelError
from ...hub.registry import resolve
from ..base import declare
from . import bottleneck
from .model_folder import json_of
from .sparse_delta import Delta, apply

ADAPTER, WEIGHTS = "adapter.json", "adapter.safetensors"
SETTINGS = {"language": "", "query_language": "", "drop": 0, "invertible": True}
"""The settings of an adapter folder and their defaults."""


def checksum(folder: Path) -> str:
    """The SHA-256 of a model's weights, its safetensors (or GGUF) files in the order of their names."""
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.safetensors")] or [*folder.glob("*.gguf")]):
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def write(
    folder: Path,
    kind: str,
    base: str,
    method: str,
    tensors: Mapping[str, Tensor],
    *,
    max_length: int,
    runtime: str = "torch",
    options: Mapping[str, Any] | None = None,
    **settings: Any,
) -> None:
    """Write an adapter's folder; ``base`` is the name of its model, a local folder by its whole path."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    base = str(Path(base).expanduser().resolve()) if Path(base).expanduser().is_dir() else base
    content: dict[str, Any] = {"method": method, "kind": kind, "base": base, "sha256": checksum(resolve(base, "torch"))}
    content |= {"max_length": max_length, "options": dict(options or {})} | settings
    (folder / ADAPTER).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if tensors:
        save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, folder / WEIGHTS)
    declare(folder, kind, runtime, max_length=max_length, base=base)


def stated_of(folder: Path) -> dict[str, Any]:
    """The content of a folder's adapter.json. Raises ModelError if there is none."""
    stated = json_of(folder / ADAPTER)
    if not stated:
        inside = folder / "adapter"
        hint = f" (its part alone is in {inside}: name that)" if (inside / ADAPTER).is_file() else ""
        raise ModelError(f"{folder}: no {ADAPTER}: expected a folder that 'anyrank train' made with adapters{hint}")
    return stated


def base_of(folder: Path) -> Path:
    """The folder of an adapter's base. Raises ModelError if it isn't here, or holds other weights."""
    stated = stated_of(folder)
    try:
        base = resolve(stated["base"], "torch")
    except ModelError as error:
        raise ModelError(f"{folder}: its base can't be had: {error}") from error
    if not base.is_dir():
        raise ModelError(f"{folder}: its base {base} is no folder")
    if (actual := checksum(base)) != stated["sha256"]:
        raise ModelError(
            f"{folder}: was trained on other weights than {stated['base']} has now: their SHA-256 is "
            f"{stated['sha256'][:12]}…, that of {base} {actual[:12]}…: put the same base there, or train again"
        )
    return base


def open_adapted(folder: Path, kind: str, max_length: int | None = None, **options: Any) -> Any:
    """The model of an adapter's folder: its base with the adapter, merged into the weights if its method can be.
    ``options`` are `SETTINGS` and those of the model's class. Raises ModelError if base and adapter don't fit,
    InputError on a setting that the method doesn't have."""
    from .. import model_class

    stated = stated_of(folder)
    if kind == "mlm":
        raise ModelError(
            f"{folder}: is a language adapter, no ranker: give it as adapters.language of a recipe, or as language="
        )
    settings = {name: options.pop(name, stated.get(name, default)) for name, default in SETTINGS.items()}
    fitting = {"bottleneck": SETTINGS, "sparse": ("language",)}.get(stated["method"], ())
    if wrong := [name for name, value in settings.items() if value != SETTINGS[name] and name not in fitting]:
        raise InputError(f"{folder}: an adapter of the method {stated['method']} has no {wrong[0]}")
    base = base_of(folder)
    with quiet():
        model = model_class(kind).from_folder(
            base, max_length=max_length or stated["max_length"], **(stated.get("options", {}) | options)
        )
    tensors = tensors_of(folder)
    encoder = model.body.base_model
    if stated["method"] == "sparse":
        languages = [sparse_of(Path(settings["language"]))] if settings["language"] else []
        apply(dict(encoder.named_parameters()), [Delta.of_tensors(tensors), *languages])
    elif stated["method"] == "bottleneck":
        stack(model, stated, tensors, settings)
    else:
        merge(model.body, folder)
    load_head(model, tensors)
    return model.eval()


def stack(model: Any, stated: Mapping[str, Any], tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
    """Insert the bottleneck adapters of a folder, and those of the languages that the settings name."""
    encoder = model.body.base_model
    for name in ("language", "query_language"):
        if settings[name]:
            insert_language(model, Path(settings[name]), name)
    route = bottleneck.insert(encoder, "task", stated["reduction"])
    bottleneck.load(encoder, "task", _part(tensors, "adapter:"))
    route.drop, route.invertible = settings["drop"], settings["invertible"]
    if settings["query_language"]:
        if not settings["language"]:
            raise InputError("query_language needs language too, that of the documents")
        if model.kind != "cross":
            raise InputError(f"query_language is for cross-encoders: a {model.kind} model reads queries apart")
        bottleneck.split(encoder, model.tokenizer.sep_token_id)
    if (head := model.body.get_output_embeddings()) is not None:
        bottleneck.undo_before(head, encoder)


def insert_language(model: Any, folder: Path, name: str = "language") -> None:
    """Insert the language adapter of a folder. Raises ModelError if it is none."""
    stated = stated_of(folder)
    if stated["method"] != "bottleneck":
        raise ModelError(f"{folder}: holds an adapter of the method {stated['method']}, not a bottleneck adapter")
    encoder = model.body.base_model
    bottleneck.insert(encoder, name, stated["reduction"], stated["coupling"])
    bottleneck.load(encoder, name, _part(tensors_of(folder), "adapter:"))


def sparse_of(folder: Path) -> Delta:
    """The sparse fine-tuning of a folder. Raises ModelError if it holds none."""
    if (method := stated_of(folder)["method"]) != "sparse":
        raise ModelError(f"{folder}: holds an adapter of the method {method}, not a sparse fine-tuning")
    return Delta.of_tensors(tensors_of(folder))


def merge(body: Any, folder: Path) -> None:
    """Merge the peft adapter of a folder into a transformers model, in place."""
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapted: Any = PeftModel.from_pretrained(body, str(folder))
        adapted.merge_and_unload()


def tensors_of(folder: Path) -> dict[str, Tensor]:
    """The tensors of a folder's adapter.safetensors; none if there is no such file."""
    from safetensors.torch import load_file

    return load_file(folder / WEIGHTS) if (folder / WEIGHTS).is_file() else {}


def load_head(model: Any, tensors: Mapping[str, Tensor]) -> None:
    """Set the weights that were trained in full."""
    own = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in _part(tensors, "head:").items():
            own[name].copy_(value)


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' warnings of a fresh head, whose weights are set afterwards."""
    from transformers import utils

    logs: Any = utils.logging
    level = logs.get_verbosity()
    logs.set_verbosity_error()
    try:
        yield
    finally:
        logs.set_verbosity(level)
