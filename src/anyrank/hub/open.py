"""Opens any model by its name, for pipelines, the command line, papers and servers alike."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Hashable
from dataclasses import replace
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import Any

from ..core.errors import InputError, MissingExtra, ModelError
from ..vectors import Encoder
from .folder import LANGUAGE_TOO, Declared, read
from .huggingface import fetch, fetch_configuration, is_hub_id
from .registry import SHIPPED, RegisteredModel, find, get, resolve, suggestion
from .truncated import Truncated, split_dim

RUNTIMES = {"onnx": "onnxruntime", "torch": "torch", "clip": "images", "hf": "torch", "llamacpp": "llamacpp"}
"""The modules of `anyrank.backends` that open a folder, and the extra of each."""
PREFIXES = {"hf": ("hf", "language"), "llamacpp": ("llamacpp", "language"), "classifier": ("hf", "cross")}
"""Prefixes of names that state a runtime and a kind."""
PROMPTED = tuple(f"promptreps-{kind}:" for kind in ("dense", "sparse", "tokens"))
"""Prefixes of names of encoders over a language model, whose own name follows."""
SERVER = "openai:"
SERVERS = ("cohere", "jina", "voyage", "mixedbread", "pinecone", "tei", "vllm", "infinity", "rerank")
"""Prefixes of names of servers that rerank; a bare http(s) address is one of "rerank"."""

FIXED = "fde:"
"""The prefix of fixed-dimensional encodings of a late-interaction model."""

_opened: dict[Hashable, Any] = {}
_lock = threading.RLock()


def open_model(name: str | Path, *, runtime: str = "", allow: Collection[str] = (), **options: Any) -> Any:
    """The model of a name, opened once per process for the same folder and options.

    A name is one of:

    - a short name of the registry ("minilm", "mini", "bge-reranker-v2-m3"; ``anyrank models list``);
    - a folder, or a ``.gguf`` file: its files say what it is (`anyrank.hub.folder.read`);
    - a hub id: "owner/name" or "owner/name@revision";
    - one of these after "hf:" (a language model by transformers), "llamacpp:" (a GGUF file by llama.cpp) or
      "classifier:" (a head over query and text, by transformers). Of a hub id so named nothing is fetched before the
      model is first used;
    - "fde:MODEL": one dense vector a text that stands for the token states of a late-interaction model
      (`anyrank.backends.fde`);
    - "promptreps-dense:MODEL", "promptreps-sparse:MODEL", "promptreps-tokens:MODEL": an encoder over a decoder-only
      language model by transformers (`anyrank.llm.promptreps`), with its settings after "#";
    - one of the first three with ":128": a dense encoder of which the first 128 numbers are kept;
    - "openai:MODEL@URL#SETTINGS": a language model of a server that speaks OpenAI's protocol;
    - "cohere:MODEL", "jina:MODEL", "voyage:MODEL", "mixedbread:MODEL", "pinecone:MODEL": a hosted reranker, with its
      key in the environment (COHERE_API_KEY, …);
    - "rerank:MODEL@URL#SETTINGS", "http://HOST:PORT", "tei:URL", "vllm:MODEL@URL", "infinity:MODEL@URL": the endpoint
      ``/rerank`` of any server (`anyrank.backends.rerank_endpoint`).

    ``runtime`` chooses "onnx", "torch", "clip", "hf" or "llamacpp" if a model has several; the default is an ONNX file
    if there is one, torch for other encoders and rerankers, transformers for language models. ``options`` go to the
    runtime (``max_length=128``).

    ``allow`` is for servers: if it isn't empty, only a name that equals one of its texts, or matches one as a shell
    pattern, is opened: ``minilm``, ``BAAI/*``, ``openai:*``, ``/srv/models/*``. A local path is resolved first, a hub
    id with or without its revision, and a short name also by its hub id. Nothing permits pickles or a repository's own
    code: they are never run.

    Ask the result by Protocol (`isinstance`): an encoder is a `vectors.Encoder`, a judge is called with groups, a
    language model has the methods of `core.language`.

    Raises ModelError if there is no such model, it can't be fetched, or can't run so; InputError for a name that
    isn't allowed or an option that isn't known; MissingExtra if a package is missing.

    >>> open_model("minilm").encode(["a small dog"]).vectors.shape
    (1, 384)
    >>> open_model("minilm", allow=["BAAI/*"])
    Traceback (most recent call last):
    anyrank.core.errors.InputError: the model 'minilm' is not allowed here: allowed are BAAI/*
    """
    if not isinstance(name, str | Path) or not str(name):
        raise InputError(f"a model is named by a text in quotes, not by {name!r}")
    name = str(name)
    if allow and not is_allowed(name, allow):
        raise InputError(f"the model {name!r} is not allowed here: allowed are {', '.join(allow)}")
    if inner := prompted_model(name):
        stated = inner.startswith(tuple(f"{prefix}:" for prefix in PREFIXES))
        language = open_model(inner, runtime=runtime or ("" if stated else "hf"), **options)
        return import_module("..llm.promptreps", __package__).of_name(name, language)
    if is_server(name):
        if runtime or options:
            unused = ", ".join([*(["runtime"] if runtime else []), *options])
            raise InputError(f"{name}: a server takes no {unused}: its settings follow its address after '#'")
        return _once(("server", name), lambda: _server(name))
    if name.startswith(FIXED):
        return _once(
            ("fde", name), lambda: import_module("..backends.fde", __package__).open_address(name[len(FIXED) :])
        )
    whole, dim = split_dim(name)
    if dim:
        encoder = open_model(whole, runtime=runtime, **options)
        if not isinstance(encoder, Encoder):
            raise InputError(f"{whole} makes no vectors, so {name} has no first {dim} numbers")
        return Truncated(encoder, dim)
    model = declare(name, runtime=runtime)
    key = (model, _stamp(model), *sorted(options.items(), key=lambda item: item[0]))
    return _once(key, lambda: _open_folder(model, options))


def declare(name: str | Path, *, runtime: str = "") -> Declared:
    """The kind, runtime and folder of a model, without opening it. Of a hub id only the configuration is fetched.
    Raises ModelError.

    >>> model = declare("mini")
    >>> model.kind, model.runtime, model.folder.name
    ('late', 'onnx', 'minilm')
    """
    name = str(name)
    prefix, colon, rest = name.partition(":")
    if colon and prefix in PREFIXES:
        stated, kind = PREFIXES[prefix]
        return _prefixed(name, rest, runtime or stated, kind)
    path = Path(name).expanduser()
    if path.exists():
        return read(path.resolve(), runtime=runtime, name=name)
    row = get(name)
    if row is not None:
        return _registered(row, runtime, SHIPPED.get(name, name))  # one name, by which vectors are stored and found
    if is_hub_id(name):
        return _on_hub(name, runtime, name)
    raise ModelError(f"no model {name!r}: {suggestion(name)}")


def is_server(name: str) -> bool:
    """True if a name is the address of a server.

    >>> [is_server(n) for n in ("cohere:rerank-v3.5", "http://127.0.0.1:8080", "openai:m", "owner/name", "hf:x")]
    [True, True, True, False, False]
    """
    return name.startswith((SERVER, "http://", "https://", *(f"{prefix}:" for prefix in SERVERS)))


def prompted_model(name: str) -> str:
    """The language model behind the name of an encoder over one; empty for other names.

    >>> prompted_model("promptreps-sparse:owner/name#expand=20"), prompted_model("owner/name")
    ('owner/name', '')
    """
    return name.partition(":")[2].partition("#")[0] if name.startswith(PROMPTED) else ""


def is_allowed(name: str, allow: Collection[str]) -> bool:
    """True if a name is among the allowed ones (see `open_model`).

    >>> is_allowed("BAAI/bge-m3@abc", ["BAAI/*"]), is_allowed("classifier:BAAI/bge-m3", ["BAAI/bge-m3"])
    (True, True)
    >>> is_allowed("models/../../etc", ["models/*"])
    False
    """
    if inner := prompted_model(name):
        return is_allowed(inner, allow)
    name, _ = split_dim(name)
    prefix, colon, rest = name.partition(":")
    if name.startswith(FIXED):
        return is_allowed(rest.partition("#")[0], allow)
    local = rest if colon and prefix in PREFIXES else name
    path = Path(local).expanduser()
    if is_server(name):
        return any(fnmatchcase(name, pattern) for pattern in allow)
    if path.exists() or local.startswith((".", "/", "~")) or ".." in path.parts:
        real = str(path.resolve())
        return any(fnmatchcase(real, str(Path(p).expanduser().absolute())) for p in allow)
    row = get(local)
    names = {name, local, local.partition("@")[0]} if local != name else {name}
    names |= {local.partition("@")[0], *([row.hub, row.hub.partition("@")[0]] if row and row.hub else [])}
    return any(fnmatchcase(n, pattern) for n in names for pattern in allow)


def _prefixed(name: str, rest: str, runtime: str, kind: str) -> Declared:
    """A model whose name states its runtime. Local models are checked at once, hub ids when first used."""
    if not rest:
        raise InputError(f"{name} names no model")
    row = get(rest)
    if not Path(rest).expanduser().exists() and (row is None or row.hub):
        hub, _, revision = (row.hub if row is not None else rest).partition("@")
        return Declared(kind, runtime, Path(rest), name=name, hub=hub, revision=revision)
    model = declare(rest)
    if model.kind in LANGUAGE_TOO and kind == "language":
        model = declare(rest, runtime=runtime)
    if model.kind != kind:
        expected = "a classifier: it has no classification head" if kind == "cross" else "a language model"
        raise ModelError(f"{model.described}, not {expected}")
    return replace(declare(rest, runtime=runtime), name=name)


def _registered(row: RegisteredModel, runtime: str, name: str) -> Declared:
    if row.hub:
        return replace(_on_hub(row.hub, runtime, name), languages=row.languages, **row.declares)
    files = find(row.base) if row.base else row
    model = read(resolve(files.name), runtime=runtime, name=name)
    kind = row.kind if row.base else model.kind
    return replace(model, kind=kind, languages=row.languages, **row.declares)


def _on_hub(hub: str, runtime: str, name: str) -> Declared:
    """The model of a hub id, by its configuration. The weights of language models are left to transformers to fetch."""
    snapshot = fetch_configuration(hub)
    model = read(snapshot.folder, runtime=runtime, files=snapshot.files, name=name)
    if model.runtime == "hf" and model.gguf is None:
        repository, _, revision = hub.partition("@")
        return replace(model, hub=repository, revision=revision)
    folder = fetch(hub, model.runtime).folder
    return read(folder, runtime=model.runtime, name=name)


def _open_folder(model: Declared, options: dict[str, Any]) -> Any:
    if model.runtime not in RUNTIMES:
        raise ModelError(f"{model.name}: no runtime {model.runtime!r}: there are {', '.join(RUNTIMES)}")
    try:
        backend = import_module(f"..backends.{model.runtime}", __package__)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == __package__.partition(".")[0]:
            raise
        raise MissingExtra(package, RUNTIMES[model.runtime]) from error
    return backend.open_folder(model, **options)


def _server(name: str) -> Any:
    if name.startswith(SERVER):
        return import_module("..backends.openai", __package__).open_address(name.removeprefix(SERVER))
    if name.startswith(("http://", "https://")):
        name = f"rerank:{name}"
    prefix, _, address = name.partition(":")
    return import_module("..backends.rerank_endpoint", __package__).open_address(prefix, address)


def _once(key: Hashable, make: Any) -> Any:
    """The result of ``make``, called once per key; called every time if the key can't be hashed."""
    try:
        hash(key)
    except TypeError:
        return make()
    with _lock:
        if key not in _opened:
            _opened[key] = make()
        return _opened[key]


def _stamp(model: Declared) -> tuple[Any, ...]:
    """Sizes and times of a local model's files, so that a model retrained in the same folder is opened again."""
    files = [model.gguf] if model.gguf else [] if model.hub else sorted(_weight_files(model.folder))
    return tuple((str(f), (state := os.stat(f)).st_size, state.st_mtime_ns) for f in files)


def _weight_files(folder: Path) -> list[Path]:
    names = ("adapter.json", "anyrank.json", "config.json", "tokenizer.json")
    return [
        p
        for pattern in ("*", "onnx/*")
        for p in folder.glob(pattern)
        if p.suffix in (".onnx", ".safetensors") or p.name in names
    ]
