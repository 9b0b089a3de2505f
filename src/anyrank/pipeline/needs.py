"""What the steps of a pipeline need (model files, packages, parts of an index), and whether it is there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..core.errors import AnyrankError, listed
from ..hub.huggingface import is_hub_id
from ..hub.open import FIXED, PREFIXES, RUNTIMES, SERVER, prompted_model
from ..hub.registry import get, suggestion
from ..hub.truncated import split_dim
from ..index.sharded import ShardedVectors
from ..store.vector_names import encode_command, model_of
from ..stores.remote import Remote

PACKAGES = {"onnx": "onnxruntime", "torch": "torch", "hf": "transformers", "llamacpp": "llama_cpp"}
"""A package of each runtime that is absent without its extra."""


@dataclass(frozen=True, slots=True)
class Need:
    """A thing that a step needs, its state in words, and whether it is there (None: not known without trying)."""

    what: str
    state: str
    there: bool | None = True

    def as_dict(self) -> dict[str, Any]:
        return {"what": self.what, "state": self.state, "there": self.there}


def of_index(index: Any, vectors: str) -> tuple[Need, ...]:
    """The need of an index's words (``vectors`` empty), or of the vectors stored under a name."""
    what = f"vectors of {model_of(vectors)} in the index" if vectors else "an index of words"
    if index is None:
        return (Need(what, "not looked for: give --index", None),)
    if isinstance(index, Remote):
        there = vectors in index.encoded if vectors else index.about.lexical
        return (Need(what, f"there: {index.path}" if there else f"missing: encode it with --to {index.path}", there),)
    if not vectors:
        there, missing = index.store.manifest.lexical, "missing: the index was built of documents without text"
        return (Need(what, "there" if there else missing, there),)
    command = encode_command(index.path, model_of(vectors))
    if vectors not in index.encoded:
        return (Need(what, f"missing: {command}", False),)
    try:
        part = index.vectors(vectors)
        lacking = len(part.missing())
    except AnyrankError as error:
        return (Need(what, str(error), False),)
    parts: Any = part.shards if isinstance(part, ShardedVectors) else [part]
    chosen = sorted({one.vector_store.meta.get("index") for one in parts} - {None})
    state = "there" + (f", searched by the index {listed(chosen)}" if chosen else "")
    needs = [Need(what, f"{state}, but {lacking:,} documents have none: {command}" if lacking else state, True)]
    if "approximate" in chosen:
        needs.append(Need("the package usearch", *_installed("usearch", "ann")))
    return tuple(needs)


def of_model(name: str, language: bool = False) -> tuple[Need, ...]:
    """The needs of a model: its files or server, and the packages of its runtime. ``language``: opened by transformers
    unless its name states another runtime, as the methods of the literature do."""
    if name.startswith(SERVER):
        return _server(name)
    if name.startswith(FIXED):
        return of_model(name[len(FIXED) :].partition("#")[0])
    if inner := prompted_model(name):
        return of_model(inner, language=True)
    name, _ = split_dim(name)
    prefix, colon, rest = name.partition(":")
    runtime = "hf" if language else ""
    if colon and prefix in PREFIXES:
        runtime, name = PREFIXES[prefix][0], rest
    return (_files(name), _package(runtime or _runtime(name)))


def _server(name: str) -> tuple[Need, ...]:
    from ..backends.openai import open_address

    try:
        server = open_address(name.removeprefix(SERVER))
    except AnyrankError as error:
        return (Need(f"the server {name}", str(error), False),)
    needs = [Need(f"the server {server.base_url}", "not asked", None)]
    if server.key_env:
        there = bool(os.environ.get(server.key_env, "").strip())
        state = "there" if there else f"missing: set {server.key_env}"
        needs.append(Need(f"the key in {server.key_env}", state, there))
    elif server.key_file:
        there = Path(server.key_file).expanduser().is_file()
        needs.append(Need(f"the key in {server.key_file}", "there" if there else "missing", there))
    return (*needs, Need("the package httpx2", *_installed("httpx2", "openai")))


def _files(name: str) -> Need:
    what, path = f"the model {name}", Path(name).expanduser()
    if path.exists():
        return Need(what, "there: a local folder", True)
    row = get(name)
    hub = row.hub if row is not None else name if is_hub_id(name) else ""
    if hub:
        there = _in_hub_cache(hub)
        return Need(what, "there: in the hub's cache" if there else f"not here: fetched from the hub ({hub})", there)
    if row is not None:
        there = row.complete
        return Need(what, f"there: {row.status}" if there else f"not here: {row.status}", there)
    return Need(what, f"unknown: {suggestion(name)}", False)


def _in_hub_cache(hub: str) -> bool:
    """Whether the hub's client has files of a repository in its cache."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub")
    return (cache / f"models--{hub.partition('@')[0].replace('/', '--')}" / "snapshots").is_dir()


def _runtime(name: str) -> str:
    """The runtime of a model as far as its name tells; of a local folder as its files say."""
    from ..hub.folder import read

    path, row = Path(name).expanduser(), get(name)
    if path.exists():
        try:
            return read(path.resolve(), name=name).runtime
        except AnyrankError:
            return "torch"
    if row is not None and row.kind == "language":
        return "hf"
    return "onnx" if row is not None and not row.hub else "torch"


def _package(runtime: str) -> Need:
    package = PACKAGES.get(runtime, runtime)
    return Need(f"the package {package}", *_installed(package, RUNTIMES.get(runtime, runtime)))


def _installed(package: str, extra: str) -> tuple[str, bool]:
    there = find_spec(package) is not None
    return ("there" if there else f"missing: pip install 'anyrank[{extra}]'"), there


def of_template() -> Need:
    """The need of a template in a YAML file."""
    return Need("the package PyYAML", *_installed("yaml", "llm"))


def of_package(package: str) -> tuple[Need, ...]:
    """The need of a package whose extra has its name."""
    return (Need(f"the package {package}", *_installed(package, package)),)
